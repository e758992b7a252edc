//! Rule 8: from evidence to proof. One shared probe per value; alive, dead, or inconclusive.

use super::adoption;
use super::alarm::{Alarm, AlarmName};
use super::event::Effect;
use super::machine::{Machine, Task};
use super::mutant::planted;
use super::rules::{HEARSAY_GAP, UNHEARD, YOUNG};
use super::verdict::Evidence;
use crate::budget::BudgetKind;
use crate::clock::{Boot, Now};
use crate::credential::{Kind, Lane, ValueId};
use crate::retry;
use crate::source::Trouble;

/// The least time between two probes of one value.
const PROBE_GAP: u64 = 1_000;

impl Machine {
    /// Somebody calls this lane's value dead.
    pub(super) fn suspect(
        &mut self,
        lane: Lane,
        evidence: Evidence,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if planted!(self.rules, UnprobedEvidence) {
            self.bury(lane, now);
            return;
        }
        let probing = self.busy(Task::Probe(lane));
        if evidence == Evidence::Sink && planted!(self.rules, SinkPutBackUnprobed) {
            effects.push(Effect::PutBack(Kind::AccessToken));
            return;
        }
        let state = self.lane_mut(lane);
        if !state.live(now) {
            return;
        }
        let health = &mut state.health;
        if evidence == Evidence::Hearsay {
            if now.boot < health.hearsay_after {
                return;
            }
            health.hearsay_after = now.boot.plus(HEARSAY_GAP);
            health.watched_until = now.boot.plus(UNHEARD);
        }
        let hearsay = evidence == Evidence::Hearsay;
        health.hearsay_only = hearsay && (health.hearsay_only || health.suspected.is_none());
        health.put_back |= evidence == Evidence::Sink;
        if probing {
            // The probe under way may have been answered before this: it proves nothing against it.
            health.suspected = Some(now.boot);
        } else {
            health.suspected.get_or_insert(now.boot);
        }
    }

    /// Values whose holders report nothing are probed regularly: classic ones, those with sinks, and those whose readers
    /// are not heard, as what they said last was wrong.
    pub(super) fn probed_regularly(&self, lane: Lane, now: Now) -> bool {
        let unheard = |state: &super::lane::LaneState| now.boot < state.health.watched_until;
        lane == Lane::Classic
            || self.rules.shadow
            || (self.rules.watched && lane == self.primary())
            || self.lane(lane).is_some_and(unheard)
    }

    /// How far apart a lane's regular probes are. The lane that is handed out comes first; a standby's copies nobody holds,
    /// so where both are probed it is looked at less often.
    pub(super) fn probe_interval(&mut self, lane: Lane, now: Now) -> u64 {
        // Half a day's probes are kept for reported deaths: the regular ones stay within the other half, and where
        // replicas share it they slow down together.
        let spent = self.spent(BudgetKind::Probe, now);
        let half = u64::from(spent.limit) / 2;
        let least = 30 * 3_600_000 / half.max(1);
        // While the primary lane is dead, that is the other one.
        let handed = self.handed[Kind::AccessToken.index()].lane;
        let first = handed.unwrap_or(self.primary());
        let both = self.in_use(first.other())
            && self.probed_regularly(first.other(), now)
            && self.probed_regularly(first, now);
        let every = self.rules.timing.probe_every.max(least);
        let every = match (both, lane == first) {
            (false, _) => every,
            // Of the two together: three quarters and a quarter.
            (true, true) => every.max(least * 4 / 3),
            (true, false) => every.max(least * 4),
        };
        let crowded = u64::from(spent.used) > half - half / 8;
        let every = every * if crowded { 4 } else { 1 };
        every - self.jitter.below(every / 10 + 1)
    }

    pub(super) fn first_probe(&mut self, lane: Lane, now: Now) -> Boot {
        now.boot.plus(self.probe_interval(lane, now))
    }

    /// The lane is handed out from now on: what was far enough apart for a standby is too far for it.
    pub(super) fn probe_sooner(&mut self, lane: Lane, now: Now) {
        let due = self.first_probe(lane, now);
        let health = &mut self.lane_mut(lane).health;
        health.probe_due = health.probe_due.min(due);
    }

    pub(super) fn found_alive(
        &mut self,
        lane: Lane,
        about: Option<ValueId>,
        sent: Boot,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        // The answer may have waited for us: what it says was so when the question left.
        let probe_due = sent.plus(self.probe_interval(lane, now)).max(now.boot);
        let gap = PROBE_GAP.max(self.spent(Task::Probe(lane).budget(), now).spacing());
        self.adopt_if_alive(about, sent, now);
        self.stranger_lives(about, now, effects);
        let state = self.lane_mut(lane);
        let Some(held) = state.held.as_mut().filter(|held| Some(held.id) == about) else {
            return;
        };
        let id = held.id;
        let rose = std::mem::take(&mut held.dead);
        // What was said after the probe left is not answered by it.
        let suspected = state.health.suspected.filter(|since| *since > sent);
        let put_back = state.health.put_back && suspected.is_none();
        state.early_deaths = 0;
        state.stuck = false;
        state.health = super::lane::Health {
            last_alive: sent,
            probe_due,
            suspected,
            hearsay_only: state.health.hearsay_only && suspected.is_some(),
            put_back: state.health.put_back && suspected.is_some(),
            not_before: sent.plus(gap),
            hearsay_after: state.health.hearsay_after,
            watched_until: state.health.watched_until,
            ..Default::default()
        };
        self.saving.dirty |= rose;
        // What is out by now was put into the sinks when it was published, and nothing was asked about it here.
        let handed = &self.handed[Kind::AccessToken.index()];
        let is_out = handed.current.as_ref().is_some_and(|out| out.id == id);
        if put_back && is_out {
            effects.push(Effect::PutBack(Kind::AccessToken));
        }
        self.tickets_may_use(id, now);
        self.over(AlarmName::NothingLives, effects);
    }

    pub(super) fn found_dead(
        &mut self,
        lane: Lane,
        about: Option<ValueId>,
        ran_out: bool,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if self.refuse_adoption(about, now, effects) || self.stranger_is_dead(about, now) {
            return;
        }
        let again = self.first_probe(lane, now);
        let state = self.lane_mut(lane);
        let Some(held) = state.held.as_ref().filter(|held| Some(held.id) == about) else {
            return;
        };
        if held.dead {
            state.health.probe_due = again;
            return;
        }
        let young = now.boot.since(held.sent) < YOUNG;
        if young && !state.health.second_look {
            state.health.second_look = true;
            state.health.failures = 0; // it was answered: should the second look fail, that is the first time
            state.health.suspected.get_or_insert(now.boot);
            state.health.not_before = now.boot.plus(1000);
            return;
        }
        let (fetched, last_alive) = (held.sent, state.health.last_alive);
        let early = held.expires.since(now.boot) > 5_000;
        if early && !ran_out {
            self.clashed(last_alive, now, effects);
            if lane == Lane::Classic {
                let accusation = Alarm::ForeignFetcher {
                    fetched: now.wall_at(fetched),
                    last_alive: now.wall_at(last_alive),
                    found_dead: now.wall,
                };
                self.killed(accusation, now, effects);
            }
        }
        self.bury(lane, now);
        self.saving.dirty = true;
    }

    /// The value is dead: it is not handed out again, and its successor is fetched.
    pub(super) fn bury(&mut self, lane: Lane, now: Now) {
        let spacing = self.spent(BudgetKind::of(lane), now).spacing();
        let state = self.lane_mut(lane);
        let Some(held) = state.held.as_mut() else {
            return;
        };
        held.dead = true;
        state.health = super::lane::Health {
            hearsay_after: state.health.hearsay_after,
            ..Default::default()
        };
        state.stuck = false;
        if state.early_deaths > 0 {
            let wait = spacing.max(1000_u64 << state.early_deaths.min(6));
            state.retry.not_before = state.retry.not_before.max(now.boot.plus(wait));
        }
    }

    pub(super) fn probe_failed(&mut self, lane: Lane, trouble: Trouble, now: Now) {
        let spent = self.spent(Task::Probe(lane).budget(), now);
        let regular = self.probe_interval(lane, now);
        let shadow = self.rules.shadow;
        let mut jitter = self.jitter;
        let state = self.lane_mut(lane);
        let left = state.left(now);
        state.health.failures = state.health.failures.saturating_add(1);
        let failures = state.health.failures;
        let wait = match trouble {
            Trouble::Passing(_) | Trouble::TokenBad(_) => {
                retry::after_trouble(failures, left, spent, &mut jitter)
            }
            Trouble::Refused(_) | Trouble::QuotaUsedUp => 60_000 + jitter.below(60_000),
        };
        // Nobody waits for what a shadow learns.
        let patient = shadow && failures >= adoption::PATIENCE;
        let wait = if patient { wait.max(regular) } else { wait };
        state.health.not_before = now.boot.plus(wait);
        state.health.probe_due = now.boot.plus(regular.min(wait));
        self.jitter = jitter;
        self.adoption_undecided(lane, failures, now);
        self.stranger_undecided(lane, failures, now);
    }
}
