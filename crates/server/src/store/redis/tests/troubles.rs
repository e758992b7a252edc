//! Redis in trouble: each is told by its name, in both languages, and is over when it is over.

use super::*;
use crate::words::InChinese;

async fn trouble_of(store: &RedisStore) -> Trouble {
    let refused = store.note_late_mint(&app(1), Wall(1)).await;
    let Err(StoreError::Unavailable(why)) = refused else {
        panic!("{refused:?}")
    };
    let trouble = store.trouble().expect("it is known what is wrong");
    assert_eq!(why, crate::words::Sentence::of(&trouble));
    assert!(!why.zh.is_ascii() && why.en.is_ascii());
    trouble
}

async fn works_at_last(store: &RedisStore) {
    let trying = async {
        while store.note_late_mint(&app(1), Wall(1)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, trying)
        .await
        .expect("it is over");
    assert_eq!(store.trouble(), None);
}

#[tokio::test]
async fn a_redis_that_is_gone_is_unreachable_and_comes_back_by_itself() {
    let mut server = Server::start().await;
    let store = store(&server.url(), QUICK);
    works_at_last(&store).await;
    server.kill();
    let trouble = trouble_of(&store).await;
    assert!(
        matches!(trouble, Trouble::Unreachable { .. }),
        "{trouble:?}"
    );
    server.restart().await;
    works_at_last(&store).await;
}

#[tokio::test]
async fn a_redis_that_does_not_answer_is_slow() {
    let server = Server::start().await;
    let store = store(
        &server.url(),
        Timing {
            answer: Duration::from_millis(200),
            ..QUICK
        },
    );
    works_at_last(&store).await;
    let pid = rustix::process::Pid::from_raw(server.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let trouble = trouble_of(&store).await;
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    assert!(matches!(trouble, Trouble::Slow { .. }), "{trouble:?}");
    works_at_last(&store).await;
}

#[tokio::test]
async fn a_full_redis_takes_no_writes_and_still_lets_leases_go() {
    let server = Server::start().await;
    let store = store(&server.url(), QUICK);
    let (fence, _) = won(&store, &app(2)).await;
    let _: String = server.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(trouble_of(&store).await, Trouble::Full);
    store.release(&app(2), fence).await;
    let left: i64 = server
        .ask(&["EXISTS", "wxtoken:{wx0000000000000002}:lease"])
        .await;
    assert_eq!(left, 0);
    let _: String = server.ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
    works_at_last(&store).await;
}

#[tokio::test]
async fn a_full_redis_is_not_well_again_because_it_refuses_who_was_overtaken() {
    let server = Server::start().await;
    let timing = Timing {
        compare: LONG,
        keep: LONG,
        ..QUICK
    };
    let (stalled, next) = (store(&server.url(), timing), store(&server.url(), timing));
    let (old, _) = won(&stalled, &app(1)).await;
    let _: i64 = server
        .ask(&["DEL", "wxtoken:{wx0000000000000001}:lease"])
        .await;
    let (new, _) = won(&next, &app(1)).await;
    next.write(&app(1), &full_record(), new).await.unwrap();
    let _: String = server.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(trouble_of(&stalled).await, Trouble::Full);
    let refused = stalled.write(&app(1), &full_record(), old).await;
    assert!(matches!(refused, Err(StoreError::Stale(_))), "{refused:?}");
    assert_eq!(stalled.trouble(), Some(Trouble::Full));
}

#[tokio::test]
async fn a_redis_that_became_a_replica_is_read_only() {
    let (server, master) = (Server::start().await, Server::start().await);
    let store = store(&server.url(), QUICK);
    works_at_last(&store).await;
    let _: String = server
        .ask(&["REPLICAOF", "127.0.0.1", &master.port.to_string()])
        .await;
    let trouble = trouble_of(&store).await;
    assert!(matches!(trouble, Trouble::ReadOnly { .. }), "{trouble:?}");
    let _: String = server.ask(&["REPLICAOF", "NO", "ONE"]).await;
    works_at_last(&store).await;
}

#[tokio::test]
async fn a_redis_that_cannot_save_says_so() {
    let server =
        Server::start_with(&["--save", "3600 1", "--stop-writes-on-bgsave-error", "yes"]).await;
    let store = store(&server.url(), QUICK);
    works_at_last(&store).await;
    std::fs::remove_dir_all(server.folder.path()).unwrap();
    let _: String = server.ask(&["BGSAVE"]).await;
    let failed = async {
        while !server
            .ask::<String>(&["INFO", "persistence"])
            .await
            .contains("rdb_last_bgsave_status:err")
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, failed).await.unwrap();
    assert_eq!(trouble_of(&store).await, Trouble::CannotPersist);
}

#[tokio::test]
async fn a_redis_that_is_loading_says_so_until_it_has() {
    let mut server = Server::start().await;
    let store = store(&server.url(), QUICK);
    works_at_last(&store).await;
    let fill = "for i = 1, 2000 do redis.call('SET', 'key' .. i, i) end return 'OK'";
    let _: String = server.ask(&["EVAL", fill, "0"]).await;
    let _: String = server.ask(&["SAVE"]).await;
    // A millisecond for each key, and a look at the connections now and then.
    let slowly = [
        "--key-load-delay",
        "1000",
        "--loading-process-events-interval-bytes",
        "1024",
    ];
    server.begin_again(&slowly);
    let loading = async {
        while trouble_of(&store).await != Trouble::Loading {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, loading)
        .await
        .expect("it is told that it loads");
    works_at_last(&store).await;
}

#[tokio::test]
async fn a_user_is_let_in_by_password_and_a_wrong_one_is_refused_without_being_shown() {
    let server = Server::start().await;
    let _: String = server
        .ask(&[
            "ACL",
            "SETUSER",
            "keeper",
            "on",
            ">s3cr3t-canary",
            "~wxtoken:*",
            "&wxtoken:*",
            "+@read",
            "+@write",
            "+@scripting",
            "+@pubsub",
            "+@connection",
            "+info",
            "+role",
            "+publish",
            "+time",
        ])
        .await;
    let url = |password: &str| format!("redis://keeper:{password}@127.0.0.1:{}", server.port);
    let right = store(&url("s3cr3t-canary"), QUICK);
    let (fence, _) = won(&right, &app(1)).await;
    right.write(&app(1), &full_record(), fence).await.unwrap();
    assert_eq!(load(&right).await.0[&app(1)], full_record());
    let wrong = store(&url("wr0ng-canary"), QUICK);
    let trouble = trouble_of(&wrong).await;
    assert!(matches!(trouble, Trouble::Refused { .. }), "{trouble:?}");
    let shown = format!(
        "{trouble} {trouble:?} {} {wrong:?} {:?}",
        trouble.in_chinese(),
        settings(&url("wr0ng-canary"))
    );
    assert!(!shown.contains("canary"), "{shown}");
    let _: String = server
        .ask(&["ACL", "SETUSER", "keeper", "-@scripting"])
        .await;
    assert_eq!(trouble_of(&right).await, Trouble::NotAllowed);
}

/// Three records, the second of them damaged.
async fn three_of_which_one_is_damaged(server: &Server) {
    let writer = store(&server.url(), QUICK);
    for number in 1..=3 {
        let (fence, _) = won(&writer, &app(number)).await;
        let written = writer.write(&app(number), &full_record(), fence).await;
        written.unwrap();
    }
    writer.stop().await;
    let record = "wxtoken:{wx0000000000000002}:record";
    let _: i64 = server.ask(&["HSET", record, "b", "something else"]).await;
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_is_read_to_the_end_though_something_is_damaged() {
    let server = Server::start().await;
    three_of_which_one_is_damaged(&server).await;
    let _: String = server
        .ask(&["CONFIG", "SET", "min-replicas-to-write", "1"])
        .await;
    let (records, damaged) = load(&store(&server.url(), QUICK)).await;
    assert_eq!((records.len(), damaged.len()), (2, 1), "{damaged:?}");
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_is_read_to_the_end_though_the_master_key_changes() {
    let server = Server::start().await;
    three_of_which_one_is_damaged(&server).await;
    let _: String = server.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let both = MasterKeys {
        current: key(2),
        previous: Some(key(1)),
    };
    let rotating = open(&server.url(), both.clone(), QUICK).0;
    assert_eq!(load(&rotating).await.0.len(), 2);
    rotating.stop().await;
    let _: String = server.ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
    // What was not done is done by the next start.
    assert_eq!(load(&open(&server.url(), both, QUICK).0).await.0.len(), 2);
    let after = open(&server.url(), key(2), QUICK).0;
    assert_eq!(load(&after).await, load(&after).await);
    assert_eq!(load(&after).await.0.len(), 2);
}

#[tokio::test]
async fn a_look_writes_nothing_and_is_granted_where_nothing_can_be_written() {
    let server = Server::start().await;
    let (writer, other) = (store(&server.url(), QUICK), store(&server.url(), QUICK));
    let (fence, _) = won(&writer, &app(1)).await;
    writer.write(&app(1), &full_record(), fence).await.unwrap();
    let _: String = server
        .ask(&["CONFIG", "SET", "min-replicas-to-write", "1"])
        .await;
    let looked = other.lease(&app(1), Duration::ZERO).await.unwrap();
    let Lease::Won { record, .. } = looked else {
        panic!("a look is always granted")
    };
    assert_eq!(record.as_deref(), Some(&full_record()));
}

#[tokio::test]
async fn keys_of_another_type_are_set_aside_and_cost_only_their_app() {
    let server = Server::start().await;
    three_of_which_one_is_damaged(&server).await;
    let [record, lease, damaged] =
        ["record", "lease", "damaged"].map(|what| format!("wxtoken:{{{}}}:{what}", app(1)));
    let misplace = async |key: &str| {
        let _: i64 = server.ask(&["DEL", key]).await;
        let _: i64 = server.ask(&["RPUSH", key, "something else"]).await;
    };
    misplace(&record).await;
    let other = store(&server.url(), QUICK);
    let (records, unread) = load(&other).await;
    assert_eq!((records.len(), unread.len()), (1, 2), "{unread:?}");
    assert_eq!(server.ask::<i64>(&["LLEN", &damaged]).await, 1);
    for key in [&record, &lease] {
        misplace(key).await;
        let (fence, _) = won_at_last(&other, &app(1)).await;
        other.write(&app(1), &full_record(), fence).await.unwrap();
        other.release(&app(1), fence).await;
    }
}

#[tokio::test]
async fn a_key_of_another_kind_keeps_nobody_from_hearing_of_the_others() {
    let server = Server::start().await;
    let (reader, _changes) = open(&server.url(), key(1), QUICK);
    for number in 1..=2 {
        let (fence, _) = won_at_last(&reader, &app(number)).await;
        reader
            .write(&app(number), &full_record(), fence)
            .await
            .unwrap();
    }
    let count = async |command: &str, what: &str| {
        let stats: String = server.ask(&["INFO", "commandstats"]).await;
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:")));
        let number = line.and_then(|line| line.split(',').find_map(|part| part.strip_prefix(what)));
        number.map_or(0, |number| number.parse::<u64>().unwrap())
    };
    let record = "wxtoken:{wx0000000000000002}:record";
    let _: i64 = server.ask(&["DEL", record]).await;
    let _: String = server.ask(&["SET", record, "something else"]).await;
    let (subscribed, failed) = (
        count("subscribe", "calls=").await,
        count("hmget", "failed_calls=").await,
    );
    assert!(subscribed > 0);
    until("it has been met three times", async || {
        count("hmget", "failed_calls=").await >= failed + 3
    })
    .await;
    assert_eq!(count("subscribe", "calls=").await, subscribed);
}

#[tokio::test]
async fn what_others_revoked_is_told_though_redis_lacks_something_and_takes_no_writes() {
    let server = Server::start().await;
    let now = SystemClock.now().wall.0;
    let other = store(&server.url(), QUICK);
    other.revoke(7, now).await.unwrap();
    let _: i64 = server
        .ask(&["HSET", "wxtoken:revoked", "5", "something else"])
        .await;
    let _: String = server
        .ask(&["CONFIG", "SET", "min-replicas-to-write", "1"])
        .await;
    let (lacking, mut changes) = open(&server.url(), key(1), QUICK);
    lacking.seed_revoked(8, now);
    let told = async {
        while changes.recv().await
            != Some(Change::Revoked {
                caller: 7,
                epoch: now,
            })
        {}
    };
    tokio::time::timeout(LONG, told).await.expect("it is told");
}

#[tokio::test]
async fn a_thousand_revocations_at_once_are_read_a_few_times() {
    let server = Server::start().await;
    let timing = Timing {
        compare: LONG,
        ..QUICK
    };
    let (reader, mut changes) = open(&server.url(), key(1), timing);
    let other = store(&server.url(), timing);
    let now = SystemClock.now().wall.0;
    other.revoke(6, now).await.unwrap();
    let told = async |caller: u64, changes: &mut UnboundedReceiver<Change>| {
        let told = async {
            let wanted = Change::Revoked { caller, epoch: now };
            while changes.recv().await.as_ref() != Some(&wanted) {}
        };
        tokio::time::timeout(LONG, told).await.expect("it is told");
    };
    told(6, &mut changes).await;
    let _: String = server.ask(&["CONFIG", "RESETSTAT"]).await;
    let many =
        "for i = 1, 1000 do redis.call('PUBLISH', 'wxtoken:changes', '- revoked') end return 'OK'";
    let _: String = server.ask(&["EVAL", many, "0"]).await;
    other.revoke(7, now).await.unwrap();
    told(7, &mut changes).await;
    // Asked behind all that may still be under way on its connection.
    assert!(reader.read(&app(1)).await.unwrap().is_none());
    let stats: String = server.ask(&["INFO", "commandstats"]).await;
    let calls = stats
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_hgetall:calls="))
        .and_then(|rest| rest.split(',').next()?.parse::<u32>().ok());
    let calls = calls.expect("it was read");
    assert!(calls < 300, "{calls}");
}
