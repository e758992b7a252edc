//! The leases this process holds: kept alive while they are, given back when it stops.
//!
//! In Redis a lease lives for seconds only, so that who is gone is followed at once. Must not know: what is done under them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use redis::Value;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Clock, millis};
use wxtoken_core::store::Fence;

use super::changes::Change;
use super::row::padded;
use super::rows::Rows;
use super::scripts::{KEEP, RELEASE};
use crate::redis::Trouble;

/// What is held, and by whom.
pub(super) struct Leases {
    /// Names this process in its present life.
    pub(super) holder: String,
    /// How long a lease lives in Redis.
    pub(super) lives: Duration,
    held: Mutex<HashMap<AppId, Held, RandomState>>,
}

/// Leases by their apps.
pub(super) type Fences = Vec<(AppId, Fence)>;

#[derive(Debug, Clone, Copy)]
struct Held {
    fence: Fence,
    /// As long as it was asked for; until then it is kept alive.
    until: Boot,
}

impl Leases {
    pub(super) fn new(holder: String, lives: Duration) -> Self {
        Self {
            holder,
            lives,
            held: Mutex::default(),
        }
    }

    pub(super) fn won(&self, app: &AppId, fence: Fence, until: Boot) {
        self.lock().insert(*app, Held { fence, until });
    }

    /// Forgets a lease, if it is that one.
    pub(super) fn forget(&self, app: &AppId, fence: Fence) -> bool {
        let mut held = self.lock();
        let is_it = held.get(app).is_some_and(|held| held.fence == fence);
        if is_it {
            held.remove(app);
        }
        is_it
    }

    /// Keeps what is held alive until told to stop; then gives it all back. Each round begins at its time, though Redis may not
    /// have answered the last one: of three tries within a lease's life two may fail.
    pub(super) async fn keep(
        self: Arc<Self>,
        rows: Arc<Rows>,
        clock: Arc<dyn Clock>,
        every: Duration,
        changes: UnboundedSender<Change>,
        stop: CancellationToken,
    ) {
        let mut rounds = FuturesUnordered::new();
        let mut next = clock.now().boot.plus(millis(every));
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(()) = rounds.next() => continue,
                () = clock.sleep_until(next) => {}
            }
            // After a pause of this process or its machine one round makes up for all that were missed.
            next = next.plus(millis(every)).max(clock.now().boot);
            let (over, alive) = self.sorted(clock.now().boot);
            rounds.push(self.round(&rows, &changes, over, alive));
        }
        let (all, _) = self.sorted(Boot::NEVER);
        self.release_all(&rows, &all).await;
        // What was kept alive after it was given back is given back again.
        while rounds.next().await.is_some() {}
    }

    async fn round(
        &self,
        rows: &Rows,
        changes: &UnboundedSender<Change>,
        over: Fences,
        alive: Fences,
    ) {
        let told = async {
            for (app, fence) in self.keep_alive(rows, alive).await {
                let _ = changes.send(Change::Lost { app, fence });
            }
        };
        tokio::join!(self.release_all(rows, &over), told);
    }

    /// Gives one back.
    pub(super) async fn release(&self, rows: &Rows, app: &AppId, fence: Fence) {
        self.forget(app, fence);
        let value = self.value(fence).into_bytes();
        let call = rows.call(&RELEASE, app, vec![rows.names.lease(app)], vec![value]);
        if let Err(trouble) = call.run(&rows.link).await {
            tracing::debug!(app.id = %app, "the lease of {app} was not given back and ends by itself: {trouble}");
        }
    }

    /// Keeps these alive, and gives those that were lost to others.
    pub(super) async fn keep_alive(&self, rows: &Rows, alive: Fences) -> Fences {
        let kept = alive
            .iter()
            .map(|(app, fence)| self.prolong(rows, app, *fence));
        let kept = join_all(kept).await;
        let (mut lost, mut given_back) = (Vec::new(), Vec::new());
        for (kept, (app, fence)) in kept.into_iter().zip(alive) {
            match kept {
                // It was given back meanwhile, and has begun again if that came first.
                Ok(true) if !self.holds(&app, fence) => given_back.push((app, fence)),
                Ok(false) if self.forget(&app, fence) => lost.push((app, fence)),
                // Redis away says nothing of who has the lease: it is asked again as soon as it is there.
                Ok(_) | Err(_) => {}
            }
        }
        self.release_all(rows, &given_back).await;
        lost
    }

    fn holds(&self, app: &AppId, fence: Fence) -> bool {
        self.lock().get(app).is_some_and(|held| held.fence == fence)
    }

    async fn release_all(&self, rows: &Rows, all: &[(AppId, Fence)]) {
        let each = all
            .iter()
            .map(|(app, fence)| self.release(rows, app, *fence));
        join_all(each).await;
    }

    /// False if somebody else has it, or may have had it.
    async fn prolong(&self, rows: &Rows, app: &AppId, fence: Fence) -> Result<bool, Trouble> {
        let arguments = vec![
            self.value(fence).into_bytes(),
            padded(fence.epoch).into_bytes(),
            padded(fence.number).into_bytes(),
            millis(self.lives).to_string().into_bytes(),
        ];
        let keys = vec![rows.names.record(app), rows.names.lease(app)];
        let answer = KEEP.on(keys, arguments).run(&rows.link).await?;
        Ok(answer == Value::Int(1))
    }

    /// What the lease's key holds.
    fn value(&self, fence: Fence) -> String {
        let (epoch, number) = (padded(fence.epoch), padded(fence.number));
        format!("{} {epoch} {number}", self.holder)
    }

    /// What was held long enough, and what is held on.
    fn sorted(&self, now: Boot) -> (Fences, Fences) {
        let all: Vec<(AppId, Held)> = self
            .lock()
            .iter()
            .map(|(app, held)| (*app, *held))
            .collect();
        let (over, alive): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(_, held)| held.until <= now);
        let fences = |held: Vec<(AppId, Held)>| {
            held.into_iter()
                .map(|(app, held)| (app, held.fence))
                .collect()
        };
        (fences(over), fences(alive))
    }

    /// As after a crash: nothing is given back, nothing kept alive.
    #[cfg(test)]
    pub(super) fn abandon(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AppId, Held, RandomState>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
