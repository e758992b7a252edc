//! The loop: takes what happened, asks the app's machine, carries out what it says. Holds no rule.
//!
//! One loop drives every app, for a task per app would cost more memory than its machine does.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Now, Wall};
use wxtoken_core::refresh::event::Event;
use wxtoken_core::refresh::{Machine, step};
use wxtoken_core::store::Record;

use super::command::Command;
use super::parts::{Control, Input, Kept, Parts, Spec, State, Write};
use super::tell::Tell;
use super::waiting::Waiting;

/// The loop's state.
pub struct Driver {
    pub(super) parts: Parts,
    pub(super) apps: Vec<Option<Kept>>,
    pub(super) wakes: BTreeSet<(Boot, u32)>,
    pub(super) writes: FuturesUnordered<Write>,
    pub(super) inbox: mpsc::UnboundedSender<Input>,
    pub(super) heard: mpsc::UnboundedReceiver<Input>,
    pub(super) slots: Arc<Semaphore>,
    /// Apps with a call or a save under way. What is due waits while there are too many.
    pub(super) busy: usize,
    /// Apps whose record is being looked for, as the configuration has them by now.
    pub(super) arriving: HashMap<u32, Spec>,
    /// What others wrote of those meanwhile.
    pub(super) early: HashMap<u32, Box<Record>>,
    /// Apps that are configured no more, while a call or a save of theirs is under way.
    pub(super) leaving: HashMap<AppId, u32>,
    pub(super) waiting: Waiting,
    /// Since when an app lacks a live value of some kind; those that lack none are not in it.
    pub(super) absent: BTreeMap<u32, Wall>,
    pub(super) tell: Tell,
    /// Apps that had nothing to hand out at the start and have not been tried yet.
    pub(super) untried: HashSet<u32>,
    pub(super) first_round: watch::Sender<bool>,
    pub(super) stopping: Option<oneshot::Sender<()>>,
}

impl Driver {
    /// Makes the loop and the handle that steers it. Until it runs, records are being read.
    #[must_use]
    pub fn new(parts: Parts) -> (Self, Control) {
        let (inbox, heard) = mpsc::unbounded_channel();
        let control = Control(inbox.clone());
        parts.shelf.reading(true);
        let driver = Self {
            slots: Arc::new(Semaphore::new(parts.max_in_flight.max(1))),
            tell: Tell::new(parts.notices.clone(), Arc::clone(&parts.count_alarm)),
            parts,
            apps: Vec::new(),
            wakes: BTreeSet::new(),
            writes: FuturesUnordered::new(),
            inbox,
            heard,
            busy: 0,
            arriving: HashMap::new(),
            early: HashMap::new(),
            leaving: HashMap::new(),
            waiting: Waiting::default(),
            absent: BTreeMap::new(),
            untried: HashSet::new(),
            first_round: watch::Sender::new(false),
            stopping: None,
        };
        (driver, control)
    }

    /// Makes room for this many apps, and no more: doubling would waste what a hundred thousand of them cost.
    pub fn reserve_for(&mut self, apps: usize) {
        self.apps.reserve_exact(apps);
        self.parts.shelf.reserve(apps);
    }

    /// Becomes true once every app that started with nothing has been tried.
    #[must_use]
    pub fn first_round(&self) -> watch::Receiver<bool> {
        self.first_round.subscribe()
    }

    /// Runs until stopped.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        self.parts.shelf.reading(false);
        if self.untried.is_empty() {
            self.first_round.send_replace(true);
        }
        loop {
            let clock = Arc::clone(&self.parts.clock);
            // Before anything else, or questions that never cease would keep what is due waiting.
            if self.next_due() <= clock.now().boot {
                self.ring();
            }
            let due = self.next_due();
            tokio::select! {
                biased;
                Some(written) = self.writes.next(), if !self.writes.is_empty() => {
                    if let Some((index, event)) = written {
                        self.feed(index, event);
                    }
                }
                Some(input) = self.heard.recv() => self.take(input),
                Some(command) = commands.recv() => self.take(Input::Command(command)),
                () = clock.sleep_until(due), if due < Boot::NEVER => {}
            }
            if self.finished() {
                return;
            }
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Event(index, event) => self.feed(index, event),
            Input::Heard(app, event) => self.heard_of(&app, event),
            // Whoever asks while all ends hears that it ends.
            Input::Command(command) if self.stopping.is_some() => drop(command),
            Input::Command(command) => self.command(command),
            Input::Apps(specs, done) => {
                if self.stopping.is_none() {
                    self.reconfigure(specs);
                }
                let _ = done.send(());
            }
            Input::Added(index, record) => {
                if let Some(spec) = self.arriving.remove(&index) {
                    self.settle_in(index, spec, record.as_deref());
                }
                if let Some(record) = self.early.remove(&index) {
                    self.feed(index, Event::Learned(record));
                }
            }
            Input::Stop(done) => {
                self.stopping = Some(done);
                self.tell_to_stop();
            }
        }
    }

    /// What another replica did, if it concerns an app here; whether its machine rests or is awake.
    fn heard_of(&mut self, app: &AppId, event: Event) {
        let here = self.parts.shelf.index_of(app);
        let Some(index) = here.or_else(|| self.leaving.get(app).copied()) else {
            return;
        };
        match event {
            // What is read of its record at this moment may be older.
            Event::Learned(record) if self.arriving.contains_key(&index) => {
                self.early.insert(index, record);
            }
            Event::LeaseFreed if !self.waits_for_lease(index) => {}
            event => self.feed(index, event),
        }
    }

    fn waits_for_lease(&self, index: u32) -> bool {
        let now = self.parts.clock.now();
        self.kept(index).is_some_and(|kept| match &kept.state {
            State::Awake(machine) => machine.waits_for_lease(now),
            State::Unborn(..) | State::Parked(_) | State::Out => false,
        })
    }

    /// What is parked has nothing under way.
    fn tell_to_stop(&mut self) {
        let awake = |kept: &Kept| matches!(kept.state, State::Awake(_));
        for at in 0..self.apps.len() {
            if self.apps[at].as_ref().is_some_and(awake) {
                self.feed(u32::try_from(at).unwrap_or(u32::MAX), Event::Stopping);
            }
        }
    }

    /// When the loop must look again by itself.
    fn next_due(&self) -> Boot {
        let wake = self.wakes.first().filter(|_| self.may_begin());
        wake.map_or(Boot::NEVER, |(at, _)| *at)
            .min(self.waiting.next_deadline())
    }

    /// What is due waits for a free slot, from its note on: so the load on WeChat is bounded, and no call grows old while
    /// it waits. At a stop nothing is begun any more.
    fn may_begin(&self) -> bool {
        self.stopping.is_none() && self.busy < self.parts.max_in_flight.max(1)
    }

    fn ring(&mut self) {
        let now = self.parts.clock.now();
        self.waiting.expire(now, &self.parts.shelf);
        while self.may_begin() {
            let Some((at, index)) = self.wakes.first().copied() else {
                return;
            };
            if at > now.boot {
                return;
            }
            self.wakes.remove(&(at, index));
            if let Some(kept) = self.kept_mut(index) {
                kept.wake = Boot::NEVER;
            }
            self.feed(index, Event::Due);
        }
    }

    /// One step of one machine, and what it asks for.
    pub(super) fn feed(&mut self, index: u32, event: Event) {
        let now = self.parts.clock.now();
        let own = self.parts.own;
        let Some(machine) = self.kept_mut(index).and_then(|kept| kept.take(own, now)) else {
            return;
        };
        let was_busy = usize::from(machine.at_work());
        let before: Vec<_> = machine.values().collect();
        let (machine, effects) = step(machine, event, now);
        self.owns(index, &before, &machine);
        let idle = !machine.at_work();
        self.busy = self.busy + usize::from(!idle) - was_busy;
        if let Some(kept) = self.kept_mut(index) {
            kept.state = State::Awake(machine);
        }
        for effect in effects {
            self.carry_out(index, effect);
        }
        if idle {
            self.tried(index);
            self.leave(index);
        }
        self.look(index);
        if let Some(kept) = self.kept_mut(index) {
            kept.rest(own, now);
        }
    }

    pub(super) fn tried(&mut self, index: u32) {
        if self.untried.remove(&index) && self.untried.is_empty() {
            self.untried = HashSet::new(); // its room would stay
            self.first_round.send_replace(true);
        }
    }

    pub(super) fn wake_at(&mut self, index: u32, at: Boot) {
        let Some(kept) = self.kept_mut(index) else {
            return;
        };
        let before = std::mem::replace(&mut kept.wake, at);
        if before != at {
            self.wakes.remove(&(before, index));
            self.wakes.insert((at, index));
        }
    }

    pub(super) fn kept(&self, index: u32) -> Option<&Kept> {
        self.apps.get(usize::try_from(index).ok()?)?.as_ref()
    }

    /// An app's machine, to look at.
    pub(super) fn machine(&self, index: u32, now: Now) -> Option<Cow<'_, Machine>> {
        self.kept(index)?.machine(self.parts.own, now)
    }

    pub(super) fn kept_mut(&mut self, index: u32) -> Option<&mut Kept> {
        self.apps.get_mut(usize::try_from(index).ok()?)?.as_mut()
    }

    /// Whether all that was under way at a stop has ended.
    fn finished(&mut self) -> bool {
        if self.stopping.is_none() {
            return false;
        }
        if self.busy > 0 || !self.writes.is_empty() {
            return false;
        }
        if let Some(done) = self.stopping.take() {
            let _ = done.send(());
        }
        true
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
