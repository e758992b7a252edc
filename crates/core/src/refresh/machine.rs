//! The state of one app, and what may be asked of it without changing it.

use std::sync::Arc;

use super::alarm::AlarmName;
use super::event::{CallId, SaveId};
use super::lane::{LaneState, Outcome};
use super::rules::Rules;
use super::ticket::TicketState;
use crate::budget::{BudgetKind, Budgets};
use crate::clock::{Boot, Now, Wall};
use crate::credential::{Credential, Generation, Kind, Lane, Ticket, Token, ValueId};
use crate::retry::{Jitter, Spent};
use crate::source::Trouble;
use crate::store::{Contest, Fence, Record};

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Classic,
    Stable,
    Forced,
    Ticket(Ticket),
    Probe(Lane),
}

impl Task {
    pub(super) const fn budget(self) -> BudgetKind {
        match self {
            Self::Classic => BudgetKind::Classic,
            Self::Stable => BudgetKind::Stable,
            Self::Forced => BudgetKind::Forced,
            Self::Ticket(_) => BudgetKind::Ticket,
            Self::Probe(_) => BudgetKind::Probe,
        }
    }

    /// The lane whose token it fetches.
    pub(super) const fn fetches(self) -> Option<Lane> {
        match self {
            Self::Classic => Some(Lane::Classic),
            Self::Stable | Self::Forced => Some(Lane::Stable),
            Self::Ticket(_) | Self::Probe(_) => None,
        }
    }

    /// Whether it makes a new value, and so ends another's life: needs an intent and a lease.
    pub(super) const fn mints(self) -> bool {
        matches!(self, Self::Classic | Self::Forced)
    }

    /// Whether two tasks may not be under way together (rule 1).
    fn excludes(self, other: Self) -> bool {
        self == other || (self.fetches().is_some() && self.fetches() == other.fetches())
    }
}

/// A call under way, from its note to its answer.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) call: CallId,
    pub(super) task: Task,
    /// When its note was begun: it must leave within one timeout of that, for the note says when it has ended.
    pub(super) begun: Boot,
    /// When the request may have left; none while its note is being written.
    pub(super) sent: Option<Boot>,
    /// Which value is asked about, or with.
    pub(super) about: Option<ValueId>,
}

/// A value on its way out, or out.
#[derive(Debug, Clone, Default)]
pub(super) struct Handed {
    pub(super) current: Option<Arc<Credential>>,
    /// Chosen, and waiting to be durable.
    pub(super) staged: Option<(Arc<Credential>, SaveId)>,
    /// The last generation given, and to what.
    pub(super) generation: Generation,
    pub(super) id: Option<ValueId>,
    pub(super) lane: Option<Lane>,
}

/// Whether we may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseState {
    /// The store is ours alone.
    Own(Fence),
    None {
        not_before: Boot,
    },
    Asking,
    Held {
        fence: Fence,
        until: Boot,
    },
    /// The store cannot be reached.
    Away {
        not_before: Boot,
    },
}

/// What is being made durable.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Saving {
    pub(super) last: SaveId,
    pub(super) in_flight: Option<SaveId>,
    pub(super) dirty: bool,
    pub(super) failures: u8,
    pub(super) not_before: Boot,
}

/// A value no longer handed out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) id: ValueId,
    pub(super) kind: Kind,
    pub(super) ends: Boot,
}

/// One app's machine.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(super) rules: Arc<Rules>,
    pub(super) jitter: Jitter,
    pub(super) lanes: [Option<Box<LaneState>>; 2],
    pub(super) tickets: [Option<Box<TicketState>>; 2],
    pub(super) handed: [Handed; 3],
    pub(super) known: Vec<Known>,
    pub(super) budgets: Budgets,
    /// Wall time minus boot time when the machine was made: what budgets count by, so that a step frees nothing.
    pub(super) steady: i64,
    pub(super) contest: Option<Box<Contest>>,
    pub(super) adopting: Option<(Token, ValueId)>,
    pub(super) jobs: Vec<Job>,
    pub(super) calls: CallId,
    pub(super) lease: LeaseState,
    pub(super) saving: Saving,
    pub(super) late_mint: Option<Wall>,
    /// Alarms that last, one bit each.
    pub(super) raised: u16,
    pub(super) stopping: bool,
}

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
                suspected: state.is_some_and(|state| state.reported)
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
            self.budgets.today(kind, self.steady_wall(now)),
            self.rules.limits.of(kind),
        )
    }

    /// Calls made over at least the last 24 hours, and the limit.
    #[must_use]
    pub fn spent(&self, kind: BudgetKind, now: Now) -> Spent {
        Spent {
            used: self.budgets.used(kind, self.steady_wall(now)),
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

    /// Whether calls or saves are under way.
    #[must_use]
    pub fn at_work(&self) -> bool {
        !self.jobs.is_empty() || self.saving.in_flight.is_some()
    }

    pub(super) fn lane(&self, lane: Lane) -> Option<&LaneState> {
        self.lanes[lane.index()].as_deref()
    }

    pub(super) fn lane_mut(&mut self, lane: Lane) -> &mut LaneState {
        self.lanes[lane.index()].get_or_insert_default()
    }

    pub(super) fn contest(&self) -> Contest {
        self.contest.as_deref().copied().unwrap_or_default()
    }

    pub(super) fn contest_mut(&mut self) -> &mut Contest {
        self.contest.get_or_insert_default()
    }

    pub(super) fn yielded(&self) -> bool {
        self.contest.as_ref().is_some_and(|contest| contest.yielded)
    }

    /// Whether a lane is kept: configured, or stepping in for a classic lane that gave way.
    pub(super) fn in_use(&self, lane: Lane) -> bool {
        self.rules.lanes.has(lane) || (lane == Lane::Stable && self.yielded())
    }

    /// The lane handed out while it lives.
    pub(super) fn primary(&self) -> Lane {
        if self.yielded() {
            Lane::Stable
        } else {
            self.rules.lanes.primary()
        }
    }

    pub(super) fn busy(&self, task: Task) -> bool {
        self.jobs.iter().any(|job| job.task.excludes(task))
    }

    /// Wall time that never steps while the process runs.
    pub(super) const fn steady_wall(&self, now: Now) -> Wall {
        Wall(now.boot.0.saturating_add_signed(self.steady))
    }

    /// Rule 5: a value lives while boot time says so.
    pub(super) fn lives(&self, expires: Boot, now: Now) -> bool {
        if super::mutant::planted!(self.rules, WallClockExpiry) {
            return now.wall.0.saturating_add_signed(-self.steady) < expires.0;
        }
        now.boot < expires
    }

    pub(super) const fn fence(&self, now: Now) -> Option<Fence> {
        match self.lease {
            LeaseState::Own(fence) => Some(fence),
            LeaseState::Held { fence, until } if now.boot.0 < until.0 => Some(fence),
            _ => None,
        }
    }

    /// The record as it would be stored now.
    #[must_use]
    pub fn record(&self, now: Now) -> Record {
        super::durable::record(self, now)
    }
}
