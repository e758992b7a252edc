//! What the answer to a token fetch means: a new value, the same value, trouble (rules 3 to 8).

use super::alarm::Alarm;
use super::due;
use super::event::Effect;
use super::lane::{Health, Held, Nudge, Outcome};
use super::machine::{Job, Machine, Task};
use super::mutant::planted;
use super::rules::{FORCE_GAP, OVERLAP, STRAGGLE};
use crate::clock::{Boot, Now, Wall};
use crate::credential::{Kind, Lane};
use crate::retry;
use crate::source::Minted;

/// How often normal mode is asked for another value than a dead one while the other lane answers.
const STUCK_GAP: u64 = 60_000;
/// A value that died younger than this died early.
const EARLY: u64 = 600_000;

impl Machine {
    pub(super) fn token_minted(
        &mut self,
        job: &Job,
        sent: Boot,
        minted: Minted,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let task = job.task;
        let Some(lane) = task.fetches() else { return };
        self.saving.dirty = true;
        let without_lease = task.mints() && self.fence(now).is_none();
        let tells = without_lease || self.may_have_overlapped(job, now);
        let replicas = self.has_others();
        let state = self.lane_mut(lane);
        state.retry.clear();
        if task == Task::Forced || state.wish(now) != Some(Nudge::Force) {
            state.nudge = None;
        }
        state.theirs = state.theirs.filter(|at| *at > now.boot);
        if task == Task::Stable && replicas {
            state.confirmed = state.confirmed.max(sent);
        }
        if task.mints() || state.intent.is_some_and(|note| note.deadline < now.wall) {
            state.close_intent();
        }
        // A value that came from elsewhere meanwhile: was a mint under way, it was fetched after that had ended; in normal
        // mode nobody knows, for clocks differ, and it is asked again.
        let newer = state
            .held
            .as_ref()
            .is_some_and(|held| held.sent > sent || Some(held.id) != job.over);
        let settled = state.rival.take_if(|rival| rival.heard <= sent);
        if let (Some(rival), Some(held)) = (settled, state.held.as_mut()) {
            held.order = held.order.max(rival.stored.sent.plus(1));
        }
        let same = state.held.as_ref().is_some_and(|held| held.id == minted.id);
        if task == Task::Classic {
            self.contest_mut().classic_ours = true;
        }
        if same {
            self.same_value(task, lane, sent, &minted, now, effects);
        } else if newer && !planted!(self.rules, LateAnswerWins) {
            self.late_answer(lane, &minted, now);
        } else {
            self.new_value(task, lane, sent, minted, now, effects);
        }
        if tells {
            self.minted_without_lease(lane, now, effects);
        }
        self.settle_rival(lane, now);
    }

    /// Which of two values lives is still open: normal mode is asked.
    fn settle_rival(&mut self, lane: Lane, now: Now) {
        let state = self.lane_mut(lane);
        if let Some(held) = state.held.as_mut().filter(|_| state.rival.is_some()) {
            held.due = now.boot;
        }
    }

    /// An answer to an older question: a newer value is here, and stays.
    fn late_answer(&mut self, lane: Lane, minted: &Minted, now: Now) {
        let ends = now.boot.plus(OVERLAP);
        let kind = Kind::AccessToken;
        self.remember(
            super::machine::Known {
                id: minted.id,
                kind,
                ends,
            },
            now,
        );
        let state = self.lane_mut(lane);
        state.last = Some((Outcome::Same, now.boot));
        if let Some(held) = state.held.as_mut().filter(|_| lane == Lane::Stable) {
            held.due = now.boot;
        }
    }

    fn same_value(
        &mut self,
        task: Task,
        lane: Lane,
        sent: Boot,
        minted: &Minted,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let expires = self.expiry(sent, minted, now);
        let timing = self.rules.timing;
        let other_lives = self.lane(lane.other()).is_some_and(|other| other.live(now));
        let spent = self.spent(task.budget(), now);
        let mut jitter = self.jitter;
        let state = self.lane_mut(lane);
        state.last = Some((Outcome::Same, now.boot));
        let Some(held) = state.held.as_mut() else {
            return;
        };
        held.expires = if held.restored {
            expires // what we knew rests on a clock; this does not
        } else {
            held.expires.max(expires)
        };
        (held.restored, held.adopted) = (false, false);
        held.due = due::due_again(lane, held.expires, now.boot, &timing, &mut jitter);
        if let Some(note) = state.intent {
            // A force may still be under way: ask again when it has surely ended.
            let ended = now
                .boot
                .plus(note.deadline.since(now.wall).min(OVERLAP) + 1);
            held.due = held.due.min(ended);
        }
        let forced = task == Task::Forced;
        if held.dead {
            let again = state.stuck || other_lives || forced;
            state.stuck = true;
            state.health.probe_due = now.boot.plus(timing.probe_every.max(FORCE_GAP));
            if again {
                let wait = retry::after_trouble(8, None, spent, &mut jitter);
                let least = match (forced, other_lives) {
                    (true, _) => FORCE_GAP,
                    (false, true) => STUCK_GAP, // nobody waits for it
                    (false, false) => 0,
                };
                state.retry.not_before = now.boot.plus(wait.max(least));
            }
        }
        self.jitter = jitter;
        if forced {
            effects.push(Effect::Alarm(Alarm::ForceChangedNothing));
        }
    }

    fn new_value(
        &mut self,
        task: Task,
        lane: Lane,
        sent: Boot,
        minted: Minted,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        self.notice_foreign_force(task, now, effects);
        let lifetime = crate::clock::millis(minted.expires_in);
        let expires = self.expiry(sent, &minted, now);
        let died_early = self
            .lane(lane)
            .and_then(|state| state.held.as_ref())
            .is_some_and(|held| held.dead && now.boot.since(held.sent) < EARLY);
        let order = self.next_order(lane);
        self.displace(lane, now);
        self.known.retain(|known| known.id != minted.id);
        let due = self.due_for(lane, expires, lifetime, now);
        let probe_due = sent.plus(self.probe_interval(lane, now)).max(now.boot);
        let state = self.lane_mut(lane);
        state.held = Some(Held {
            token: minted.token,
            id: minted.id,
            sent,
            order,
            expires,
            lifetime,
            due,
            dead: false,
            restored: false,
            adopted: false,
        });
        state.health = Health {
            last_alive: sent,
            probe_due,
            ..Health::default()
        };
        state.stuck = false;
        (state.unsaved, state.unsaved_mint) = (true, task.mints());
        state.minted_by = state.closed.filter(|_| task == Task::Classic);
        state.order_to_be = Wall::default();
        state.early_deaths = if died_early {
            state.early_deaths.saturating_add(1)
        } else {
            0
        };
        state.last = Some((Outcome::New, now.boot));
        if self.lane(lane).is_some_and(|state| state.early_deaths >= 3) {
            self.raise(Alarm::NothingLives, effects);
        }
    }

    /// Where the lane's next value stands: just after all that is known. While it is not saved it claims no more than
    /// that, for another replica may be saving its own.
    pub(super) fn next_order(&self, lane: Lane) -> Wall {
        let state = self.lane(lane);
        let after = [
            state.and_then(|state| state.held.as_ref().map(|held| held.order)),
            state.map(|state| state.others_end),
            self.late_mint.map(|at| at.plus(STRAGGLE)),
        ];
        let after = after.into_iter().flatten().max().unwrap_or_default();
        after.plus(1)
    }

    /// Normal mode gave another value though ours should live on: someone forced it.
    fn notice_foreign_force(&mut self, task: Task, now: Now, effects: &mut Vec<Effect>) {
        if task != Task::Stable {
            return;
        }
        let state = self.lane(Lane::Stable);
        let forced = state
            .and_then(|state| state.held.as_ref())
            .is_some_and(|held| !held.restored && held.expires.since(now.boot) > OVERLAP + 60_000);
        if forced {
            effects.push(Effect::Alarm(Alarm::ForeignForce { noticed: now.wall }));
        }
    }

    /// Rule 5: expiry counts from the moment the request was sent.
    fn expiry(&self, sent: Boot, minted: &Minted, now: Now) -> Boot {
        let from = if planted!(self.rules, ExpiryFromReceipt) {
            now.boot
        } else {
            sent
        };
        from.plus(crate::clock::millis(minted.expires_in))
    }

    /// Rule 4's due time; a classic standby or primary keeps half a lifetime from the stable lane.
    fn due_for(&mut self, lane: Lane, expires: Boot, lifetime: u64, now: Now) -> Boot {
        let timing = self.rules.timing;
        let due = due::due(lane, expires, lifetime, &timing, &mut self.jitter);
        let stable = self
            .lane(Lane::Stable)
            .and_then(|state| state.held.as_ref());
        match (lane, stable) {
            (Lane::Classic, Some(stable)) if self.in_use(Lane::Stable) => {
                due::out_of_phase(due, stable.due, lifetime, now.boot)
            }
            (Lane::Classic | Lane::Stable, _) => due,
        }
    }
}
