//! `[upstream]`: WeChat's servers, and the way to them.

use http::Uri;

use super::url::{BaseUrl, Proxy};

/// Where calls go. An app with a `base_url` of its own uses that alone, without the fallbacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Where calls go first.
    pub base_url: BaseUrl,
    /// Where they go when no byte of the request has left. By default WeChat's second host, and none if `base_url` is
    /// another than WeChat's: a test's secrets must not reach WeChat.
    pub fallback_urls: Vec<BaseUrl>,
    /// The way out, if not straight.
    pub proxy: Option<Proxy>,
}

/// `api.weixin.qq.com` (通用域名).
pub(super) const WECHAT: &str = "https://api.weixin.qq.com";
/// `api2.weixin.qq.com` (通用异地容灾域名).
pub(super) const WECHAT_SECOND: &str = "https://api2.weixin.qq.com";

fn known(url: &'static str) -> BaseUrl {
    BaseUrl {
        text: url.into(),
        uri: Uri::from_static(url),
    }
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            base_url: known(WECHAT),
            fallback_urls: vec![known(WECHAT_SECOND)],
            proxy: None,
        }
    }
}
