//! `[upstream]`: WeChat's servers, and the way to them.

use http::Uri;

use super::table::Table;
use super::url::{BaseUrl, Proxy};

/// The keys of `[upstream]`.
pub(super) const KEYS: [&str; 4] = ["base_url", "fallback_urls", "proxy", "open_url"];

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
    /// Where users' browsers are sent to consent.
    pub open_url: BaseUrl,
}

/// `api.weixin.qq.com` (通用域名).
pub(super) const WECHAT: &str = "https://api.weixin.qq.com";
/// `api2.weixin.qq.com` (通用异地容灾域名).
pub(super) const WECHAT_SECOND: &str = "https://api2.weixin.qq.com";

/// Where web OAuth begins (微信网页授权).
const OPEN: &str = "https://open.weixin.qq.com";

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
            open_url: known(OPEN),
        }
    }
}

impl Upstream {
    /// Reads and checks the section.
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut upstream = Self::default();
        table.set(&mut upstream.base_url, "base_url", |f| f.base_url());
        if upstream.base_url.as_str() != WECHAT {
            upstream.fallback_urls.clear();
        }
        if let Some(field) = table.get("fallback_urls") {
            let urls = field.items();
            upstream.fallback_urls = urls.iter().filter_map(|f| f.base_url()).collect();
        }
        table.set(&mut upstream.proxy, "proxy", |f| f.proxy());
        table.set(&mut upstream.open_url, "open_url", |f| f.base_url());
        upstream
    }
}
