//! Which pages users may be sent back to, and what an app's users may be asked for.

use wxtoken_core::app::{AppId, AppType};
use wxtoken_core::user::Scope;

use crate::config::{Caller, Permission};

/// The caller that a page belongs to, byte for byte, for an app: it has the app, lists the page, and may redeem. One at most,
/// for two that list one page for one app are a mistake in the configuration.
pub(crate) fn owner<'c>(
    mut callers: impl Iterator<Item = &'c Caller>,
    app: &AppId,
    return_to: &str,
) -> Option<&'c Caller> {
    callers.find(|caller| {
        caller.allow.allows(Permission::Users)
            && caller.apps.contains(app)
            && caller.return_to.iter().any(|page| **page == *return_to)
    })
}

/// What an app of this sort asks its users for: what was said, or else the least. None where it cannot be asked for.
pub(crate) fn wants(app: AppType, said: Option<Scope>) -> Option<Scope> {
    match (app, said) {
        (AppType::Official | AppType::Test, None) => Some(Scope::Base),
        (AppType::Official | AppType::Test, Some(scope @ (Scope::Base | Scope::UserInfo))) => {
            Some(scope)
        }
        (AppType::Website, None | Some(Scope::Login)) => Some(Scope::Login),
        (AppType::Official | AppType::Test, Some(Scope::Login))
        | (AppType::Website, Some(Scope::Base | Scope::UserInfo))
        | (AppType::Mini, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{AppScope, KeyHash};

    const PAGE: &str = "https://shop.example.com/wechat/back";

    fn app() -> AppId {
        "wx0123456789abcdef".parse().unwrap()
    }

    fn caller(page: &str) -> Caller {
        let mut caller = Caller::new("shop", KeyHash::of("x"));
        caller.allow = caller.allow.with(Permission::Users);
        caller.return_to = Box::new([page.into()]);
        caller
    }

    fn is_known(page: &str) -> bool {
        owner([caller(PAGE)].iter(), &app(), page).is_some()
    }

    #[test]
    fn nothing_but_the_very_page_is_the_page() {
        assert!(is_known(PAGE));
        for trick in [
            "",
            "/",
            "//evil.example/wechat/back",
            "///evil.example",
            "https:evil.example",
            "https:/shop.example.com/wechat/back",
            "https:\\\\shop.example.com/wechat/back",
            "http://shop.example.com/wechat/back",
            "HTTPS://shop.example.com/wechat/back",
            "https://SHOP.example.com/wechat/back",
            "https://shop.example.com./wechat/back",
            "https://shop.example.com:443/wechat/back",
            "https://shop.example.com:8443/wechat/back",
            "https://evil@shop.example.com/wechat/back",
            "https://shop.example.com@evil.example/wechat/back",
            "https://shop.example.com:x@evil.example/wechat/back",
            "https://shop.example.com\\@evil.example/wechat/back",
            "https://shop.example.com%2fwechat/back",
            "https://shop.example.com%00.evil.example/wechat/back",
            "https://shop.example.com%252fwechat/back",
            "https://shop.example.com/wechat%2fback",
            "https://shop.example.com/wechat/back/",
            "https://shop.example.com/wechat//back",
            "https://shop.example.com/wechat/./back",
            "https://shop.example.com/wechat/../wechat/back",
            "https://shop.example.com/wechat/back?",
            "https://shop.example.com/wechat/back?next=https://evil.example",
            "https://shop.example.com/wechat/back#x",
            "https://shop.example.com/wechat/back\r\nLocation: https://evil.example",
            "https://shop.example.com/wechat/back ",
            " https://shop.example.com/wechat/back",
            "\thttps://shop.example.com/wechat/back",
            "https://shop.example.com.evil.example/wechat/back",
            "https://evilshop.example.com/wechat/back",
            "https://sub.shop.example.com/wechat/back",
            "https://evil.example/https://shop.example.com/wechat/back",
            "https://evil.example/?https://shop.example.com/wechat/back",
            "https://shop.example.com/wechat/bacK",
            "https://shop.example.com/wechat/bac",
            "https://shop.example.com/",
            "https://shоp.example.com/wechat/back",
            "https://shop。example.com/wechat/back",
            "https://shop.example.com／wechat/back",
            "javascript:alert(1)//https://shop.example.com/wechat/back",
            "data:text/html,https://shop.example.com/wechat/back",
            "https://shop.example.com/wechat/back\0",
        ] {
            assert!(!is_known(trick), "{trick:?}");
        }
    }

    #[test]
    fn a_page_is_its_callers_for_its_apps_alone_and_while_it_may_redeem() {
        let mut narrow = caller(PAGE);
        narrow.apps = AppScope::Some(Box::new(["wx9999999999999999".parse().unwrap()]));
        assert!(owner([narrow.clone()].iter(), &app(), PAGE).is_none());
        let both = [narrow, Caller::new("other", KeyHash::of("y")), caller(PAGE)];
        assert_eq!(&*owner(both.iter(), &app(), PAGE).unwrap().name, "shop");
        let mut without = caller(PAGE);
        without.allow = crate::config::Permissions::NONE.with(Permission::Read);
        assert!(owner([without].iter(), &app(), PAGE).is_none());
    }

    #[test]
    fn each_sort_of_app_asks_for_what_it_can() {
        use AppType::{Mini, Official, Test, Website};
        assert_eq!(wants(Official, None), Some(Scope::Base));
        assert_eq!(wants(Test, Some(Scope::UserInfo)), Some(Scope::UserInfo));
        assert_eq!(wants(Website, None), Some(Scope::Login));
        for said in Scope::ALL {
            assert_eq!(wants(Mini, Some(said)), None);
        }
        assert_eq!(wants(Mini, None), None);
        assert_eq!(wants(Official, Some(Scope::Login)), None);
        assert_eq!(wants(Website, Some(Scope::Base)), None);
    }

    proptest! {
        #[test]
        fn what_is_not_the_same_bytes_is_not_the_same_page(text in ".{0,60}", at in 0_usize..36) {
            prop_assert_eq!(is_known(&text), text == PAGE);
            let mut longer = PAGE.to_owned();
            longer.insert_str(at, &text);
            prop_assert_eq!(is_known(&longer), text.is_empty());
        }
    }
}
