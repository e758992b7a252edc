//! Redis's own clock is set, by hours and either way; and numbers that are no times at all.

use super::super::row::padded;
use super::*;

const RECORD: &str = "wxtoken:{wx0000000000000001}:record";
const LEASE: &str = "wxtoken:{wx0000000000000001}:lease";
const HOURS: u64 = 3 * 3600 * 1000;

/// Milliseconds by the server's clock.
async fn clock_of(server: &Server) -> u64 {
    let [seconds, _]: [u64; 2] = server.ask(&["TIME"]).await;
    seconds * 1000
}

/// As if the clock had been hours ahead when the epoch began, and was set right since.
async fn set_back(server: &Server) {
    let ends = padded(clock_of(server).await + HOURS);
    let _: i64 = server.ask(&["HSET", RECORD, "merge", &ends]).await;
}

#[tokio::test]
async fn offers_are_over_in_time_though_the_clock_was_set_back() {
    let server = Server::start().await;
    let timing = Timing {
        offers: Duration::from_millis(600),
        ..QUICK
    };
    let (one, other) = (store(&server.url(), timing), store(&server.url(), timing));
    assert!(is_taken(&one, &app(1)).await, "its epoch begins");
    set_back(&server).await;
    let (fence, _) = won_at_last(&one, &app(1)).await;
    one.write(&app(1), &full_record(), fence).await.unwrap();
    // Once a lease was given they have been over, whatever the clock says now.
    one.release(&app(1), fence).await;
    set_back(&server).await;
    let (later, _) = won(&other, &app(1)).await;
    assert_eq!(later.epoch, fence.epoch);
}

#[tokio::test]
async fn who_is_gone_is_followed_in_time_though_the_clock_was_set_back() {
    let server = Server::start().await;
    let timing = Timing {
        lease: Duration::from_secs(1),
        keep: LONG,
        ..QUICK
    };
    let (gone, next) = (store(&server.url(), timing), store(&server.url(), timing));
    won(&gone, &app(1)).await;
    crash(gone).await;
    let _: i64 = server.ask(&["PEXPIRE", LEASE, &HOURS.to_string()]).await;
    let Lease::Taken { free_in } = next.lease(&app(1), HOLDS).await.unwrap() else {
        panic!("it is not free yet")
    };
    assert!(free_in <= timing.lease, "{free_in:?}");
    won_at_last(&next, &app(1)).await;
}

#[tokio::test]
async fn a_grant_that_was_lost_is_never_given_twice_though_lives_cannot_be_told_apart() {
    let server = Server::start().await;
    let _: String = server
        .ask(&[
            "ACL", "SETUSER", "blind", "on", ">secret", "~*", "&*", "+@all", "-info",
        ])
        .await;
    let url = format!("redis://blind:secret@127.0.0.1:{}", server.port);
    let (one, other) = (store(&url, QUICK), store(&url, QUICK));
    let (first, _) = won(&one, &app(1)).await;
    one.release(&app(1), first).await;
    let (lost, _) = won(&one, &app(1)).await;
    // A failover to a replica that had not heard of the last lease.
    let _: i64 = server
        .ask(&["HSET", RECORD, "n", &padded(first.number)])
        .await;
    let _: i64 = server.ask(&["DEL", LEASE]).await;
    one.leases.abandon();
    let (next, _) = won(&other, &app(1)).await;
    assert!(next > lost, "{next:?} after {lost:?}");
    let refused = one.write(&app(1), &full_record(), lost).await;
    assert!(matches!(refused, Err(StoreError::Stale(_))), "{refused:?}");
}

#[tokio::test]
async fn numbers_beyond_all_times_are_made_anew() {
    let server = Server::start().await;
    let store = store(&server.url(), QUICK);
    let (mut fence, _) = won(&store, &app(1)).await;
    store.write(&app(1), &full_record(), fence).await.unwrap();
    for number in [u64::MAX.to_string(), "9".repeat(20), padded(1 << 60)] {
        for fields in [
            &["v"][..],
            &["e"],
            &["n"],
            &["merge"],
            &["e", "n", "v", "merge"],
        ] {
            for field in fields {
                let _: i64 = server.ask(&["HSET", RECORD, field, &number]).await;
            }
            assert_eq!(
                store.read(&app(1)).await.unwrap().as_deref(),
                Some(&full_record())
            );
            // Whoever writes in that moment may be refused, but learns no such number.
            let _ = store.write(&app(1), &full_record(), fence).await;
            let (later, held) = won_at_last(&store, &app(1)).await;
            assert!(
                later > fence,
                "{fields:?} {number}: {later:?} after {fence:?}"
            );
            assert_eq!(held, Some(full_record()));
            store.write(&app(1), &full_record(), later).await.unwrap();
            fence = later;
        }
    }
    let numbers: Vec<String> = server.ask(&["HMGET", RECORD, "e", "n", "v", "merge"]).await;
    assert!(
        numbers.iter().all(|number| number.len() == 20),
        "{numbers:?}"
    );
}
