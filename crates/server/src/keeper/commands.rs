//! Questions from outside: reports of dead tokens, operators' refreshes, states for people.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Now, Wall};
use wxtoken_core::credential::{CredentialKey, Kind, Token, ValueId};
use wxtoken_core::refresh::event::{Adoption, Event, Meeting};
use wxtoken_core::refresh::verdict::{Evidence, Theirs, Verdict};
use wxtoken_core::refresh::{HeldBack, Machine, Standing, step};

use super::absent::Absent;
use super::command::Command;
use super::driver::Driver;
use super::parts::{Kept, State};
use super::reasons::no_live;
use super::status::state_of;
use super::views::{AppStatus, RefreshOutcome, Report};

impl Driver {
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Report {
                key,
                id,
                evidence,
                wait,
                answer,
            } => {
                self.report(key, id, evidence, wait, answer);
            }
            Command::Refresh {
                key,
                force,
                wait,
                answer,
            } => self.refresh(key, force, wait, answer),
            Command::Observed {
                key,
                token,
                id,
                expires,
                answer,
            } => drop(answer.send(self.observed(key, token, id, expires))),
            Command::Met {
                key,
                meeting,
                wait,
                answer,
            } => self.met(key, meeting, wait, answer),
            Command::Status { apps, answer } => drop(answer.send(self.status(&apps))),
        }
    }

    /// Of an app that is not in shadow mode it is the machine's own values that count.
    fn observed(
        &mut self,
        key: CredentialKey,
        token: Token,
        id: ValueId,
        expires: Option<Wall>,
    ) -> bool {
        let Ok((index, machine)) = self.find(&key) else {
            return false;
        };
        if !machine.rules().shadow {
            return false;
        }
        if key.kind != Kind::AccessToken {
            return true; // nothing can be asked of a ticket
        }
        let lane = machine.rules().lanes.primary();
        self.feed(
            index,
            Event::Adopt(Adoption {
                lane,
                token,
                id,
                expires,
            }),
        );
        true
    }

    fn met(
        &mut self,
        key: CredentialKey,
        meeting: Meeting,
        wait: Duration,
        answer: oneshot::Sender<Result<Theirs, Absent>>,
    ) {
        let index = match self.find(&key) {
            Ok((index, _)) => index,
            Err(absent) => return drop(answer.send(Err(absent))),
        };
        let pair = (meeting.over, meeting.id);
        let now = self.parts.clock.now().boot;
        self.waiting.met(index, key, pair, now, wait, answer);
        self.feed(index, Event::Met(meeting));
    }

    fn find(&self, key: &CredentialKey) -> Result<(u32, Cow<'_, Machine>), Absent> {
        let index = self
            .parts
            .shelf
            .index_of(&key.app)
            .ok_or(Absent::UnknownApp)?;
        let now = self.parts.clock.now();
        let Some(machine) = self.machine(index, now) else {
            return Err(Absent::NoLive(self.parts.shelf.starting()));
        };
        if !machine.rules().keeps(key.kind) {
            return Err(Absent::UnknownKind);
        }
        Ok((index, machine))
    }

    fn report(
        &mut self,
        key: CredentialKey,
        id: ValueId,
        evidence: Evidence,
        wait: Duration,
        answer: oneshot::Sender<Result<Report, Absent>>,
    ) {
        let now = self.parts.clock.now();
        let (index, machine) = match self.find(&key) {
            Ok(found) => found,
            Err(absent) => return drop(answer.send(Err(absent))),
        };
        let current = machine.current(key.kind, now).map(Arc::clone);
        let verdict = match machine.standing(key.kind, id, now) {
            Standing::Current { .. } => None,
            // Compare first: with a live value at hand nothing is fetched (rule 8).
            Standing::Known => current.is_some().then_some(Verdict::Replaced),
            Standing::OtherKind(_) => Some(Verdict::WrongKind),
            Standing::Unknown => Some(Verdict::Unknown),
        };
        if let Some(verdict) = verdict {
            let next_try = current
                .is_none()
                .then(|| no_live(&machine, now, now.wall).next_try)
                .flatten();
            return drop(answer.send(Ok(Report {
                verdict,
                current,
                next_try,
            })));
        }
        self.waiting.report(index, key, id, now.boot, wait, answer);
        self.feed(
            index,
            Event::Reported {
                kind: key.kind,
                id,
                evidence,
            },
        );
    }

    fn refresh(
        &mut self,
        key: CredentialKey,
        force: bool,
        wait: Duration,
        answer: oneshot::Sender<Result<RefreshOutcome, Absent>>,
    ) {
        let now = self.parts.clock.now();
        let (index, machine) = match self.find(&key) {
            Ok(found) => found,
            Err(absent) => return drop(answer.send(Err(absent))),
        };
        if let Some(outcome) = not_begun(&machine, &key, force, now) {
            return drop(answer.send(Ok(outcome)));
        }
        let before = machine.current(key.kind, now).map(|value| value.generation);
        self.waiting
            .refresh(index, key, (force, before), now.boot, wait, answer);
        self.feed(
            index,
            Event::Nudged {
                kind: key.kind,
                force,
            },
        );
    }

    /// After a step: those who wait are looked at, and readers are told why there is nothing.
    pub(super) fn look(&mut self, index: u32) {
        let now = self.parts.clock.now();
        let Some(app) = self.parts.shelf.app_of(index) else {
            return;
        };
        let Some(kept) = usize::try_from(index)
            .ok()
            .and_then(|at| self.apps.get_mut(at)?.as_mut())
        else {
            return;
        };
        let Kept {
            state: State::Awake(machine),
            ..
        } = kept
        else {
            return;
        };
        self.waiting.look(index, machine, now);
        let missing = Kind::ALL
            .into_iter()
            .any(|kind| machine.rules().keeps(kind) && machine.current(kind, now).is_none());
        if missing {
            let since = *self.absent.entry(index).or_insert(now.wall);
            self.parts
                .shelf
                .explain(&app, Some(Arc::new(no_live(machine, now, since))));
        } else if self.absent.remove(&index).is_some() {
            self.parts.shelf.explain(&app, None);
        }
    }

    fn status(&self, apps: &[AppId]) -> Vec<AppStatus> {
        let now = self.parts.clock.now();
        apps.iter()
            .filter_map(|app| {
                let index = self.parts.shelf.index_of(app)?;
                let since = self.absent.get(&index).copied().unwrap_or(now.wall);
                let machine = self.kept(index)?.machine(self.parts.own, now)?;
                Some(state_of(*app, machine.as_ref(), since, now))
            })
            .collect()
    }
}

/// What stands in the way of an operator's fetch: tried on a copy, so that nothing is left to be done later.
fn not_begun(
    machine: &Machine,
    key: &CredentialKey,
    force: bool,
    now: Now,
) -> Option<RefreshOutcome> {
    let kind = key.kind;
    let copy = Box::new(machine.clone());
    let (tried, _) = step(copy, Event::Nudged { kind, force }, now);
    tried.held_back(kind, force, now).map(|why| match why {
        HeldBack::OverBudget(kind) => RefreshOutcome::OverBudget(kind),
        why => RefreshOutcome::HeldBack(why),
    })
}
