//! What may be asked of a machine without changing it.

use std::sync::Arc;

use super::alarm::AlarmName;
use super::lane::Outcome;
use super::machine::{LeaseState, Machine, Task};
use super::rules::Rules;
use crate::budget::BudgetKind;
use crate::clock::{Boot, Now, Wall};
use crate::credential::{Credential, Kind, Lane, Ticket, ValueId};
use crate::retry::Spent;
use crate::source::Trouble;

/// What a value is to this app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is handed out.
    Current {
        /// Somebody called it dead and no answer is there yet.
        suspected: bool,
        /// When WeChat last said that it is alive.
        last_alive: Boot,
    },
    /// It was handed out, or is a standby: not the current one.
    Known,
    /// It is a value of another kind of this app.
    OtherKind(Kind),
    /// Not one of ours.
    Unknown,
}

/// What is known of a lane, for people.
#[derive(Debug, Clone, Copy)]
pub struct LaneView {
    /// Whether it holds a live value.
    pub live: bool,
    /// Whether its value has been found dead.
    pub dead: bool,
    /// When its value ends.
    pub expires: Option<Boot>,
    /// When it was fetched.
    pub sent: Option<Boot>,
    /// When it is next fetched.
    pub due: Option<Boot>,
    /// Its last trouble, and since when.
    pub trouble: Option<(Trouble, Wall)>,
    /// Not tried before.
    pub not_before: Boot,
    /// How the last fetch ended, and when.
    pub last: Option<(Outcome, Boot)>,
}

impl Machine {
    /// The rules it follows.
    #[must_use]
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// What is handed out for a kind, if it is live.
    #[must_use]
    pub fn current(&self, kind: Kind, now: Now) -> Option<&Arc<Credential>> {
        let value = self.handed[kind.index()].current.as_ref()?;
        self.lives(value.expires, now).then_some(value)
    }

    /// What a value is to this app now.
    #[must_use]
    pub fn standing(&self, kind: Kind, id: ValueId, now: Now) -> Standing {
        if self.current(kind, now).is_some_and(|value| value.id == id) {
            return self.standing_of_current(kind, id);
        }
        match self.kind_of(id) {
            Some(found) if found == kind => Standing::Known,
            Some(other) => Standing::OtherKind(other),
            None => Standing::Unknown,
        }
    }

    fn standing_of_current(&self, kind: Kind, id: ValueId) -> Standing {
        if let Some(ticket) = Ticket::of(kind) {
            let state = self.tickets[ticket as usize].as_deref();
            return Standing::Current {
                suspected: state.is_some_and(|state| state.reported.is_some())
                    || self.busy(Task::Ticket(ticket)),
                last_alive: state
                    .and_then(|state| state.held.as_ref())
                    .map_or(Boot::default(), |held| held.last_seen),
            };
        }
        let lane = self.lane_holding(id);
        let health = lane
            .and_then(|lane| self.lane(lane))
            .map(|state| state.health)
            .unwrap_or_default();
        Standing::Current {
            suspected: health.suspected.is_some()
                || lane.is_some_and(|lane| self.busy(Task::Probe(lane))),
            last_alive: health.last_alive,
        }
    }

    /// Every value it knows as its own: handed out, standing by, or handing over. One may come twice.
    pub fn values(&self) -> impl Iterator<Item = (ValueId, Kind)> + '_ {
        let lanes = self.lanes.iter().flatten().filter_map(|state| {
            let held = state.held.as_ref()?;
            Some((held.id, Kind::AccessToken))
        });
        let tickets = Ticket::ALL.into_iter().filter_map(|ticket| {
            let held = self.tickets[ticket as usize].as_deref()?.held.as_ref()?;
            Some((held.id, ticket.kind()))
        });
        let known = self.known.iter().map(|known| (known.id, known.kind));
        lanes.chain(tickets).chain(known)
    }

    /// The kind a value is, or was, of.
    fn kind_of(&self, id: ValueId) -> Option<Kind> {
        if self.lane_holding(id).is_some() {
            return Some(Kind::AccessToken);
        }
        let ticket = Ticket::ALL.into_iter().find(|ticket| {
            let state = self.tickets[*ticket as usize].as_deref();
            state
                .and_then(|state| state.held.as_ref())
                .is_some_and(|held| held.id == id)
        });
        let known = || {
            self.known
                .iter()
                .find(|known| known.id == id)
                .map(|known| known.kind)
        };
        ticket.map(Ticket::kind).or_else(known)
    }

    pub(super) fn lane_holding(&self, id: ValueId) -> Option<Lane> {
        Lane::ALL.into_iter().find(|lane| {
            let held = self.lane(*lane).and_then(|state| state.held.as_ref());
            held.is_some_and(|held| held.id == id)
        })
    }

    /// What is known of a lane; none while it is not in use.
    #[must_use]
    pub fn lane_view(&self, lane: Lane, now: Now) -> Option<LaneView> {
        let state = self.lane(lane)?;
        let held = state.held.as_ref();
        Some(LaneView {
            live: state.live(now),
            dead: state.dead(),
            expires: held.map(|held| held.expires),
            sent: held.map(|held| held.sent),
            due: held.map(|held| held.due.max(state.retry.not_before)),
            trouble: state.retry.trouble,
            not_before: state.retry.not_before,
            last: state.last,
        })
    }

    /// A ticket's last trouble, and when it is asked for next.
    #[must_use]
    pub fn ticket_view(&self, ticket: Ticket) -> Option<(Option<(Trouble, Wall)>, Boot)> {
        let state = self.tickets[ticket as usize].as_deref()?;
        Some((state.retry.trouble, state.due.max(state.retry.not_before)))
    }

    /// Calls made since midnight in Beijing, and the day's limit.
    #[must_use]
    pub fn budget(&self, kind: BudgetKind, now: Now) -> (u32, u16) {
        (
            self.budgets.today(kind, self.counting_wall(now)),
            self.rules.limits.of(kind),
        )
    }

    /// Calls made over at least the last 24 hours, and the limit.
    #[must_use]
    pub fn spent(&self, kind: BudgetKind, now: Now) -> Spent {
        Spent {
            used: self.budgets.used(kind, self.counting_wall(now)),
            limit: self.rules.limits.of(kind).into(),
        }
    }

    /// The lasting alarms that are raised.
    pub fn raised(&self) -> impl Iterator<Item = AlarmName> + '_ {
        use AlarmName as A;
        let all = [
            A::Refused,
            A::QuotaUsedUp,
            A::OverBudget,
            A::Trouble,
            A::Unsaved,
            A::StoreRefuses,
        ];
        let more = [A::ClockOff, A::NeedsTakeOver, A::NothingLives, A::GaveWay];
        all.into_iter()
            .chain(more)
            .filter(|name| self.raised & (1 << *name as u16) != 0)
    }

    /// When WeChat takes the next forced refresh: 30 s after the last.
    #[must_use]
    pub fn next_force(&self, now: Now) -> Boot {
        self.force_allowed_at(now)
    }

    /// Whether it was told to wait for the lease, which somebody else has.
    #[must_use]
    pub fn waits_for_lease(&self, now: Now) -> bool {
        matches!(self.lease, LeaseState::None { not_before } if not_before > now.boot)
    }

    /// Whether calls or saves are under way.
    #[must_use]
    pub fn at_work(&self) -> bool {
        !self.jobs.is_empty() || self.saving.in_flight.is_some()
    }
}
