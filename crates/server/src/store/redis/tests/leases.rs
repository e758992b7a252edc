//! Who may write: one holder at a time, followed when it is gone, refused when it was overtaken.

use super::super::row::padded;
use super::*;
use wxtoken_core::budget::Budgets;

#[tokio::test]
async fn one_of_two_holds_the_lease_and_the_other_gets_it_when_it_is_given_back() {
    let server = Server::start().await;
    let (one, other) = (store(&server.url(), QUICK), store(&server.url(), QUICK));
    let (fence, _) = won(&one, &app(1)).await;
    assert!(is_taken(&other, &app(1)).await);
    one.write(&app(1), &full_record(), fence).await.unwrap();
    one.release(&app(1), fence).await;
    let (next, record) = won(&other, &app(1)).await;
    assert!(next > fence);
    assert_eq!(record, Some(full_record()));
    // Given back late, by one who has it no more: nothing happens.
    one.release(&app(1), fence).await;
    assert!(is_taken(&one, &app(1)).await);
}

#[tokio::test]
async fn a_store_that_stops_gives_its_leases_back_at_once() {
    let server = Server::start().await;
    let (one, other) = (store(&server.url(), QUICK), store(&server.url(), QUICK));
    won(&one, &app(1)).await;
    one.stop().await;
    won(&other, &app(1)).await;
    let third = store(&server.url(), QUICK);
    assert!(is_taken(&third, &app(1)).await);
    drop(other);
    won_at_last(&third, &app(1)).await;
}

#[tokio::test]
async fn a_store_that_was_stopped_takes_no_lease_that_nobody_would_give_back() {
    let server = Server::start().await;
    let (one, other) = (store(&server.url(), QUICK), store(&server.url(), QUICK));
    one.stop().await;
    let refused = one.lease(&app(1), HOLDS).await;
    assert!(matches!(refused, Ok(Lease::Taken { .. })), "{refused:?}");
    won(&other, &app(1)).await;
}

#[tokio::test]
async fn a_lease_is_kept_alive_as_long_as_it_was_asked_for_and_not_longer() {
    let server = Server::start().await;
    let timing = Timing {
        lease: Duration::from_millis(1000),
        ..QUICK
    };
    let (one, other) = (store(&server.url(), timing), store(&server.url(), timing));
    let (fence, _) = won(&one, &app(1)).await;
    let (mut kept, mut before) = (0, 0_i64);
    while kept < 3 {
        let left: i64 = server
            .ask(&["PTTL", "wxtoken:{wx0000000000000001}:lease"])
            .await;
        assert!(left > 0, "the lease is not lost");
        kept += u32::from(left > before);
        before = left;
    }
    assert!(is_taken(&other, &app(1)).await);
    // What was asked for is over: it is given back, although nobody said so.
    one.leases.won(&app(1), fence, one.clock.now().boot);
    won_at_last(&other, &app(1)).await;
}

#[tokio::test]
async fn who_is_gone_is_followed_within_three_seconds() {
    let server = Server::start().await;
    let timing = Timing {
        lease: Timing::REAL.lease,
        keep: Timing::REAL.keep,
        ..QUICK
    };
    let (gone, next) = (store(&server.url(), timing), store(&server.url(), timing));
    won(&gone, &app(1)).await;
    let begin = SystemClock.now().boot;
    crash(gone).await;
    won_at_last(&next, &app(1)).await;
    let took = SystemClock.now().boot.since(begin);
    assert!(took <= 3000, "{took} ms");
}

#[tokio::test]
async fn a_holder_that_stalled_is_refused_and_shown_what_holds() {
    let server = Server::start().await;
    let stalls = Timing {
        keep: LONG,
        ..QUICK
    };
    let (stalled, next) = (store(&server.url(), stalls), store(&server.url(), QUICK));
    let (old, _) = won(&stalled, &app(1)).await;
    let _: i64 = server
        .ask(&["DEL", "wxtoken:{wx0000000000000001}:lease"])
        .await;
    let (new, _) = won(&next, &app(1)).await;
    // Before the successor has written, and after.
    let refused = stalled.write(&app(1), &full_record(), old).await;
    assert!(
        matches!(refused, Err(StoreError::Stale(None))),
        "{refused:?}"
    );
    let newer = generation(full_record(), 0, 1_900_000_000_000);
    next.write(&app(1), &newer, new).await.unwrap();
    let newest = generation(full_record(), 0, u64::MAX);
    let refused = stalled.write(&app(1), &newest, old).await;
    assert!(
        matches!(&refused, Err(StoreError::Stale(Some(held))) if **held == newer),
        "{refused:?}"
    );
    assert_eq!(load(&next).await.0[&app(1)], newer);
}

#[tokio::test]
async fn a_lease_that_ended_and_that_nobody_took_goes_on() {
    let server = Server::start().await;
    let (one, mut changes) = open(&server.url(), key(1), QUICK);
    let (fence, _) = won(&one, &app(1)).await;
    let key = "wxtoken:{wx0000000000000001}:lease";
    let _: i64 = server.ask(&["DEL", key]).await;
    one.write(&app(1), &full_record(), fence).await.unwrap();
    let back = async {
        while server.ask::<i64>(&["EXISTS", key]).await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, back).await.unwrap();
    // Somebody else's is not touched, and the loss is told.
    let _: String = server.ask(&["SET", key, "somebody else"]).await;
    let told = async {
        loop {
            if let Some(Change::Lost {
                app: lost,
                fence: which,
            }) = changes.recv().await
            {
                return (lost, which);
            }
        }
    };
    assert_eq!(
        tokio::time::timeout(LONG, told).await.unwrap(),
        (app(1), fence)
    );
    assert_eq!(server.ask::<String>(&["GET", key]).await, "somebody else");
}

#[tokio::test]
async fn no_call_that_was_counted_is_forgotten_as_the_lease_goes_round() {
    let server = Server::start().await;
    let stores = [(); 3].map(|()| store(&server.url(), QUICK));
    for turn in 0..30_u16 {
        let store = &stores[usize::from(turn % 3)];
        // Who gave it back may have kept it alive just then, and gives it back again.
        let (fence, record) = won_at_last(store, &app(1)).await;
        let mut record = record.unwrap_or_default();
        assert_eq!(record.budgets.counts[0].slots[0], turn);
        record.budgets.counts[0].slots[0] += 1;
        store.write(&app(1), &record, fence).await.unwrap();
        store.release(&app(1), fence).await;
    }
    let counted = load(&stores[0]).await.0[&app(1)].budgets;
    assert_eq!(counted.counts[0].slots[0], 30);
    assert_ne!(counted, Budgets::default());
}

#[tokio::test]
async fn what_one_writes_the_others_hear_of_and_read() {
    let server = Server::start().await;
    let writer = store(&server.url(), QUICK);
    let (reader, mut changes) = open(&server.url(), key(1), QUICK);
    let (fence, _) = won(&writer, &app(1)).await;
    // It may not listen yet, and then finds out by comparing: what it is to compare, it has to know of.
    assert_eq!(reader.read(&app(1)).await.unwrap(), None);
    writer.write(&app(1), &full_record(), fence).await.unwrap();
    let heard = async {
        loop {
            if let Some(Change::Changed { app: whose, .. }) = changes.recv().await
                && whose == app(1)
                && let Some(record) = reader.read(&whose).await.unwrap()
            {
                return *record;
            }
        }
    };
    let heard = tokio::time::timeout(LONG, heard).await.unwrap();
    assert_eq!(heard, full_record());
    writer.release(&app(1), fence).await;
    let freed = async { while changes.recv().await != Some(Change::Freed { app: app(1) }) {} };
    tokio::time::timeout(LONG, freed).await.unwrap();
}

#[tokio::test]
async fn a_look_takes_nothing_and_writes_nothing() {
    let server = Server::start().await;
    let (holder, other) = (store(&server.url(), QUICK), store(&server.url(), QUICK));
    let (fence, _) = won(&holder, &app(1)).await;
    holder.write(&app(1), &full_record(), fence).await.unwrap();
    let Lease::Won {
        fence: none,
        record,
        ..
    } = other.lease(&app(1), Duration::ZERO).await.unwrap()
    else {
        panic!("a look is always granted")
    };
    assert_eq!(record.as_deref(), Some(&full_record()));
    let refused = other.write(&app(1), &full_record(), none).await;
    assert!(matches!(refused, Err(StoreError::Stale(Some(_)))));
    holder.write(&app(1), &full_record(), fence).await.unwrap();
}

#[tokio::test]
async fn a_late_mint_noted_after_another_was_settled_is_shown_though_it_is_older() {
    let server = Server::start().await;
    let (writer, stalled) = (store(&server.url(), QUICK), store(&server.url(), QUICK));
    let mut record = full_record();
    record.late_mint = None;
    let (fence, _) = won(&writer, &app(1)).await;
    writer.write(&app(1), &record, fence).await.unwrap();
    for late in [Wall(500), Wall(450)] {
        stalled.note_late_mint(&app(1), late).await.unwrap();
        // Not shown yet, so not wiped.
        let fence = fence_of(&server).await;
        writer.write(&app(1), &record, fence).await.unwrap();
        let (fence, seen) = won(&writer, &app(1)).await;
        assert_eq!(seen.unwrap().late_mint, Some(late));
        writer.write(&app(1), &record, fence).await.unwrap();
        assert_eq!(load(&stalled).await.0[&app(1)].late_mint, None);
    }
}

#[tokio::test]
async fn a_message_that_was_lost_is_made_up_for_however_many_others_come() {
    let server = Server::start().await;
    let writer = store(&server.url(), QUICK);
    let (reader, mut changes) = open(&server.url(), key(1), QUICK);
    let (fence, _) = won(&writer, &app(1)).await;
    writer.write(&app(1), &full_record(), fence).await.unwrap();
    assert!(reader.read(&app(1)).await.unwrap().is_some());
    let record = "wxtoken:{wx0000000000000001}:record";
    let _: i64 = server
        .ask(&["HSET", record, "v", &padded(u64::from(u32::MAX) << 16)])
        .await;
    let heard = async {
        while changes.recv().await.unwrap()
            != (Change::Changed {
                app: app(1),
                version: u64::from(u32::MAX) << 16,
            })
        {}
    };
    let noise = async {
        loop {
            let _: i64 = server.ask(&["PUBLISH", "wxtoken:changes", "noise"]).await;
        }
    };
    tokio::select! {
        () = heard => {}
        () = noise => {}
        () = tokio::time::sleep(LONG) => panic!("it is never compared"),
    }
}

#[tokio::test]
async fn a_lease_that_was_given_back_is_not_kept_alive_by_what_was_under_way() {
    let server = Server::start().await;
    let timing = Timing {
        keep: LONG,
        ..QUICK
    };
    let (one, other) = (store(&server.url(), timing), store(&server.url(), timing));
    let (fence, _) = won(&one, &app(1)).await;
    one.release(&app(1), fence).await;
    // Sent before, and arrived after.
    let lost = one
        .leases
        .keep_alive(&one.rows, vec![(app(1), fence)])
        .await;
    assert_eq!(lost, vec![], "it was given back, not lost");
    won(&other, &app(1)).await;
}

/// The newest fence that was granted.
async fn fence_of(server: &Server) -> Fence {
    let record = "wxtoken:{wx0000000000000001}:record";
    let numbers: Vec<String> = server.ask(&["HMGET", record, "e", "n"]).await;
    let [epoch, number] = [0, 1].map(|at: usize| numbers[at].parse().unwrap());
    Fence { epoch, number }
}
