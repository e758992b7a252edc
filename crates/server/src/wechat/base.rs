//! A place where WeChat's API is served: scheme, host, port and perhaps a path in front of WeChat's own.
//!
//! Must not know: which places are allowed (the configuration does), who calls them.

use std::fmt;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

use crate::config::BaseUrl;
use crate::words::InChinese;

/// Where calls go.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Base {
    scheme: Scheme,
    authority: Authority,
    /// The port is named and need not be.
    names_own_port: bool,
    /// Without a slash at its end; usually empty.
    prefix: String,
}

/// A URI that is no such place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an upstream's address needs http:// or https:// and a host; see base_url in [upstream] or [[app]]"
)]
pub struct NoBase;

impl InChinese for NoBase {
    fn in_chinese(&self) -> String {
        "微信的地址要有 http:// 或 https:// 和主机名；改正 [upstream] 或 [[app]] 里的 base_url"
            .to_owned()
    }
}

impl Base {
    /// Takes scheme, host, port and path of a URI.
    ///
    /// # Errors
    /// If it has no host, or a scheme other than http and https.
    pub fn of(uri: &Uri) -> Result<Self, NoBase> {
        let scheme = uri.scheme().ok_or(NoBase)?;
        let authority = uri.authority().ok_or(NoBase)?;
        if (*scheme != Scheme::HTTP && *scheme != Scheme::HTTPS) || authority.host().is_empty() {
            return Err(NoBase);
        }
        Ok(Self {
            names_own_port: match authority.port_u16() {
                Some(80) => *scheme == Scheme::HTTP,
                Some(443) => *scheme == Scheme::HTTPS,
                Some(_) | None => false,
            },
            scheme: scheme.clone(),
            authority: authority.clone(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// What a connection is made to.
    pub(crate) fn origin(&self) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
        Uri::from_parts(parts).unwrap_or_default()
    }

    /// The `Host` header.
    pub(crate) fn host(&self) -> &str {
        self.authority.as_str()
    }

    /// What `Host` names: without a port where that is the scheme's own.
    pub(crate) fn named(&self) -> &str {
        if self.names_own_port {
            self.authority.host()
        } else {
            self.authority.as_str()
        }
    }

    /// Whether bytes go there as they are, without TLS.
    pub(crate) fn is_bare(&self) -> bool {
        self.scheme == Scheme::HTTP
    }

    /// The path in front of WeChat's own.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl TryFrom<&BaseUrl> for Base {
    type Error = NoBase;

    fn try_from(url: &BaseUrl) -> Result<Self, NoBase> {
        Self::of(url.uri())
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_keeps_the_path_in_front_of_wechats() {
        let base = Base::of(&Uri::from_static("https://gateway.example:8443/wechat/")).unwrap();
        assert_eq!(base.to_string(), "https://gateway.example:8443/wechat");
        assert_eq!(base.prefix(), "/wechat");
        assert_eq!(base.host(), "gateway.example:8443");
        assert_eq!(base.origin().to_string(), "https://gateway.example:8443/");
    }

    #[test]
    fn a_base_needs_a_host_and_http() {
        for bad in ["/path", "api.weixin.qq.com", "ftp://api.weixin.qq.com"] {
            assert_eq!(Base::of(&Uri::from_static(bad)), Err(NoBase), "{bad}");
        }
    }
}
