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
    assert_eq!(survey.unnamed, ["my.wechat.***"]);
    assert!(survey.finds.is_empty());
}

#[test]
fn tokens_of_other_systems_in_key_names_are_not_shown() {
    let uuid = "550e8400-e29b-41d4-a716-446655440000";
    let key = format!("wx:access_token:{APP}");
    let same = format!("mine:access_token:{uuid}");
    let survey = sorted(&[
        (&format!("shop:access_token:{uuid}"), OTHER),
        ("shop:access_token:98fjqwKd03mZpQ7x", OTHER),
        (&format!("shop:{uuid}:ticket"), "?"),
        (&key, TOKEN),
        (&same, TOKEN),
    ]);
    assert_eq!(survey.unnamed, ["shop:***:ticket", "shop:access_token:***"]);
    // What lies under a second key is an app's that is known: it is told of, without the key.
    let keys = survey
        .finds
        .iter()
        .map(|find| find.candidates[0].key.to_string());
    assert_eq!(keys.collect::<Vec<_>>(), ["mine:access_token:***", &key]);
    let told = format!("{survey:?}");
    assert!(!told.contains("e29b") && !told.contains("98fjqw"), "{told}");
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
    let note = format!("wechat:{{n{}}}:once", "0f".repeat(32));
    for key in [
        "wechat:access_token:{u0af}:user:00112233445566778899aabbccddeeff",
        &note,
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

/// What somebody sees who may do only what is said to be needed, and read only some keys.
async fn reader(server: &Server, url: String, more: &str) -> Survey {
    let commands = COMMANDS.split(' ').chain(more.split_terminator(' '));
    let rights = [
        "ACL",
        "SETUSER",
        "reader",
        "on",
        ">letmein",
        "resetchannels",
        "~wx:*",
    ];
    let words: Vec<&str> = rights
        .into_iter()
        .chain(["-@all"])
        .chain(commands)
        .collect();
    let _: String = server.ask(&words).await;
    let server = RedisServer {
        address: url.parse().unwrap(),
        ca: None,
        sentinel_password: None,
    };
    let patience = Duration::from_secs(60);
    survey(&server, &SystemClock, patience, &mut |_, _| ())
        .await
        .unwrap()
}

#[tokio::test]
async fn keys_that_may_not_be_read_are_counted_and_the_others_are_told_of() {
    let server = Server::start().await;
    let mine = format!("wx:access_token:{APP}");
    let foreign = format!("wa:access_token:{APP}");
    for db in ["0", "1"] {
        for key in [&mine, &foreign] {
            let client = redis::Client::open(format!("{}/{db}", server.url())).unwrap();
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            let mut set = redis::cmd("SET");
            set.arg(key).arg(TOKEN).arg("EX").arg(7000);
            let _: String = set.query_async(&mut connection).await.unwrap();
        }
        let more = if db == "0" { "" } else { "+select" };
        let url = format!("redis://reader:letmein@127.0.0.1:{}/{db}", server.port);
        let survey = reader(&server, url, more).await;
        assert_eq!((survey.whole, survey.unreadable), (true, 1));
        let [find] = survey.finds.as_slice() else {
            panic!("{survey:?}");
        };
        assert_eq!(find.candidates[0].key.to_string(), mine);
    }
}

#[tokio::test]
async fn in_a_cluster_the_same_permissions_do_and_its_map() {
    let cluster = crate::redis::testing::Cluster::start().await;
    let mine = format!("wx:access_token:{APP}");
    let foreign = format!("wa:access_token:{APP}");
    for key in [&mine, &foreign] {
        let set: String = cluster.ask(&["SET", key, TOKEN, "EX", "7000"]).await;
        assert_eq!(set, "OK");
    }
    let mut seen = None;
    for node in &cluster.nodes {
        let url = format!("redis-cluster://reader:letmein@127.0.0.1:{}", node.port);
        let other = cluster.nodes.iter().filter(|other| other.port != node.port);
        for other in other {
            let words = [
                "ACL", "SETUSER", "reader", "on", ">letmein", "~wx:*", "-@all",
            ];
            let commands = COMMANDS.split(' ').chain(["+cluster|slots"]);
            let words: Vec<&str> = words.into_iter().chain(commands).collect();
            let _: String = other.ask(&words).await;
        }
        seen = Some(reader(node, url, "+cluster|slots").await);
    }
    let survey = seen.unwrap();
    assert_eq!((survey.finds.len(), survey.unreadable), (1, 1));
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
