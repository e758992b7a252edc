//! Carrying out what a machine says: writes, calls, publications. Each outcome comes back as an event.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Clock, millis};
use wxtoken_core::credential::Kind;
use wxtoken_core::refresh::event::{CallId, Effect, Event};
use wxtoken_core::source::{Ask, Failure, Passing, Trouble};
use wxtoken_core::store::{Fence, Lease, Record, StoreError};

use super::driver::Driver;
use super::parts::{Input, Write};
use super::views::Notice;

impl Driver {
    pub(super) fn carry_out(&mut self, index: u32, effect: Effect) {
        let Some(app) = self.parts.shelf.app_of(index) else {
            return;
        };
        let unseen = self.is_leaving(index);
        match effect {
            Effect::Publish(_) | Effect::PutBack(_) | Effect::Alarm(_) if unseen => {}
            Effect::WakeAt(at) => self.wake_at(index, at),
            Effect::Note(call, record, fence) => {
                self.write(
                    index,
                    app,
                    record,
                    fence,
                    Event::Noted(call),
                    Event::NoteFailed(call),
                );
            }
            Effect::Save(save, record, fence) => {
                self.write(
                    index,
                    app,
                    record,
                    fence,
                    Event::Saved(save),
                    Event::SaveFailed(save),
                );
            }
            Effect::Ask(call, ask, timeout) => self.ask(index, app, call, ask, timeout),
            Effect::Publish(kind) => self.publish(index, app, kind),
            Effect::PutBack(kind) => self.parts.copies.put_back(&app, kind),
            Effect::Alarm(alarm) => self.tell.alarm(app, alarm),
            Effect::TakeLease => self.take_lease(index, app),
            Effect::Release(fence) => {
                let store = Arc::clone(&self.parts.store);
                tokio::spawn(async move { store.release(&app, fence).await });
            }
            Effect::PostLateMint(sent) => {
                let store = Arc::clone(&self.parts.store);
                tokio::spawn(async move {
                    if let Err(error) = store.note_late_mint(&app, sent).await {
                        tracing::warn!(app.id = %app, error = %error, "could not note that a token was minted late");
                    }
                });
            }
        }
    }

    fn write(
        &mut self,
        index: u32,
        app: AppId,
        record: Box<Record>,
        fence: Fence,
        good: Event,
        bad: Event,
    ) {
        let store = Arc::clone(&self.parts.store);
        self.hand_to_store(Box::pin(async move {
            let event = match store.write(&app, &record, fence).await {
                Ok(()) => good,
                Err(StoreError::Stale(record)) => Event::Stale(record),
                Err(error @ StoreError::Unavailable(_)) => {
                    tracing::warn!(app.id = %app, error = %error, "the store did not take a record");
                    bad
                }
            };
            Some((index, event))
        }));
    }

    /// An app is configured no more, and nothing of its will be written until it is back.
    pub(super) fn forget(&mut self, app: AppId) {
        let forgotten = (self.parts.forget)(app);
        self.hand_to_store(Box::pin(async move {
            if let Err(error) = forgotten.await {
                tracing::warn!(app.id = %app, error = %error, "the removed app's record stays");
            }
            None
        }));
    }

    /// What concerns one app is handed to the store in the order given: each is polled once right here.
    fn hand_to_store(&mut self, mut write: Write) {
        match (&mut write).now_or_never() {
            Some(Some((index, event))) => drop(self.inbox.send(Input::Event(index, event))),
            Some(None) => {}
            None => self.writes.push(write),
        }
    }

    fn ask(&self, index: u32, app: AppId, call: CallId, ask: Ask, timeout: u64) {
        let (source, slots) = (Arc::clone(&self.parts.source), Arc::clone(&self.slots));
        let (clock, inbox) = (Arc::clone(&self.parts.clock), self.inbox.clone());
        let ends = clock.now().boot.plus(timeout);
        tokio::spawn(async move {
            let slot = tokio::select! {
                slot = slots.acquire_owned() => slot.ok(),
                // Half the time may go to waiting; a call that then has too little left does not leave.
                () = clock.sleep_until(ends.minus(timeout / 2)) => None,
            };
            let left = Duration::from_millis(ends.since(clock.now().boot));
            let event = match slot {
                Some(_slot) => {
                    let asked = AssertUnwindSafe(source.ask(&app, ask, left));
                    match asked.catch_unwind().await {
                        Ok(Ok(answer)) => Event::Answered(call, answer),
                        Ok(Err(failure)) => Event::Failed(call, failure),
                        Err(_) => Event::Failed(call, broken()),
                    }
                }
                None => Event::Failed(call, unsent()),
            };
            let _ = inbox.send(Input::Event(index, event));
        });
    }

    fn publish(&mut self, index: u32, app: AppId, kind: Kind) {
        let now = self.parts.clock.now();
        let machine = self.machine(index, now);
        let Some(machine) = machine.filter(|machine| machine.rules().keeps(kind)) else {
            return;
        };
        let value = machine.current(kind, now).cloned();
        if let Some(handed_out) = self.parts.handed_out.as_ref().filter(|_| value.is_some()) {
            handed_out(&app, machine.record(now));
        }
        self.parts.shelf.put(&app, kind, value.clone());
        let key = wxtoken_core::credential::CredentialKey { app, kind };
        match value {
            Some(value) => {
                self.tell.published(&app, &value, now);
                self.parts.copies.changed(&app, kind);
                let _ = self.parts.notices.send(Notice::Credential(key, value));
            }
            None => {
                let _ = self.parts.notices.send(Notice::Gone(key));
            }
        }
    }

    fn take_lease(&self, index: u32, app: AppId) {
        let (store, clock, inbox) = (
            Arc::clone(&self.parts.store),
            Arc::clone(&self.parts.clock),
            self.inbox.clone(),
        );
        let asked = clock.now().boot;
        let lease = self
            .machine(index, clock.now())
            .map_or(30_000, |machine| machine.rules().timing.lease);
        tokio::spawn(async move {
            let event = match store.lease(&app, Duration::from_millis(lease)).await {
                Ok(Lease::Won {
                    fence,
                    holds_for,
                    record,
                    begins_epoch,
                }) => Event::LeaseWon {
                    fence,
                    until: asked.plus(millis(holds_for)),
                    record,
                    begins_epoch,
                },
                Ok(Lease::Taken { free_in }) => Event::LeaseTaken {
                    free_at: later(clock.as_ref(), free_in),
                },
                Err(error) => {
                    // That is told once for all apps by the store itself.
                    tracing::debug!(app.id = %app, error = %error, "the store cannot be asked for a lease");
                    Event::LeaseUnavailable
                }
            };
            let _ = inbox.send(Input::Event(index, event));
        });
    }
}

fn later(clock: &dyn Clock, wait: Duration) -> Boot {
    clock.now().boot.plus(millis(wait))
}

/// The client panicked: an app whose call never ended would never be asked for again.
fn broken() -> Failure {
    tracing::error!("a call to WeChat panicked; it counts as cut off");
    Failure {
        trouble: Trouble::Passing(Passing::Cut),
        sent: true,
        upstream_time: None,
    }
}

/// No slot came free in time: nothing was sent.
const fn unsent() -> Failure {
    Failure {
        trouble: Trouble::Passing(Passing::Unreachable),
        sent: false,
        upstream_time: None,
    }
}
