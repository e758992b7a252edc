//! What a browser is told when WeChat, its answer, the app or the user stands in the way of a sign-in.

use wxtoken_simulator::{Fault, FaultScope};

use crate::harness::APP;
use crate::oauth_world::{BACK, Relay, SHOP_KEY, to};

const EXCHANGE: &str = "/sns/oauth2/access_token";
/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

impl Relay {
    /// WeChat's next exchange goes wrong like this.
    fn breaks(&self, fault: Fault) {
        let world = self.wechat.world();
        world.set_fault(FaultScope::path(EXCHANGE), fault, Some(1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_or_torn_ends_on_a_page_and_the_code_is_not_shown_again() {
    for fault in [
        Fault::LostAnswer,
        Fault::TornJson,
        Fault::CutBody,
        Fault::Html200,
        Fault::BadGateway { status: 502 },
        Fault::Busy,
    ] {
        let relay = Relay::start().await;
        let tab = relay.through_wechat(&to(BACK), "").await;
        relay.breaks(fault.clone());
        let page = relay.open(&tab.callback, &tab.cookie).await;
        page.is_page(503, "微信没有回应");
        assert_eq!(relay.exchanges(), 1, "{fault:?}");
        // Whoever loads the page again is not let at WeChat with the same code either.
        let again = relay.open(&tab.callback, &tab.cookie).await;
        again.is_page(409, "这次登录已经处理过了");
        assert_eq!(relay.exchanges(), 1, "{fault:?}");
        assert_eq!(relay.open(&page.button(), "").await.status, 302);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_wechat_cannot_be_reached_a_page_says_so_and_offers_another_try() {
    let relay = Relay::start().await;
    let tab = relay.through_wechat(&to(BACK), "").await;
    let away = format!("lanes = [\"stable\"]\nbase_url = \"{NOWHERE}\"\n");
    relay
        .reload(|text| text.replacen("lanes = [\"stable\"]\n", &away, 1))
        .await;
    let page = relay.open(&tab.callback, &tab.cookie).await;
    page.is_page(503, "微信没有回应");
    page.is_page(503, "WeChat does not answer");
    assert_eq!(relay.exchanges(), 0);
    relay.reload(|text| text).await;
    assert_eq!(relay.open(&page.button(), "").await.status, 302);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_whom_wechat_has_blocked_reads_that_it_is_about_their_account() {
    let relay = Relay::start().await;
    let tab = relay.through_wechat(&to(BACK), "").await;
    relay.breaks(Fault::Errcode { code: 40226 });
    let page = relay.open(&tab.callback, &tab.cookie).await;
    page.is_page(403, "微信限制了这个账号");
    page.is_page(403, "WeChat has restricted this account");
    // Nothing to press: another try would end in the same way.
    assert!(!page.body.contains("<a href"), "{}", page.body);
    assert_eq!(relay.exchanges(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_wechat_refuses_is_the_sites_trouble_and_no_user_is_blamed() {
    for code in [40125, 40164, 40013, 40243, 45011] {
        let relay = Relay::start().await;
        let tab = relay.through_wechat(&to(BACK), "").await;
        relay.breaks(Fault::Errcode { code });
        let page = relay.open(&tab.callback, &tab.cookie).await;
        page.is_page(502, "请告诉网站的管理员");
        page.is_page(502, "tell those who run the site");
        // What it is about is for the log.
        assert!(!page.body.contains(&code.to_string()), "{}", page.body);
        assert_eq!(relay.exchanges(), 1, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_is_deleted_before_the_code_is_redeemed_is_not_told_of() {
    let relay = Relay::start().await;
    let code = relay.sign_in().await;
    let openid = relay.wechat.world().openid(APP, "alice").unwrap();
    let line = format!("DELETE /v1/apps/{APP}/users/{openid}");
    assert_eq!(relay.call(SHOP_KEY, &line, "").await.status, 204);
    let told = relay.redeem(SHOP_KEY, &code).await;
    assert_eq!(told.status, 404, "{}", told.body);
    assert_eq!(told.json()["type"], "urn:wxtoken:problem:unknown-code");
    assert!(!told.body.contains(&openid), "{}", told.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_come_and_go_with_the_configuration_count_at_once() {
    const NEW: &str = "https://shop.example.com/new";
    let relay = Relay::start().await;
    let page_of = |page: &str| format!("/oauth/{APP}/authorize?{}", to(page));
    let (old, new) = (page_of(BACK), page_of(NEW));
    relay.open(&new, "").await.is_page(400, "没有在这里登记");
    let both = format!("\"{BACK}\", \"{NEW}\"");
    relay
        .reload(|text| text.replace(&format!("\"{BACK}\""), &both))
        .await;
    for page in [&old, &new] {
        assert_eq!(relay.open(page, "").await.status, 302);
    }
    relay.reload(|text| text.replace(BACK, NEW)).await;
    relay.open(&old, "").await.is_page(400, "没有在这里登记");
    assert_eq!(relay.open(&new, "").await.status, 302);
    // A page that changes hands while its user is away is no way back for either caller.
    let tab = relay.through_wechat(&to(NEW), "").await;
    let blog = "https://blog.example.com/back?from=wechat";
    relay.reload(|text| text.replace(blog, NEW)).await;
    let answer = relay.open(&tab.callback, &tab.cookie).await;
    answer.is_page(400, "没有在这里登记");
    assert_eq!(relay.open(&new, "").await.status, 302);
    assert_eq!(relay.exchanges(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_of_a_sign_in_is_counted_by_how_it_ended_and_strangers_make_no_series() {
    let relay = Relay::start().await;
    relay.sign_in().await;
    let tab = relay.through_wechat(&to(BACK), "").await;
    relay.breaks(Fault::Errcode { code: 40125 });
    relay.open(&tab.callback, &tab.cookie).await;
    relay.open(&tab.callback, &tab.cookie).await;
    relay.open(&tab.callback, "").await;
    let evil = format!("/oauth/{APP}/authorize?{}", to("https://evil.example/"));
    relay.open(&evil, "").await;
    for number in 0..50 {
        let unknown = format!("/oauth/wx{number}/authorize?{}", to(BACK));
        relay.open(&unknown, "").await;
        let unknown = format!("/oauth/wx{number}/callback?state=x&code=y");
        relay.open(&unknown, "").await;
    }
    let page = relay.metrics().await;
    let mut counted: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("wxtoken_oauth_total"))
        .collect();
    counted.sort_unstable();
    let of = |app: &str, outcome: &str, times: u32| {
        format!("{{appid=\"{app}\",outcome=\"{outcome}\"}} {times}")
    };
    assert_eq!(
        counted,
        [
            of("", "unknown_app", 100),
            of(APP, "app_refused", 1),
            of(APP, "authorize", 2),
            of(APP, "other_browser", 1),
            of(APP, "signed_in", 1),
            of(APP, "used", 1),
            of(APP, "wrong_return_to", 1),
        ]
    );
}
