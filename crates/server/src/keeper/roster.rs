//! Which apps there are: taken over at the start, and as the configuration changes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use wxtoken_core::app::AppId;
use wxtoken_core::clock::Boot;
use wxtoken_core::credential::{Kind, Lane, Token, ValueId};
use wxtoken_core::refresh::Machine;
use wxtoken_core::refresh::event::Event;
use wxtoken_core::store::{Lease, Record};

use super::driver::Driver;
use super::parts::{Input, Kept, Spec};

impl Driver {
    /// Takes an app over, with its record if it had one. Call before [`Self::run`] for all that are known at start.
    pub fn add(&mut self, spec: Spec, record: Option<&Record>) {
        let now = self.parts.clock.now();
        let Ok(index) = u32::try_from(self.apps.len()) else {
            return;
        };
        let seed = self.parts.seed ^ u64::from(index).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let machine = Machine::restore(spec.rules, record, self.parts.own, seed, now);
        self.parts.shelf.place(spec.app, &spec.kinds);
        for kind in Kind::ALL {
            if let Some(value) = machine.current(kind, now) {
                self.parts
                    .shelf
                    .put(&spec.app, kind, Some(Arc::clone(value)));
                self.parts.copies.changed(&spec.app, kind);
            }
        }
        if machine.current(Kind::AccessToken, now).is_none() {
            self.untried.insert(index);
        }
        self.index.insert(spec.app, index);
        let kept = Kept {
            app: spec.app,
            machine: Some(machine),
            wake: Boot::NEVER,
            absent_since: None,
        };
        self.apps.push(Some(Box::new(kept)));
        self.wake_at(index, now.boot);
        if let Some((token, id)) = spec.adopt {
            self.adopt(index, token, id);
        }
    }

    /// An existing token is adopted only where no classic value of ours is known.
    pub(super) fn adopt(&mut self, index: u32, token: Token, id: ValueId) {
        let now = self.parts.clock.now();
        let held = self
            .kept(index)
            .and_then(|kept| kept.machine.as_ref())
            .is_some_and(|machine| {
                machine
                    .lane_view(Lane::Classic, now)
                    .is_some_and(|lane| lane.expires.is_some())
            });
        if !held {
            let _ = self
                .inbox
                .send(Input::Event(index, Event::Adopt { token, id }));
        }
    }

    pub(super) fn reconfigure(&mut self, specs: Vec<Spec>) {
        let stay: HashSet<AppId> = specs.iter().map(|spec| spec.app).collect();
        let gone: Vec<AppId> = self
            .index
            .keys()
            .filter(|app| !stay.contains(app))
            .copied()
            .collect();
        for app in gone {
            self.remove(&app);
        }
        for spec in specs {
            match self.index.get(&spec.app).copied() {
                Some(index) => self.change(index, spec),
                None => self.fetch_record(spec),
            }
        }
    }

    fn remove(&mut self, app: &AppId) {
        let Some(index) = self.index.remove(app) else {
            return;
        };
        self.parts.shelf.remove(app);
        if let Some(kept) = usize::try_from(index)
            .ok()
            .and_then(|at| self.apps.get_mut(at)?.take())
        {
            self.wakes.remove(&(kept.wake, index));
        }
        self.waiting.forget(index);
    }

    fn change(&mut self, index: u32, spec: Spec) {
        let Some(machine) = self.kept(index).and_then(|kept| kept.machine.as_ref()) else {
            return;
        };
        let same = *machine.rules() == spec.rules && !spec.fresh_secret;
        self.parts.shelf.place(spec.app, &spec.kinds);
        if !same {
            self.feed(index, Event::RulesChanged(spec.rules));
        }
        if let Some((token, id)) = spec.adopt {
            self.adopt(index, token, id);
        }
    }

    /// An app that is new to this process may have a record from an earlier life.
    fn fetch_record(&self, spec: Spec) {
        let (store, inbox) = (Arc::clone(&self.parts.store), self.inbox.clone());
        self.parts.shelf.place(spec.app, &spec.kinds);
        tokio::spawn(async move {
            let lease = store.lease(&spec.app, Duration::ZERO).await;
            let record = match lease {
                Ok(Lease::Won { record, .. }) => record,
                Ok(Lease::Taken { .. }) | Err(_) => None,
            };
            let _ = inbox.send(Input::Added(Box::new((spec, record))));
        });
    }
}
