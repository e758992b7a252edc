//! Which language a page begins with.

use http::header::ACCEPT_LANGUAGE;
use http::{HeaderMap, Request};

use super::super::super::input::Query;
use crate::words::Sentence;

/// The languages of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// 简体中文.
    Chinese,
    /// English.
    English,
}

impl Language {
    /// What `lang` says, else what the browser wants, else Chinese.
    pub(crate) fn of_request<B>(request: &Request<B>) -> Self {
        let query = Query::new(request.uri().query().unwrap_or_default());
        let named = query.get("lang");
        let named = named.as_deref().and_then(Self::of_tag);
        named.unwrap_or_else(|| Self::of_browser(request.headers()))
    }

    /// What a browser wants most of what there is.
    pub(crate) fn of_browser(headers: &HeaderMap) -> Self {
        let wanted = headers.get_all(ACCEPT_LANGUAGE).iter();
        let wanted = wanted.filter_map(|line| line.to_str().ok());
        let mut best = (Self::Chinese, 0);
        for range in wanted.flat_map(|line| line.split(',')) {
            let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
            let weight = thousandths(weight.trim());
            if let Some(language) = Self::of_tag(tag.trim())
                && weight > best.1
            {
                best = (language, weight);
            }
        }
        best.0
    }

    /// Of `zh`, `zh-CN`, `zh_CN`, `en`, `en-US` …
    pub(crate) fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("zh") {
            Some(Self::Chinese)
        } else if primary.eq_ignore_ascii_case("en") {
            Some(Self::English)
        } else {
            None
        }
    }

    /// The name in `lang` and in HTML.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English => "en",
        }
    }

    pub(super) const fn other(self) -> Self {
        match self {
            Self::Chinese => Self::English,
            Self::English => Self::Chinese,
        }
    }

    pub(super) fn of(self, sentence: &Sentence) -> &str {
        match self {
            Self::Chinese => &sentence.zh,
            Self::English => &sentence.en,
        }
    }
}

/// `q=0.8` as 800; what is none as nothing.
fn thousandths(weight: &str) -> u32 {
    let number = weight.strip_prefix("q=").unwrap_or_default();
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let part: String = format!("{part:0<3}").chars().take(3).collect();
    match (whole, part.parse::<u32>()) {
        ("0", Ok(part)) => part,
        ("1", _) => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(uri: &'static str, header: &'static str) -> Language {
        let mut request = Request::new(());
        *request.uri_mut() = http::Uri::from_static(uri);
        let wanted = HeaderValue::from_static(header);
        request.headers_mut().insert(ACCEPT_LANGUAGE, wanted);
        Language::of_request(&request)
    }

    #[test]
    fn what_the_address_says_counts_before_what_the_browser_wants() {
        assert_eq!(of("/?lang=en", "zh-CN"), Language::English);
        assert_eq!(of("/?lang=zh_CN", "en"), Language::Chinese);
        assert_eq!(of("/?lang=fr", "en"), Language::English);
    }

    #[test]
    fn of_what_the_browser_wants_the_weightiest_that_there_is() {
        assert_eq!(of("/", "en-US,en;q=0.9,zh;q=0.8"), Language::English);
        assert_eq!(of("/", "fr, en;q=0.2, zh-TW;q=0.75"), Language::Chinese);
        assert_eq!(of("/", "fr"), Language::Chinese);
        assert_eq!(of("/", "en;q=0"), Language::Chinese);
        assert_eq!(of("/", "en;q=x, ;;,"), Language::Chinese);
    }
}
