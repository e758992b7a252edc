//! What concerns one app goes to Redis in the order in which it was asked for, one after the other; and of all apps together
//! no more at a time than Redis answers before their time is up.
//!
//! Must not know: what is asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use tokio::sync::{OwnedMutexGuard, Semaphore, SemaphorePermit};
use wxtoken_core::app::AppId;

/// Questions under way at a time.
const TOGETHER: usize = 128;

type Lock = Arc<tokio::sync::Mutex<()>>;

/// All turns.
pub(super) struct Turns {
    apps: Mutex<HashMap<AppId, Lock, RandomState>>,
    slots: Semaphore,
}

/// One turn; the next begins when it is dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    app: AppId,
    held: Option<OwnedMutexGuard<()>>,
    _slot: Option<SemaphorePermit<'a>>,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self {
            apps: Mutex::default(),
            slots: Semaphore::new(TOGETHER),
        }
    }

    /// Whoever polls first is served first.
    pub(super) async fn of(&self, app: &AppId) -> Turn<'_> {
        let lock = Arc::clone(self.lock().entry(*app).or_default());
        let held = Some(lock.lock_owned().await);
        Turn {
            turns: self,
            app: *app,
            held,
            // It is never closed.
            _slot: self.slots.acquire().await.ok(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AppId, Lock, RandomState>> {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.held = None;
        let mut apps = self.turns.lock();
        if apps
            .get(&self.app)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            apps.remove(&self.app);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn app(name: &str) -> AppId {
        name.parse().unwrap()
    }

    #[test]
    fn an_apps_turns_come_in_order_and_others_do_not_wait_for_them() {
        let turns = Turns::new();
        let (one, two) = (app("wx1"), app("wx2"));
        let first = turns.of(&one).now_or_never().expect("nobody else");
        let (mut second, mut third) = (Box::pin(turns.of(&one)), Box::pin(turns.of(&one)));
        assert!((&mut second).now_or_never().is_none());
        assert!((&mut third).now_or_never().is_none());
        assert!(turns.of(&two).now_or_never().is_some());
        drop(first);
        assert!(
            (&mut third).now_or_never().is_none(),
            "the second is before it"
        );
        let second = second.now_or_never().expect("its turn");
        drop(second);
        drop(third.now_or_never().expect("its turn"));
        assert!(turns.lock().is_empty());
    }

    #[test]
    fn no_more_than_a_number_go_at_a_time() {
        let turns = Turns::new();
        let all: Vec<_> = (0..=TOGETHER)
            .map(|number| app(&format!("wx{number}")))
            .collect();
        let mut held: Vec<_> = all.iter().map(|app| turns.of(app).now_or_never()).collect();
        assert!(held.pop().unwrap().is_none());
        assert!(held.iter().all(Option::is_some));
    }
}
