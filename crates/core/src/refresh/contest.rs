//! Rule 10: another program with the same AppSecret fetches the classic token. We say so, and start no war.

use super::alarm::Alarm;
use super::event::Effect;
use super::machine::{Machine, Task};
use super::rules::{KILL_WINDOW, LEAVE_ALONE, REACH};
use crate::clock::{Boot, Now};
use crate::credential::Lane;

impl Machine {
    /// A classic value died early, or is about to. If no call of ours can have done it, somebody else fetched.
    pub(super) fn killed(&mut self, accusation: Alarm, now: Now, effects: &mut Vec<Effect>) {
        if self.may_be_our_doing() {
            return;
        }
        if self.fence(now).is_none() {
            // Without a lease, another replica may have fetched, and we would not know: nobody is accused.
            if self.primary() != Lane::Classic {
                let until = self.steady_wall(now).plus(LEAVE_ALONE);
                self.contest_mut().leave_until = until;
            }
            return;
        }
        effects.push(Effect::Alarm(accusation));
        let at = self.steady_wall(now);
        let (primary, two_lanes) = (self.primary(), self.in_use(Lane::Stable));
        let contest = self.contest_mut();
        contest.kills = [contest.kills[1], contest.kills[2], at];
        if primary == Lane::Classic {
            let thrice = contest.kills[0].0 > 0 && at.since(contest.kills[0]) <= KILL_WINDOW;
            if thrice {
                contest.yielded = true;
                contest.leave_until = at.plus(LEAVE_ALONE);
                self.raise(Alarm::GaveWay, effects);
            }
        } else if two_lanes {
            contest.leave_until = at.plus(LEAVE_ALONE);
        }
    }

    /// A call of ours whose answer was lost may have minted after this value was.
    fn may_be_our_doing(&self) -> bool {
        let Some(state) = self.lane(Lane::Classic) else {
            return false;
        };
        let held = state.held.as_ref().map(|held| held.order);
        let minted_late = self
            .late_mint
            .zip(held)
            .is_some_and(|(at, held)| at.plus(REACH) >= held);
        // A note whose call has not left yet has killed nobody.
        let waits = self
            .jobs
            .iter()
            .any(|job| job.task == Task::Classic && job.sent.is_none());
        let noted = state.intent.is_some() && !waits;
        state.held_is_doubted() || minted_late || noted || state.theirs.is_some()
    }

    /// Why the classic lane may not be fetched at all now, and until when. An operator may wish to fetch what is contested.
    pub(super) fn classic_held_back(&self, now: Now) -> Option<Boot> {
        let contest = self.contest();
        if !self.rules.take_over && !contest.classic_ours {
            return Some(Boot::NEVER);
        }
        let wall = self.steady_wall(now);
        let wished = self
            .lane(Lane::Classic)
            .is_some_and(|state| state.wish(now).is_some());
        let contested = self.primary() != Lane::Classic && wall < contest.leave_until && !wished;
        contested.then(|| now.boot.plus(contest.leave_until.since(wall)))
    }
}
