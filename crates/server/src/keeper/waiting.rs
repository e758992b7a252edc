//! Those who wait for an answer: reporters of dead tokens, and operators who asked for a refresh.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use wxtoken_core::budget::BudgetKind;
use wxtoken_core::clock::{Boot, Now, millis};
use wxtoken_core::credential::{Credential, CredentialKey, Generation, Lane, Ticket, ValueId};
use wxtoken_core::refresh::verdict::Verdict;
use wxtoken_core::refresh::{LaneView, Machine, Outcome, Standing};

use super::absent::Absent;
use super::shelf::Shelf;
use super::tell::describe_trouble;
use super::views::{RefreshOutcome, Report};
use crate::words::Sentence;

enum Wanted {
    Verdict {
        id: ValueId,
        answer: oneshot::Sender<Result<Report, Absent>>,
    },
    Refresh {
        force: bool,
        before: Option<Generation>,
        answer: oneshot::Sender<Result<RefreshOutcome, Absent>>,
    },
}

struct Waiter {
    index: u32,
    key: CredentialKey,
    asked: Boot,
    deadline: Boot,
    wanted: Wanted,
}

/// Everyone who waits. Few at a time: those of one dead token share one probe and one fetch.
#[derive(Default)]
pub(super) struct Waiting {
    waiters: Vec<Waiter>,
}

impl Waiting {
    pub(super) fn report(
        &mut self,
        index: u32,
        key: CredentialKey,
        id: ValueId,
        asked: Boot,
        wait: Duration,
        answer: oneshot::Sender<Result<Report, Absent>>,
    ) {
        let wanted = Wanted::Verdict { id, answer };
        self.wait(index, key, asked, wait, wanted);
    }

    pub(super) fn refresh(
        &mut self,
        index: u32,
        key: CredentialKey,
        (force, before): (bool, Option<Generation>),
        asked: Boot,
        wait: Duration,
        answer: oneshot::Sender<Result<RefreshOutcome, Absent>>,
    ) {
        let wanted = Wanted::Refresh {
            force,
            before,
            answer,
        };
        self.wait(index, key, asked, wait, wanted);
    }

    fn wait(
        &mut self,
        index: u32,
        key: CredentialKey,
        asked: Boot,
        wait: Duration,
        wanted: Wanted,
    ) {
        let deadline = asked.plus(millis(wait));
        self.waiters.push(Waiter {
            index,
            key,
            asked,
            deadline,
            wanted,
        });
    }

    pub(super) fn next_deadline(&self) -> Boot {
        self.waiters
            .iter()
            .map(|waiter| waiter.deadline)
            .min()
            .unwrap_or(Boot::NEVER)
    }

    /// An app changed: answers those of its waiters who can be answered now.
    pub(super) fn look(&mut self, index: u32, machine: &Machine, now: Now) {
        for at in (0..self.waiters.len()).rev() {
            let waiter = &self.waiters[at];
            if waiter.index != index {
                continue;
            }
            match &waiter.wanted {
                Wanted::Verdict { id, .. } => {
                    if let Some(report) = verdict(machine, waiter, *id, now) {
                        self.answer_report(at, report);
                    }
                }
                Wanted::Refresh { force, before, .. } => {
                    if let Some(outcome) = refreshed(machine, waiter, *force, *before, now) {
                        self.answer_refresh(at, outcome);
                    }
                }
            }
        }
    }

    fn answer_report(&mut self, at: usize, report: Report) {
        if let Wanted::Verdict { answer, .. } = self.waiters.swap_remove(at).wanted {
            let _ = answer.send(Ok(report));
        }
    }

    fn answer_refresh(&mut self, at: usize, outcome: RefreshOutcome) {
        if let Wanted::Refresh { answer, .. } = self.waiters.swap_remove(at).wanted {
            let _ = answer.send(Ok(outcome));
        }
    }

    /// Those who have waited long enough get what can be said now.
    pub(super) fn expire(&mut self, now: Now, shelf: &Shelf) {
        for at in (0..self.waiters.len()).rev() {
            if self.waiters[at].deadline > now.boot {
                continue;
            }
            let key = self.waiters[at].key;
            match self.waiters[at].wanted {
                Wanted::Verdict { .. } => {
                    let (current, next_try) = match shelf.peek(&key, now) {
                        Ok(current) => (Some(current), None),
                        Err(Absent::NoLive(why)) => (None, why.next_try),
                        Err(Absent::UnknownApp | Absent::UnknownKind) => (None, None),
                    };
                    self.answer_report(
                        at,
                        Report {
                            verdict: Verdict::Pending,
                            current,
                            next_try,
                        },
                    );
                }
                Wanted::Refresh { .. } => {
                    let text = Sentence::new(
                        "还没有答复；获取仍在进行",
                        "no answer yet; the fetch goes on",
                    );
                    self.answer_refresh(at, RefreshOutcome::Failed(text));
                }
            }
        }
    }

    /// The app is gone.
    pub(super) fn forget(&mut self, index: u32) {
        for at in (0..self.waiters.len()).rev() {
            if self.waiters[at].index != index {
                continue;
            }
            match self.waiters.swap_remove(at).wanted {
                Wanted::Verdict { answer, .. } => drop(answer.send(Err(Absent::UnknownApp))),
                Wanted::Refresh { answer, .. } => drop(answer.send(Err(Absent::UnknownApp))),
            }
        }
    }
}

/// What can be said of a reported value now; none while it is worth waiting.
fn verdict(machine: &Machine, waiter: &Waiter, id: ValueId, now: Now) -> Option<Report> {
    let current = machine.current(waiter.key.kind, now).map(Arc::clone);
    let said = |verdict| {
        Some(Report {
            verdict,
            current: current.clone(),
            next_try: None,
        })
    };
    match machine.standing(waiter.key.kind, id, now) {
        Standing::Current {
            suspected: true, ..
        } => None,
        Standing::Current { last_alive, .. } if last_alive >= waiter.asked => said(Verdict::Alive),
        // Hearsay within seconds of the last: not looked into again.
        Standing::Current { .. } => said(Verdict::Pending),
        Standing::Known | Standing::Unknown if current.is_some() => said(Verdict::Refreshed),
        Standing::Known | Standing::Unknown => None,
        Standing::OtherKind(_) => said(Verdict::WrongKind),
    }
}

fn refreshed(
    machine: &Machine,
    waiter: &Waiter,
    force: bool,
    before: Option<Generation>,
    now: Now,
) -> Option<RefreshOutcome> {
    let current = machine.current(waiter.key.kind, now).map(Arc::clone);
    if let Some(ticket) = Ticket::of(waiter.key.kind) {
        return ticket_refreshed(machine, waiter, ticket, current, before, now);
    }
    let of_lane = |lane: Lane| Some((lane, machine.lane_view(lane, now)?));
    let (lane, view) = Lane::ALL
        .into_iter()
        .filter(|lane| !force || *lane == Lane::Stable)
        .filter_map(of_lane)
        .filter(|(_, view)| ended_since(view, waiter.asked))
        .max_by_key(|(_, view)| view.last.map(|(_, at)| at))?;
    match (view.last?.0, current) {
        (Outcome::New, Some(current)) if Some(current.generation) != before => {
            Some(RefreshOutcome::Refreshed(current))
        }
        (Outcome::New, _) => None, // being saved
        (Outcome::Same, Some(current)) => Some(RefreshOutcome::Unchanged(current)),
        (Outcome::Same, None) => Some(RefreshOutcome::Failed(Sentence::new(
            "微信答复的就是那个已失效的值",
            "WeChat answered with the value that is dead",
        ))),
        (Outcome::Failed(trouble), _) => Some(RefreshOutcome::Failed(describe_trouble(trouble))),
        (Outcome::OverBudget, _) if force => Some(RefreshOutcome::OverBudget(BudgetKind::Forced)),
        (Outcome::OverBudget, _) => Some(RefreshOutcome::OverBudget(BudgetKind::of(lane))),
        (Outcome::StoreRefused, _) => Some(RefreshOutcome::Failed(Sentence::new(
            "存储写不进去，所以不去获取",
            "the store takes no writes, so nothing is fetched",
        ))),
    }
}

fn ended_since(view: &LaneView, asked: Boot) -> bool {
    view.last.is_some_and(|(_, at)| at >= asked)
}

fn ticket_refreshed(
    machine: &Machine,
    waiter: &Waiter,
    ticket: Ticket,
    current: Option<Arc<Credential>>,
    before: Option<Generation>,
    now: Now,
) -> Option<RefreshOutcome> {
    if let Some(current) = current {
        if Some(current.generation) != before {
            return Some(RefreshOutcome::Refreshed(current));
        }
        if let Standing::Current {
            last_alive,
            suspected: false,
        } = machine.standing(waiter.key.kind, current.id, now)
            && last_alive >= waiter.asked
        {
            return Some(RefreshOutcome::Unchanged(current));
        }
    }
    let (trouble, next) = machine.ticket_view(ticket)?;
    let (trouble, _) = trouble?;
    (next > now.boot).then(|| RefreshOutcome::Failed(describe_trouble(trouble)))
}
