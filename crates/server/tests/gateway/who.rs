//! Who may call what: paths that are allowed, limits, addresses, keys in the path.

use std::sync::Arc;

use http::Method;

use crate::harness::{APP, KEY, PATIENCE, Told, VIRTUAL_KEY, World};

/// A caller with these lines more.
fn caller(lines: &str) -> String {
    format!(
        "[[caller]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"{APP}\"]\nallow = [\"read\", \"call\"]\n{lines}\n"
    )
}

#[tokio::test]
async fn a_caller_calls_the_paths_that_are_its_own() {
    let world = World::with(
        "",
        &caller("call_paths = [\"/cgi-bin/menu\"]\npath_key = true"),
    )
    .await;
    for target in [
        "/cgi-bin/menu/get",
        "//cgi-bin//menu/get",
        "/cgi-bin/%6denu/get",
        "/cgi-bin/menu",
        &format!("/k/{KEY}/cgi-bin/menu/get"),
        &format!("/k/{KEY}/{APP}/cgi-bin/menu/get"),
    ] {
        let told = world.get(target).await;
        assert_eq!(told.errcode(), 0, "{target}: {}", told.errmsg());
    }
    let calls = world.wechat.world().call_count();
    for target in [
        "/cgi-bin/menus/get",
        "/cgi-bin/user/get",
        "/cgi-bin",
        "/CGI-BIN/MENU/get",
        "/wxa/cgi-bin/menu/get",
        &format!("/k/{KEY}/cgi-bin/user/get"),
        &format!("/k/{KEY}/{APP}/cgi-bin/user/get"),
    ] {
        let told = world.get(target).await;
        assert_eq!(told.errcode(), 48001, "{target}: {}", told.errmsg());
        assert!(told.errmsg().contains("call_paths"), "{}", told.errmsg());
    }
    assert_eq!(world.wechat.world().call_count(), calls);
}

#[tokio::test]
async fn what_harms_others_is_called_only_by_whom_it_is_named_for() {
    const GUARDED: [&str; 3] = [
        "/cgi-bin/clear_quota",
        "/cgi-bin/openapi/rid/get",
        "/cgi-bin/openapi/quota/clear",
    ];
    let all = World::with("", &caller("call_paths = [\"/\", \"/cgi-bin/openapi\"]")).await;
    for path in GUARDED {
        let told = all.post(path, "{}").await;
        assert_eq!(told.errcode(), 48001, "{path}: {}", told.errmsg());
        assert_eq!(all.calls(path), 0);
    }
    let named = World::with("", &caller(&format!("call_paths = {GUARDED:?}"))).await;
    for path in GUARDED {
        let wish = format!("{{\"appid\":\"{APP}\",\"rid\":\"r\"}}");
        let told = named.post(path, wish).await;
        assert_ne!(told.errcode(), 48001, "{path}: {}", told.errmsg());
        assert_eq!(named.calls(path), 1, "{path}");
    }
}

#[tokio::test]
async fn a_caller_without_the_right_to_call_is_told_so() {
    let world = World::with("", &caller("").replace(", \"call\"", "")).await;
    let told = world.get("/cgi-bin/menu/get").await;
    assert_eq!(told.errcode(), 48001);
    assert!(told.errmsg().contains("`allow`"), "{}", told.errmsg());
}

#[tokio::test]
async fn a_caller_that_asks_too_often_is_told_45011_without_a_call_upstream() {
    let world = World::with("", &caller("rate = \"2/h\"")).await;
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(world.get("/cgi-bin/menu/get").await.errcode());
    }
    assert_eq!(told, [0, 0, 45011, 45011]);
    assert_eq!(world.calls("/cgi-bin/menu/get"), 2);
}

#[tokio::test]
async fn a_caller_with_too_much_under_way_is_told_45011_until_something_ends() {
    let world = Arc::new(World::with("", &caller("concurrency = 1")).await);
    world
        .control("faults", r#"{"name":"hold","path":"/wxa/slow"}"#)
        .await;
    let slow = Arc::clone(&world);
    let slow = tokio::spawn(async move { slow.get("/wxa/slow").await.errcode() });
    world.wechat.world().held_reach(1).await;
    let told = world.get("/cgi-bin/menu/get").await;
    assert_eq!(told.errcode(), 45011);
    assert!(told.errmsg().contains("`concurrency`"), "{}", told.errmsg());
    world.wechat.world().release_held();
    assert_eq!(slow.await.unwrap(), 0);
    assert_eq!(world.get("/cgi-bin/menu/get").await.errcode(), 0);
}

/// A caller that is known by where it comes from alone.
fn from(addresses: &str) -> String {
    format!(
        "[[caller]]\nname = \"old\"\nfrom = [\"{addresses}\"]\napps = [\"{APP}\"]\nallow = [\"call\"]\n"
    )
}

#[tokio::test]
async fn an_address_is_enough_where_it_is_listed() {
    let world = World::with("", &from("127.0.0.0/8")).await;
    let real = world.token().await;
    for target in [
        "/cgi-bin/menu/get".to_owned(),
        format!("/cgi-bin/menu/get?access_token={real}"),
        "/cgi-bin/menu/get?access_token=anything".to_owned(),
    ] {
        let told = world.plain(&target).await;
        assert_eq!(told.errcode(), 0, "{target}: {}", told.errmsg());
    }
    let named = world
        .request(Method::GET, "/cgi-bin/menu/get")
        .header("wxtoken-app", APP);
    assert_eq!(world.send(named, "").await.errcode(), 0);
    let wrong = world.get("/cgi-bin/menu/get").await;
    assert_eq!(wrong.errcode(), 40001, "a wrong key is not overlooked");
    let other = world
        .request(Method::GET, "/cgi-bin/menu/get")
        .header("wxtoken-app", "wxother");
    assert_eq!(world.send(other, "").await.errcode(), 40001);
    let world = World::with("", &from("10.0.0.0/8")).await;
    let real = world.token().await;
    let told = world
        .plain(&format!("/cgi-bin/menu/get?access_token={real}"))
        .await;
    assert_eq!(told.errcode(), 40001);
    assert_eq!(world.calls("/cgi-bin/menu/get"), 0);
}

#[tokio::test]
async fn an_address_that_several_callers_share_does_not_say_whose_app_is_meant() {
    const OTHER: &str = "wxfedcba9876543210";
    let other = format!(
        "[[app]]\nappid = \"{OTHER}\"\nsecret = \"{}\"\n",
        "0".repeat(32)
    );
    let second = |apps: &str| {
        let one = from("127.0.0.0/8");
        let two = one.replace("old", "older");
        format!("{one}{}", two.replace(&format!("\"{APP}\""), apps))
    };
    for apps in [&format!("\"{OTHER}\"")[..], "\"*\""] {
        let world = World::with(&other, &second(apps)).await;
        for (query, refused) in [("", 41001), ("?access_token=of-an-older-start", 40001)] {
            let told = world.plain(&format!("/cgi-bin/menu/get{query}")).await;
            assert_eq!(told.errcode(), refused, "{apps}{query}: {}", told.errmsg());
        }
        assert_eq!(world.calls("/cgi-bin/menu/get"), 0);
        let real = world.token().await;
        let told = world
            .plain(&format!("/cgi-bin/menu/get?access_token={real}"))
            .await;
        assert_eq!(told.errcode(), 0, "{}", told.errmsg());
    }
    let world = World::with("", &second(&format!("\"{APP}\""))).await;
    let told = world.plain("/cgi-bin/menu/get").await;
    assert_eq!(told.errcode(), 0, "theirs is the same: {}", told.errmsg());
}

#[tokio::test]
async fn a_caller_with_addresses_is_let_in_from_nowhere_else() {
    let world = World::with("", &caller("from = [\"10.0.0.0/8\"]")).await;
    let told = world.get("/cgi-bin/menu/get").await;
    // -1 would be repeated.
    assert_eq!(told.errcode(), 40164);
    assert!(told.errmsg().contains("`from`"), "{}", told.errmsg());
    assert_eq!(world.calls("/cgi-bin/menu/get"), 0);
}

#[tokio::test]
async fn a_key_in_the_path_opens_every_door_where_it_is_allowed() {
    let kinds = "kinds = [\"access_token\", \"jsapi_ticket\"]";
    let world = World::with(kinds, &crate::harness::callers()).await;
    let real = world.token().await;
    for base in [format!("/k/{KEY}"), format!("/k/{KEY}/{APP}")] {
        let ask = |path: &str| {
            let target = format!("{base}{path}");
            let world = &world;
            async move { world.plain(&target).await }
        };
        let grant = "grant_type=client_credential";
        let told: Told = ask(&format!("/cgi-bin/token?{grant}&appid={APP}&secret=")).await;
        assert_eq!(told.json()["access_token"], real.as_str(), "{base}");
        let body = format!(
            "{{\"grant_type\":\"client_credential\",\"appid\":\"{APP}\",\"secret\":\"x\"}}"
        );
        let request = world.request(Method::POST, &format!("{base}/cgi-bin/stable_token"));
        let told = world.send(request, body).await;
        assert_eq!(told.json()["access_token"], real.as_str(), "{base}");
        let told = ask("/cgi-bin/ticket/getticket?type=jsapi").await;
        assert!(
            told.json()["ticket"].is_string(),
            "{base}: {}",
            told.errmsg()
        );
        let told = ask("/cgi-bin/menu/get").await;
        assert_eq!(told.errcode(), 0, "{base}: {}", told.errmsg());
        let told = ask("//cgi-bin/menu/get?access_token=").await;
        assert_eq!(told.errcode(), 0, "{base}: {}", told.errmsg());
    }
    // The other caller has no `path_key`.
    for (path, refused) in [
        ("/cgi-bin/menu/get", 40001),
        ("/cgi-bin/ticket/getticket?type=jsapi", 40001),
        (
            "/cgi-bin/token?grant_type=client_credential&appid=wx0123456789abcdef",
            40125,
        ),
    ] {
        let told = world.plain(&format!("/k/{VIRTUAL_KEY}{path}")).await;
        assert_eq!(told.errcode(), refused, "{path}: {}", told.errmsg());
        assert!(
            told.errmsg().contains("path_key"),
            "{path}: {}",
            told.errmsg()
        );
    }
    let elsewhere = format!("/k/{KEY}/wxunknown/cgi-bin/menu/get");
    let told = world.plain(&elsewhere).await;
    assert_eq!(
        told.json()["path"],
        "/wxunknown/cgi-bin/menu/get",
        "a segment like any other"
    );
}

#[tokio::test]
async fn an_app_that_is_not_configured_never_becomes_a_label() {
    let callers = format!(
        "[[caller]]\nname = \"all\"\nkey = \"{KEY}\"\napps = [\"*\"]\nallow = [\"read\", \"call\"]\n"
    );
    let world = World::with("", &callers).await;
    for number in 0..20 {
        // One path takes the app's token, the other goes out without.
        for path in ["/cgi-bin/menu/get", "/sns/auth?openid=o"] {
            let request = world
                .request(http::Method::GET, path)
                .header("authorization", format!("Bearer {KEY}"))
                .header("wxtoken-app", format!("wx00000000000000{number:02}"));
            world.send(request, "").await;
        }
    }
    let began = tokio::time::Instant::now();
    let labelled = |metrics: &str| -> Vec<(String, u64)> {
        let lines = metrics
            .lines()
            .filter(|line| line.starts_with("wxtoken_calls_total{"));
        lines
            .map(|line| {
                let (labels, count) = line.rsplit_once(' ').unwrap();
                (
                    labels.split('"').nth(1).unwrap().to_owned(),
                    count.parse().unwrap(),
                )
            })
            .filter(|(app, _)| !app.is_empty())
            .collect()
    };
    // Calls are told of behind their answers.
    loop {
        let told = labelled(&world.metrics().await);
        assert!(told.iter().all(|(app, _)| app == "other"), "{told:?}");
        if told.iter().map(|(_, count)| count).sum::<u64>() == 40 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{told:?}");
    }
}
