//! How an app meets its users: what its administrator set, and what WeChat holds against it.

use serde::{Deserialize, Serialize};

/// An app's settings about users. In JSON every one may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserSettings {
    /// The callback domains of web OAuth: bare hosts, compared exactly. `None`: any.
    pub callback_domains: Option<Vec<String>>,
    /// Whether it is bound to an open-platform account; only then it sees union ids.
    pub bound: bool,
    /// The number of the error page that every authorization ends on: 10004, 10006, 10009, 10015 …
    pub error_page: Option<u32>,
    /// Whose AppID is in the watermark of phone numbers, if not its own.
    pub phone_watermark: Option<String>,
}

impl Default for UserSettings {
    fn default() -> Self {
        Self {
            callback_domains: None,
            bound: true,
            error_page: None,
            phone_watermark: None,
        }
    }
}

impl UserSettings {
    /// Whether users may be sent back to this URL: `http` or `https`, and the host is a callback domain, whatever the port.
    pub(crate) fn may_return_to(&self, url: &str) -> bool {
        let Some(host) = host_of(url) else {
            return false;
        };
        self.callback_domains.as_ref().is_none_or(|domains| {
            domains
                .iter()
                .any(|domain| domain.eq_ignore_ascii_case(host))
        })
    }
}

fn host_of(url: &str) -> Option<&str> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host_and_port = authority.rsplit('@').next()?;
    let host = match host_and_port.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => host_and_port.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_domain_is_a_bare_host_and_matches_exactly() {
        let settings = UserSettings {
            callback_domains: Some(vec!["auth.example.com".to_owned()]),
            ..UserSettings::default()
        };
        for good in [
            "https://auth.example.com/back?a=1",
            "http://AUTH.example.com:8080",
            "https://me@auth.example.com/",
        ] {
            assert!(settings.may_return_to(good), "{good}");
        }
        for bad in [
            "https://example.com/",
            "https://a.auth.example.com/",
            "https://auth.example.com@evil.example/",
            "https://evil.example/https://auth.example.com/",
            "https://auth.example.com.evil.example/",
            "javascript://auth.example.com/",
            "https://",
        ] {
            assert!(!settings.may_return_to(bad), "{bad}");
        }
        assert!(UserSettings::default().may_return_to("http://127.0.0.1:1/"));
        assert!(!UserSettings::default().may_return_to("ftp://127.0.0.1/"));
    }
}
