//! A start goes by a list, and by all keys where there is no list that can be relied on.

use super::*;

const LIST: &str = "wxtoken:records";

/// Records of some apps, and keys that are none.
async fn filled() -> (Server, RedisStore) {
    let server = Server::start().await;
    let writer = store(&server.url(), QUICK);
    for number in 1..=3 {
        write(&writer, number).await;
    }
    let fill =
        "for i = 1, 3000 do redis.call('SET', 'wxtoken:{u001}:user:' .. i, i) end return 'OK'";
    let _: String = server.ask(&["EVAL", fill, "0"]).await;
    (server, writer)
}

async fn write(store: &RedisStore, number: u32) {
    let (fence, _) = won(store, &app(number)).await;
    let written = store.write(&app(number), &full_record(), fence).await;
    written.unwrap();
}

/// What a start finds, and by how many steps of a scan.
async fn start(server: &Server, expects: &[u32]) -> (usize, usize) {
    let _: String = server.ask(&["CONFIG", "RESETSTAT"]).await;
    let fresh = store(&server.url(), QUICK);
    fresh.expect(expects.iter().map(|number| app(*number)));
    let found = load(&fresh).await.0.len();
    let stats: String = server.ask(&["INFO", "commandstats"]).await;
    let scans = stats.split("cmdstat_scan:calls=").nth(1);
    let scans = scans.and_then(|rest| rest.split(',').next()?.parse().ok());
    (found, scans.unwrap_or_default())
}

async fn is_listed(server: &Server, name: &str) -> bool {
    server.ask::<i64>(&["HEXISTS", LIST, name]).await == 1
}

#[tokio::test]
async fn a_start_looks_at_every_key_once_and_then_goes_by_the_list() {
    let (server, writer) = filled().await;
    let _: i64 = server.ask(&["DEL", LIST]).await;
    let (found, scans) = start(&server, &[]).await;
    assert!(found == 3 && scans > 2, "{found} {scans}");
    assert_eq!(start(&server, &[]).await, (3, 0));
    write(&writer, 4).await;
    let name = app(4).to_string();
    until("it is listed", async || is_listed(&server, &name).await).await;
    assert_eq!(start(&server, &[]).await, (4, 0));
}

#[tokio::test]
async fn a_list_that_was_lost_or_is_none_is_made_again() {
    let (server, _writer) = filled().await;
    assert_eq!(start(&server, &[]).await.0, 3);
    for spoil in [
        &["DEL", LIST][..],
        &["HDEL", LIST, "*"],
        &[
            "EVAL",
            "redis.call('DEL', KEYS[1]) return redis.call('RPUSH', KEYS[1], 'x')",
            "1",
            LIST,
        ],
    ] {
        let _: i64 = server.ask(spoil).await;
        let (found, scans) = start(&server, &[]).await;
        assert!(found == 3 && scans > 2, "{spoil:?} {found} {scans}");
        assert_eq!(start(&server, &[]).await, (3, 0), "{spoil:?}");
    }
}

#[tokio::test]
async fn an_app_that_is_expected_is_found_though_it_is_not_listed() {
    let (server, writer) = filled().await;
    writer.stop().await;
    assert_eq!(start(&server, &[]).await.0, 3);
    let _: i64 = server.ask(&["HDEL", LIST, app(2).as_str()]).await;
    assert_eq!(start(&server, &[]).await, (2, 0));
    assert_eq!(start(&server, &[2, 9]).await, (3, 0));
}

#[tokio::test]
async fn a_record_that_is_dropped_leaves_the_list() {
    let (server, writer) = filled().await;
    writer.stop().await;
    assert_eq!(start(&server, &[]).await.0, 3);
    let (store, name) = (store(&server.url(), QUICK), app(2).to_string());
    store.forget(&app(2)).await.unwrap();
    assert!(is_listed(&server, &name).await);
    let long_ago = "00000000000000000001";
    let record = format!("wxtoken:{{{name}}}:record");
    let _: i64 = server.ask(&["HSET", &record, "gone", long_ago]).await;
    store.forget(&app(2)).await.unwrap();
    assert!(!is_listed(&server, &name).await);
    assert_eq!(start(&server, &[]).await, (2, 0));
}
