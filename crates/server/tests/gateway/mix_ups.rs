//! The tokens that go by nearly the same name, each where another belongs: what it was is said, and WeChat is not asked.

use http::Method;
use wxtoken_simulator::UserCode;

use crate::harness::{APP, KEY, VIRTUAL_KEY, World, callers};

/// Of a caller that sees all apps, so that only a token says which is meant.
const WIDE_KEY: &str = "ffff456789abcdef0123456789abcdef";

/// One token of each sort.
struct Tokens {
    app: String,
    virtual_one: String,
    web: String,
    refresh: String,
    session_key: String,
    js_code: String,
    openid: String,
}

async fn world() -> World {
    let wide = format!(
        "[[caller]]\nname = \"wide\"\nkey = \"{WIDE_KEY}\"\napps = [\"*\"]\nallow = [\"read\", \"call\"]\n"
    );
    World::with("", &format!("{}{wide}", callers())).await
}

impl Tokens {
    async fn of(world: &World) -> Self {
        let code = |purpose| {
            let wechat = world.wechat.world();
            wechat.user_code(APP, "alice", purpose).unwrap()
        };
        let given = format!("appid={APP}&secret={KEY}&grant_type=authorization_code");
        let exchange = format!(
            "/sns/oauth2/access_token?{given}&code={}",
            code(UserCode::Web)
        );
        let granted = world.plain(&exchange).await.json();
        let js_code = code(UserCode::Login);
        let login = format!("/sns/jscode2session?{given}&js_code={js_code}");
        let session = world.plain(&login).await.json();
        let virtual_one =
            format!("/cgi-bin/token?grant_type=client_credential&appid={APP}&secret={VIRTUAL_KEY}");
        let virtual_one = world.plain(&virtual_one).await.json();
        let text = |of: &serde_json::Value, name: &str| {
            let text = of[name].as_str();
            text.unwrap_or_else(|| panic!("{name} in {of}")).to_owned()
        };
        Self {
            app: world.token().await,
            virtual_one: text(&virtual_one, "access_token"),
            web: text(&granted, "access_token"),
            refresh: text(&granted, "refresh_token"),
            openid: text(&granted, "openid"),
            session_key: text(&session, "session_key").replace('+', "%2B"),
            js_code,
        }
    }
}

fn renewal(with: &str) -> String {
    format!("/sns/oauth2/refresh_token?appid={APP}&grant_type=refresh_token&refresh_token={with}")
}

/// Each wrong call: its path and query, its errcode, its name in the metrics.
fn wrong(tokens: &Tokens) -> Vec<(String, i64, &'static str)> {
    let Tokens {
        app,
        virtual_one,
        web,
        refresh,
        openid,
        ..
    } = tokens;
    let of_user = format!("&openid={openid}&lang=zh_CN");
    let mut wrong = vec![
        (renewal(app), 40030, "app_token_as_refresh_token"),
        (renewal(virtual_one), 40030, "app_token_as_refresh_token"),
        (renewal(web), 40030, "web_token_as_refresh_token"),
    ];
    for token in [app, virtual_one] {
        for path in ["/sns/userinfo", "/sns/auth", "/sns/oauth2/refresh_token"] {
            let target = format!("{path}?access_token={token}{of_user}&appid={APP}");
            wrong.push((target, 40001, "app_token_at_sns"));
        }
    }
    for path in ["/sns/userinfo", "/sns/auth"] {
        let target = format!("{path}?access_token={refresh}{of_user}");
        wrong.push((target, 40001, "refresh_token_at_sns"));
    }
    for path in [
        "/cgi-bin/user/info",
        "/cgi-bin/message/custom/send",
        "/wxa/checksession",
        "/datacube/getusersummary",
    ] {
        for (token, name) in [(web, "web_token_at_api"), (refresh, "refresh_token_at_api")] {
            let target = format!("{path}?access_token={token}{of_user}");
            wrong.push((target, 40001, name));
        }
    }
    wrong
}

#[tokio::test]
async fn each_token_where_another_belongs_is_named_without_a_call_to_wechat() {
    let world = world().await;
    let tokens = Tokens::of(&world).await;
    let before = world.wechat.world().call_count();
    let wrong = wrong(&tokens);
    for (target, errcode, name) in &wrong {
        let key = if target.contains(&tokens.virtual_one) {
            VIRTUAL_KEY
        } else {
            KEY
        };
        let request = world.request(Method::GET, target);
        let request = request.header("authorization", format!("Bearer {key}"));
        let told = world.send(request, "").await;
        assert_eq!(told.errcode(), *errcode, "{name}: {}", told.errmsg());
        assert!(told.errmsg().contains("this is "), "{}", told.errmsg());
        assert!(told.errmsg().contains("这是"), "{}", told.errmsg());
        for secret in [&tokens.web, &tokens.refresh, &tokens.app] {
            assert!(!told.errmsg().contains(secret.as_str()));
        }
    }
    assert_eq!(
        world.wechat.world().call_count(),
        before,
        "WeChat was asked"
    );
    let metrics = world.metrics().await;
    let counted = |line: &str| {
        let count = line.rsplit_once(' ').and_then(|(_, n)| n.parse().ok());
        count.unwrap_or(0_usize)
    };
    for name in wrong.iter().map(|(.., name)| name) {
        let label = format!("mix_up=\"{name}\"");
        let lines = metrics.lines().filter(|line| line.contains(&label));
        let expected = wrong.iter().filter(|(.., other)| other == name).count();
        assert_eq!(
            lines.map(counted).sum::<usize>(),
            expected,
            "{name}: {metrics}"
        );
    }
}

#[tokio::test]
async fn a_users_tokens_are_named_where_a_ticket_or_a_post_is_wanted_and_where_nothing_else_names_an_app()
 {
    let world = world().await;
    let tokens = Tokens::of(&world).await;
    let before = world.wechat.world().call_count();
    for (token, word) in [
        (&tokens.web, "access_token"),
        (&tokens.refresh, "refresh_token"),
    ] {
        let ticket = format!("/cgi-bin/ticket/getticket?type=jsapi&access_token={token}");
        let send = format!("/cgi-bin/message/custom/send?access_token={token}");
        let menu = format!("/cgi-bin/menu/get?access_token={token}");
        let request = world.request(Method::GET, &menu);
        let wide = request.header("authorization", format!("Bearer {WIDE_KEY}"));
        for told in [
            world.get(&ticket).await,
            world.post(&send, r#"{"touser":"o"}"#).await,
            world.send(wide, "").await,
        ] {
            assert_eq!(told.errcode(), 40001);
            let said = told.errmsg();
            assert!(said.contains("网页授权") && said.contains(word), "{said}");
        }
    }
    assert_eq!(
        world.wechat.world().call_count(),
        before,
        "WeChat was asked"
    );
}

#[tokio::test]
async fn what_is_no_token_at_all_is_merely_invalid() {
    let world = world().await;
    let tokens = Tokens::of(&world).await;
    for other in [&tokens.session_key, &tokens.js_code] {
        let menu = format!("/cgi-bin/menu/get?access_token={other}");
        let request = world.request(Method::GET, &menu);
        let wide = request.header("authorization", format!("Bearer {WIDE_KEY}"));
        let userinfo = format!(
            "/sns/userinfo?access_token={other}&openid={}",
            tokens.openid
        );
        for told in [world.send(wide, "").await, world.get(&userinfo).await] {
            assert_eq!(told.errcode(), 40001, "{}", told.errmsg());
            assert!(!told.errmsg().contains("this is "), "{}", told.errmsg());
        }
        assert_eq!(world.get(&renewal(other)).await.errcode(), 40030);
    }
}

#[tokio::test]
async fn each_token_where_it_belongs_goes_through() {
    let world = world().await;
    let tokens = Tokens::of(&world).await;
    let of_user = format!("openid={}&lang=zh_CN", tokens.openid);
    for target in [
        format!("/sns/userinfo?access_token={}&{of_user}", tokens.web),
        format!("/sns/auth?access_token={}&{of_user}", tokens.web),
        renewal(&tokens.refresh),
        format!("/cgi-bin/user/info?access_token={}&{of_user}", tokens.app),
    ] {
        let told = world.get(&target).await;
        assert_eq!(told.errcode(), 0, "{target}: {}", told.errmsg());
    }
}
