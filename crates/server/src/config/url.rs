//! Addresses of other programs: WeChat's servers and an outbound proxy.
//!
//! Must not know: how a connection is made.

use std::fmt;

use http::Uri;

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
