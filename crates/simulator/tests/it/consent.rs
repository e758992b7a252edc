//! The pages that a browser sees, and what a site gets back.

use serde_json::{Value, json};
use wxtoken_simulator::{AppKind, AppSpec, ConsentRefusal, Rules, Upstream};

use crate::{
    client::{APPID, MINI, Reply, SECRET, get, parse, raw, send, upstream},
    features::exchange,
};

const TO: &str =
    "redirect_uri=https%3A%2F%2Fshop.example%2Fback%3Fa%3D1%23end&response_type=code&state=s1";

fn authorize(more: &str) -> String {
    format!("/connect/oauth2/authorize?appid={APPID}&{TO}&{more}")
}

/// Where a button leads.
fn button(page: &Reply, id: &str) -> String {
    let text = page.text();
    let (_, link) = text
        .split_once(&format!("id=\"{id}\" href=\""))
        .unwrap_or_else(|| panic!("no {id}: {text}"));
    link.split('"').next().unwrap().replace("&amp;", "&")
}

fn location(reply: &Reply) -> &str {
    assert_eq!(reply.status, 302, "{}", reply.text());
    reply.header("location").unwrap()
}

fn code(reply: &Reply) -> String {
    let (_, code) = location(reply).split_once("code=").unwrap();
    code.split(['&', '#']).next().unwrap().to_owned()
}

async fn granted(up: &Upstream, reply: &Reply) -> Value {
    exchange(up, &code(reply)).await
}

async fn get_as(up: &Upstream, target: &str, cookie: &str) -> Reply {
    let head = format!(
        "GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncookie: a=b; {cookie}\r\n\r\n"
    );
    parse(&raw(up, head.as_bytes()).await)
}

#[tokio::test]
async fn the_base_scope_leads_back_at_once_between_the_sites_query_and_its_fragment() {
    let up = upstream(Rules::default()).await;
    let silent = authorize("scope=snsapi_base").replace("state=s1", "state=s%201");
    let reply = get(&up, &silent).await;
    let code = location(&reply)
        .strip_prefix("https://shop.example/back?a=1&code=")
        .and_then(|rest| rest.strip_suffix("&state=s%201#end"))
        .unwrap();
    let granted = exchange(&up, code).await;
    assert_eq!(granted["scope"], "snsapi_base");
    assert_eq!(up.world().code_uses(code).redeemed, 1);
    assert_eq!(exchange(&up, code).await["errcode"], 40163);
    assert_eq!(up.world().code_uses(code).shown, 2);
    let bare = format!(
        "/connect/oauth2/authorize?appid={APPID}&redirect_uri=http://127.0.0.1:9&scope=snsapi_base"
    );
    let reply = get(&up, &bare).await;
    assert!(location(&reply).starts_with("http://127.0.0.1:9?code="));
    assert!(!location(&reply).contains("state"));
}

#[tokio::test]
async fn consent_is_asked_for_and_each_press_of_the_button_gives_another_code() {
    let up = upstream(Rules::default()).await;
    let page = get(&up, &authorize("scope=snsapi_userinfo&user=dave")).await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    for part in [
        "width=device-width",
        ">允许 Allow</a>",
        ">拒绝 Deny</a>",
        APPID,
    ] {
        assert!(page.text().contains(part), "{part}");
    }
    let allow = button(&page, "allow");
    let (first, second) = (get(&up, &allow).await, get(&up, &allow).await);
    assert_ne!(code(&first), code(&second));
    assert!(location(&first).starts_with("https://shop.example/back?a=1&code="));
    assert!(location(&first).ends_with("&state=s1#end"));
    let granted = granted(&up, &first).await;
    assert_eq!(granted["scope"], "snsapi_userinfo");
    assert_eq!(
        granted["openid"],
        json!(up.world().openid(APPID, "dave").unwrap())
    );
}

#[tokio::test]
async fn who_refuses_stays_with_wechat_or_comes_back_with_the_state_alone() {
    let up = upstream(Rules::default()).await;
    let page = get(&up, &authorize("scope=snsapi_userinfo")).await;
    let deny = button(&page, "deny");
    let stays = get(&up, &deny).await;
    assert_eq!(stays.status, 200);
    assert!(stays.text().contains("拒绝") && stays.header("location").is_none());
    up.world()
        .change_rules(|rules| rules.readings.consent_refusal = ConsentRefusal::Redirect);
    assert_eq!(
        location(&get(&up, &deny).await),
        "https://shop.example/back?a=1&state=s1#end"
    );
}

#[tokio::test]
async fn followers_from_the_menu_are_not_asked_and_a_popup_is_shown_where_it_is_wanted() {
    let up = upstream(Rules::default()).await;
    let from_menu = |who: &str| authorize(&format!("scope=snsapi_userinfo&entry=menu&user={who}"));
    let silent = get(&up, &from_menu("alice")).await;
    assert_eq!(granted(&up, &silent).await["scope"], "snsapi_userinfo");
    assert_eq!(get(&up, &from_menu("dave")).await.status, 200);
    let popup = get(&up, &authorize("scope=snsapi_base&forcePopup=true")).await;
    assert_eq!(popup.status, 200);
    let allowed = get(&up, &button(&popup, "allow")).await;
    assert_eq!(granted(&up, &allowed).await["scope"], "snsapi_base");
    let both = format!("{}&forcePopup=true", from_menu("alice"));
    assert_eq!(get(&up, &both).await.status, 302);
}

#[tokio::test]
async fn a_snapshot_page_gives_a_user_who_is_nobody() {
    let up = upstream(Rules::default()).await;
    let wanted = authorize("scope=snsapi_userinfo&forceSnapShot=1&user=bob");
    let granted = granted(&up, &get(&up, &wanted).await).await;
    assert_eq!(granted["is_snapshotuser"], 1);
    assert_ne!(
        granted["openid"],
        json!(up.world().openid(APPID, "bob").unwrap())
    );
    let url = format!(
        "/sns/userinfo?access_token={}&openid={}&lang=zh_CN",
        granted["access_token"].as_str().unwrap(),
        granted["openid"].as_str().unwrap()
    );
    let info = get(&up, &url).await.json();
    assert_eq!(info["nickname"], "微信用户");
    let real = get(&up, &authorize("scope=snsapi_base&user=bob")).await;
    assert!(self::granted(&up, &real).await["is_snapshotuser"].is_null());
}

#[tokio::test]
async fn a_browser_says_once_who_it_is() {
    let up = upstream(Rules::default()).await;
    let login = get(&up, "/_sim/login?user=%E9%B2%8D%E5%8B%83").await;
    let cookie = login.header("set-cookie").unwrap();
    let cookie = cookie.split(';').next().unwrap();
    assert!(
        get_as(&up, "/_sim/login", cookie)
            .await
            .text()
            .contains("鲍勃")
    );
    let openid = |who: &str| json!(up.world().openid(APPID, who).unwrap());
    let silent = authorize("scope=snsapi_base");
    let as_bob = get_as(&up, &silent, cookie).await;
    assert_eq!(granted(&up, &as_bob).await["openid"], openid("鲍勃"));
    let as_carol = get_as(&up, &format!("{silent}&user=carol"), cookie).await;
    assert_eq!(granted(&up, &as_carol).await["openid"], openid("carol"));
    let as_nobody = get_as(&up, &silent, "wxsim_user=").await;
    assert_eq!(granted(&up, &as_nobody).await["openid"], openid("alice"));
}

#[tokio::test]
async fn a_name_of_html_stays_text_on_the_page() {
    let up = upstream(Rules::default()).await;
    up.world().change_profile("dave", |dave| {
        dave.nickname = "<script>'\"&</script>\u{1F600}".to_owned();
    });
    let page = get(&up, &authorize("scope=snsapi_userinfo&user=dave&x=%22%3E'")).await;
    assert!(!page.text().contains("<script>") && !page.text().contains("%3E'"));
    assert!(
        page.text()
            .contains("&lt;script&gt;&#39;&quot;&amp;&lt;/script&gt;😀")
    );
}

#[tokio::test]
async fn a_wrong_wish_ends_on_a_page_with_wechats_number() {
    let up = upstream(Rules::default()).await;
    up.world()
        .add_app(AppSpec::new("wxsite", SECRET, AppKind::Website))
        .unwrap();
    up.world()
        .add_app(AppSpec::new("wxtest", SECRET, AppKind::Test))
        .unwrap();
    for (query, number) in [
        ("scope=snsapi_base", "10012"),
        (&format!("appid={APPID}&scope=snsapi_base"), "10011"),
        (&format!("appid={APPID}&{TO}"), "10010"),
        (&format!("appid={APPID}&{TO}&scope=snsapi_login"), "10005"),
        (&format!("appid={MINI}&{TO}&scope=snsapi_base"), "10005"),
        (&format!("appid=wxsite&{TO}&scope=snsapi_userinfo"), "10005"),
        (&format!("appid=wxnobody&{TO}&scope=snsapi_base"), "10016"),
        (
            &format!("appid=wxtest&{TO}&scope=snsapi_base&user=dave"),
            "10006",
        ),
        (
            &format!("appid={APPID}&redirect_uri=javascript:alert(1)&scope=snsapi_base"),
            "10003",
        ),
    ] {
        let page = get(&up, &format!("/connect/oauth2/authorize?{query}")).await;
        assert!(page.text().contains(number), "{query}: {}", page.text());
    }
    let follower = format!("/connect/oauth2/authorize?appid=wxtest&{TO}&scope=snsapi_base");
    assert_eq!(get(&up, &follower).await.status, 302);
}

#[tokio::test]
async fn the_administrator_sets_where_users_may_be_sent_back_to() {
    let up = upstream(Rules::default()).await;
    let url = format!("/_sim/apps/{APPID}");
    let change = |users: Value| json!({"users": users}).to_string();
    let silent = authorize("scope=snsapi_base");
    for (domain, status) in [
        ("shop.example", 302),
        ("example", 200),
        ("a.shop.example", 200),
    ] {
        let body = change(json!({"callback_domains": [domain]}));
        send(&up, "PUT", &url, body.as_bytes()).await;
        let reply = get(&up, &silent).await;
        assert_eq!(reply.status, status, "{domain}");
        assert_eq!(reply.text().contains("10003"), status == 200);
    }
    let shown = get(&up, &url).await.json();
    assert_eq!(
        shown["users"]["callback_domains"],
        json!(["a.shop.example"])
    );
    let body = change(json!({"error_page": 10009}));
    send(&up, "PUT", &url, body.as_bytes()).await;
    assert!(get(&up, &silent).await.text().contains("10009"));
    let body = change(json!({"error_pages": 10009}));
    let refused = send(&up, "PUT", &url, body.as_bytes()).await;
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn a_website_shows_a_page_to_scan() {
    let up = upstream(Rules::default()).await;
    up.world()
        .add_app(AppSpec::new("wxsite", SECRET, AppKind::Website))
        .unwrap();
    let scan = |appid: &str| {
        format!(
            "/connect/qrconnect?appid={appid}&redirect_uri=https://a.example/&response_type=code&scope=snsapi_login&state=x"
        )
    };
    let page = get(&up, &scan("wxsite")).await;
    let allowed = get(&up, &button(&page, "allow")).await;
    assert!(location(&allowed).starts_with("https://a.example/?code="));
    let url = format!(
        "/sns/oauth2/access_token?appid=wxsite&secret={SECRET}&code={}&grant_type=authorization_code",
        code(&allowed)
    );
    let granted = get(&up, &url).await.json();
    assert_eq!(granted["scope"], "snsapi_login");
    assert!(granted["unionid"].is_string());
    assert!(get(&up, &scan(APPID)).await.text().contains("10005"));
}
