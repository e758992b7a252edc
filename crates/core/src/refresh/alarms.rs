//! Alarms that last: raised once, over when their cause is.

use super::alarm::{Alarm, AlarmName};
use super::event::Effect;
use super::machine::Machine;
use crate::budget::BudgetKind;
use crate::clock::{Boot, Now};
use crate::credential::Lane;
use crate::source::Trouble;

impl Machine {
    pub(super) const fn is_raised(&self, name: AlarmName) -> bool {
        self.raised & (1 << name as u16) != 0
    }

    pub(super) fn raise(&mut self, alarm: Alarm, effects: &mut Vec<Effect>) {
        if !self.is_raised(alarm.name()) {
            self.raised |= 1 << alarm.name() as u16;
            effects.push(Effect::Alarm(alarm));
        }
    }

    pub(super) fn over(&mut self, name: AlarmName, effects: &mut Vec<Effect>) {
        if self.is_raised(name) {
            self.raised &= !(1 << name as u16);
            effects.push(Effect::Alarm(Alarm::Over(name)));
        }
    }

    /// Lasting alarms end when their cause has.
    pub(super) fn settle_alarms(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for name in [
            AlarmName::Refused,
            AlarmName::QuotaUsedUp,
            AlarmName::Trouble,
        ] {
            if self.is_raised(name) && !self.troubled(name) {
                self.over(name, effects);
            }
        }
        let needs_take_over = !self.rules.shadow
            && self.in_use(Lane::Classic)
            && self.adopting(Lane::Classic).is_none()
            && self.classic_held_back(now) == Some(Boot::NEVER);
        if needs_take_over {
            self.raise(Alarm::NeedsTakeOver, effects);
        } else {
            self.over(AlarmName::NeedsTakeOver, effects);
        }
        let roomy = |kind: BudgetKind| {
            let spent = self.spent(kind, now);
            spent.used < spent.limit / 4
        };
        if self.is_raised(AlarmName::OverBudget) && BudgetKind::ALL.into_iter().all(roomy) {
            self.over(AlarmName::OverBudget, effects);
        }
        if self.yielded() {
            self.raise(Alarm::GaveWay, effects);
        } else {
            self.over(AlarmName::GaveWay, effects);
        }
    }

    /// Whether a lane or a ticket has trouble of this name.
    fn troubled(&self, name: AlarmName) -> bool {
        let lanes = self.lanes.iter().flatten().map(|state| state.retry.trouble);
        let tickets = self.tickets.iter().flatten();
        lanes
            .chain(tickets.map(|state| state.retry.trouble))
            .flatten()
            .any(|(trouble, _)| match trouble {
                Trouble::Refused(_) => name == AlarmName::Refused,
                Trouble::QuotaUsedUp => name == AlarmName::QuotaUsedUp,
                Trouble::Passing(_) | Trouble::TokenBad(_) => name == AlarmName::Trouble,
            })
    }
}
