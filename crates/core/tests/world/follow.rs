//! What several processes over one store owe each other: who is lost is followed soon, what is changed is known soon, what was
//! minted under a lost lease is told.

use wxtoken_core::credential::Lane;
use wxtoken_core::refresh::event::{Effect, Event};
use wxtoken_core::refresh::step;
use wxtoken_core::store::Fence;

use crate::agenda::Ev;
use crate::redis::{Holder, OFFERS};
use crate::replica::id_of;
use crate::setup::SECOND;
use crate::world::World;

/// Another has the lease so soon after its holder is lost; or, where a note is open, fetches so soon after its deadline.
const FOLLOWED: u64 = 3 * SECOND;
const NOTE: u64 = 20 * SECOND;
/// A change is known so soon, though its message was lost.
const KNOWN: u64 = 12 * SECOND;

impl World {
    /// Whether this process ran and could talk with the store all the while.
    pub(crate) fn was_there(&self, r: usize, since: u64) -> bool {
        let replica = &self.replicas[r];
        let store = &self.store;
        replica.up()
            && replica.born < since
            && replica.stalled_until < since
            && replica.cut.0 < since
            && replica.behind_until < since
            && store.behind.is_none()
            && store.away_until.max(store.full_until).max(store.slow.0) < since
    }

    /// The process is gone, stands still or is cut off: if it has the lease, another must have it soon.
    pub(crate) fn holder_is_lost(&mut self, r: usize) {
        let (t, holder): (u64, Holder) = (self.t, (r, self.replicas[r].life));
        let holds = |(by, _, ends): (Holder, Fence, u64)| by == holder && ends > t;
        if self.setup.own || !self.store.redis.lease.is_some_and(holds) {
            return;
        }
        self.push(t + FOLLOWED, Ev::Followed(holder, t));
        let noted = self.judge.noted_at;
        if self.open_note(Lane::Classic) && noted + NOTE > t + FOLLOWED {
            self.push(noted + NOTE + SECOND, Ev::Followed(holder, t));
        }
    }

    /// Nobody has followed: then nobody who could may have wanted to.
    pub(crate) fn judge_followed(&mut self, (lost, life): Holder, since: u64) {
        let t = self.t;
        let replica = &self.replicas[lost];
        let was_back = replica.stalled_until.max(replica.cut.0) < since + FOLLOWED;
        let settled = self.judge.lost_at.max(self.judge.epoch_began + OFFERS) < since;
        let has_it = |(by, _, ends): (Holder, Fence, u64)| by.0 == lost && ends > t;
        let back = replica.life == life && was_back || self.store.redis.lease.is_some_and(has_it);
        // While a note is open, that is what is waited for.
        let waits = t <= since + FOLLOWED && self.open_note(Lane::Classic);
        if waits
            || self.judge.granted_at > since
            || back
            || !settled
            || self.judge.after_loss
            || self.judge.stepped
        {
            return;
        }
        // Whoever has not heard of an open note waits from when it sees it.
        let heard = if self.open_note(Lane::Classic) {
            self.judge.noted_at.min(since)
        } else {
            since
        };
        for r in (0..self.replicas.len()).filter(|r| *r != lost) {
            let replica = &self.replicas[r];
            // Its own writes that are under way would be stale under a new lease.
            let writes = replica.notes + replica.saves > 0;
            let asks = replica.leasing || replica.wake_at <= t + 60; // or is about to
            let excused = writes || asks || replica.deaf_at >= heard;
            if excused || !self.was_there(r, heard) || !self.wants_the_lease(r) {
                continue;
            }
            self.break_promise(
                "who is lost is followed within 3 s, or 1 s after the deadline of its note",
                format!("#{r} waits, #{lost} was lost {} ms ago", t - since),
            );
        }
    }

    /// Whether it would ask for the lease, if it heard that it is free.
    fn wants_the_lease(&self, r: usize) -> bool {
        let replica = &self.replicas[r];
        let Some(machine) = replica.machine.clone() else {
            return false;
        };
        let (machine, _) = step(machine, Event::LeaseFreed, replica.now(self.t));
        let (_, effects) = step(machine, Event::Due, replica.now(self.t + 50));
        let asks = |effect: &Effect| matches!(effect, Effect::TakeLease);
        effects.iter().any(asks)
    }

    /// Another generation has been saved: all will know it soon.
    pub(crate) fn will_be_known(&mut self, generation: u64) {
        for r in 0..self.replicas.len() {
            if self.replicas[r].up() && !self.setup.own {
                let life = self.replicas[r].life;
                self.push(self.t + KNOWN, Ev::Known(r, life, generation));
            }
        }
    }

    pub(crate) fn judge_known(&mut self, r: usize, life: u32, generation: u64) {
        let t = self.t;
        let since = t.saturating_sub(KNOWN + SECOND);
        let replica = &self.replicas[r];
        let lost = self.judge.lost_at + KNOWN >= t; // since then
        if replica.life != life || !self.was_there(r, since) || lost {
            return;
        }
        let Some(machine) = &replica.machine else {
            return;
        };
        let knows = machine.record(replica.now(t)).handed_out[0].generation.0;
        if knows < generation {
            self.break_promise(
                "a change is known everywhere within seconds, though its message was lost",
                format!("#{r} knows of {knows}, not of {generation}"),
            );
        }
    }

    /// A write was refused: what this process has minted and holds, and no store knows, must be told now if it has not been.
    pub(crate) fn judge_late_mint(&mut self, r: usize, effects: &[Effect]) {
        let replica = &self.replicas[r];
        let (Some(machine), Some(minted)) = (&replica.machine, replica.minted) else {
            return;
        };
        let record = machine.record(replica.now(self.t));
        let held = record.lanes[Lane::Classic.index()].as_ref();
        let holds = held.is_some_and(|held| held.id == id_of(minted));
        if !holds || self.store.knew(id_of(minted).0) || replica.posted == Some(minted) {
            return;
        }
        let posts = |effect: &Effect| matches!(effect, Effect::PostLateMint(_));
        if !effects.iter().any(posts) {
            self.break_promise(
                "what was minted under a lost lease is posted",
                format!("#{r} holds v{minted}, which no store knows, and says nothing"),
            );
        }
    }
}
