//! What a test may ask about WeChat. Nothing here changes anything.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use super::World;
use crate::{
    clock::{SimClock, SimTime},
    log::Call,
    passage::Passage,
    rules::{AppState, Lane, Rules, Slot, Verdict},
    token::Sealed,
};

impl World {
    /// The simulator's clock; moving it moves the simulator.
    pub fn clock(&self) -> &SimClock {
        &self.0.clock
    }

    /// What time it is in the simulator.
    pub fn now(&self) -> SimTime {
        self.0.clock.now()
    }

    /// The rules in force.
    pub fn rules(&self) -> Rules {
        (*self.0.rules()).clone()
    }

    /// How many apps there are.
    pub fn app_count(&self) -> usize {
        self.0.apps.len()
    }

    /// The AppIDs of the first `limit` apps, in the order they were added.
    pub fn appids(&self, limit: usize) -> Vec<String> {
        self.0
            .apps
            .first(limit)
            .iter()
            .map(|app| app.appid.to_string())
            .collect()
    }

    /// Nothing of an app that is not there.
    fn of_app<N: Default>(&self, appid: &str, number: impl FnOnce(&AppState) -> N) -> N {
        let app = self.0.apps.find(appid);
        app.map(|app| number(&app.lock())).unwrap_or_default()
    }

    /// Values that calls minted for an app on a lane. Foreign ones are not in here: see [`World::minted_elsewhere`].
    pub fn minted(&self, appid: &str, lane: Lane) -> u64 {
        self.of_app(appid, |app| app.minted(lane))
    }

    /// Tokens that pretended other programs minted: `foreign_fetch`, `foreign_force`, `kill`.
    pub fn minted_elsewhere(&self, appid: &str, lane: Lane) -> u64 {
        let Some(stable) = token_lane(lane) else {
            return 0;
        };
        self.of_app(appid, |app| app.minted_elsewhere(stable))
    }

    /// Values that calls minted on a lane, over all apps.
    pub fn minted_total(&self, lane: Lane) -> u64 {
        self.0.minted[usize::from(lane.code())].load(Ordering::Relaxed)
    }

    /// Tokens minted by force.
    pub fn forced(&self, appid: &str) -> u64 {
        self.of_app(appid, |app| app.forced())
    }

    /// Forces that count for the current day.
    pub fn forces_today(&self, appid: &str) -> u32 {
        let (rules, now) = (self.0.rules(), self.now());
        self.of_app(appid, |app| app.forces_today(&rules, now))
    }

    /// Calls of an app that arrived on a path, whatever became of them. Exact.
    pub fn calls(&self, appid: &str, path: &str) -> u64 {
        let Some(id) = self.0.paths.find(path) else {
            return 0;
        };
        self.of_app(appid, |app| app.calls(id))
    }

    /// Calls that arrived on each path, over all apps. Exact.
    pub fn calls_by_path(&self) -> BTreeMap<String, u64> {
        self.0
            .paths
            .counts()
            .into_iter()
            .map(|(path, calls)| (path.to_string(), calls))
            .collect()
    }

    /// Calls that arrived on a path, over all apps and none. Exact.
    pub fn calls_total(&self, path: &str) -> u64 {
        self.0
            .paths
            .counts()
            .iter()
            .find(|(name, _)| **name == *path)
            .map_or(0, |(_, calls)| *calls)
    }

    /// All calls ever seen; the number of the last one.
    pub fn call_count(&self) -> u64 {
        self.0.log.count()
    }

    /// How much of a path's daily quota an app has used.
    pub fn used_today(&self, appid: &str, path: &str) -> u32 {
        let (rules, now) = (self.0.rules(), self.now());
        let Some(id) = self.0.paths.find(path) else {
            return 0;
        };
        self.of_app(appid, |app| app.quota((id, path), &rules, now).1)
    }

    /// The calls still remembered, oldest first.
    pub fn log(&self) -> Vec<Arc<Call>> {
        self.0.log.since(0)
    }

    /// The remembered calls whose number is greater.
    pub fn log_since(&self, seq: u64) -> Vec<Arc<Call>> {
        self.0.log.since(seq)
    }

    /// The calls that are under way now, also those that are not decided and so not in the log.
    pub fn under_way(&self) -> Vec<Arc<Passage>> {
        self.0.passages.all()
    }

    /// What WeChat thinks of a token as one of this app's. It knows no ticket: see [`World::current_token`].
    pub fn verdict(&self, appid: &str, token: &str) -> Verdict {
        let (rules, now) = (self.0.rules(), self.now());
        let Some(app) = self.0.apps.find(appid) else {
            return Verdict::Unknown;
        };
        let state = app.lock();
        match self.0.minter.open(token) {
            Some(sealed) if sealed.app == state.index => {
                state.verdict(sealed.identity(), &rules, now)
            }
            Some(_) | None => Verdict::Unknown,
        }
    }

    /// Whether the APIs accept this token as one of this app's right now.
    pub fn is_live(&self, appid: &str, token: &str) -> bool {
        self.verdict(appid, token).is_live()
    }

    /// The value in force on a lane.
    pub fn current_token(&self, appid: &str, lane: Lane) -> Option<String> {
        let (rules, now) = (self.0.rules(), self.now());
        let app = self.0.apps.find(appid)?;
        let state = app.lock();
        match lane {
            Lane::Classic => state
                .live(false, now)
                .map(|slot| self.text(state.index, false, &slot)),
            Lane::Stable => state
                .live(true, now)
                .map(|slot| self.text(state.index, true, &slot)),
            Lane::Ticket(kind) => {
                let serial = state.live_ticket(kind, &rules, now)?;
                Some(self.0.minter.ticket(state.index, kind, serial))
            }
        }
    }

    /// When the value in force on a token lane ends.
    pub fn ends_at(&self, appid: &str, lane: Lane) -> Option<SimTime> {
        let stable = token_lane(lane)?;
        self.0
            .apps
            .find(appid)?
            .lock()
            .live(stable, self.now())
            .map(|slot| slot.dies)
    }

    /// The AppSecret in force.
    pub fn secret(&self, appid: &str) -> Option<String> {
        self.0
            .apps
            .find(appid)
            .map(|app| app.lock().secret().to_owned())
    }

    pub(super) fn text(&self, app: u32, stable: bool, slot: &Slot) -> String {
        self.0.minter.token(&Sealed::of(app, stable, slot))
    }
}

/// Whether a lane of tokens is the stable one; `None` for tickets.
pub(super) fn token_lane(lane: Lane) -> Option<bool> {
    match lane {
        Lane::Classic => Some(false),
        Lane::Stable => Some(true),
        Lane::Ticket(_) => None,
    }
}
