//! When the connection is opened, and when it is given up: dropped when it is of no more use, opened again with growing pauses.
//! One to a cluster is not dropped for what a single node does: the others answer on, and once all do, another connection, which
//! knows the cluster as it is then, takes its place.
//!
//! Must not know: what is asked.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use wxtoken_core::clock::{Boot, millis};

use super::address::Host;
use super::link::Link;
use super::open::Connection;
use super::trouble::Trouble;

/// The shortest and the longest pause between two tries, milliseconds. With the time that a try may take, it is less than the
/// two seconds for which offers are taken: who is back later could not give a Redis that has forgotten what it holds.
const PAUSE: (u64, u64) = (300, 900);

/// A connection that was of use for less than this, milliseconds, counts as one that could not be opened.
const OF_USE: u64 = 5000;

/// Sentinels all know of a new master after this, milliseconds.
const HEARD_BY_ALL: u64 = 30_000;

/// Between two connections to a cluster of which each takes the place of another, milliseconds.
const RENEW: u64 = 1000;

#[derive(Default)]
pub(super) struct State {
    live: Option<Live>,
    connections: u64,
    failures: u32,
    not_before: Boot,
    /// How many masters had been named when this was opened.
    masters: u64,
}

#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) connection: Connection,
    /// Where it leads.
    pub(crate) at: String,
    pub(super) number: u64,
    since: Boot,
}

/// The master that sentinels have named.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// How often another was named.
    count: u64,
    at: Option<Host>,
    when: Boot,
}

impl Link {
    /// The connection, opened if there is none and the pause is over.
    pub(crate) async fn live(&self) -> Result<Live, Trouble> {
        let mut state = self.state.lock().await;
        if state.masters != self.master.borrow().count {
            // Somebody else is the master: neither the connection nor the pause is for it.
            *state = State {
                connections: state.connections,
                ..State::default()
            };
        }
        if let Some(live) = &state.live {
            return Ok(live.clone());
        }
        if self.clock.now().boot < state.not_before
            && let Some(trouble) = self.trouble()
        {
            return Err(trouble);
        }
        match self.open_for_the_newest(&mut state).await {
            Ok((connection, at)) => {
                let live = self.put(&mut state, connection, at);
                self.opened.send_modify(|opened| *opened += 1);
                self.health.opened();
                if !self.door.is_of_cluster() {
                    self.well(|trouble| !trouble.is_of_writing());
                }
                Ok(live)
            }
            Err(trouble) => {
                self.pause_before_next(&mut state);
                self.note(&trouble);
                Err(trouble)
            }
        }
    }

    /// Begins anew as often as another master is named meanwhile.
    async fn open_for_the_newest(
        &self,
        state: &mut State,
    ) -> Result<(Connection, String), Trouble> {
        let mut master = self.master.subscribe();
        loop {
            state.masters = master.borrow_and_update().count;
            tokio::select! {
                biased;
                _ = master.changed() => {}
                opened = self.open() => return opened,
            }
        }
    }

    async fn open(&self) -> Result<(Connection, String), Trouble> {
        let named = self.named_lately();
        let opened = match named {
            Some(master) => self.door.open_at(&master).await,
            None => None,
        };
        let (connection, at) = match opened {
            Some(opened) => opened,
            None => self.door.open().await?,
        };
        match self.guest.look(&connection, &at).await {
            Ok(()) => self.was_seen.store(true, Ordering::Relaxed),
            // The node that has it is away, perhaps: another is no reason to leave the others.
            Err(trouble)
                if self.door.is_of_cluster()
                    && !self.is_gone(&trouble)
                    && self.was_seen.load(Ordering::Relaxed) => {}
            Err(trouble) => return Err(trouble),
        }
        Ok((connection, at))
    }

    fn put(&self, state: &mut State, connection: Connection, at: String) -> Live {
        self.health.leads_to(&at);
        self.connections.fetch_add(1, Ordering::Relaxed);
        state.connections += 1;
        let live = Live {
            connection,
            at,
            number: state.connections,
            since: self.clock.now().boot,
        };
        state.live = Some(live.clone());
        live
    }

    fn pause_before_next(&self, state: &mut State) {
        let pause = pause(state.failures);
        state.failures = state.failures.saturating_add(1);
        state.not_before = self.clock.now().boot.plus(millis(pause));
    }

    /// Has another connection take the place of that one, which is used until then, if the cluster is whole. One try at a time, at
    /// some distance: who meets the trouble again tries again.
    pub(super) fn renew(&self, number: u64) {
        let Some(link) = self.me.upgrade() else {
            return;
        };
        if self.renewing.swap(true, Ordering::Relaxed) {
            return;
        }
        tokio::spawn(async move {
            // One that lacks a node would look for it at each question, and keep all others waiting meanwhile.
            if link.door.is_whole().await
                && let Ok((connection, at)) = link.open().await
            {
                let mut state = link.state.lock().await;
                if state
                    .live
                    .as_ref()
                    .is_some_and(|live| live.number == number)
                {
                    link.put(&mut state, connection, at);
                }
            }
            let next = link.clock.now().boot.plus(RENEW);
            link.clock.sleep_until(next).await;
            link.renewing.store(false, Ordering::Relaxed);
        });
    }

    /// A sentinel has named that master. What leads to another is left at once, and who waits waits no longer.
    pub(crate) fn master_is(&self, at: Host) -> bool {
        let now = self.clock.now().boot;
        self.master.send_if_modified(|named| {
            let is_new = named.at.as_ref() != Some(&at);
            if is_new {
                *named = Named {
                    count: named.count + 1,
                    at: Some(at),
                    when: now,
                };
            }
            is_new
        })
    }

    /// Changes with every master that sentinels name.
    pub(crate) fn masters(&self) -> watch::Receiver<Named> {
        self.master.subscribe()
    }

    /// The master that was named a moment ago. Another sentinel may not have heard of it yet and name the old one.
    fn named_lately(&self) -> Option<Host> {
        let named = self.master.borrow();
        let is_late = self.clock.now().boot.since(named.when) > HEARD_BY_ALL;
        named.at.clone().filter(|_| !is_late)
    }

    /// Drops that connection. The next one may be opened at once, if this was of some use.
    pub(super) async fn drop(&self, live: &Live) {
        let mut state = self.state.lock().await;
        let dropped = state.live.take_if(|held| held.number == live.number);
        if dropped.is_none() {
            return;
        }
        if self.clock.now().boot.since(live.since) < OF_USE {
            self.pause_before_next(&mut state);
        } else {
            state.failures = 0;
        }
    }

    /// Waits as long as the next try has to, and a little longer; no longer where there is another master.
    pub(crate) async fn pause(&self) {
        let mut master = self.master.subscribe();
        let state = self.state.lock().await;
        let (not_before, masters) = (state.not_before, state.masters);
        drop(state);
        if masters != master.borrow_and_update().count {
            return;
        }
        let least = self.clock.now().boot.plus(100);
        tokio::select! {
            () = self.clock.sleep_until(not_before.max(least)) => {}
            _ = master.changed() => {}
        }
    }
}

/// How long to wait after so many failures: longer each time, and never in step with others.
fn pause(failures: u32) -> Duration {
    let most = (PAUSE.0 << failures.min(2)).clamp(PAUSE.0 + 1, PAUSE.1);
    Duration::from_millis(fastrand::u64(PAUSE.0..=most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_failures_and_stay_within_their_bounds() {
        for failures in [0, 1, 3, 4, 100, u32::MAX] {
            for _ in 0..100 {
                let pause = millis(pause(failures));
                assert!((PAUSE.0..=PAUSE.1).contains(&pause));
                assert!(failures > 0 || pause <= PAUSE.0 + 1);
            }
        }
        let longest = (0..200).map(|_| millis(pause(9))).max().unwrap();
        assert!(longest > 800, "{longest}");
    }
}
