//! The state of one app, and what may be asked of it without changing it.

use std::sync::Arc;

use super::adoption::Offer;
use super::counts::TakenBack;
use super::event::{CallId, SaveId};
use super::lane::LaneState;
use super::rules::Rules;
use super::stranger::Stranger;
use super::ticket::TicketState;
use crate::budget::{BudgetKind, Budgets};
use crate::clock::{Boot, Now, Wall};
use crate::credential::{Credential, Generation, Kind, Lane, Ticket, ValueId};
use crate::retry::Jitter;
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

    /// All that it counts as: a forced refresh is a call of the stable endpoint too.
    pub(super) fn counts_as(self) -> impl Iterator<Item = BudgetKind> {
        let also = (self == Self::Forced).then_some(BudgetKind::Stable);
        [self.budget()].into_iter().chain(also)
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) call: CallId,
    pub(super) task: Task,
    /// When its note was begun: it must leave within one timeout of that, for the note says when it has ended.
    pub(super) begun: Boot,
    /// When the request may have left; none while its note is being written.
    pub(super) sent: Option<Boot>,
    /// Which value is asked about, or with.
    pub(super) about: Option<ValueId>,
    /// The lane's value when it was begun.
    pub(super) over: Option<ValueId>,
    /// When it was counted, by the clock that calls are counted by.
    pub(super) counted: Wall,
    /// Under which its note goes out; none if it is made without one, and so counted by no store.
    pub(super) fence: Option<Fence>,
    /// Its note is durable.
    pub(super) noted: bool,
}

/// A value on its way out, or out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Handed {
    pub(super) current: Option<Arc<Credential>>,
    /// Chosen, and waiting to be durable.
    pub(super) staged: Option<(Arc<Credential>, SaveId)>,
    /// The last generation given, and to what.
    pub(super) generation: Generation,
    pub(super) id: Option<ValueId>,
    pub(super) lane: Option<Lane>,
    /// What we would have handed out when another replica chose that.
    pub(super) passed_over: Option<ValueId>,
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
        /// WeChat did not answer the last call: another replica may reach it.
        stands_back: bool,
    },
    /// The store cannot be reached.
    Away {
        not_before: Boot,
    },
}

/// What is being made durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Saving {
    pub(super) last: SaveId,
    pub(super) in_flight: Option<SaveId>,
    pub(super) dirty: bool,
    pub(super) failures: u8,
    pub(super) not_before: Boot,
    /// Writes of either sort that have not come back: a new lease would make them stale.
    pub(super) writes: u16,
    /// A value of another was met, asked for then, that may be older than what we have minted: all have to be told.
    pub(super) overlapped: Option<Wall>,
}

/// A value no longer handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) id: ValueId,
    pub(super) kind: Kind,
    pub(super) ends: Boot,
}

/// One app's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub(super) rules: Arc<Rules>,
    pub(super) jitter: Jitter,
    pub(super) lanes: [Option<Box<LaneState>>; 2],
    pub(super) tickets: [Option<Box<TicketState>>; 2],
    pub(super) handed: [Handed; 3],
    pub(super) known: Vec<Known>,
    pub(super) budgets: Budgets,
    /// Calls made without a lease, which no store has counted yet: they come on top of what it holds.
    pub(super) uncounted: Option<Box<Budgets>>,
    /// Calls that the store counts and that were certainly not made: it counts too many by these.
    pub(super) taken_back: Option<Box<TakenBack>>,
    /// Wall time minus boot time when the machine was made: what budgets count by, so that a step frees nothing.
    pub(super) steady: i64,
    /// How far ahead of that calls are counted: as far as the replica whose clock is furthest ahead, for what is counted by
    /// several clocks would else be forgotten whenever one of them hears of the other.
    pub(super) ahead: u64,
    pub(super) contest: Option<Box<Contest>>,
    /// Tokens to be taken over, the newest last.
    pub(super) offers: Vec<Offer>,
    /// Others' values that lay where ours should.
    pub(super) strangers: Vec<Stranger>,
    pub(super) jobs: Vec<Job>,
    pub(super) calls: CallId,
    pub(super) lease: LeaseState,
    pub(super) saving: Saving,
    /// When somebody minted without a lease: a classic value no younger than that has to be settled by one more fetch.
    pub(super) late_mint: Option<Wall>,
    /// Alarms that last, one bit each.
    pub(super) raised: u16,
    pub(super) stopping: bool,
}

impl Machine {
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

    /// What calls are counted by.
    pub(super) const fn counting_wall(&self, now: Now) -> Wall {
        self.steady_wall(now).plus(self.ahead)
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
            LeaseState::Held { fence, until, .. } if now.boot.0 < until.0 => Some(fence),
            _ => None,
        }
    }

    /// The record as it would be stored now.
    #[must_use]
    pub fn record(&self, now: Now) -> Record {
        super::durable::record(self, now)
    }
}
