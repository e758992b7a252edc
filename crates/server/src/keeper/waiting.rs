//! Those who wait for an answer: reporters of dead tokens, and operators who asked for a refresh.

use std::time::Duration;

use tokio::sync::oneshot;
use wxtoken_core::clock::{Boot, Now, millis};
use wxtoken_core::credential::{CredentialKey, Generation, ValueId};
use wxtoken_core::refresh::Machine;
use wxtoken_core::refresh::verdict::{Theirs, Verdict};

use super::absent::Absent;
use super::answers::{refreshed, verdict};
use super::shelf::Shelf;
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
    Theirs {
        over: ValueId,
        id: ValueId,
        answer: oneshot::Sender<Result<Theirs, Absent>>,
    },
}

pub(super) struct Waiter {
    index: u32,
    pub(super) key: CredentialKey,
    pub(super) asked: Boot,
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

    pub(super) fn met(
        &mut self,
        index: u32,
        key: CredentialKey,
        (over, id): (ValueId, ValueId),
        asked: Boot,
        wait: Duration,
        answer: oneshot::Sender<Result<Theirs, Absent>>,
    ) {
        let wanted = Wanted::Theirs { over, id, answer };
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
                Wanted::Theirs { over, id, .. } => {
                    if let Some(theirs) = machine.theirs(*over, *id, now) {
                        self.answer_theirs(at, theirs);
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

    fn answer_theirs(&mut self, at: usize, theirs: Theirs) {
        if let Wanted::Theirs { answer, .. } = self.waiters.swap_remove(at).wanted {
            let _ = answer.send(Ok(theirs));
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
                Wanted::Theirs { .. } => self.answer_theirs(at, Theirs::Unclear),
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
                Wanted::Theirs { answer, .. } => drop(answer.send(Err(Absent::UnknownApp))),
            }
        }
    }
}
