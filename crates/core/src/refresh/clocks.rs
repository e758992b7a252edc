//! Rule 5: clocks that are wrong. What rests on wall time is then suspected, never refused outright.

use super::alarm::{Alarm, AlarmName};
use super::event::Effect;
use super::machine::Machine;
use super::rules::CLOCK_TOLERANCE;
use crate::clock::{Boot, Now, Wall};
use crate::credential::{Lane, Ticket};

impl Machine {
    /// Rule 5: a clock that is off makes what rests on wall time suspect. The answer may have waited for us as long as the
    /// call took: that is no difference of clocks.
    pub(super) fn compare_clocks(
        &mut self,
        upstream: Option<Wall>,
        sent: Boot,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(upstream) = upstream else { return };
        let ahead = now
            .wall
            .0
            .cast_signed()
            .wrapping_sub(upstream.0.cast_signed());
        let took = now.boot.since(sent).cast_signed();
        let tolerance = CLOCK_TOLERANCE.cast_signed();
        if (-tolerance..=tolerance.saturating_add(took)).contains(&ahead) {
            self.over(AlarmName::ClockOff, effects);
            return;
        }
        if self.is_raised(AlarmName::ClockOff) {
            return;
        }
        self.raise(Alarm::ClockOff { ahead }, effects);
        for lane in Lane::ALL {
            self.doubt_restored(lane, now);
        }
        for ticket in Ticket::ALL {
            self.doubt_restored_ticket(ticket, now);
        }
    }

    /// What is known of this value rests on a clock that is wrong: a probe tells whether it lives, and of a stable one
    /// normal mode tells how long.
    pub(super) fn doubt_restored(&mut self, lane: Lane, now: Now) {
        let Some(state) = self.lanes[lane.index()].as_deref_mut() else {
            return;
        };
        let Some(held) = state.held.as_mut().filter(|held| held.restored) else {
            return;
        };
        if held.live(now) {
            state.health.suspected.get_or_insert(now.boot);
            state.health.hearsay_only = false;
        }
        if lane == Lane::Stable {
            held.due = now.boot;
        }
        // Its end was misjudged, perhaps: an early death accuses nobody.
        state.doubt_held();
    }

    /// Somebody found a value dead that we hold for alive.
    pub(super) fn doubt_alive(&mut self, lane: Lane, now: Now) {
        let health = &mut self.lane_mut(lane).health;
        health.suspected.get_or_insert(now.boot);
        health.hearsay_only = false;
    }

    /// When a restored ticket was born, nobody knows any more; nor when its successor will have been.
    pub(super) fn doubt_restored_ticket(&mut self, ticket: Ticket, now: Now) {
        let Some(state) = self.tickets[ticket as usize].as_deref_mut() else {
            return;
        };
        let Some(held) = state.held.as_mut().filter(|held| held.restored) else {
            return;
        };
        held.first_end = None;
        held.successor_ends = Boot::default();
        state.due = state.due.min(now.boot);
    }
}
