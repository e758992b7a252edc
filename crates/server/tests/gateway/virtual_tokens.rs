//! Callers that are handed virtual tokens: good at the gateway, nowhere else, for nobody else.

use http::Method;

use crate::harness::{APP, KEY, Told, VIRTUAL_KEY, World};

async fn read(world: &World, key: &str) -> Told {
    let target = format!("/v1/apps/{APP}/access_token");
    let request = world
        .request(Method::GET, &target)
        .header("authorization", format!("Bearer {key}"));
    world.send(request, "").await
}

async fn virtual_token(world: &World) -> String {
    let told = read(world, VIRTUAL_KEY).await.json();
    told["access_token"].as_str().unwrap().to_owned()
}

async fn plain(world: &World, target: &str) -> Told {
    world.send(world.request(Method::GET, target), "").await
}

#[tokio::test]
async fn every_door_hands_out_the_same_virtual_token_and_never_the_real_one() {
    let world = World::new().await;
    let real = world.token().await;
    let token = virtual_token(&world).await;
    let compat = plain(
        &world,
        &format!("/cgi-bin/token?grant_type=client_credential&appid={APP}&secret={VIRTUAL_KEY}"),
    )
    .await;
    assert_eq!(compat.json()["access_token"], token.as_str());
    assert_eq!(compat.json()["expires_in"], 7200);
    let want = format!("{{\"want\":[{{\"appid\":\"{APP}\",\"kind\":\"access_token\"}}]}}");
    let request = world
        .request(Method::POST, "/v1/read")
        .header("authorization", format!("Bearer {VIRTUAL_KEY}"));
    let batch = world.send(request, want).await;
    let text = String::from_utf8(batch.body.to_vec()).unwrap();
    assert!(text.contains(&token) && !text.contains(&real), "{text}");
    assert_ne!(token, real);
    let kept = read(&world, VIRTUAL_KEY).await;
    let tag = kept.headers["etag"].to_str().unwrap().to_owned();
    let request = world.request(Method::GET, &format!("/v1/apps/{APP}/access_token"));
    let request = request
        .header("authorization", format!("Bearer {VIRTUAL_KEY}"))
        .header("if-none-match", tag);
    assert_eq!(world.send(request, "").await.status, 304);
}

#[tokio::test]
async fn a_virtual_token_is_all_a_call_needs() {
    let world = World::new().await;
    let token = virtual_token(&world).await;
    world.kill().await;
    let told = plain(&world, &format!("/cgi-bin/menu/get?access_token={token}")).await;
    assert_eq!(told.errcode(), 0, "{}", told.errmsg());
    assert_eq!(told.headers["wxtoken-replayed"], "1");
}

#[tokio::test]
async fn tickets_do_not_come_with_read_for_who_is_handed_virtual_tokens() {
    let kinds = "kinds = [\"access_token\", \"jsapi_ticket\"]";
    let default = crate::harness::callers().replace("allow = [\"read\", \"call\"]\n", "");
    for callers in [crate::harness::callers(), default] {
        let world = World::with(kinds, &callers).await;
        let token = virtual_token(&world).await;
        let target = format!("/cgi-bin/ticket/getticket?access_token={token}&type=jsapi");
        let told = plain(&world, &target).await;
        assert_eq!(told.errcode(), 48001);
        assert!(
            told.errmsg().contains("lacks \"ticket\""),
            "{}",
            told.errmsg()
        );
        let request = world
            .request(Method::GET, &format!("/v1/apps/{APP}/jsapi_ticket"))
            .header("authorization", format!("Bearer {VIRTUAL_KEY}"));
        assert_eq!(world.send(request, "").await.status, 403);
    }
}

#[tokio::test]
async fn a_virtual_token_is_good_for_nobody_else_and_nowhere_else() {
    let world = World::new().await;
    let token = virtual_token(&world).await;
    let other = world
        .get(&format!("/cgi-bin/menu/get?access_token={token}"))
        .await;
    assert_eq!(other.errcode(), 40001);
    assert!(
        other.errmsg().contains("two different callers"),
        "{}",
        other.errmsg()
    );
    let forged = format!(
        "wxv_{}",
        token["wxv_".len()..].chars().rev().collect::<String>()
    );
    let told = plain(&world, &format!("/cgi-bin/menu/get?access_token={forged}")).await;
    assert_eq!(told.errcode(), 40001);
    let request = http::Request::builder().uri(format!(
        "{}/cgi-bin/menu/get?access_token={token}",
        world.wechat.base_url()
    ));
    assert_eq!(world.send(request, "").await.errcode(), 40001);
    let told = plain(
        &world,
        &format!("/sns/userinfo?access_token={token}&openid=o"),
    )
    .await;
    assert!(told.errmsg().contains("网页授权"), "{}", told.errmsg());
}

#[tokio::test]
async fn a_virtual_token_reported_dead_is_evidence_about_the_real_one() {
    let callers = crate::harness::callers().replace(
        "allow = [\"read\", \"call\"]\n",
        "allow = [\"read\", \"call\", \"report\"]\n",
    );
    let world = World::with("", &callers).await;
    let token = virtual_token(&world).await;
    world.kill().await;
    let request = world
        .request(Method::POST, &format!("/v1/apps/{APP}/access_token/dead"))
        .header("authorization", format!("Bearer {VIRTUAL_KEY}"));
    let told = world
        .send(request, format!("{{\"token\":\"{token}\"}}"))
        .await
        .json();
    assert_eq!(told["verdict"], "refreshed");
    assert_eq!(told["current"]["access_token"], token.as_str());
    assert_eq!(
        read(&world, KEY).await.json()["access_token"],
        world.token().await.as_str()
    );
}
