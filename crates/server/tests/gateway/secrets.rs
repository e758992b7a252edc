//! Calls that carry the AppSecret: the caller's key goes out, the AppSecret in; a code is never sent twice.

use http::Method;

use crate::harness::{APP, KEY, SECRET, Told, World};
use crate::scripted::json;
use crate::wire::Wire;

const LOGIN: &str = "/sns/jscode2session";
const CLEAR: &str = "/cgi-bin/clear_quota/v2";
const MINI: &str = "wxfedcba9876543210";
const MINI_SECRET: &str = "5ec0e7a1b2c3d4e5f60718293a4b5c6e";

/// A world with a mini program as well, and a caller that may clear quotas.
async fn world() -> World {
    let mini =
        format!("[[app]]\nappid = \"{MINI}\"\nsecret = \"{MINI_SECRET}\"\ntype = \"mini\"\n");
    let callers = format!(
        "[[caller]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"*\"]\nallow = [\"read\", \"call\"]\n\
         call_paths = [\"/\", \"/cgi-bin/clear_quota/v2\"]\n"
    );
    let world = World::with(&mini, &callers).await;
    let spec = wxtoken_simulator::AppSpec::new(MINI, MINI_SECRET, wxtoken_simulator::AppKind::Mini);
    world.wechat.world().add_app(spec).unwrap();
    world
}

async fn code(world: &World, app: &str, purpose: &str) -> String {
    let wish = format!("{{\"user\":\"alice\",\"for\":\"{purpose}\"}}");
    let told = world.control(&format!("apps/{app}/code"), &wish).await;
    told.json()["code"].as_str().unwrap().to_owned()
}

/// WeChat saw the AppSecret, and nobody else's key.
async fn went_out_with(world: &World, path: &str, secret: &str) {
    let seen = world.seen(path).await;
    assert!(seen.contains(secret), "{seen}");
    assert!(!seen.contains(KEY), "{seen}");
}

async fn log_in(world: &World) -> Told {
    let code = code(world, MINI, "login").await;
    let grant = "grant_type=authorization_code";
    world
        .plain(&format!(
            "{LOGIN}?appid={MINI}&secret={KEY}&js_code={code}&{grant}"
        ))
        .await
}

#[tokio::test]
async fn a_mini_programs_login_goes_out_with_the_appsecret() {
    let world = world().await;
    let told = log_in(&world).await;
    assert!(told.json()["session_key"].is_string(), "{}", told.errmsg());
    assert!(told.json()["openid"].is_string());
    went_out_with(&world, LOGIN, MINI_SECRET).await;
}

#[tokio::test]
async fn the_appsecret_itself_names_a_caller_only_where_that_is_accepted_and_for_its_app_alone() {
    let world = world().await;
    let ask = async |app: &str, secret: &str| {
        let code = code(&world, MINI, "login").await;
        let grant = "grant_type=authorization_code";
        let target = format!("{LOGIN}?appid={app}&secret={secret}&js_code={code}&{grant}");
        world.plain(&target).await
    };
    let told = ask(MINI, MINI_SECRET).await;
    assert_eq!(told.errcode(), 40001, "{}", told.errmsg());
    world
        .reload(|config| config.callers[0].accept_app_secret = true)
        .await;
    let told = ask(MINI, MINI_SECRET).await;
    assert!(told.json()["session_key"].is_string(), "{}", told.errmsg());
    for (app, secret) in [(MINI, SECRET), (APP, MINI_SECRET)] {
        let told = ask(app, secret).await;
        assert_eq!(told.errcode(), 40001, "{}", told.errmsg());
    }
    let clear = format!("{CLEAR}?appid={APP}&appsecret={SECRET}");
    let told = world.send(world.request(Method::POST, &clear), "").await;
    assert_eq!(told.errcode(), 0, "{}", told.errmsg());
}

#[tokio::test]
async fn the_appsecret_names_nobody_where_a_key_does() {
    let world = world().await;
    world
        .reload(|config| {
            let mut other = config.callers[0].clone();
            (other.name, other.key) = ("other".into(), None);
            other.accept_app_secret = true;
            config.callers.insert(0, other);
        })
        .await;
    let code = code(&world, MINI, "login").await;
    let grant = "grant_type=authorization_code";
    let target = format!("{LOGIN}?appid={MINI}&secret={MINI_SECRET}&js_code={code}&{grant}");
    let told = world.get(&target).await;
    assert!(told.json()["session_key"].is_string(), "{}", told.errmsg());
}

#[tokio::test]
async fn a_code_is_never_sent_twice() {
    let world = world().await;
    let busy = format!("{{\"name\":\"busy\",\"path\":\"{LOGIN}\"}}");
    world.control("faults", &busy).await;
    assert_eq!(log_in(&world).await.errcode(), -1);
    assert_eq!(world.wechat.world().calls_total(LOGIN), 1);
    let lost = format!("{{\"name\":\"lost-answer\",\"path\":\"{LOGIN}\"}}");
    world.control("faults", &lost).await;
    assert_eq!(log_in(&world).await.errcode(), -1);
    assert_eq!(world.wechat.world().calls_total(LOGIN), 2);
}

#[tokio::test]
async fn a_wrong_key_in_the_place_of_the_secret_goes_nowhere() {
    let world = world().await;
    let told = world
        .plain(&format!("{LOGIN}?appid={MINI}&secret={SECRET}&js_code=c"))
        .await;
    assert_eq!(told.errcode(), 40001, "{}", told.errmsg());
    let told = world
        .plain(&format!("{LOGIN}?appid=wxnobody&secret={KEY}&js_code=c"))
        .await;
    assert_eq!(told.errcode(), 40013, "{}", told.errmsg());
    assert_eq!(world.wechat.world().calls_total(LOGIN), 0);
}

#[tokio::test]
async fn a_web_token_is_renewed_with_the_users_refresh_token_alone() {
    let world = world().await;
    let code = code(&world, APP, "web").await;
    let exchange = "/sns/oauth2/access_token";
    let told = world
        .plain(&format!(
            "{exchange}?appid={APP}&secret={KEY}&code={code}&grant_type=authorization_code"
        ))
        .await;
    let first = told.json();
    went_out_with(&world, exchange, SECRET).await;
    let refresh = first["refresh_token"].as_str().unwrap();
    let renew = "/sns/oauth2/refresh_token";
    let target = format!("{renew}?appid={APP}&grant_type=refresh_token&refresh_token={refresh}");
    assert_eq!(world.plain(&target).await.errcode(), 40001, "nobody asks");
    let renewed = world.get(&target).await.json();
    let web = renewed["access_token"].as_str().expect("a web token");
    let openid = renewed["openid"].as_str().unwrap();
    assert!(!world.seen(renew).await.contains(SECRET));
    let profile = world
        .get(&format!("/sns/userinfo?access_token={web}&openid={openid}"))
        .await;
    assert_eq!(profile.errcode(), 0, "{}", profile.errmsg());
    let told = world
        .get(&format!("/cgi-bin/user/info?access_token={web}&openid=o"))
        .await;
    assert!(told.errmsg().contains("web OAuth"), "{}", told.errmsg());
}

/// A caller of two apps, and a WeChat that renews every web token with another.
#[tokio::test]
async fn a_renewal_is_for_the_app_it_names_and_the_new_web_token_is_known_as_that_apps() {
    let mini =
        format!("[[app]]\nappid = \"{MINI}\"\nsecret = \"{MINI_SECRET}\"\ntype = \"mini\"\n");
    let callers = format!(
        "[[caller]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"{APP}\", \"{MINI}\"]\nallow = [\"call\"]\n"
    );
    let (world, upstream) = World::scripted(&format!("{mini}{callers}"), async |mut wire, head| {
        wire.body(&head).await.ok()?;
        let web = r#"{"access_token":"WEB-2","refresh_token":"R","openid":"o"}"#;
        wire.send(json(web)).await.ok()?;
        Some(wire)
    })
    .await;
    let renew = |app: &str| {
        let rest = "grant_type=refresh_token&refresh_token=R";
        format!("/sns/oauth2/refresh_token?appid={app}&{rest}")
    };
    let told = world.get(&renew("wx0000000000000000")).await;
    assert_eq!(told.errcode(), 40013, "{}", told.errmsg());
    assert_eq!(upstream.seen().len(), 0, "the app of others");
    assert_eq!(world.get(&renew(APP)).await.json()["access_token"], "WEB-2");
    let request = world.request(Method::GET, "/cgi-bin/user/info?access_token=WEB-2");
    let request = request.header("authorization", format!("Bearer {KEY}"));
    let told = world.send(request.header("wxtoken-app", APP), "").await;
    assert!(told.errmsg().contains("web OAuth"), "{}", told.errmsg());
    world.get("/sns/userinfo?access_token=WEB-2&openid=o").await;
    let metrics = world.metrics().await;
    assert!(
        metrics.contains("caller=\"shop\",mix_up=\"web_token_at_api\"} 1"),
        "{metrics}"
    );
    let counted = format!("appid=\"{APP}\",caller=\"shop\",family=\"sns\",outcome=\"ok\"");
    let counted = metrics.lines().find(|line| line.contains(&counted));
    let counted = counted.unwrap_or_else(|| panic!("{metrics}"));
    assert!(counted.ends_with(" 2"), "{counted}");
}

#[tokio::test]
async fn quotas_are_cleared_with_the_appsecret_wherever_the_key_stood() {
    let world = world().await;
    let query = format!("{CLEAR}?appid={APP}&appsecret={KEY}");
    let told = world.send(world.request(Method::POST, &query), "").await;
    assert_eq!(told.errcode(), 0, "{}", told.errmsg());
    let json = format!("{{\"appid\":\"{APP}\",\"appsecret\":\"{KEY}\"}}");
    let request = world.request(Method::POST, CLEAR);
    let told = world.send(request, json).await;
    assert_eq!(told.errcode(), 0, "{}", told.errmsg());
    assert_eq!(world.calls(CLEAR), 2);
    let form = format!("appid={APP}&appsecret={KEY}");
    let request = world
        .request(Method::POST, CLEAR)
        .header("content-type", "application/x-www-form-urlencoded");
    // The simulator, unlike the gateway, takes no forms: what arrived is what counts.
    world.send(request, form).await;
    went_out_with(&world, CLEAR, &format!("appsecret={SECRET}")).await;
}

#[tokio::test]
async fn a_token_beside_the_appsecret_is_refused_and_is_no_mix_up() {
    let world = world().await;
    let token = world.token().await;
    let query = format!("{CLEAR}?appid={APP}&appsecret={KEY}&access_token={token}");
    let told = world.send(world.request(Method::POST, &query), "").await;
    assert_eq!(told.errcode(), 40035, "{}", told.errmsg());
    assert!(told.errmsg().contains("leave the token out"));
    assert_eq!(world.calls(CLEAR), 0);
    assert!(!world.metrics().await.contains("mix_up="));
}

#[tokio::test]
async fn an_answer_that_repeats_the_appsecret_shows_it_to_nobody() {
    let callers = format!(
        "[[caller]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"{APP}\"]\nallow = [\"call\"]\ncall_paths = [\"{CLEAR}\"]\n"
    );
    let (world, upstream) = World::scripted(&callers, async |mut wire, head| {
        wire.body(&head).await.ok()?;
        let text = format!("{{\"errcode\":40125,\"errmsg\":\"{}\"}}", head.target());
        wire.send(json(&text)).await.ok()?;
        Some(wire)
    })
    .await;
    let told = world
        .post(&format!("{CLEAR}?appid={APP}&appsecret={KEY}"), "")
        .await;
    assert!(upstream.seen()[0].target().contains(SECRET));
    assert!(told.errmsg().contains("appsecret=***"), "{}", told.errmsg());
    assert!(!told.errmsg().contains(SECRET));
}

#[tokio::test]
async fn nobody_keeps_memory_busy_with_a_body_before_it_is_known_who_sends_it() {
    const MOST: usize = 16 << 10;
    let world = world().await;
    for path in [LOGIN, CLEAR, "/cgi-bin/stable_token"] {
        let asked = async |framing: String, sent: usize, end: &str| {
            let mut stranger = Wire::connect(&world.url).await;
            let head = format!("POST {path}?appid={MINI} HTTP/1.1\r\nHost: x\r\n{framing}");
            let body = "x".repeat(sent);
            let (_, body) = stranger.ask(format!("{head}{body}{end}")).await;
            String::from_utf8(body.bytes).unwrap()
        };
        let length = |length: usize| format!("Content-Length: {length}\r\n\r\n");
        let chunk = |size: usize| format!("Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n");
        for told in [
            asked(length(MOST), MOST, "").await,
            asked(chunk(MOST), MOST, "\r\n0\r\n\r\n").await,
        ] {
            assert!(!told.contains("too large"), "{path}: {told}");
        }
        // Not all of it is sent: nobody waits for that.
        for told in [
            asked(length(MOST + 1), 0, "").await,
            asked(chunk(MOST + 9), MOST + 1, "").await,
        ] {
            assert!(told.contains("too large"), "{path}: {told}");
        }
    }
}
