//! The loop: takes what happened, asks the app's machine, carries out what it says. Holds no rule.
//!
//! One loop drives every app, for a task per app would cost more memory than its machine does.

use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Clock};
use wxtoken_core::credential::{Kind, Token, ValueId};
use wxtoken_core::refresh::event::Event;
use wxtoken_core::refresh::rules::Rules;
use wxtoken_core::refresh::{Machine, step};
use wxtoken_core::source::CredentialSource;
use wxtoken_core::store::{Fence, Record, RecordStore};

use super::handle::Command;
use super::shelf::Shelf;
use super::tell::Tell;
use super::views::Notice;
use super::waiting::Waiting;

/// What a copy of a credential kept elsewhere must hear of.
pub trait Copies: Send + Sync {
    /// A new value is handed out, or its expiry moved: copies are rewritten.
    fn changed(&self, app: &AppId, kind: Kind);
    /// The value was found alive after someone changed a copy: copies may be put back.
    fn put_back(&self, app: &AppId, kind: Kind);
}

/// An app as the keeper is told of it.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Which app.
    pub app: AppId,
    /// How it is kept. Apps that are configured alike share one.
    pub rules: Arc<Rules>,
    /// Its type, for what people are told.
    pub kinds: Box<[Kind]>,
    /// An existing classic token to adopt.
    pub adopt: Option<(Token, ValueId)>,
    /// Its AppSecret, address or the like changed: what was refused is worth a try.
    pub fresh_secret: bool,
}

/// What the loop stands on.
#[derive(Clone)]
pub struct Parts {
    /// Time and sleep.
    pub clock: Arc<dyn Clock>,
    /// WeChat.
    pub source: Arc<dyn CredentialSource>,
    /// What survives.
    pub store: Arc<dyn RecordStore>,
    /// The fence of a store that is ours alone; none where leases are taken.
    pub own: Option<Fence>,
    /// What readers see.
    pub shelf: Arc<Shelf>,
    /// Who listens for changes.
    pub notices: broadcast::Sender<Notice>,
    /// Files and the like.
    pub copies: Arc<dyn Copies>,
    /// Calls to WeChat at one time.
    pub max_in_flight: usize,
    /// Where chance starts from.
    pub seed: u64,
}

/// What the loop hears.
pub(super) enum Input {
    Event(u32, Event),
    Command(Command),
    Apps(Vec<Spec>, oneshot::Sender<()>),
    Added(Box<(Spec, Option<Box<Record>>)>),
    Stop(oneshot::Sender<()>),
}

/// One app kept.
pub(super) struct Kept {
    pub(super) app: AppId,
    /// Always there, but during a step.
    pub(super) machine: Option<Machine>,
    wake: Boot,
    pub(super) absent_since: Option<wxtoken_core::clock::Wall>,
}

pub(super) type Write = Pin<Box<dyn Future<Output = (u32, Event)> + Send>>;

/// Starts the loop's other end; see [`Driver::run`].
#[derive(Clone)]
pub struct Control(mpsc::UnboundedSender<Input>);

impl Control {
    /// Tells the loop which apps there are now; returns when it has taken them over.
    pub async fn apps(&self, specs: Vec<Spec>) {
        let (done, wait) = oneshot::channel();
        if self.0.send(Input::Apps(specs, done)).is_ok() {
            let _ = wait.await;
        }
    }

    /// Somebody changed a copy of this value.
    pub fn command(&self, command: Command) {
        let _ = self.0.send(Input::Command(command));
    }

    /// Lets calls under way end and be saved, then stops the loop.
    pub async fn stop(&self) {
        let (done, wait) = oneshot::channel();
        if self.0.send(Input::Stop(done)).is_ok() {
            let _ = wait.await;
        }
    }
}

/// The loop's state.
pub struct Driver {
    pub(super) parts: Parts,
    pub(super) apps: Vec<Option<Box<Kept>>>,
    pub(super) index: HashMap<AppId, u32, foldhash::fast::RandomState>,
    wakes: BTreeSet<(Boot, u32)>,
    pub(super) writes: FuturesUnordered<Write>,
    pub(super) inbox: mpsc::UnboundedSender<Input>,
    heard: mpsc::UnboundedReceiver<Input>,
    pub(super) slots: Arc<Semaphore>,
    pub(super) in_flight: usize,
    pub(super) waiting: Waiting,
    pub(super) tell: Tell,
    stopping: Option<oneshot::Sender<()>>,
}

impl Driver {
    /// Makes the loop and the handle that steers it.
    #[must_use]
    pub fn new(parts: Parts) -> (Self, Control) {
        let (inbox, heard) = mpsc::unbounded_channel();
        let control = Control(inbox.clone());
        let driver = Self {
            slots: Arc::new(Semaphore::new(parts.max_in_flight.max(1))),
            tell: Tell::new(parts.notices.clone()),
            parts,
            apps: Vec::new(),
            index: HashMap::default(),
            wakes: BTreeSet::new(),
            writes: FuturesUnordered::new(),
            inbox,
            heard,
            in_flight: 0,
            waiting: Waiting::default(),
            stopping: None,
        };
        (driver, control)
    }

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
    fn adopt(&mut self, index: u32, token: Token, id: ValueId) {
        let now = self.parts.clock.now();
        let held = self
            .kept(index)
            .and_then(|kept| kept.machine.as_ref())
            .is_some_and(|machine| {
                machine
                    .lane_view(wxtoken_core::credential::Lane::Classic, now)
                    .is_some_and(|lane| lane.expires.is_some())
            });
        if !held {
            let _ = self
                .inbox
                .send(Input::Event(index, Event::Adopt { token, id }));
        }
    }

    /// Runs until stopped.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let due = self.next_due();
            let clock = Arc::clone(&self.parts.clock);
            tokio::select! {
                biased;
                Some((index, event)) = self.writes.next(), if !self.writes.is_empty() => {
                    self.feed(index, event);
                }
                Some(input) = self.heard.recv() => self.take(input),
                Some(command) = commands.recv() => self.take(Input::Command(command)),
                () = clock.sleep_until(due), if due < Boot::NEVER => self.ring(),
            }
            if self.finished() {
                return;
            }
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Event(index, event) => {
                if matches!(event, Event::Answered(..) | Event::Failed(..)) {
                    self.in_flight = self.in_flight.saturating_sub(1);
                }
                self.feed(index, event);
            }
            Input::Command(command) => self.command(command),
            Input::Apps(specs, done) => {
                self.reconfigure(specs);
                let _ = done.send(());
            }
            Input::Added(added) => {
                let (spec, record) = *added;
                if !self.index.contains_key(&spec.app) {
                    self.add(spec, record.as_deref());
                }
            }
            Input::Stop(done) => {
                self.stopping = Some(done);
                for index in 0..self.apps.len() {
                    self.feed(u32::try_from(index).unwrap_or(u32::MAX), Event::Stopping);
                }
            }
        }
    }

    /// When the loop must look again by itself. A refresh that is due waits for a free slot: the load on WeChat is bounded.
    fn next_due(&self) -> Boot {
        let wake = self.wakes.first().map_or(Boot::NEVER, |(at, _)| *at);
        let wake = if self.in_flight < self.parts.max_in_flight {
            wake
        } else {
            Boot::NEVER
        };
        wake.min(self.waiting.next_deadline())
    }

    fn ring(&mut self) {
        let now = self.parts.clock.now();
        self.waiting.expire(now, &self.parts.shelf);
        while self.in_flight < self.parts.max_in_flight {
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
        let Some(kept) = self.kept_mut(index) else {
            return;
        };
        let Some(machine) = kept.machine.take() else {
            return;
        };
        let (machine, effects) = step(machine, event, now);
        kept.machine = Some(machine);
        for effect in effects {
            self.carry_out(index, effect);
        }
        self.look(index);
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
        self.apps.get(usize::try_from(index).ok()?)?.as_deref()
    }

    pub(super) fn kept_mut(&mut self, index: u32) -> Option<&mut Kept> {
        self.apps
            .get_mut(usize::try_from(index).ok()?)?
            .as_deref_mut()
    }

    fn reconfigure(&mut self, specs: Vec<Spec>) {
        let stay: std::collections::HashSet<AppId> = specs.iter().map(|spec| spec.app).collect();
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
            let lease = store.lease(&spec.app, std::time::Duration::ZERO).await;
            let record = match lease {
                Ok(wxtoken_core::store::Lease::Won { record, .. }) => record,
                Ok(wxtoken_core::store::Lease::Taken { .. }) | Err(_) => None,
            };
            let _ = inbox.send(Input::Added(Box::new((spec, record))));
        });
    }

    /// Whether all that was under way at a stop has ended.
    fn finished(&mut self) -> bool {
        if self.stopping.is_none() {
            return false;
        }
        let busy = self
            .apps
            .iter()
            .flatten()
            .any(|kept| kept.machine.as_ref().is_some_and(Machine::at_work));
        if busy || !self.writes.is_empty() {
            return false;
        }
        if let Some(done) = self.stopping.take() {
            let _ = done.send(());
        }
        true
    }
}
