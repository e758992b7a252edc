//! Users sign in to sites through the relay, and everything that can go wrong on the way.

use std::time::Duration;

use futures_util::future::join_all;

use crate::harness::APP;
use crate::oauth_world::{Answer, BACK, BLOG_KEY, MINI, Relay, SHOP_KEY, SITE, code_of, to};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_signs_in_and_the_site_learns_who_came() {
    let relay = Relay::start().await;
    // Every printable byte that an address may hold, some of them escaped.
    let state =
        "!$'()*+,-./0123456789:;=?@ABCXYZ_abcxyz~%20%22%23%25%26%3C%3E%5C%5E%60%7B%7C%7D%E5%BE%AE";
    let query = format!("{}&state={state}", to(BACK));
    let sent = relay
        .open(&format!("/oauth/{APP}/authorize?{query}"), "")
        .await;
    assert!(
        sent.location()
            .contains("&response_type=code&scope=snsapi_base&state=")
    );
    let kept = sent.header("set-cookie").unwrap();
    assert!(
        kept.starts_with("__Host-wxtoken-") && kept.ends_with("; HttpOnly; SameSite=Lax; Secure")
    );
    let tab = relay.through_wechat(&query, "").await;
    let answer = relay.open(&tab.callback, &tab.cookie).await;
    let code = code_of(answer.location());
    assert_eq!(
        answer.location(),
        format!("{BACK}?code={code}&state={state}")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert!(code.len() == 64 && code.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!(relay.redeem(BLOG_KEY, &code).await.status, 404);
    let user = relay.redeem(SHOP_KEY, &code).await;
    assert_eq!(user.status, 200, "{}", user.body);
    let openid = relay.wechat.world().openid(APP, "alice").unwrap();
    let user = user.json();
    assert_eq!(
        (&user["appid"], &user["openid"]),
        (&APP.into(), &openid.into())
    );
    assert_eq!(
        (&user["scope"], &user["snapshot_user"]),
        (&"snsapi_base".into(), &false.into())
    );
    assert_eq!(user["granted_at"], 1_795_000_000);
    let again = relay.redeem(SHOP_KEY, &code).await;
    assert_eq!(again.json()["type"], "urn:wxtoken:problem:unknown-code");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_often_a_browser_comes_back_a_code_is_exchanged_once() {
    let relay = Relay::start().await;
    let tab = relay.through_wechat(&to(BACK), "").await;
    // A look whether there is a page spends nothing.
    assert_eq!(
        relay
            .public("HEAD", &tab.callback, &tab.cookie)
            .await
            .status,
        404
    );
    let returns = (0..50).map(|_| relay.open(&tab.callback, &tab.cookie));
    let answers: Vec<Answer> = join_all(returns).await;
    let (sent, told): (Vec<Answer>, _) = answers.into_iter().partition(|one| one.status == 302);
    assert_eq!((sent.len(), told.len()), (1, 49));
    for page in &told {
        page.is_page(409, "这次登录已经处理过了");
    }
    let code = tab.callback.split_once("code=").unwrap().1;
    let code = code.split('&').next().unwrap();
    assert_eq!(relay.wechat.world().code_uses(code).shown, 1);
    // The button goes on from the beginning, with what the site sent.
    let next = told[0].button();
    assert_eq!(relay.open(&next, &tab.cookie).await.status, 302);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tabs_sign_in_side_by_side_and_neither_in_the_others_place() {
    let relay = Relay::start().await;
    let one = relay
        .through_wechat(&format!("{}&state=1", to(BACK)), "")
        .await;
    let page = to("https://blog.example.com/back?from=wechat");
    let two = relay.through_wechat(&format!("{page}&state=2"), "").await;
    relay
        .open(&one.callback, "")
        .await
        .is_page(400, "同一个浏览器");
    relay
        .open(&one.callback, &two.cookie)
        .await
        .is_page(400, "同一个浏览器");
    let name = one.cookie.split_once('=').unwrap().0;
    let swapped = format!("{name}={}", two.cookie.split_once('=').unwrap().1);
    relay
        .open(&one.callback, &swapped)
        .await
        .is_page(400, "同一个浏览器");
    let both = format!("{}; {}", one.cookie, two.cookie);
    let back = relay.open(&one.callback, &both).await;
    assert!(back.location().starts_with(BACK) && back.location().ends_with("&state=1"));
    let back = relay.open(&two.callback, &both).await;
    assert!(
        back.location()
            .starts_with("https://blog.example.com/back?from=wechat&code=")
    );
    assert_eq!(
        relay
            .redeem(SHOP_KEY, &code_of(back.location()))
            .await
            .status,
        404
    );
    assert_eq!(
        relay
            .redeem(BLOG_KEY, &code_of(back.location()))
            .await
            .status,
        200
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_is_forged_old_or_another_apps_leads_to_no_site() {
    let relay = Relay::start().await;
    let tab = relay.through_wechat(&to(BACK), "").await;
    let (before, state) = tab.callback.split_once("state=").unwrap();
    let mut forged = state.to_owned();
    forged.replace_range(10..11, if &state[10..11] == "0" { "1" } else { "0" });
    for bad in [&forged, "", "x", &state.to_uppercase(), &state[1..]] {
        let page = relay
            .open(&format!("{before}state={bad}"), &tab.cookie)
            .await;
        page.is_page(400, "这个链接无法登录");
    }
    let elsewhere = tab.callback.replace(APP, SITE);
    relay
        .open(&elsewhere, &tab.cookie)
        .await
        .is_page(400, "这个链接无法登录");
    let twice = format!("{}&state={state}", tab.callback);
    relay
        .open(&twice, &tab.cookie)
        .await
        .is_page(400, "登录链接不对");
    let twice = format!("{}&code=evil", tab.callback);
    relay
        .open(&twice, &tab.cookie)
        .await
        .is_page(400, "登录链接不对");
    relay.pass(Duration::from_secs(600));
    let late = relay.open(&tab.callback, &tab.cookie).await;
    late.is_page(400, "登录超时");
    assert_eq!(relay.open(&late.button(), "").await.status, 302);
    relay.open(&tab.callback, "").await.is_page(400, "登录超时");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_sent_to_a_page_that_no_caller_lists() {
    let relay = Relay::start().await;
    let open = async |query: &str| {
        relay
            .open(&format!("/oauth/{APP}/authorize?{query}"), "")
            .await
    };
    for trick in [
        "",
        "//evil.example",
        "https://evil.example/back",
        "https://shop.example.com/back/",
        "https://shop.example.com/back?next=//evil.example",
        "https://shop.example.com@evil.example/back",
        "https://shop.example.com\\@evil.example/back",
        "https://shop.example.com%2fback",
        "https://SHOP.example.com/back",
        "https://shop.example.com./back",
        "https://shop.example.com:443/back",
        "https://shop.example.com/back\r\nLocation: https://evil.example",
        "https://shop.example.com/back#x",
    ] {
        open(&to(trick)).await.is_page(400, "没有在这里登记");
    }
    let twice = format!("{}&{}", to(BACK), to("https://evil.example/"));
    open(&twice).await.is_page(400, "写了两次");
    let twice = format!("{}&state=a&st%61te=b", to(BACK));
    open(&twice).await.is_page(400, "写了两次");
    let long = format!("{}&state={}", to(BACK), "x".repeat(1025));
    open(&long).await.is_page(400, "登录链接太长");
    open(&format!("{}&scope=snsapi_login", to(BACK)))
        .await
        .is_page(400, "不能这样登录");
    open(&format!("{}&scope=all", to(BACK)))
        .await
        .is_page(400, "不能这样登录");
    let mini = format!("/oauth/{MINI}/authorize?{}", to(BACK));
    relay.open(&mini, "").await.is_page(400, "不能这样登录");
    let unknown = format!("/oauth/wx0/authorize?{}", to(BACK));
    relay.open(&unknown, "").await.is_page(404, "没有这个应用");
    let site = format!("/oauth/{SITE}/authorize?{}", to(BACK));
    let sent = relay.open(&site, "").await;
    assert!(
        sent.location().contains("/connect/qrconnect?appid=")
            && sent.location().contains("scope=snsapi_login")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_is_removed_meanwhile_gets_nobody_back() {
    let relay = Relay::start().await;
    let tab = relay.through_wechat(&to(BACK), "").await;
    let code = relay.sign_in().await;
    relay.remove_shop().await;
    relay
        .open(&tab.callback, &tab.cookie)
        .await
        .is_page(400, "没有在这里登记");
    assert_eq!(relay.redeem(SHOP_KEY, &code).await.status, 401);
    assert_eq!(relay.redeem(BLOG_KEY, &code).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_redeemed_within_a_minute_and_once_however_many_try() {
    let relay = Relay::start().await;
    let code = relay.sign_in().await;
    let tries = join_all((0..20).map(|_| relay.redeem(SHOP_KEY, &code))).await;
    assert_eq!(tries.iter().filter(|one| one.status == 200).count(), 1);
    let code = relay.sign_in().await;
    relay.pass(Duration::from_secs(60));
    assert_eq!(relay.redeem(SHOP_KEY, &code).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_refuses_and_whose_code_was_spent_is_told_what_to_do() {
    let relay = Relay::start().await;
    let tab = relay
        .through_wechat(&format!("{}&state=s&lang=en", to(BACK)), "")
        .await;
    let (path, query) = tab.callback.split_once('?').unwrap();
    let state = query
        .split('&')
        .find(|pair| pair.starts_with("state="))
        .unwrap();
    let refused = relay.open(&format!("{path}?{state}"), &tab.cookie).await;
    refused.is_page(200, "You did not agree");
    assert!(refused.body.contains("<html lang=\"en\">"));
    assert!(
        refused
            .body
            .contains(&format!("{BACK}?error=access_denied&amp;state=s"))
    );
    assert!(refused.button().contains("&state=s&lang=en"));
    let spent = relay
        .open(&format!("{path}?code=nonsense&{state}"), &tab.cookie)
        .await;
    spent.is_page(400, "no longer good");
    assert!(!spent.body.contains("nonsense"));
    // That used up the state, too.
    relay
        .open(&tab.callback, &tab.cookie)
        .await
        .is_page(409, "Continue");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_made_up_user_of_a_snapshot_page_is_sent_on_only_when_that_is_accepted() {
    let relay = Relay::start().await;
    let tab = relay.through_wechat(&to(BACK), "&forceSnapShot=1").await;
    let page = relay.open(&tab.callback, &tab.cookie).await;
    page.is_page(200, "快照页");
    assert!(page.body.contains("&amp;snapshot=accept"));
    let accepting = format!("{}&snapshot=accept", to(BACK));
    let tab = relay.through_wechat(&accepting, "&forceSnapShot=1").await;
    let answer = relay.open(&tab.callback, &tab.cookie).await;
    let user = relay.redeem(SHOP_KEY, &code_of(answer.location())).await;
    assert_eq!(user.json()["snapshot_user"], true);
}
