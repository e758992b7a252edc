//! Rule 3: what a record means after a restart or from another replica.
//!
//! Boot times mean nothing to others, so records carry wall times; and wall clocks step, and differ.

use super::alarm::AlarmName;
use super::machine::{Handed, Known, LeaseState, Machine};
use super::publish;
use super::rules::{CLOCK_TOLERANCE, LEAVE_ALONE};
use crate::clock::{Now, Wall};
use crate::credential::{Generation, Kind, Lane, Ticket};
use crate::store::{Fence, Record};

impl Machine {
    /// Takes over what a record says where it is newer than what is held: at a restart that is everything.
    /// `takes_over`: under a lease, or in a store of our own, so that nobody else is at work.
    pub(super) fn learn(&mut self, record: &Record, takes_over: bool, now: Now) {
        // Replicas' clocks differ a little; our own, after a restart, should not.
        let tolerance = match self.lease {
            LeaseState::Own(_) => 0,
            LeaseState::None { .. }
            | LeaseState::Asking
            | LeaseState::Held { .. }
            | LeaseState::Away { .. } => CLOCK_TOLERANCE,
        };
        let clock_off =
            now.wall.plus(tolerance) < record.saved_at || self.is_raised(AlarmName::ClockOff);
        // It is surely no earlier than when the record was written, whatever our clock says.
        let as_of = Now {
            wall: now.wall.max(record.saved_at),
            ..now
        };
        for lane in Lane::ALL {
            let taken = record.lanes[lane.index()]
                .as_ref()
                .is_some_and(|stored| self.learn_token(lane, stored, takes_over, as_of));
            let order = record.lanes[lane.index()]
                .as_ref()
                .map_or_else(Wall::default, |stored| stored.sent);
            self.learn_intent(lane, record.intents[lane.index()], order, takes_over, as_of);
            if taken && clock_off {
                self.doubt_restored(lane, now);
            }
            self.adoption_overtaken(lane, now);
        }
        for ticket in Ticket::ALL {
            if let Some(stored) = &record.tickets[ticket as usize] {
                self.learn_ticket(ticket, stored, as_of);
                if clock_off {
                    self.doubt_restored_ticket(ticket, now);
                }
            }
        }
        let before = self.handed[Kind::AccessToken.index()].generation;
        self.learn_generations(record);
        self.follow_choice(before, now);
        self.learn_counts(record, takes_over, now);
        self.learn_contest(record, takes_over, self.steady_wall(now));
        for remembered in &record.remembered {
            let ends = as_of.boot_at(remembered.ends);
            if self.lane_holding(remembered.id).is_some() {
                continue;
            }
            self.remember(
                Known {
                    id: remembered.id,
                    kind: remembered.kind,
                    ends,
                },
                now,
            );
        }
        self.late_mint = self.late_mint.max(record.late_mint);
    }

    fn learn_generations(&mut self, record: &Record) {
        for (handed, theirs) in self.handed.iter_mut().zip(record.handed_out) {
            if theirs.generation > handed.generation {
                *handed = Handed {
                    generation: theirs.generation,
                    id: theirs.id,
                    lane: theirs.lane,
                    current: handed.current.take(),
                    staged: None,
                    passed_over: None,
                };
            }
        }
    }

    /// Another replica hands out another lane's value than we would: it may know better, or its clock differs. What it chose is
    /// followed while it lives and nothing new comes, for replicas that answer each other's choices would never end.
    fn follow_choice(&mut self, before: Generation, now: Now) {
        let kind = Kind::AccessToken;
        if matches!(self.lease, LeaseState::Own(_))
            || self.handed[kind.index()].generation == before
        {
            return;
        }
        let ours = self.best_token(now);
        let saved = ours.filter(|ours| {
            let lane = ours.lane.and_then(|lane| self.lane(lane));
            lane.is_some_and(|state| !state.unsaved)
        });
        let ours = saved.map(|ours| ours.id);
        let handed = &mut self.handed[kind.index()];
        handed.passed_over = ours.filter(|ours| handed.id != Some(*ours));
    }

    fn learn_contest(&mut self, record: &Record, takes_over: bool, at: Wall) {
        let at_rest = !self.saving.dirty && self.saving.in_flight.is_none();
        if record.contest == crate::store::Contest::default() {
            return;
        }
        let contest = self.contest_mut();
        if record.contest.kills[2] > contest.kills[2] {
            contest.kills = record.contest.kills.map(|kill| kill.min(at));
        }
        let leave_until = record.contest.leave_until.min(at.plus(LEAVE_ALONE));
        contest.leave_until = contest.leave_until.max(leave_until);
        // Giving way ends as well: who takes over goes by the store, who only listens may have heard late.
        if takes_over && at_rest {
            contest.yielded = record.contest.yielded;
        } else if takes_over {
            contest.yielded |= record.contest.yielded;
        }
        contest.classic_ours |= record.contest.classic_ours;
    }

    /// A machine for an app, from its record if there is one. `own` is the fence of a store that is ours alone.
    #[must_use]
    pub fn restore(
        rules: std::sync::Arc<super::rules::Rules>,
        record: Option<&Record>,
        own: Option<Fence>,
        seed: u64,
        now: Now,
    ) -> Self {
        let mut machine = Self::empty(rules, own, seed, now);
        if let Some(record) = record {
            machine.learn(record, true, now);
            publish::resume(&mut machine, now);
        }
        machine
    }
}
