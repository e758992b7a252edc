//! Clears away what is over, now and then, a portion after the other; and so seals anew what is under an older master key.
//!
//! Must not know: which store, what a record says.

use std::sync::Arc;
use std::time::Duration;

use wxtoken_core::clock::{Clock, millis};
use wxtoken_core::user::UserStore;

/// Ten minutes at the most, and two less at the least: replicas do not all come at once.
const EVERY: Duration = Duration::from_mins(10);
const EARLIER: Duration = Duration::from_mins(2);
/// Between two portions, so that whoever signs in does not wait for many.
const BREATH: Duration = Duration::from_millis(50);

/// Begins at once, and goes on as long as it is polled. `seed` is where its chance starts from.
pub(crate) async fn look_after(users: Arc<dyn UserStore>, clock: Arc<dyn Clock>, seed: u64) {
    let mut chance = fastrand::Rng::with_seed(seed);
    // What a new master key asks for is not put off.
    clear(users.as_ref(), clock.as_ref()).await;
    loop {
        let wait = millis(EVERY) - chance.u64(0..=millis(EARLIER));
        clock.sleep_until(clock.now().boot.plus(wait)).await;
        clear(users.as_ref(), clock.as_ref()).await;
    }
}

/// Portion after portion, until nothing is left or the store takes nothing.
async fn clear(users: &dyn UserStore, clock: &dyn Clock) {
    let mut cleared = 0;
    loop {
        match users.purge().await {
            Ok(purged) => {
                cleared += purged.purged;
                if !purged.more {
                    break;
                }
            }
            Err(error) => {
                tracing::warn!("what is over of users is not cleared away for now: {error}");
                break;
            }
        }
        clock
            .sleep_until(clock.now().boot.plus(millis(BREATH)))
            .await;
    }
    if cleared > 0 {
        tracing::info!(
            cleared,
            "cleared away {cleared} users and notes whose time was over"
        );
    }
}

#[cfg(test)]
mod tests {
    use wxtoken_core::clock::{Now, Wall};
    use wxtoken_core::user::OnceKey;

    use super::super::MemoryUsers;
    use super::*;
    use crate::clock::ManualClock;

    #[tokio::test]
    async fn what_is_over_goes_within_ten_minutes_however_much_it_is_and_the_rest_stays() {
        let clock = Arc::new(ManualClock::new(Now::default()));
        let users = Arc::new(MemoryUsers::new(Arc::clone(&clock) as Arc<dyn Clock>));
        let key = |number: u16| {
            let mut key = [0; 32];
            key[..2].copy_from_slice(&number.to_be_bytes());
            OnceKey(key)
        };
        users.put_once(key(2500), b"", Wall(0)).await.unwrap();
        let upkeep = look_after(Arc::clone(&users) as _, Arc::clone(&clock) as _, 1);
        let upkeep = tokio::spawn(upkeep);
        clock.until_asleep(1).await;
        let first = clock.next_due().unwrap().0;
        assert!((millis(EVERY - EARLIER)..=millis(EVERY)).contains(&first));
        assert_eq!(users.purge().await.unwrap().purged, 0, "gone at once");
        for number in 0..2500 {
            let until = if number == 7 { Wall(u64::MAX) } else { Wall(1) };
            users.put_once(key(number), b"", until).await.unwrap();
        }
        clock.advance(EVERY);
        // A breath after each portion, until it lies down for long again.
        let cleared = async {
            loop {
                match clock.next_due() {
                    Some(due) if due.0 >= 2 * millis(EVERY - EARLIER) => return,
                    Some(due) if due > clock.now().boot => clock.advance(BREATH),
                    Some(_) | None => {}
                }
                tokio::task::yield_now().await;
            }
        };
        let cleared = tokio::time::timeout(Duration::from_secs(20), cleared).await;
        cleared.expect("three portions are all");
        assert_eq!(users.purge().await.unwrap().purged, 0);
        assert!(users.take_once(key(7)).await.unwrap().is_some());
        upkeep.abort();
    }
}
