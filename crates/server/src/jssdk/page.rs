//! The address of a page that is to be signed.

use std::str::FromStr;

use super::{InvalidOrigin, Origin};
use crate::words::InChinese;

/// The longest address, in bytes.
const LONGEST: usize = 2048;

/// A page's address without its fragment, otherwise byte for byte as it was given: that is what the signature is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageUrl {
    text: Box<str>,
    origin: Origin,
}

/// Why a text is not the address of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPageUrl {
    /// What it begins with is wrong.
    #[error("the url is not that of a page, as `location.href` gives it: {0}")]
    Origin(InvalidOrigin),
    /// It holds what no address does.
    #[error(
        "the url holds a blank or a control character; send `location.href` as it is, which has them escaped"
    )]
    Blank,
    /// It is too long.
    #[error("the url has more than {LONGEST} bytes without its fragment")]
    TooLong,
}

impl InChinese for InvalidPageUrl {
    fn in_chinese(&self) -> String {
        match self {
            Self::Origin(why) => format!(
                "url 不是页面的地址（即 location.href 的值）：{}",
                why.in_chinese()
            ),
            Self::Blank => {
                "url 里有空白或控制字符；原样发送 location.href，其中它们已被转义".to_owned()
            }
            Self::TooLong => format!("url 去掉 # 及其后面的部分还超过 {LONGEST} 字节"),
        }
    }
}

impl PageUrl {
    /// What is signed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where the page comes from.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl FromStr for PageUrl {
    type Err = InvalidPageUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPageUrl> {
        let text = text.split_once('#').map_or(text, |(page, _)| page);
        if text.len() > LONGEST {
            return Err(InvalidPageUrl::TooLong);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(InvalidPageUrl::Blank);
        }
        let (origin, _) = Origin::begins(text).map_err(InvalidPageUrl::Origin)?;
        Ok(Self {
            text: text.into(),
            origin,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(text: &str) -> Result<PageUrl, InvalidPageUrl> {
        text.parse()
    }

    #[test]
    fn a_page_stays_as_it_was_given_but_for_its_fragment() {
        for (given, signed) in [
            (
                "https://shop.example.com/a?b=%E5%BE%AE&c",
                "https://shop.example.com/a?b=%E5%BE%AE&c",
            ),
            (
                "https://Shop.Example.com:443/A/",
                "https://Shop.Example.com:443/A/",
            ),
            ("https://shop.example.com", "https://shop.example.com"),
            (
                "https://shop.example.com/#/cart#x",
                "https://shop.example.com/",
            ),
            ("https://shop.example.com#", "https://shop.example.com"),
            (
                "https://shop.example.com/?to=https://evil.example/@x",
                "https://shop.example.com/?to=https://evil.example/@x",
            ),
            (
                "https://shop.example.com/?q=微信",
                "https://shop.example.com/?q=微信",
            ),
        ] {
            let page = page(given).unwrap();
            assert_eq!(page.as_str(), signed);
            assert_eq!(page.origin().to_string(), "https://shop.example.com");
        }
    }

    #[test]
    fn what_is_no_page_is_refused_with_the_reason() {
        let origin = |why| InvalidPageUrl::Origin(why);
        for (bad, why) in [
            ("", origin(InvalidOrigin::Scheme)),
            ("/cart", origin(InvalidOrigin::Scheme)),
            ("#https://shop.example.com/", origin(InvalidOrigin::Scheme)),
            ("file:///etc/passwd", origin(InvalidOrigin::Scheme)),
            (
                "https://shop.example.com@evil.example/",
                origin(InvalidOrigin::Login),
            ),
            (
                "https://evil.example\\@shop.example.com/",
                origin(InvalidOrigin::Login),
            ),
            (
                "https://evil.example\\.shop.example.com/",
                origin(InvalidOrigin::Host),
            ),
            ("https://商店.example.com/", origin(InvalidOrigin::Unicode)),
            ("https://shop.example.com/\r\nx", InvalidPageUrl::Blank),
            ("https://shop.example.com/\u{85}", InvalidPageUrl::Blank),
            ("https://shop.example.com/a b", InvalidPageUrl::Blank),
            ("https://shop.example.com/\u{3000}", InvalidPageUrl::Blank),
        ] {
            assert_eq!(page(bad), Err(why), "{bad}");
            assert!(!why.in_chinese().is_empty());
        }
    }

    #[test]
    fn the_length_counts_without_the_fragment() {
        let longest = format!("https://shop.example.com/{}", "x".repeat(LONGEST - 25));
        assert_eq!(longest.len(), LONGEST);
        assert!(page(&format!("{longest}#{longest}")).is_ok());
        assert_eq!(page(&format!("{longest}x")), Err(InvalidPageUrl::TooLong));
    }

    proptest! {
        #[test]
        fn no_text_harms_and_what_is_taken_begins_with_its_origin(text in "(https?://)?.{0,60}") {
            if let Ok(page) = page(&text) {
                prop_assert!(text.starts_with(page.as_str()));
                prop_assert_eq!(Ok(page.origin().clone()), page.origin().to_string().parse());
            }
        }
    }
}
