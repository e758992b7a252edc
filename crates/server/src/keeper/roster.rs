//! Which apps there are: taken over at the start, and as the configuration changes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Now};
use wxtoken_core::credential::{Kind, ValueId};
use wxtoken_core::refresh::Machine;
use wxtoken_core::refresh::event::{Adoption, Event};
use wxtoken_core::store::{Lease, Record};

use super::driver::Driver;
use super::parts::{Input, Kept, Spec, State};

impl Driver {
    /// Gives an app its place on the shelf while its record is still to be read: who asks for it waits.
    pub fn announce(&mut self, spec: &Spec) {
        self.reserve(spec);
    }

    /// Takes an app over, with its record if it had one. Call before [`Self::run`] for all that are known at start.
    pub fn add(&mut self, spec: Spec, record: Option<&Record>) {
        let known = self.parts.shelf.index_of(&spec.app);
        if let Some(index) = known.or_else(|| self.reserve(&spec)) {
            self.settle_in(index, spec, record);
        }
    }

    /// Whether an app has been taken over.
    #[must_use]
    pub fn has(&self, app: &AppId) -> bool {
        let index = self.parts.shelf.index_of(app);
        index.is_some_and(|index| self.kept(index).is_some())
    }

    /// A number and a place on the shelf for an app.
    fn reserve(&mut self, spec: &Spec) -> Option<u32> {
        let index = u32::try_from(self.apps.len()).ok()?;
        self.apps.push(None);
        self.parts.shelf.place(spec.app, &spec.kinds, index);
        Some(index)
    }

    /// The app moves into the place that was reserved for it.
    pub(super) fn settle_in(&mut self, index: u32, spec: Spec, record: Option<&Record>) {
        let now = self.parts.clock.now();
        let seed = self.parts.seed ^ u64::from(index).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let state = match record {
            Some(record) => {
                let machine = Machine::restore(spec.rules, Some(record), self.parts.own, seed, now);
                self.hand_out(&spec.app, &machine, now);
                self.owns(index, &[], &machine);
                State::Awake(Box::new(machine))
            }
            None => State::Unborn(spec.rules, seed),
        };
        let mut kept = Kept {
            state,
            wake: Boot::NEVER,
        };
        kept.rest(self.parts.own, now);
        if !matches!(kept.state, State::Parked(_)) {
            self.untried.insert(index);
        }
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        if let Some(place) = self.apps.get_mut(at) {
            *place = Some(kept);
        }
        self.wake_at(index, now.boot);
        if let Some(adoption) = spec.adopt {
            self.adopt(index, adoption);
        }
    }

    /// What an app's values are now; those of an app that leaves have been taken away already.
    pub(super) fn owns(&self, index: u32, before: &[(ValueId, Kind)], machine: &Machine) {
        if !self.is_leaving(index) {
            let now: Vec<_> = machine.values().collect();
            self.parts.shelf.own(index, before, &now);
        }
    }

    /// What the record says is live is handed out at once.
    fn hand_out(&self, app: &AppId, machine: &Machine, now: Now) {
        for kind in Kind::ALL {
            if let Some(value) = machine.current(kind, now) {
                self.parts.shelf.put(app, kind, Some(Arc::clone(value)));
                self.parts.copies.changed(app, kind);
            }
        }
    }

    /// An existing token of unknown age, which stays in the configuration, is adopted only where no value of ours is known.
    /// The machine hears of it before it looks for the first time, or it would fetch.
    pub(super) fn adopt(&mut self, index: u32, adoption: Adoption) {
        let now = self.parts.clock.now();
        let held = self.machine(index, now).is_some_and(|machine| {
            machine
                .lane_view(adoption.lane, now)
                .is_some_and(|lane| lane.expires.is_some())
        });
        if adoption.expires.is_some() || !held {
            self.feed(index, Event::Adopt(adoption));
        }
    }

    pub(super) fn reconfigure(&mut self, specs: Vec<Spec>) {
        let stay: HashSet<AppId> = specs.iter().map(|spec| spec.app).collect();
        let mut gone: Vec<AppId> = Vec::new();
        self.parts.shelf.each(|app, _| {
            if !stay.contains(app) {
                gone.push(*app);
            }
        });
        for app in gone {
            self.remove(&app);
        }
        for spec in specs {
            match self.parts.shelf.index_of(&spec.app) {
                Some(index) => self.change(index, spec),
                None => match self.leaving.remove(&spec.app) {
                    Some(index) => self.come_back(index, spec),
                    None => self.fetch_record(spec),
                },
            }
        }
    }

    /// Takes an app off the shelf. Its machine stays, unseen, while a call or a save of its is under way: what that brings
    /// must not be lost, and were the app added again, a second machine would not know of it.
    fn remove(&mut self, app: &AppId) {
        let Some(index) = self.parts.shelf.index_of(app) else {
            return;
        };
        self.parts.shelf.remove(app);
        self.arriving.remove(&index);
        self.early.remove(&index);
        self.waiting.forget(index);
        self.absent.remove(&index);
        self.tried(index);
        let now = self.parts.clock.now();
        let machine = self.machine(index, now);
        if let Some(machine) = machine {
            let values: Vec<_> = machine.values().collect();
            self.parts.shelf.own(index, &values, &[]);
            self.leaving.insert(*app, index);
            self.feed(index, Event::Stopping);
        } else {
            self.forget(*app);
        }
    }

    /// Forgets an app that has left, once nothing of its is under way: a save that came later would have its record kept for
    /// ever.
    pub(super) fn leave(&mut self, index: u32) {
        let mut leaving = self.leaving.iter();
        let Some((app, _)) = leaving.find(|(_, at)| **at == index) else {
            return;
        };
        let (app, wake) = (*app, self.kept(index).map_or(Boot::NEVER, |kept| kept.wake));
        self.leaving.remove(&app);
        self.wakes.remove(&(wake, index));
        let at = usize::try_from(index).ok();
        if let Some(place) = at.and_then(|at| self.apps.get_mut(at)) {
            *place = None;
            self.absent.remove(&index);
        }
        self.forget(app);
    }

    /// Whether this machine is of an app that is configured no more.
    pub(super) fn is_leaving(&self, index: u32) -> bool {
        self.leaving.values().any(|at| *at == index)
    }

    /// An app is configured again before what it had under way has ended: its machine goes on.
    fn come_back(&mut self, index: u32, spec: Spec) {
        self.parts.shelf.place(spec.app, &spec.kinds, index);
        self.feed(index, Event::RulesChanged(spec.rules));
        let now = self.parts.clock.now();
        let machine = self.machine(index, now);
        if let Some(machine) = machine {
            self.hand_out(&spec.app, &machine, now);
            self.owns(index, &[], &machine);
        }
        if let Some(adoption) = spec.adopt {
            self.adopt(index, adoption);
        }
    }

    fn change(&mut self, index: u32, spec: Spec) {
        let now = self.parts.clock.now();
        let machine = self.machine(index, now);
        let same =
            machine.is_some_and(|machine| *machine.rules() == spec.rules && !spec.fresh_secret);
        self.parts.shelf.place(spec.app, &spec.kinds, index);
        if let Some(arriving) = self.arriving.get_mut(&index) {
            *arriving = spec;
            return;
        }
        if !same {
            self.feed(index, Event::RulesChanged(spec.rules));
        }
        if let Some(adoption) = spec.adopt {
            self.adopt(index, adoption);
        }
    }

    /// An app that is new to this process may have a record from an earlier life.
    fn fetch_record(&mut self, spec: Spec) {
        let Some(index) = self.reserve(&spec) else {
            return;
        };
        let (store, inbox) = (Arc::clone(&self.parts.store), self.inbox.clone());
        let app = spec.app;
        self.arriving.insert(index, spec);
        tokio::spawn(async move {
            let lease = store.lease(&app, Duration::ZERO).await;
            let record = match lease {
                Ok(Lease::Won { record, .. }) => record,
                Ok(Lease::Taken { .. }) | Err(_) => None,
            };
            let _ = inbox.send(Input::Added(index, record));
        });
    }
}
