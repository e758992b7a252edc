//! Where a running server is: an `http`, `https` or `unix` URL, parsed once.

use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;
use wxtoken_server::words::InChinese;

/// A server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// `http://host:port` or `https://host:port`.
    Net {
        /// Whether TLS is spoken.
        tls: bool,
        /// Name or address, without brackets.
        host: String,
        /// The port; 80 or 443 if the URL names none.
        port: u16,
    },
    /// `unix:/run/wxtoken/api.sock`.
    Socket(PathBuf),
}

/// Why a text is not a server's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidTarget {
    /// Not a URL of one of the three schemes.
    #[error("write http://HOST:PORT, https://HOST:PORT or unix:/PATH/OF/SOCKET")]
    Form,
    /// `https://name:secret@host`.
    #[error("a URL must not hold a password; the key goes into its own variable")]
    Password,
    /// `https://host/path?query`.
    #[error("leave out what follows the port; only scheme, host and port are used")]
    Path,
    /// A socket's path that depends on the folder one happens to be in.
    #[error("the socket's path must be absolute: unix:/PATH/OF/SOCKET")]
    RelativeSocket,
}

impl InChinese for InvalidTarget {
    fn in_chinese(&self) -> String {
        match self {
            Self::Form => "写 http://主机:端口、https://主机:端口 或 unix:/SOCKET/路径",
            Self::Password => "地址里不能有密码；密钥放在它自己的变量里",
            Self::Path => "去掉端口后面的部分；只用协议、主机和端口",
            Self::RelativeSocket => "socket 的路径必须是绝对路径：unix:/SOCKET/路径",
        }
        .to_owned()
    }
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        if let Some(path) = text.strip_prefix("unix:") {
            // unix:///run/x.sock is accepted as unix:/run/x.sock is.
            let path = path.strip_prefix("//").unwrap_or(path);
            if !path.starts_with('/') {
                return Err(InvalidTarget::RelativeSocket);
            }
            return Ok(Self::Socket(PathBuf::from(path)));
        }
        let uri: Uri = text.parse().map_err(|_| InvalidTarget::Form)?;
        let authority = uri.authority().ok_or(InvalidTarget::Form)?;
        if authority.as_str().contains('@') {
            return Err(InvalidTarget::Password);
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(InvalidTarget::Path);
        }
        Self::of_uri(&uri).ok_or(InvalidTarget::Form)
    }
}

impl Target {
    /// The host and port of a URL, whatever its path; none if its scheme is neither `http` nor `https`.
    pub(crate) fn of_uri(uri: &Uri) -> Option<Self> {
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        (!host.is_empty()).then_some(Self::Net { tls, host, port })
    }

    /// Whether what is sent there could be read on the way.
    pub(crate) fn is_readable_on_the_way(&self) -> bool {
        match self {
            Self::Net {
                tls: false, host, ..
            } => {
                host != "localhost"
                    && !host
                        .parse::<std::net::IpAddr>()
                        .is_ok_and(|address| address.is_loopback())
            }
            Self::Net { tls: true, .. } | Self::Socket(_) => false,
        }
    }

    /// The `Host` header.
    pub(crate) fn host_header(&self) -> String {
        match self {
            Self::Net { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Net { host, port, .. } => format!("{host}:{port}"),
            Self::Socket(_) => "localhost".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_schemes_are_understood() {
        assert_eq!(
            "http://127.0.0.1:7200".parse(),
            Ok(Target::Net {
                tls: false,
                host: "127.0.0.1".into(),
                port: 7200
            })
        );
        assert_eq!(
            "https://[::1]/".parse(),
            Ok(Target::Net {
                tls: true,
                host: "::1".into(),
                port: 443
            })
        );
        for socket in ["unix:/run/wx.sock", "unix:///run/wx.sock"] {
            assert_eq!(socket.parse(), Ok(Target::Socket("/run/wx.sock".into())));
        }
    }

    #[test]
    fn other_texts_are_refused_with_what_to_write() {
        let why = |text: &str| text.parse::<Target>().unwrap_err();
        assert_eq!(why("127.0.0.1:7200"), InvalidTarget::Form);
        assert_eq!(why("ftp://x"), InvalidTarget::Form);
        assert_eq!(why("http://:80"), InvalidTarget::Form);
        assert_eq!(why("https://a:b@x"), InvalidTarget::Password);
        assert_eq!(why("https://x/v1"), InvalidTarget::Path);
        assert_eq!(why("unix:wx.sock"), InvalidTarget::RelativeSocket);
    }

    #[test]
    fn only_plain_http_to_another_machine_can_be_read_on_the_way() {
        let readable = |text: &str| text.parse::<Target>().unwrap().is_readable_on_the_way();
        assert!(readable("http://10.0.0.1:7200"));
        assert!(!readable("http://127.0.0.1:7200"));
        assert!(!readable("http://localhost:7200"));
        assert!(!readable("http://[::1]:7200"));
        assert!(!readable("https://10.0.0.1:7200"));
        assert!(!readable("unix:/run/wx.sock"));
    }
}
