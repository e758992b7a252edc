//! What Redis sees, and what it takes to read it.

use super::*;

use super::super::super::rekey::rekeyed;
use super::super::super::sealed::Label;

#[tokio::test]
async fn redis_sees_no_secret_in_memory_or_on_disk() {
    let server = Server::start_with(&["--appendonly", "yes", "--rdbcompression", "no"]).await;
    let store = store(&server.url(), QUICK);
    let (fence, _) = won(&store, &app(1)).await;
    store.write(&app(1), &full_record(), fence).await.unwrap();
    let _: String = server.ask(&["SAVE"]).await;
    let mut seen: Vec<u8> = server
        .ask(&["HGET", "wxtoken:{wx0000000000000001}:record", "b"])
        .await;
    let mut folders = vec![server.folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                seen.extend(std::fs::read(path).unwrap());
            }
        }
    }
    let has = |piece: &[u8]| seen.windows(piece.len()).any(|window| window == piece);
    assert!(has(b":record"), "it was looked where something is");
    let record = full_record();
    let tokens = record.lanes.iter().flatten().map(|lane| &lane.token);
    for token in tokens.chain(record.tickets.iter().flatten().map(|ticket| &ticket.token)) {
        for piece in token.expose().as_bytes().chunks_exact(10) {
            assert!(!has(piece));
        }
    }
}

#[tokio::test]
async fn a_wrong_master_key_is_refused_before_anything_is_changed() {
    let server = Server::start().await;
    let right = store(&server.url(), QUICK);
    let (fence, _) = won(&right, &app(1)).await;
    right.write(&app(1), &full_record(), fence).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let wrong =
        RedisStore::connect(settings(&server.url()), key(2).into(), Arc::clone(&clock)).await;
    assert_eq!(wrong.map(drop).unwrap_err(), Trouble::WrongKey);
    // Also where it does not insist on being connected.
    let wrong = open(&server.url(), key(2), QUICK).0;
    let refused = wrong.lease(&app(1), HOLDS).await;
    let Err(StoreError::Unavailable(why)) = refused else {
        panic!("{refused:?}")
    };
    assert!(
        why.en.contains("another master key") && why.zh.contains("主密钥"),
        "{why:?}"
    );
    assert_eq!(load(&right).await.0[&app(1)], full_record());
    // Another prefix is another store.
    let mut elsewhere = settings(&server.url());
    elsewhere.prefix = "staging".parse().unwrap();
    let (elsewhere, _) = RedisStore::connect(elsewhere, key(2).into(), clock)
        .await
        .unwrap();
    assert_eq!(load(&elsewhere).await, Default::default());
}

#[tokio::test]
async fn a_new_master_key_is_taken_in_by_one_start_that_has_both() {
    let server = Server::start().await;
    let old = key(1).value_hasher();
    let record = rekeyed(full_record(), &old);
    let first = store(&server.url(), QUICK);
    for number in 0..3 {
        let (fence, _) = won(&first, &app(number)).await;
        first.write(&app(number), &record, fence).await.unwrap();
    }
    first.stop().await;
    let both = MasterKeys {
        current: key(2),
        previous: Some(key(1)),
    };
    let expected = rekeyed(record, &key(2).value_hasher());
    let rotating = open(&server.url(), both, QUICK).0;
    assert_eq!(load(&rotating).await.0[&app(1)], expected);
    rotating.stop().await;
    let after = open(&server.url(), key(2), QUICK).0;
    let (records, damaged) = load(&after).await;
    assert_eq!((records.len(), damaged), (3, vec![]));
    assert!(records.values().all(|record| *record == expected));
    let late = RedisStore::connect(
        settings(&server.url()),
        key(1).into(),
        Arc::new(SystemClock),
    )
    .await;
    assert_eq!(late.map(drop).unwrap_err(), Trouble::WrongKey);
}

#[tokio::test]
async fn replicas_with_both_keys_in_either_order_understand_each_other() {
    let server = Server::start().await;
    let keys = |current, previous| MasterKeys {
        current: key(current),
        previous: Some(key(previous)),
    };
    let behind = open(&server.url(), keys(1, 2), QUICK).0;
    let ahead = open(&server.url(), keys(2, 1), QUICK).0;
    let record = rekeyed(full_record(), &key(1).value_hasher());
    let (fence, _) = won(&behind, &app(1)).await;
    behind.write(&app(1), &record, fence).await.unwrap();
    behind.release(&app(1), fence).await;
    let (fence, seen) = won(&ahead, &app(1)).await;
    let theirs = rekeyed(record.clone(), &key(2).value_hasher());
    assert_eq!(seen, Some(theirs.clone()));
    ahead.write(&app(1), &theirs, fence).await.unwrap();
    ahead.release(&app(1), fence).await;
    assert_eq!(won(&behind, &app(1)).await.1, Some(record));
}

#[tokio::test]
async fn an_emptied_redis_lets_nobody_in_with_another_master_key() {
    let server = Server::start().await;
    let _ours = store(&server.url(), QUICK);
    let known = async || {
        let checks: i64 = server.ask(&["HEXISTS", "wxtoken:store", "check"]).await;
        checks == 1
    };
    until("the key check is there", known).await;
    let _: String = server.ask(&["FLUSHALL"]).await;
    until("it is there again, on the same connection", known).await;
    let other = open(&server.url(), key(2), QUICK).0;
    let refused = other.read(&app(1)).await;
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(why)) if why.en.contains("another master key")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn who_cannot_read_a_record_does_not_keep_its_lease_from_those_who_can() {
    let server = Server::start().await;
    let behind = store(&server.url(), QUICK);
    assert_eq!(behind.read(&app(1)).await.unwrap(), None);
    let both = MasterKeys {
        current: key(2),
        previous: Some(key(1)),
    };
    let ahead = open(&server.url(), both, QUICK).0;
    let (fence, _) = won(&ahead, &app(1)).await;
    ahead.write(&app(1), &full_record(), fence).await.unwrap();
    ahead.release(&app(1), fence).await;
    let refused = behind.lease(&app(1), HOLDS).await;
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(why)) if why.en.contains("another master key")),
        "{refused:?}"
    );
    won(&ahead, &app(1)).await;
}

#[tokio::test]
async fn a_record_of_a_newer_version_is_left_where_it_is() {
    let server = Server::start().await;
    let store = store(&server.url(), QUICK);
    let (fence, _) = won(&store, &app(1)).await;
    store.write(&app(1), &full_record(), fence).await.unwrap();
    store.release(&app(1), fence).await;
    let newer = store
        .rows
        .sealer
        .seal_of_version(9, &Label::of(app(1), &full_record(), fence));
    let record = "wxtoken:{wx0000000000000001}:record";
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut put = redis::cmd("HSET");
    put.arg(record).arg("b").arg(&newer);
    let _: i64 = put.query_async(&mut connection).await.unwrap();
    let fresh = open(&server.url(), key(1), QUICK).0;
    let (records, damaged) = load(&fresh).await;
    assert!(records.is_empty());
    assert!(damaged[0].1.contains("format 9"), "{damaged:?}");
    let refused = fresh.lease(&app(1), HOLDS).await;
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(why)) if why.en.contains("format 9")),
        "{refused:?}"
    );
    let left: Vec<u8> = server.ask(&["HGET", record, "b"]).await;
    assert_eq!(left, newer);
    let lease = "wxtoken:{wx0000000000000001}:lease";
    assert_eq!(server.ask::<i64>(&["EXISTS", lease]).await, 0);
}

#[tokio::test]
async fn a_record_is_bound_to_its_app_its_fence_and_its_store() {
    let server = Server::start().await;
    let store = store(&server.url(), QUICK);
    for number in [1, 2] {
        let (fence, _) = won(&store, &app(number)).await;
        store
            .write(&app(number), &full_record(), fence)
            .await
            .unwrap();
    }
    store.stop().await;
    let _: i64 = server
        .ask(&[
            "COPY",
            "wxtoken:{wx0000000000000001}:record",
            "wxtoken:{wx0000000000000002}:record",
            "REPLACE",
        ])
        .await;
    let _: i64 = server
        .ask(&[
            "HSET",
            "wxtoken:{wx0000000000000001}:record",
            "ln",
            "00000000000000000009",
        ])
        .await;
    let (records, damaged) = load(&open(&server.url(), key(1), QUICK).0).await;
    assert!(records.is_empty(), "{records:?}");
    assert_eq!(damaged.len(), 2);
}
