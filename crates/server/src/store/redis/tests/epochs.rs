//! A Redis that forgets: emptied, started again, put back. What the replicas hold comes back, and nothing older wins.

use super::super::super::sealed::Label;
use super::*;
use wxtoken_core::credential::{Kind, ValueId};
use wxtoken_core::store::Remembered;

/// Long enough for everybody to offer, short enough to wait for.
const OFFERING: Timing = Timing {
    offers: Duration::from_millis(600),
    ..QUICK
};

/// Three stores that have all met the app's record; the third has met a newer one.
async fn three(server: &Server) -> ([RedisStore; 3], Fence, Record) {
    let stores = [(); 3].map(|()| store(&server.url(), OFFERING));
    let (fence, _) = won_at_last(&stores[2], &app(1)).await;
    stores[2]
        .write(&app(1), &full_record(), fence)
        .await
        .unwrap();
    for store in &stores {
        assert!(store.read(&app(1)).await.unwrap().is_some());
    }
    let mut newest = generation(full_record(), 0, 1_900_000_000_000);
    newest.budgets.counts[0].slots[0] += 5;
    stores[2].write(&app(1), &newest, fence).await.unwrap();
    (stores, fence, newest)
}

#[tokio::test]
async fn an_emptied_redis_is_filled_from_memory_and_its_leases_are_void() {
    let server = Server::start().await;
    let ([one, two, three], fence, newest) = three(&server).await;
    let _: String = server.ask(&["FLUSHALL"]).await;
    let (later, record) = won_at_last(&one, &app(1)).await;
    assert!(later > fence);
    assert_eq!(
        record.as_ref(),
        Some(&newest),
        "the newest that anybody holds"
    );
    let refused = three.write(&app(1), &newest, fence).await;
    assert!(
        matches!(refused, Err(StoreError::Stale(Some(_)))),
        "{refused:?}"
    );
    assert_eq!(load(&two).await.0[&app(1)], newest);
}

#[tokio::test]
async fn an_emptied_redis_is_filled_though_nobody_asks_for_a_lease() {
    let server = Server::start().await;
    let (stores, _, newest) = three(&server).await;
    let _: String = server.ask(&["FLUSHALL"]).await;
    let fresh = store(&server.url(), OFFERING);
    let back = async {
        while load(&fresh).await.0.get(&app(1)) != Some(&newest) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, back).await.unwrap();
    // For the metrics: by whoever was first.
    let counted = async {
        while stores.iter().all(|store| store.health().refilled == 0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, counted).await.unwrap();
}

#[tokio::test]
async fn a_redis_that_comes_back_with_an_older_state_does_not_keep_it() {
    let mut server = Server::start().await;
    // Whoever holds something newer has to be back in time: the real pauses go with the real time for offers.
    let timing = Timing {
        offers: Timing::REAL.offers,
        ..QUICK
    };
    let stores = [(); 2].map(|()| store(&server.url(), timing));
    let (fence, _) = won_at_last(&stores[0], &app(1)).await;
    stores[0]
        .write(&app(1), &full_record(), fence)
        .await
        .unwrap();
    let _: String = server.ask(&["SAVE"]).await;
    let newest = generation(full_record(), 0, 1_900_000_000_000);
    stores[0].write(&app(1), &newest, fence).await.unwrap();
    server.restart().await;
    let (later, record) = won_at_last(&stores[1], &app(1)).await;
    assert!(later > fence);
    assert_eq!(record, Some(newest.clone()));
    stores[1].write(&app(1), &newest, later).await.unwrap();
}

#[tokio::test]
async fn what_was_minted_as_redis_forgot_is_not_lost() {
    let server = Server::start().await;
    let [one, other] = [(); 2].map(|()| store(&server.url(), OFFERING));
    let (fence, _) = won_at_last(&one, &app(1)).await;
    one.write(&app(1), &full_record(), fence).await.unwrap();
    let _: String = server.ask(&["FLUSHALL"]).await;
    // The answer of a call that was under way: refused, for the lease is void, and yet it is there for whoever is next.
    let minted = generation(full_record(), 0, 1_900_000_000_000);
    let refused = one.write(&app(1), &minted, fence).await;
    assert!(
        matches!(&refused, Err(StoreError::Stale(Some(held))) if **held == minted),
        "{refused:?}"
    );
    one.stop().await;
    let (_, record) = won_at_last(&other, &app(1)).await;
    assert_eq!(record, Some(minted));
}

#[tokio::test]
async fn a_redis_that_keeps_everything_begins_a_new_epoch_with_a_new_life() {
    let mut server = Server::start_with(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let one = store(&server.url(), QUICK);
    let (fence, _) = won(&one, &app(1)).await;
    one.write(&app(1), &full_record(), fence).await.unwrap();
    let other = store(&server.url(), QUICK);
    assert!(is_taken(&other, &app(1)).await);
    server.restart().await;
    let (later, record) = won_at_last(&other, &app(1)).await;
    assert!(later.epoch > fence.epoch, "{later:?} after {fence:?}");
    assert_eq!(record, Some(full_record()));
    let refused = async {
        loop {
            match one.write(&app(1), &full_record(), fence).await {
                // It may not have found back yet.
                Err(StoreError::Unavailable(_)) => tokio::time::sleep(AGAIN).await,
                done => return done,
            }
        }
    };
    let refused = tokio::time::timeout(LONG, refused).await.unwrap();
    assert!(
        matches!(refused, Err(StoreError::Stale(Some(_)))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn no_lease_is_given_while_offers_are_taken() {
    let server = Server::start().await;
    let store = store(
        &server.url(),
        Timing {
            offers: LONG,
            ..QUICK
        },
    );
    let Lease::Taken { free_in } = store.lease(&app(1), HOLDS).await.unwrap() else {
        panic!("it is too early for a lease")
    };
    assert!(free_in > LONG / 2 && free_in <= LONG, "{free_in:?}");
    assert!(is_taken(&store, &app(1)).await);
}

#[tokio::test]
async fn damage_costs_a_moment_where_another_replica_holds_the_record() {
    let server = Server::start().await;
    let [writer, finder] = [(); 2].map(|()| store(&server.url(), OFFERING));
    let (fence, _) = won_at_last(&writer, &app(1)).await;
    writer.write(&app(1), &full_record(), fence).await.unwrap();
    writer.release(&app(1), fence).await;
    let record = "wxtoken:{wx0000000000000001}:record";
    let _: i64 = server.ask(&["HSET", record, "b", "something else"]).await;
    let (_, held) = won_at_last(&finder, &app(1)).await;
    assert_eq!(held, Some(full_record()));
    let aside: String = server
        .ask(&["GET", "wxtoken:{wx0000000000000001}:damaged"])
        .await;
    assert_eq!(aside, "something else");
}

#[tokio::test]
async fn damage_costs_a_moment_too_where_lives_cannot_be_told_apart() {
    let server = Server::start().await;
    let _: String = server
        .ask(&[
            "ACL", "SETUSER", "blind", "on", ">secret", "~*", "&*", "+@all", "-info",
        ])
        .await;
    let url = format!("redis://blind:secret@127.0.0.1:{}", server.port);
    let [writer, finder] = [(); 2].map(|()| store(&url, OFFERING));
    let (fence, _) = won_at_last(&writer, &app(1)).await;
    writer.write(&app(1), &full_record(), fence).await.unwrap();
    writer.release(&app(1), fence).await;
    let record = "wxtoken:{wx0000000000000001}:record";
    let _: i64 = server.ask(&["HSET", record, "b", "something else"]).await;
    let (later, held) = won_at_last(&finder, &app(1)).await;
    assert!(later.epoch > fence.epoch);
    assert_eq!(held, Some(full_record()));
}

#[tokio::test]
async fn what_was_minted_is_not_lost_though_a_note_came_first() {
    let server = Server::start().await;
    let [one, other] = [(); 2].map(|()| store(&server.url(), OFFERING));
    let (fence, _) = won_at_last(&one, &app(1)).await;
    one.write(&app(1), &full_record(), fence).await.unwrap();
    let _: String = server.ask(&["FLUSHALL"]).await;
    other.note_late_mint(&app(1), Wall(7)).await.unwrap();
    let minted = generation(full_record(), 0, 1_900_000_000_000);
    let refused = one.write(&app(1), &minted, fence).await;
    assert!(
        matches!(&refused, Err(StoreError::Stale(Some(_)))),
        "{refused:?}"
    );
    one.stop().await;
    let (_, record) = won_at_last(&other, &app(1)).await;
    let record = record.unwrap();
    assert_eq!(record.handed_out, minted.handed_out);
    assert!(record.late_mint >= Some(Wall(7)));
}

#[tokio::test]
async fn a_row_that_was_put_back_by_hand_is_noticed_by_who_knows_better() {
    let server = Server::start().await;
    let store = store(&server.url(), OFFERING);
    let (fence, _) = won_at_last(&store, &app(1)).await;
    store.write(&app(1), &full_record(), fence).await.unwrap();
    let (row, copy) = (
        "wxtoken:{wx0000000000000001}:record",
        "{wx0000000000000001}",
    );
    let _: i64 = server.ask(&["COPY", row, copy]).await;
    let newest = generation(full_record(), 0, 1_900_000_000_000);
    store.write(&app(1), &newest, fence).await.unwrap();
    let _: i64 = server.ask(&["COPY", copy, row, "REPLACE"]).await;
    let (later, record) = won_at_last(&store, &app(1)).await;
    assert!(later.epoch > fence.epoch);
    assert_eq!(record, Some(newest));
}

#[tokio::test]
async fn leases_of_an_epoch_are_known_as_its_first_until_something_was_written_under_one() {
    let server = Server::start().await;
    let [one, other] = [(); 2].map(|()| store(&server.url(), OFFERING));
    for _ in 0..2 {
        // The second time others have offered what they hold: nobody has written it.
        assert!(begins_epoch_at_last(&one, &app(1)).await.1);
        other.note_late_mint(&app(1), Wall(7)).await.unwrap();
        // The answer to the first may have been lost on the way.
        let (fence, begins) = begins_epoch_at_last(&one, &app(1)).await;
        assert!(begins);
        one.write(&app(1), &full_record(), fence).await.unwrap();
        let (fence, begins) = begins_epoch_at_last(&one, &app(1)).await;
        assert!(!begins);
        one.release(&app(1), fence).await;
        other.note_late_mint(&app(1), Wall(8)).await.unwrap();
        assert!(!begins_epoch_at_last(&other, &app(1)).await.1);
        let _: String = server.ask(&["FLUSHALL"]).await;
    }
}

async fn begins_epoch_at_last(store: &RedisStore, app: &AppId) -> (Fence, bool) {
    let mut won = None;
    until("the lease comes free", async || {
        let lease = store.lease(app, HOLDS).await;
        if let Ok(Lease::Won {
            fence,
            begins_epoch,
            ..
        }) = lease
        {
            won = Some((fence, begins_epoch));
        }
        won.is_some()
    })
    .await;
    won.unwrap()
}

#[tokio::test]
async fn who_was_granted_the_lease_in_another_life_writes_nothing() {
    let server = Server::start().await;
    let store = store(&server.url(), OFFERING);
    let (fence, _) = won_at_last(&store, &app(1)).await;
    store.write(&app(1), &full_record(), fence).await.unwrap();
    // As after a failover that lost the grant to somebody else: the row is as it was, the process is another.
    let record = "wxtoken:{wx0000000000000001}:record";
    let _: i64 = server.ask(&["HSET", record, "life", "of:another"]).await;
    let refused = store.write(&app(1), &full_record(), fence).await;
    assert!(
        matches!(refused, Err(StoreError::Stale(Some(_)))),
        "{refused:?}"
    );
    let (later, _) = won_at_last(&store, &app(1)).await;
    assert!(later.epoch > fence.epoch);
    store.write(&app(1), &full_record(), later).await.unwrap();
}

#[tokio::test]
async fn what_was_minted_in_another_life_is_offered_though_nobody_has_asked_in_this_one() {
    let server = Server::start().await;
    let quiet = Timing {
        compare: LONG,
        ..OFFERING
    };
    let [one, other] = [(); 2].map(|()| store(&server.url(), quiet));
    let (fence, _) = won_at_last(&one, &app(1)).await;
    one.write(&app(1), &full_record(), fence).await.unwrap();
    // As after a failover that lost nothing: the row is as it was, the process is another.
    let record = "wxtoken:{wx0000000000000001}:record";
    let _: i64 = server.ask(&["HSET", record, "life", "of:another"]).await;
    let minted = generation(full_record(), 0, 1_900_000_000_000);
    let refused = one.write(&app(1), &minted, fence).await;
    assert!(
        matches!(&refused, Err(StoreError::Stale(Some(held))) if **held == minted),
        "{refused:?}"
    );
    crash(one).await;
    let (later, held) = won_at_last(&other, &app(1)).await;
    assert!(later.epoch > fence.epoch);
    assert_eq!(held, Some(minted));
}

#[tokio::test]
async fn what_several_offer_is_merged_by_maximum() {
    let server = Server::start().await;
    let stores = [(); 3].map(|()| store(&server.url(), OFFERING));
    let (fence, _) = won_at_last(&stores[0], &app(1)).await;
    stores[0]
        .write(&app(1), &full_record(), fence)
        .await
        .unwrap();
    // Each has something that the others have not: what was written as connections broke one by one.
    for (kind, store) in stores.iter().enumerate() {
        let mut record = generation(full_record(), kind, 1_900_000_000_000);
        record.budgets.counts[kind].slots[0] += 100;
        let label = Label::of(app(1), &record, fence);
        let sealed = store.rows.seal(&label, &record).unwrap();
        let version = store.rows.memory.version(&app(1)).max(fence.epoch) + 10;
        store.rows.memory.wrote(label, sealed, version);
    }
    let _: String = server.ask(&["FLUSHALL"]).await;
    let (_, record) = won_at_last(&stores[1], &app(1)).await;
    let record = record.unwrap();
    for kind in 0..3 {
        assert_eq!(record.handed_out[kind].generation.0, 1_900_000_000_000);
        let counted = full_record().budgets.counts[kind].slots[0];
        assert_eq!(record.budgets.counts[kind].slots[0], counted + 100);
    }
}

#[tokio::test]
async fn what_is_kept_takes_in_what_is_read_though_it_is_ahead_in_something_else() {
    let server = Server::start().await;
    let [writer, keeper] = [(); 2].map(|()| store(&server.url(), OFFERING));
    let (fence, _) = won_at_last(&writer, &app(1)).await;
    writer.write(&app(1), &full_record(), fence).await.unwrap();
    // The keeper has written a ticket that Redis lost; then another writes a token.
    let ahead = generation(full_record(), 1, 1_900_000_000_000);
    let label = Label::of(app(1), &ahead, fence);
    let sealed = keeper.rows.seal(&label, &ahead).unwrap();
    let version = writer.version(&app(1)) + 1;
    keeper.rows.memory.wrote(label, sealed, version);
    for newest in [1_900_000_000_001, 1_900_000_000_002] {
        let written = generation(full_record(), 0, newest);
        writer.write(&app(1), &written, fence).await.unwrap();
        assert!(keeper.read(&app(1)).await.unwrap().is_some());
    }
    crash(writer).await;
    let _: String = server.ask(&["FLUSHALL"]).await;
    let (_, record) = won_at_last(&keeper, &app(1)).await;
    let generations = record.unwrap().handed_out.map(|out| out.generation.0);
    assert_eq!(generations[..2], [1_900_000_000_002, 1_900_000_000_000]);
}

#[tokio::test]
async fn who_asks_for_the_lease_while_offers_are_taken_is_told_what_others_offered() {
    let server = Server::start().await;
    let offering = Timing {
        offers: LONG,
        compare: LONG,
        ..QUICK
    };
    let writer = store(&server.url(), QUICK);
    let (fence, _) = won(&writer, &app(1)).await;
    writer.write(&app(1), &full_record(), fence).await.unwrap();
    let holder = store(&server.url(), offering);
    assert!(holder.read(&app(1)).await.unwrap().is_some());
    writer.stop().await;
    let _: String = server.ask(&["FLUSHALL"]).await;
    let (asker, mut changes) = open(&server.url(), key(1), offering);
    // It begins the epoch; then the other offers what it holds.
    assert!(is_taken(&asker, &app(1)).await);
    let record = "wxtoken:{wx0000000000000001}:record";
    until("it is offered", async || {
        server.ask::<i64>(&["HEXISTS", record, "b"]).await == 1
    })
    .await;
    assert!(is_taken(&asker, &app(1)).await);
    let told = async {
        loop {
            if let Some(Change::Learned { app: whose, record }) = changes.recv().await {
                return (whose, *record);
            }
        }
    };
    let told = tokio::time::timeout(LONG, told).await.unwrap();
    assert_eq!(told, (app(1), full_record()));
}

#[tokio::test]
async fn a_forgotten_app_is_offered_no_more_though_it_was_being_read() {
    let server = Server::start().await;
    let quiet = Timing {
        compare: LONG,
        ..QUICK
    };
    let store = store(&server.url(), quiet);
    let (fence, _) = won(&store, &app(1)).await;
    store.write(&app(1), &full_record(), fence).await.unwrap();
    store.release(&app(1), fence).await;
    store.forget(&app(1)).await.unwrap();
    // What was asked before is answered after.
    assert!(store.read(&app(1)).await.unwrap().is_some());
    let refilled = store.rows.refill(&app(1), Some(&full_record())).await;
    assert_eq!(refilled.unwrap().as_deref(), Some(&full_record()));
    assert_eq!(store.rows.memory.count(), 0);
    let _: String = server.ask(&["FLUSHALL"]).await;
    let refilled = store.rows.refill(&app(1), Some(&full_record())).await;
    assert_eq!(refilled.unwrap(), None);
    // Until it is configured again.
    let (fence, _) = won(&store, &app(1)).await;
    store.write(&app(1), &full_record(), fence).await.unwrap();
    assert!(store.rows.memory.kept(&app(1)).is_some());
}

#[tokio::test]
async fn numbers_that_somebody_overwrote_are_made_anew() {
    let server = Server::start().await;
    let store = store(&server.url(), QUICK);
    let (fence, _) = won(&store, &app(1)).await;
    store.write(&app(1), &full_record(), fence).await.unwrap();
    let record = "wxtoken:{wx0000000000000001}:record";
    for field in ["e", "n", "v"] {
        let _: i64 = server.ask(&["HSET", record, field, "something else"]).await;
    }
    let (later, held) = won_at_last(&store, &app(1)).await;
    assert!(later.epoch > fence.epoch);
    assert_eq!(held, Some(full_record()));
    store.write(&app(1), &full_record(), later).await.unwrap();
}

#[tokio::test]
async fn a_value_that_was_replaced_does_not_come_back_with_a_newer_generation() {
    let server = Server::start().await;
    let stores = [(); 2].map(|()| store(&server.url(), OFFERING));
    let (fence, _) = won_at_last(&stores[0], &app(1)).await;
    stores[0]
        .write(&app(1), &full_record(), fence)
        .await
        .unwrap();
    // One has fetched the successor; the other read of the old value late, and gave that a generation of its own.
    let mut replaced = generation(full_record(), 0, 1_900_000_000_000);
    let old = replaced.lanes[1].as_ref().unwrap().id;
    replaced.lanes[1].as_mut().unwrap().id = ValueId(60);
    replaced.remembered.push(Remembered {
        id: old,
        kind: Kind::AccessToken,
        ends: Wall(99),
    });
    let again = generation(full_record(), 0, 1_900_000_000_001);
    for (store, record) in stores.iter().zip([replaced, again]) {
        let label = Label::of(app(1), &record, fence);
        let sealed = store.rows.seal(&label, &record).unwrap();
        let version = store.rows.memory.version(&app(1)).max(fence.epoch) + 10;
        store.rows.memory.wrote(label, sealed, version);
    }
    let _: String = server.ask(&["FLUSHALL"]).await;
    let (_, record) = won_at_last(&stores[1], &app(1)).await;
    let record = record.unwrap();
    assert_eq!(record.lanes[1].as_ref().unwrap().id, ValueId(60));
    assert_eq!(record.handed_out[0].generation.0, 1_900_000_000_001);
}

#[tokio::test]
async fn who_reads_what_another_has_offered_offers_what_that_one_did_not_know() {
    let server = Server::start().await;
    let [knows, other] = [(); 2].map(|()| {
        store(
            &server.url(),
            Timing {
                offers: LONG,
                compare: 2 * LONG,
                ..QUICK
            },
        )
    });
    let without = full_record();
    let mut counted = full_record();
    counted.budgets.counts[0].slots[0] += 5;
    // Into a Redis whose offers are over: they take the life of the other one's first look.
    let writer = store(&server.url(), QUICK);
    let (fence, _) = won_at_last(&writer, &app(1)).await;
    writer.write(&app(1), &without, fence).await.unwrap();
    other.read(&app(1)).await.unwrap();
    other.stop().await; // no message reaches it from here on
    writer.write(&app(1), &counted, fence).await.unwrap();
    knows.read(&app(1)).await.unwrap();
    crash(writer).await;
    knows.stop().await;
    let _: String = server.ask(&["FLUSHALL"]).await;
    assert!(is_taken(&other, &app(1)).await, "offers are taken");
    let offered = other.rows.refill(&app(1), None).await.unwrap();
    assert_eq!(offered.as_deref(), Some(&without));
    let read = knows.read(&app(1)).await.unwrap();
    assert_eq!(read.as_deref(), Some(&counted));
    let (records, _) = load(&store(&server.url(), QUICK)).await;
    assert_eq!(records[&app(1)], counted);
}
