//! What can be said to those who wait: pure questions to a machine.
//!
//! Must not know: who waits, and for how long.

use std::sync::Arc;

use wxtoken_core::budget::BudgetKind;
use wxtoken_core::clock::{Boot, Now};
use wxtoken_core::credential::{Credential, Generation, Lane, Ticket, ValueId};
use wxtoken_core::refresh::verdict::Verdict;
use wxtoken_core::refresh::{LaneView, Machine, Outcome, Standing};

use super::tell::describe_trouble;
use super::views::{RefreshOutcome, Report};
use super::waiting::Waiter;
use crate::words::Sentence;

/// What can be said of a reported value now; none while it is worth waiting.
pub(super) fn verdict(machine: &Machine, waiter: &Waiter, id: ValueId, now: Now) -> Option<Report> {
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

/// How an operator's fetch ended; none while it is worth waiting.
pub(super) fn refreshed(
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
