//! Where a page comes from, as browsers write it: scheme, host and port.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::words::InChinese;

/// An origin. Two are equal where a browser takes them for the same: whatever the case, the usual port written or not.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    https: bool,
    /// In small letters; an IPv6 address in its one form, in brackets.
    host: Box<str>,
    port: u16,
}

/// Why a text is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    /// Neither `http` nor `https`.
    #[error("it begins with https:// or http://")]
    Scheme,
    /// User name or password.
    #[error("it holds no user name and no password: take out what stands before the @")]
    Login,
    /// Letters that browsers write in punycode.
    #[error(
        "write the host as browsers send it, in punycode: xn--… in place of letters beyond a to z"
    )]
    Unicode,
    /// No host, or one that no browser has.
    #[error(
        "its host is not one that a browser has: a DNS name, an IPv4 address, or an IPv6 address in brackets"
    )]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("its port is no number from 1 to 65535")]
    Port,
    /// A path, a query or a fragment.
    #[error("it ends with its host or port, without a path or a slash")]
    More,
}

impl InChinese for InvalidOrigin {
    fn in_chinese(&self) -> String {
        match self {
            Self::Scheme => "要以 https:// 或 http:// 开头",
            Self::Login => "不能含用户名和密码：去掉 @ 之前的部分",
            Self::Unicode => {
                "主机名要写成浏览器发送的 punycode 形式：用 xn--… 代替 a 到 z 以外的文字"
            }
            Self::Host => "主机名不是浏览器里会有的：写域名、IPv4 地址，或方括号里的 IPv6 地址",
            Self::Port => "端口不是 1 到 65535 的数字",
            Self::More => "到主机或端口为止，后面不带路径和斜杠",
        }
        .to_owned()
    }
}

impl Origin {
    /// The origin that an absolute URL begins with, and what follows it.
    pub(super) fn begins(text: &str) -> Result<(Self, &str), InvalidOrigin> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidOrigin::Scheme)?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(InvalidOrigin::Scheme),
        };
        // A browser ends the host at a backslash too; one is no letter of a host, so such a text is refused below.
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(end);
        if authority.contains('@') {
            return Err(InvalidOrigin::Login);
        }
        let (host, port) = split_port(authority)?;
        let usual = if https { 443 } else { 80 };
        let origin = Self {
            https,
            host: read_host(host)?,
            port: port.map_or(Ok(usual), read_port)?,
        };
        Ok((origin, behind))
    }

    fn usual_port(&self) -> u16 {
        if self.https { 443 } else { 80 }
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        match Self::begins(text)? {
            (origin, "") => Ok(origin),
            _ => Err(InvalidOrigin::More),
        }
    }
}

/// As browsers write it in their `Origin` header.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == self.usual_port() {
            return Ok(());
        }
        write!(f, ":{}", self.port)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), InvalidOrigin> {
    let host_end = match authority.strip_prefix('[') {
        Some(_) => authority.find(']').ok_or(InvalidOrigin::Host)? + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(host_end);
    match rest.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err(InvalidOrigin::Host),
    }
}

fn read_port(digits: &str) -> Result<u16, InvalidOrigin> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let port = digits.parse().ok().filter(|port| plain && *port > 0);
    port.ok_or(InvalidOrigin::Port)
}

fn read_host(host: &str) -> Result<Box<str>, InvalidOrigin> {
    if !host.is_ascii() {
        return Err(InvalidOrigin::Unicode);
    }
    if let Some(number) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        let number: Ipv6Addr = number.parse().map_err(|_| InvalidOrigin::Host)?;
        return Ok(format!("[{number}]").into());
    }
    let host = host.to_ascii_lowercase();
    let is_label = |label: &str| {
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(good)
    };
    // Browsers take a name that ends in a number for an IPv4 address, in many spellings; they write it in one.
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with("0x") || last.bytes().all(|b| b.is_ascii_digit());
    let good = host.len() <= 253
        && host.split('.').all(is_label)
        && (!is_number || host.parse::<Ipv4Addr>().is_ok());
    good.then(|| host.into()).ok_or(InvalidOrigin::Host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Result<Origin, InvalidOrigin> {
        text.parse()
    }

    #[test]
    fn one_origin_has_several_spellings() {
        for (spelling, usual) in [
            ("https://shop.example.com", "https://shop.example.com"),
            ("HTTPS://Shop.Example.COM:443", "https://shop.example.com"),
            ("http://shop.example.com:80", "http://shop.example.com"),
            ("http://shop.example.com:443", "http://shop.example.com:443"),
            (
                "https://xn--fiq228c.example:8443",
                "https://xn--fiq228c.example:8443",
            ),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("http://[0:0::1]:8000", "http://[::1]:8000"),
        ] {
            let read = origin(spelling).unwrap();
            assert_eq!(read.to_string(), usual);
            assert_eq!(read, origin(usual).unwrap());
        }
    }

    #[test]
    fn scheme_host_and_port_all_count() {
        let ours = origin("https://shop.example.com").unwrap();
        for other in [
            "http://shop.example.com",
            "https://shop.example.com:8443",
            "https://example.com",
            "https://www.shop.example.com",
            "https://shop.example.com.evil.example",
            "https://shop-example.com",
        ] {
            assert_ne!(origin(other).unwrap(), ours, "{other}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_refused_with_the_reason() {
        for (bad, why) in [
            ("", InvalidOrigin::Scheme),
            ("null", InvalidOrigin::Scheme),
            ("shop.example.com", InvalidOrigin::Scheme),
            ("//shop.example.com", InvalidOrigin::Scheme),
            ("ftp://shop.example.com", InvalidOrigin::Scheme),
            ("javascript://shop.example.com", InvalidOrigin::Scheme),
            (" https://shop.example.com", InvalidOrigin::Scheme),
            ("https://", InvalidOrigin::Host),
            ("https:///x", InvalidOrigin::Host),
            ("https://shop..example.com", InvalidOrigin::Host),
            ("https://shop.example.com.", InvalidOrigin::Host),
            ("https://*.example.com", InvalidOrigin::Host),
            ("https://shop%2eexample.com", InvalidOrigin::Host),
            (
                "https://shop.example.com\\.evil.example",
                InvalidOrigin::Host,
            ),
            ("https://shop.example.com\t", InvalidOrigin::Host),
            ("https://0x7f.1", InvalidOrigin::Host),
            ("https://127.1", InvalidOrigin::Host),
            ("https://[::1", InvalidOrigin::Host),
            ("https://[::1]x", InvalidOrigin::Host),
            ("https://[shop]", InvalidOrigin::Host),
            ("https://user@shop.example.com", InvalidOrigin::Login),
            (
                "https://shop.example.com@evil.example",
                InvalidOrigin::Login,
            ),
            (
                "https://shop.example.com\\@evil.example",
                InvalidOrigin::Login,
            ),
            ("https://shop.example.com:", InvalidOrigin::Port),
            ("https://shop.example.com:0", InvalidOrigin::Port),
            ("https://shop.example.com:+443", InvalidOrigin::Port),
            ("https://shop.example.com:65536", InvalidOrigin::Port),
            ("https://shop.example.com:443:1", InvalidOrigin::Port),
            ("https://shop.example.com/", InvalidOrigin::More),
            ("https://shop.example.com?x", InvalidOrigin::More),
            ("https://shop.example.com#x", InvalidOrigin::More),
            ("https://商店.example.com", InvalidOrigin::Unicode),
            ("https://shop.example。com", InvalidOrigin::Unicode),
        ] {
            assert_eq!(origin(bad), Err(why), "{bad}");
            assert!(!why.in_chinese().is_empty());
        }
    }
}
