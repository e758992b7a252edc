//! What is found in a real Redis, and what is made of it.

use wxtoken_core::clock::Wall;

use super::sort::{Sorted, is_of_interest};
use super::*;
use crate::clock::SystemClock;
use crate::redis::testing::Server;
use crate::sdk::{Content, Format, Found, Kept, Reading, Seen, Ttl};

const NOW: Wall = Wall(1_795_000_000_000);
const APP: &str = "wx0123456789abcdef";
const TOKEN: &str = "68_AbCdEfGhIjKlMnOpQrStUvWxYz-0123456789";
const OTHER: &str = "69_AbCdEfGhIjKlMnOpQrStUvWxYz-0123456789";

fn sorted(entries: &[(&str, &str)]) -> Survey {
    let mut sorted = Sorted::default();
    for (key, body) in entries {
        let found = Found::Text(Content::new(*body), Ttl::Left(7_000_000));
        sorted.add(key.as_bytes().to_vec(), &found, NOW);
    }
    sorted.into_survey(9, true)
}

#[test]
fn entries_of_one_app_with_different_values_disagree() {
    let wxjava = format!("wx:access_token:{APP}");
    let silenceper = format!("gowechat_officialaccount__access_token_{APP}");
    let stable = format!("gowechat_officialaccount__stable_access_token_{APP}");
    let survey = sorted(&[
        (&wxjava, TOKEN),
        (&silenceper, OTHER),
        (&stable, "70_AbCdEfGhIjKlMnOpQrSt"),
    ]);
    let [clash] = survey.clashes.as_slice() else {
        panic!("{:?}", survey.clashes);
    };
    assert_eq!(clash.finds.len(), 2);
    assert_eq!((clash.app.as_str(), clash.kind), (APP, Kind::AccessToken));
    assert_eq!(
        sorted(&[(&wxjava, TOKEN), (&silenceper, TOKEN)]).clashes,
        []
    );
}

#[test]
fn an_entry_whose_end_beside_it_is_past_disagrees_with_nobody() {
    let (key, raw) = (
        format!("wechatpy:{APP}_jsapi_ticket"),
        format!("wx:ticket:key:{APP}:jsapi"),
    );
    let end = format!("{key}_expires_at");
    let quoted = format!("\"{OTHER}\"");
    let with_end = |at: Wall| {
        sorted(&[
            (&key, &quoted),
            (&end, &at.unix_seconds().to_string()),
            (&raw, TOKEN),
        ])
    };
    assert_eq!(with_end(NOW.minus(5_000)).clashes, []);
    assert_eq!(with_end(NOW.plus(3_600_000)).clashes.len(), 1);
}

#[test]
fn a_key_that_tells_no_app_is_named_by_its_value() {
    let md5 = "powerwechat.access_token.9dd2ec3e8fe48143541c4ddbfd61b06a";
    let body = format!(r#"{{"access_token":"{TOKEN}","expires_in":7200}}"#);
    let alone = sorted(&[(md5, &body)]);
    assert_eq!(alone.finds[0].app, None);
    let key = format!("wx:access_token:{APP}");
    let both = sorted(&[(md5, &body), (&key, TOKEN)]);
    assert!(both.finds.iter().all(|find| find.app.is_some()));
    assert_eq!(both.clashes, []);
}

#[test]
fn what_cannot_be_named_is_listed_without_what_may_be_a_secret() {
    let survey = sorted(&[("my.wechat.0123456789abcdef0123456789abcdef.thing", "?")]);
    assert_eq!(survey.unnamed, ["my.wechat.***.thing"]);
    assert!(survey.finds.is_empty());
}

#[test]
fn only_keys_with_a_telling_name_are_read() {
    for key in [
        "wx:access_token:x",
        "shop_accessToken",
        "maConfig:accessToken",
        "js_ticket",
        "a:wx0123456789abcdef:b",
        "BC8A9037BA7A495C80E355FD4600FFED",
    ] {
        assert!(is_of_interest(key.as_bytes()), "{key}");
    }
    for key in [
        "session:1",
        "cart:4711",
        "bc8a9037ba7a495c80e355fd4600ffed",
        "",
    ] {
        assert!(!is_of_interest(key.as_bytes()), "{key}");
    }
    assert!(!is_of_interest(b"\xffticket"));
}

async fn look(server: &Server, patience: Duration) -> Survey {
    let server = RedisServer {
        address: server.url().parse().unwrap(),
        ca: None,
        sentinel_password: None,
    };
    survey(&server, &SystemClock, patience, &mut |_, _| ())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_redis_is_gone_through_whole_and_only_read() {
    let server = Server::start().await;
    for number in 0..1200 {
        let _: String = server
            .ask(&["SET", &format!("session:{number}"), "x"])
            .await;
    }
    let key = format!("wx:access_token:{APP}");
    let _: String = server.ask(&["SET", &key, TOKEN, "EX", "7000"]).await;
    let end = "1795000000123";
    let _: i64 = server
        .ask(&[
            "HSET",
            "maConfig:accessToken",
            "value",
            TOKEN,
            "expire",
            end,
        ])
        .await;
    let _: i64 = server.ask(&["RPUSH", "wx_ticket_queue", "1"]).await;
    let _: String = server.ask(&["CONFIG", "RESETSTAT"]).await;

    let survey = look(&server, Duration::from_secs(60)).await;

    assert!(survey.whole && survey.keys >= 1203, "{}", survey.keys);
    let formats: Vec<Format> = survey
        .finds
        .iter()
        .map(|find| find.candidates[0].format)
        .collect();
    // The hash tells no app; its value lies under a key that does.
    assert!(survey.finds.iter().all(|find| find.app.is_some()));
    assert_eq!(formats, [Format::Hash, Format::WxjavaMp]);
    let Reading::Held(held) = &survey.finds[1].candidates[0].reading else {
        panic!("{survey:?}");
    };
    assert!(held.token.expose() == TOKEN && matches!(held.seen, Seen::Until(_)));
    assert_eq!(
        survey.finds[0].candidates[0].kept,
        Kept::Credential(Kind::AccessToken)
    );
    assert_eq!(survey.unnamed, ["wx_ticket_queue"]);
    let stats: String = server.ask(&["INFO", "commandstats"]).await;
    let asked = stats
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next());
    for command in asked {
        let reads = [
            "scan",
            "type",
            "pttl",
            "getrange",
            "hlen",
            "hgetall",
            "config|resetstat",
            "hello",
            "info",
            "client|setinfo",
        ];
        assert!(reads.contains(&command), "{stats}");
    }
}

#[tokio::test]
async fn a_look_that_takes_too_long_ends_with_what_it_has() {
    let server = Server::start().await;
    for number in 0..1200 {
        let _: String = server
            .ask(&["SET", &format!("session:{number}"), "x"])
            .await;
    }
    let survey = look(&server, Duration::ZERO).await;
    assert!(
        !survey.whole && survey.keys > 0 && survey.keys < 1200,
        "{}",
        survey.keys
    );
}
