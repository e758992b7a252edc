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
