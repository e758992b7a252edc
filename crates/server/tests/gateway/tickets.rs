//! `/cgi-bin/ticket/getticket`: answered from the store, to whoever says in any way who asks.

use http::Method;

use crate::harness::{APP, KEY, VIRTUAL_KEY, World};

const TICKET: &str = "/cgi-bin/ticket/getticket";
const KINDS: &str = "kinds = [\"access_token\", \"jsapi_ticket\"]";

fn callers() -> String {
    crate::harness::callers().replace(
        "allow = [\"read\", \"call\"]\n",
        "allow = [\"read\", \"call\", \"ticket\"]\n",
    )
}

#[tokio::test]
async fn every_way_to_say_who_asks_gives_the_ticket_and_costs_one_call() {
    let world = World::with(KINDS, &callers()).await;
    let real = world.token().await;
    let made = world
        .plain(&format!(
            "/cgi-bin/token?grant_type=client_credential&appid={APP}&secret={VIRTUAL_KEY}"
        ))
        .await;
    let virtual_token = made.json()["access_token"].as_str().unwrap().to_owned();
    let bearer = [("authorization", format!("Bearer {KEY}"))];
    let named = [bearer[0].clone(), ("wxtoken-app", APP.to_owned())];
    let ways: [(String, &[(&str, String)]); 7] = [
        (format!("{TICKET}?type=jsapi"), &bearer),
        (format!("{TICKET}?type=1&access_token={real}"), &bearer),
        (format!("{TICKET}?type=jsapi&access_token=old"), &bearer),
        (format!("{TICKET}?type=jsapi"), &named),
        (format!("/k/{KEY}{TICKET}?type=jsapi"), &[]),
        (format!("/k/{KEY}/{APP}/{TICKET}?type=jsapi"), &[]),
        (
            format!("{TICKET}?type=jsapi&access_token={virtual_token}"),
            &[],
        ),
    ];
    let mut tickets = Vec::new();
    for (target, headers) in ways {
        for method in [Method::GET, Method::POST] {
            let request = headers
                .iter()
                .fold(world.request(method, &target), |request, (name, value)| {
                    request.header(*name, value)
                });
            let told = world.send(request, "").await;
            assert_eq!(told.errcode(), 0, "{target}: {}", told.errmsg());
            tickets.push(told.json()["ticket"].as_str().unwrap().to_owned());
        }
    }
    tickets.dedup();
    assert_eq!(tickets.len(), 1);
    assert_eq!(world.calls(TICKET), 1);
}

#[tokio::test]
async fn a_token_alone_gives_no_ticket_unless_its_address_is_listed() {
    let world = World::with(KINDS, &callers()).await;
    let real = world.token().await;
    let target = format!("{TICKET}?type=jsapi&access_token={real}");
    let told = world.plain(&target).await;
    assert_eq!(told.errcode(), 40001);
    assert!(told.errmsg().contains("does not say who asks"));
    let listed = format!(
        "[[caller]]\nname = \"old\"\nfrom = [\"127.0.0.1\"]\napps = [\"{APP}\"]\nallow = [\"read\"]\n"
    );
    let world = World::with(KINDS, &listed).await;
    let real = world.token().await;
    let told = world
        .plain(&format!("{TICKET}?type=jsapi&access_token={real}"))
        .await;
    assert_eq!(told.errcode(), 0, "{}", told.errmsg());
}

#[tokio::test]
async fn read_brings_tickets_along_only_where_real_tokens_are_handed_out() {
    let world = World::with(KINDS, &crate::harness::callers()).await;
    for (key, may) in [(KEY, true), (VIRTUAL_KEY, false)] {
        let compat = world
            .request(Method::GET, &format!("{TICKET}?type=jsapi"))
            .header("authorization", format!("Bearer {key}"));
        let told = world.send(compat, "").await;
        assert_eq!(told.errcode() == 0, may, "{}", told.errmsg());
        let native = world
            .request(Method::GET, &format!("/v1/apps/{APP}/jsapi_ticket"))
            .header("authorization", format!("Bearer {key}"));
        let told = world.send(native, "").await;
        assert_eq!(told.status == 200, may, "{}", told.status);
        assert!(
            may || told.json().to_string().contains("ticket"),
            "{}",
            told.json()
        );
    }
}
