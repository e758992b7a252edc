//! Addresses of other programs: WeChat's servers and an outbound proxy.
//!
//! Must not know: how a connection is made.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

use super::field::Field;
use super::flaw::Flaw;
use super::phrase::Wanted;
use super::secret::Secret;

/// The address of a WeChat server: `https`, or `http` on loopback; a host, maybe a port and a path, nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl {
    /// Without a slash at its end.
    pub(super) text: Box<str>,
    pub(super) uri: Uri,
}

impl BaseUrl {
    /// The address as text, without a slash at its end: append a path that begins with one.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address in parts; scheme and host are always there.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How to speak to an outbound proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyKind {
    /// `http://`: CONNECT.
    Http,
    /// `socks5://` or `socks5h://`: the proxy resolves names.
    Socks5,
}

/// An outbound proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Which protocol it speaks.
    pub kind: ProxyKind,
    /// Where it is: `http://host:port` for either kind, without the login.
    pub uri: Uri,
    /// User name and password, if it wants them.
    pub login: Option<(Secret, Secret)>,
}

impl BaseUrl {
    /// Checks an address. The error never repeats it: an address may hold a password.
    fn parse(text: &str) -> Result<Self, Flaw> {
        let text = text.trim_end_matches('/');
        let uri: Uri = text.parse().map_err(|_| Flaw::NoAddress)?;
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or(Flaw::NoAddress)?;
        if uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(Flaw::AddressWithLogin);
        }
        if uri.query().is_some() || text.contains('#') || uri.path().contains("//") {
            return Err(Flaw::AddressWithMore);
        }
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_loopback(host) => {}
            Some("http") => return Err(Flaw::AddressUnencrypted),
            _ => return Err(Flaw::NoAddress),
        }
        Ok(Self {
            text: text.into(),
            uri,
        })
    }
}

/// Whether a host is this machine, by its name or number alone.
pub(super) fn is_loopback(host: &str) -> bool {
    let number = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || number
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

impl Field<'_> {
    /// The address of a WeChat server.
    pub(super) fn base_url(&self) -> Option<BaseUrl> {
        let text = self.text(Wanted::Address {
            example: "https://api.weixin.qq.com",
        })?;
        BaseUrl::parse(&text.value)
            .map_err(|flaw| self.wrong(flaw))
            .ok()
    }

    /// An outbound proxy; an empty text is none.
    pub(super) fn proxy(&self) -> Option<Option<Proxy>> {
        let text = self.text(Wanted::Address {
            example: "http://proxy.example:3128",
        })?;
        if text.value.is_empty() {
            return Some(None);
        }
        let proxy = Proxy::parse(&text.value);
        if proxy.is_none() {
            self.wrong(Flaw::NotAProxy);
        } else if text.literal && text.value.contains('@') {
            self.doc.holds_secret();
        }
        proxy.map(Some)
    }
}

impl Proxy {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (kind, port) = match scheme {
            "http" => (ProxyKind::Http, 80),
            "socks5" | "socks5h" => (ProxyKind::Socks5, 1080),
            _ => return None,
        };
        let rest = rest.trim_end_matches('/');
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let uri: Uri = format!("http://{place}").parse().ok()?;
        let host = uri.host().filter(|host| !host.is_empty())?;
        if uri.path_and_query().is_some_and(|path| path != "/") {
            return None;
        }
        let port = uri.port_u16().unwrap_or(port);
        let login = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            Some((user, password)) => Some((unescaped(user)?, unescaped(password)?)),
            None => None,
        };
        Some(Self {
            kind,
            uri: format!("http://{host}:{port}").parse().ok()?,
            login,
        })
    }
}

/// Percent-encoding undone.
fn unescaped(text: &str) -> Option<Secret> {
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(after.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &after[2..];
    }
    std::str::from_utf8(&bytes).ok().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wechat_is_reached_by_https_and_this_machine_also_by_http() {
        for good in [
            "https://api.weixin.qq.com",
            "https://proxy.example:8443/wechat",
            "http://127.0.0.1:7202",
            "http://localhost:1",
            "http://[::1]:7202",
        ] {
            assert_eq!(BaseUrl::parse(good).unwrap().as_str(), good);
            let slashed = format!("{good}/");
            assert_eq!(BaseUrl::parse(&slashed).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "api.weixin.qq.com",
            "http://api.weixin.qq.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "ftp://127.0.0.1",
            "https://user:pw@api.weixin.qq.com",
            "https://api.weixin.qq.com?x=1",
            "https://api.weixin.qq.com#x",
            "https://",
        ] {
            assert!(BaseUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_proxy_is_read_with_its_login() {
        let proxy = Proxy::parse("socks5://us%40er:p%3Aw@[::1]").unwrap();
        assert_eq!(proxy.kind, ProxyKind::Socks5);
        assert_eq!(proxy.uri, "http://[::1]:1080");
        let (user, password) = proxy.login.unwrap();
        assert_eq!((user.expose(), password.expose()), ("us@er", "p:w"));
        assert_eq!(Proxy::parse("http://p:3128/").unwrap().uri, "http://p:3128");
        for bad in [
            "p:3128",
            "https://p:1",
            "http://",
            "http://p:1/x",
            "http://%zz@p:1",
            "socks4://p:1",
        ] {
            assert!(Proxy::parse(bad).is_none(), "{bad}");
        }
    }
}
