//! `return_to` of `[[caller]]`: the pages that users come back to from the OAuth relay.
//!
//! Must not know: other callers (`cross` compares them), how the relay looks one up.

use http::Uri;

use super::caller::{Caller, Permission};
use super::field::Field;
use super::flaw::Flaw;
use super::phrase::{Cure, Wanted};
use super::table::Table;
use super::url::is_loopback;

/// No page's address is longer.
const LONGEST: usize = 1024;
/// What the relay appends: a page that has one of them itself would be told two things.
const OURS: [&str; 3] = ["code", "state", "error"];

/// The pages, each once.
pub(super) fn read(field: &Field<'_>) -> Box<[Box<str>]> {
    let mut pages: Vec<Box<str>> = Vec::new();
    for item in field.some_items(Cure::ReturnTo) {
        let Some(text) = item.text(Wanted::ReturnTo) else {
            continue;
        };
        if !is_page(&text.value) {
            item.wrong(Flaw::ReturnTo);
        } else if pages.iter().any(|page| **page == *text.value) {
            item.wrong(Flaw::ThisTwice);
        } else {
            pages.push(text.value.as_ref().into());
        }
    }
    pages.into()
}

/// A caller that may not redeem has nobody sent back to it.
pub(super) fn check_allowed(table: &Table<'_>, caller: &Caller) {
    if let Some(field) = table.get("return_to")
        && !caller.return_to.is_empty()
        && !caller.allow.allows(Permission::Users)
    {
        field.wrong(Flaw::ReturnToWithoutUsers);
    }
}

/// Whether every browser takes this for the same page, and `?code=…` or `&code=…` can be appended.
fn is_page(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}#".contains(&byte);
    if text.len() > LONGEST || !text.bytes().all(plain) {
        return false;
    }
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return false;
    };
    let host = authority.host();
    let is_safe = match scheme {
        "https" => text.starts_with("https://"),
        "http" => text.starts_with("http://") && is_loopback(host),
        _ => false,
    };
    is_safe
        && is_host(authority.as_str(), host)
        && text_goes_on(text, authority.as_str())
        && !says_ours(&uri)
}

/// A host as browsers write it, and maybe a port.
fn is_host(authority: &str, host: &str) -> bool {
    let small =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.[]:_".contains(&byte);
    let port = authority.strip_prefix(host);
    let is_port = |port: &str| {
        let digits = port.strip_prefix(':');
        digits.is_some_and(|digits| digits.parse::<u16>().is_ok_and(|port| port > 0))
    };
    !host.is_empty()
        && host.bytes().all(small)
        && port.is_some_and(|port| port.is_empty() || is_port(port))
}

/// The path is written out: `https://shop.example.com` and `https://shop.example.com/` would be two spellings of one page.
fn text_goes_on(text: &str, authority: &str) -> bool {
    let behind = text.split_once(authority).map(|(_, behind)| behind);
    behind.is_some_and(|behind| behind.starts_with('/'))
}

fn says_ours(uri: &Uri) -> bool {
    let mut pairs = uri.query().unwrap_or_default().split('&');
    pairs.any(|pair| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        // An escaped letter may stand for any.
        name.contains('%') || OURS.contains(&name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_an_address_that_has_one_meaning() {
        for good in [
            "https://shop.example.com/",
            "https://shop.example.com/wechat/back?site=1&x=%E5%BE%AE",
            "https://shop.example.com:8443/back",
            "http://127.0.0.1:8000/back",
            "http://localhost/back",
            "http://[::1]:8000/back",
        ] {
            assert!(is_page(good), "{good}");
        }
        for bad in [
            "",
            "/back",
            "//evil.example/back",
            "https://shop.example.com",
            "https://shop.example.com?x=1",
            "HTTPS://shop.example.com/",
            "https://Shop.example.com/",
            "https://shop.example.com:/",
            "https://shop.example.com:0/",
            "https://shop.example.com:99999/",
            "https://user@shop.example.com/",
            "https://user:pw@shop.example.com/",
            "https://shop.example.com/#there",
            "https://shop.example.com\\@evil.example/",
            "https://shop.example.com/a b",
            "https://shop.example.com/\r\nx",
            "https://shop.example.com/微信",
            "https://商店.example.com/",
            "https://shop.example.com/?code=1",
            "https://shop.example.com/?x=1&state=",
            "https://shop.example.com/?error",
            "https://shop.example.com/?c%6fde=1",
            "http://shop.example.com/back",
            "http://127.0.0.1.example.com/back",
            "javascript:alert(1)",
            "data:text/html,x",
            "https:///back",
            &format!("https://shop.example.com/{}", "x".repeat(1024)),
        ] {
            assert!(!is_page(bad), "{bad}");
        }
    }
}
