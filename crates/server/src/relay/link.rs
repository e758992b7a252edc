//! The addresses that browsers are sent to: WeChat's page, and back to the site. Pure.

use wxtoken_core::app::AppId;
use wxtoken_core::user::Scope;

use crate::byte_set::ByteSet;

/// What the site's own state may have at most, as it goes back.
const LONGEST_STATE: usize = 1024;
/// What may stand in a query's value as it is.
const IN_VALUE: ByteSet = ByteSet::alphanumeric_and(b"-._~!$'()*+,;=:@/?%");
const UNRESERVED: ByteSet = ByteSet::alphanumeric_and(b"-._~");

/// The site's own state, as it stood in the address: it goes back letter for letter, whatever it is an escape of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SiteState(pub(crate) String);

impl SiteState {
    /// Takes it over; none if it is too long. What must not stand in an address is escaped.
    pub(crate) fn read(raw: &str) -> Option<Self> {
        // What is escaped grows, and must be taken over again when a page leads back to `authorize`.
        let state = (raw.len() <= LONGEST_STATE).then(|| escaped(raw, &IN_VALUE));
        state.filter(|state| state.len() <= LONGEST_STATE).map(Self)
    }
}

/// A text as a parameter's value.
pub(crate) fn escape(text: &str) -> String {
    escaped(text, &UNRESERVED)
}

fn escaped(text: &str, as_they_are: &ByteSet) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if as_they_are.has(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// WeChat's page, with its parameters in the order that WeChat demands.
pub(crate) fn authorize_url(
    open_url: &str,
    app: &AppId,
    callback: &str,
    scope: Scope,
    state: &str,
) -> String {
    let page = match scope {
        Scope::Base | Scope::UserInfo => "/connect/oauth2/authorize",
        Scope::Login => "/connect/qrconnect",
    };
    let callback = escape(callback);
    format!(
        "{open_url}{page}?appid={app}&redirect_uri={callback}&response_type=code&scope={scope}&state={state}#wechat_redirect"
    )
}

/// Back to the site, with this parameter and its own state.
pub(crate) fn site_url(return_to: &str, name: &str, value: &str, state: Option<&str>) -> String {
    let before = match return_to.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let state = state.map_or_else(String::new, |state| format!("&state={state}"));
    format!("{return_to}{before}{name}={value}{state}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wechats_page_is_asked_for_in_wechats_order() {
        let app = "wx0123456789abcdef".parse().unwrap();
        let url = authorize_url(
            "https://open.weixin.qq.com",
            &app,
            "https://wx.example.com/oauth/wx0123456789abcdef/callback",
            Scope::UserInfo,
            "abc",
        );
        assert_eq!(
            url,
            "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx0123456789abcdef\
             &redirect_uri=https%3A%2F%2Fwx.example.com%2Foauth%2Fwx0123456789abcdef%2Fcallback\
             &response_type=code&scope=snsapi_userinfo&state=abc#wechat_redirect"
        );
        let url = authorize_url("https://o", &app, "https://x/", Scope::Login, "s");
        assert!(
            url.starts_with("https://o/connect/qrconnect?appid="),
            "{url}"
        );
    }

    #[test]
    fn a_site_is_told_behind_what_its_page_has_already() {
        for (page, expected) in [
            ("https://s/b", "https://s/b?code=c&state=x"),
            ("https://s/b?", "https://s/b?code=c&state=x"),
            ("https://s/b?a=1", "https://s/b?a=1&code=c&state=x"),
            ("https://s/b?a=1&", "https://s/b?a=1&code=c&state=x"),
        ] {
            assert_eq!(site_url(page, "code", "c", Some("x")), expected);
        }
        assert_eq!(
            site_url("https://s/b", "code", "c", None),
            "https://s/b?code=c"
        );
    }

    #[test]
    fn a_state_of_every_printable_letter_stays_as_it_was() {
        let raw = "ABC-._~!$'()*+,;=:@/?%25%zz%";
        assert_eq!(SiteState::read(raw).unwrap().0, raw);
        assert_eq!(
            SiteState::read("a\"<>`{|}\\^é").unwrap().0,
            "a%22%3C%3E%60%7B%7C%7D%5C%5E%C3%A9"
        );
        assert!(SiteState::read(&"x".repeat(1024)).is_some());
        assert!(SiteState::read(&"x".repeat(1025)).is_none());
        let long = SiteState::read(&"{".repeat(341)).unwrap().0;
        assert!(SiteState::read(&long).is_some_and(|again| again.0 == long));
        assert!(SiteState::read(&"{".repeat(342)).is_none());
    }

    proptest! {
        #[test]
        fn no_state_ends_the_parameter_or_the_header(raw in ".{0,200}") {
            if let Some(SiteState(kept)) = SiteState::read(&raw) {
                prop_assert!(kept.bytes().all(|b| b.is_ascii_graphic() && b != b'&' && b != b'#'));
            }
        }

        #[test]
        fn what_was_escaped_comes_back(text in ".{0,80}") {
            let escaped = escape(&text);
            prop_assert_eq!(crate::http::input::decode(&escaped).unwrap(), text);
        }
    }
}
