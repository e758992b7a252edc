//! What the judge remembers: facts seen from WeChat's side, and what excuses whom.

use std::collections::VecDeque;

use wxtoken_core::budget::BudgetKind;
use wxtoken_core::credential::Lane;
use wxtoken_core::refresh::event::{CallId, Event};
use wxtoken_core::refresh::verdict::Evidence;
use wxtoken_core::source::{Answer, Passing, Reply, Trouble};

use crate::question::{Question, Says, Value};
use crate::replica::{Call, Replica, value_of};
use crate::setup::{HOUR, MINUTE, SECOND};
use crate::world::World;

#[derive(Debug, Default)]
pub(crate) struct Judge {
    /// Per lane: a mint has a reason until then.
    pub(crate) reasons: [u64; 2],
    /// Per lane: when a mint of ours last ended without our learning what it gave.
    pub(crate) uncertain: [u64; 2],
    /// When calls left, by budget, over the last thirty hours.
    pub(crate) calls: [VecDeque<u64>; 5],
    /// Budgets and windows that rest on clocks are not judged before.
    pub(crate) clocks_excused_until: u64,
    /// Whether any clock has stepped, and per replica when it last did.
    pub(crate) stepped: bool,
    pub(crate) last_step: [u64; 3],
    born_before: [u64; 3],
    pub(crate) last_write: u64,
    pub(crate) all_bad_until: u64,
    pub(crate) lanes_changed_at: u64,
    pub(crate) rules_changed_at: u64,
    pub(crate) nudged_at: u64,
    /// When WeChat last told us that a quota is used up.
    pub(crate) quota_told: u64,
    /// By value: which process got it as an answer.
    pub(crate) fetched: Vec<Option<(usize, u32)>>,
    /// Our repairs that killed a living token of another program's.
    pub(crate) war: VecDeque<u64>,
    /// A value that WeChat has just called dead to this replica, in this step.
    pub(crate) just_dead: Option<(usize, Value)>,
    pub(crate) accused: bool,
    pub(crate) gave_way: bool,
    /// The last classic value that we were told is dead.
    pub(crate) known_dead: Option<(Value, u64)>,
    pub(crate) last_ticket: u64,
    pub(crate) last_late_mint: u64,
    /// When the store last lost what it held, and whether nobody has had a lease since.
    pub(crate) lost_at: u64,
    pub(crate) after_loss: bool,
    pub(crate) epoch_began: u64,
    /// When a lease was last given in an epoch in which nobody had written: what is held then, or fetched soon after, may have
    /// been ended by a call of ours whose note is lost, and accuses nobody.
    pub(crate) unwritten_epoch: u64,
    /// Calls that no store and no survivor knows of, by budget: until when, and how many.
    pub(crate) forgiven: [Vec<(u64, u32)>; 5],
    /// When a note of a classic fetch was last taken.
    pub(crate) noted_at: u64,
    /// From when to when there last were two masters.
    pub(crate) split: (u64, u64),
    /// When a lease was last ended early.
    pub(crate) lease_ended: u64,
    /// When somebody was last given the lease.
    pub(crate) granted_at: u64,
    /// Mints of ours since the store was emptied, by lane.
    pub(crate) minted_since_loss: [u32; 2],
    /// The store's newest generations and lane orders.
    pub(crate) stored: ([u64; 3], [u64; 2]),
}

impl Judge {
    /// Whether there were two masters when a value was minted. Each may have taken one, and by clocks that are seconds apart
    /// the one that is dead may seem the newer: then its death is not known to be our doing.
    pub(crate) const fn of_two_masters(&self, minted: u64) -> bool {
        let (from, until) = self.split;
        from > 0 && minted >= from && minted <= until + MINUTE
    }

    /// Which of two masters' values lives, one more fetch tells: by then all have heard of it.
    pub(crate) const fn is_settling(&self, t: u64) -> bool {
        self.split.1 > 0 && t <= self.split.1 + HOUR
    }

    /// A mint of this lane has a reason for a while.
    pub(crate) fn reason(&mut self, lane: usize, t: u64) {
        self.reasons[lane] = self.reasons[lane].max(t + HOUR);
        if lane == 0 {
            self.last_late_mint = t;
        }
    }

    pub(crate) fn nudged(&mut self, t: u64) {
        self.nudged_at = t;
        self.reasons = self.reasons.map(|until| until.max(t + 3 * HOUR));
    }

    pub(crate) fn lanes_changed(&mut self, t: u64) {
        self.lanes_changed_at = t;
        self.reasons = self.reasons.map(|until| until.max(t + 3 * HOUR));
    }

    pub(crate) fn all_bad(&mut self, until: u64) {
        self.all_bad_until = self.all_bad_until.max(until);
        self.reasons = self.reasons.map(|reason| reason.max(until + 3 * HOUR));
    }

    pub(crate) fn clock_stepped(&mut self, r: usize, t: u64) {
        self.stepped = true;
        self.last_step[r] = t;
    }

    pub(crate) fn uncertain(&mut self, lane: Lane, t: u64) {
        self.uncertain[lane.index()] = t;
        let reason = &mut self.reasons[lane.index()];
        *reason = (*reason).max(t + 2 * HOUR);
    }

    /// What a restarted process takes from its clock may be wrong.
    pub(crate) fn restarted(&mut self, r: usize, replica: &mut Replica) {
        let t = replica.born;
        // A record that was on its way during the step was made before it.
        let since_write = self.stepped && self.last_step[r] + MINUTE > self.last_write;
        // A clock that WeChat shows to be off makes the machine ask again what it took from the store.
        replica.clock_doubt = since_write || replica.wall_offset.unsigned_abs() > 25 * SECOND;
        if self.last_step[r] > self.born_before[r] {
            self.clocks_excused_until = t + 31 * HOUR;
        }
        if since_write {
            self.reasons = self.reasons.map(|until| until.max(t + 3 * HOUR));
        }
        self.born_before[r] = t;
    }

    pub(crate) fn fetched_by(&self, value: Value) -> Option<(usize, u32)> {
        self.fetched.get(value as usize).copied().flatten()
    }

    /// Calls of a budget over the last thirty hours.
    pub(crate) fn used(&self, budget: usize) -> u32 {
        self.calls[budget].len() as u32
    }
}

impl World {
    /// What an event means to the judge, before the machine hears it.
    pub(crate) fn note_event(&mut self, r: usize, event: &Event) {
        let t = self.t;
        let replica = &mut self.replicas[r];
        match event {
            Event::LeaseWon { .. } => replica.leasing = false,
            Event::LeaseFreed | Event::LeaseLost(_) => excuse(replica, t + 600),
            Event::LeaseTaken { free_at } => {
                replica.leasing = false;
                let free = replica.true_time(*free_at).max(t + 50) + 300;
                excuse(replica, free);
            }
            Event::LeaseUnavailable => {
                replica.leasing = false;
                excuse(replica, t + 5100);
            }
            Event::Answered(call, answer) => self.note_answer(r, *call, answer),
            Event::Stale(_) => {
                excuse(replica, t + 600);
                self.judge.reasons = self.judge.reasons.map(|until| until.max(t + 10 * MINUTE));
            }
            Event::Reported { kind, id, evidence } => {
                if *evidence == Evidence::Hearsay {
                    if t < replica.last_hearsay + 10 * SECOND {
                        return;
                    }
                    replica.last_hearsay = t;
                    // Half a day's probes are kept for first-hand evidence.
                    let spent = self.believed(r, BudgetKind::Probe);
                    if spent.used * 20 >= spent.limit * 9 {
                        return;
                    }
                }
                let replica = &mut self.replicas[r];
                let k = kind.index();
                let value = value_of(*id);
                if replica.seen[k].is_some_and(|seen| seen.value == value)
                    && self.wechat.value(value).end() <= t
                {
                    replica.guilt[k].evidence.get_or_insert(t);
                }
            }
            _ => {}
        }
    }

    fn note_answer(&mut self, r: usize, call: CallId, answer: &Answer) {
        let t = self.t;
        let replica = &mut self.replicas[r];
        if let Some(at) = replica.told_dead.iter().position(|(id, _)| *id == call) {
            let (_, value) = replica.told_dead.swap_remove(at);
            self.judge.just_dead = Some((r, value));
            self.judge.known_dead = Some((value, t));
            self.judge.accused = false;
        }
        if let Reply::Minted(minted) = &answer.reply {
            let at = value_of(minted.id) as usize;
            if let Some((_, over)) = replica.stable_over.take_if(|(id, _)| *id == call) {
                // Another value was heard of before the answer: which of them lives, only one more tells.
                let seen = replica.seen[0].map(|seen| seen.value);
                replica.asks_again = seen != over && seen != Some(value_of(minted.id));
            }
            if self.wechat.value(at as Value).lane == Some(Lane::Classic) {
                replica.minted = Some(at as Value);
            }
            let life = replica.life;
            if self.judge.fetched.len() <= at {
                self.judge.fetched.resize(at + 1, None);
            }
            self.judge.fetched[at] = Some((r, life));
        }
    }

    /// What an answer, or none, means to the judge.
    pub(crate) fn answered(&mut self, r: usize, call: &Call, says: Says) {
        let t = self.t;
        let spacing = self.spent(3).spacing();
        let replica = &mut self.replicas[r];
        let heard = replica.stalled_until.max(t);
        let trouble = match says {
            Says::Trouble(trouble) => Some(trouble),
            Says::Value(..) | Says::Alive | Says::Dead(_) => None,
        };
        replica.failing = trouble.is_some();
        if trouble == Some(Trouble::QuotaUsedUp) {
            self.judge.quota_told = t;
        }
        match call.question {
            Question::Classic | Question::Forced => {
                let lane = call.question.fetches().unwrap_or(Lane::Classic);
                let unknown = matches!(
                    trouble,
                    Some(Trouble::Passing(
                        Passing::Cut | Passing::Nonsense | Passing::Status(_)
                    ))
                );
                if unknown {
                    self.judge.uncertain(lane, t);
                }
            }
            Question::Stable if trouble.is_none() => {
                replica.asks_again = false;
                replica.stable_over = Some((call.id, call.over));
            }
            Question::Stable => {}
            Question::Probe(lane, value) => {
                let failures = &mut replica.probe_failures[lane.index()];
                *failures = if trouble.is_some() { *failures + 1 } else { 0 };
                if *failures > 0 {
                    let wait = (SECOND << (*failures).min(7).saturating_sub(1)).min(MINUTE);
                    let until = heard + wait + 2 * spacing + 100;
                    for (k, guilt) in replica.guilt.iter_mut().enumerate() {
                        // A ticket that was refused for its token waits until a probe has told of that.
                        if k == 0 || guilt.failures > 0 {
                            guilt.excused_until = guilt.excused_until.max(until);
                        }
                    }
                }
                if matches!(says, Says::Dead(_)) && lane == Lane::Classic {
                    replica.told_dead.push((call.id, value));
                }
            }
            Question::Ticket(ticket, with) => {
                self.ticket_answered(r, ticket.kind().index(), with, trouble)
            }
        }
    }

    fn ticket_answered(&mut self, r: usize, k: usize, with: Value, trouble: Option<Trouble>) {
        let t = self.t;
        self.judge.last_ticket = t;
        let spacing = self.believed(r, BudgetKind::Ticket).spacing();
        let replica = &mut self.replicas[r];
        let heard = replica.stalled_until.max(t);
        let guilt = &mut replica.guilt[k];
        if trouble.is_none() {
            guilt.failures = 0;
            return;
        }
        guilt.failures += 1;
        let wait = (SECOND << guilt.failures.min(7)).min(MINUTE);
        guilt.excused_until = guilt.excused_until.max(heard + wait + 2 * spacing + 1100);
        let bad = matches!(trouble, Some(Trouble::TokenBad(_)));
        if bad
            && replica.seen[0].is_some_and(|seen| seen.value == with)
            && self.wechat.value(with).end() <= t
        {
            replica.guilt[0].evidence.get_or_insert(t);
        }
    }
}

/// Nothing can be expected of this process before.
fn excuse(replica: &mut Replica, until: u64) {
    for guilt in &mut replica.guilt {
        guilt.excused_until = guilt.excused_until.max(until);
    }
}
