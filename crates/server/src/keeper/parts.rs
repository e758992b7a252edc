//! What the loop stands on, what it is told, and the handle that steers it.

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::{broadcast, mpsc, oneshot};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Clock, Now};
use wxtoken_core::credential::Kind;
use wxtoken_core::refresh::event::{Adoption, Event};
use wxtoken_core::refresh::rules::Rules;
use wxtoken_core::refresh::{Machine, Parked};
use wxtoken_core::source::CredentialSource;
use wxtoken_core::store::{Fence, Record, RecordStore, StoreError};

use super::command::Command;
use super::shelf::Shelf;
use super::tell::CountAlarm;
use super::views::Notice;

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
    /// An existing token to adopt.
    pub adopt: Option<Adoption>,
    /// Its AppSecret, address or the like changed: what was refused is worth a try.
    pub fresh_secret: bool,
}

/// Tells the store that an app is configured no more: its record is kept for a while and then purged, unless it is written
/// again. What is told before a write counts before it.
pub type Forget = Arc<dyn Fn(AppId) -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync>;

/// Hears of each record whose value has just been handed out, whether or not the store took it.
pub type HandedOut = Arc<dyn Fn(&AppId, Record) + Send + Sync>;

/// What the loop stands on.
#[derive(Clone)]
pub struct Parts {
    /// Time and sleep.
    pub clock: Arc<dyn Clock>,
    /// WeChat.
    pub source: Arc<dyn CredentialSource>,
    /// What survives.
    pub store: Arc<dyn RecordStore>,
    /// Hears of apps that have left.
    pub forget: Forget,
    /// The fence of a store that is ours alone; none where leases are taken.
    pub own: Option<Fence>,
    /// Keeps what is handed out beside the store, where that is not on this machine.
    pub handed_out: Option<HandedOut>,
    /// What readers see.
    pub shelf: Arc<Shelf>,
    /// Who listens for changes.
    pub notices: broadcast::Sender<Notice>,
    /// Who counts troubles: every one, where a listener may fall behind.
    pub count_alarm: CountAlarm,
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
    /// Of another replica's doing.
    Heard(AppId, Event),
    Command(Command),
    Apps(Vec<Spec>, oneshot::Sender<()>),
    /// A new app's record was looked for; the app takes the place kept for it under this number.
    Added(u32, Option<Box<Record>>),
    Stop(oneshot::Sender<()>),
}

/// One app kept; the shelf knows its AppID by its number.
pub(super) struct Kept {
    pub(super) state: State,
    pub(super) wake: Boot,
}

/// Where an app's machine is.
pub(super) enum State {
    /// Without a record, and not woken yet.
    Unborn(Arc<Rules>, u64),
    /// At rest, small.
    Parked(Parked),
    Awake(Box<Machine>),
    /// In the middle of a step.
    Out,
}

impl Kept {
    /// The machine, to look at.
    pub(super) fn machine(&self, own: Option<Fence>, now: Now) -> Option<Cow<'_, Machine>> {
        match &self.state {
            State::Unborn(rules, seed) => Some(Cow::Owned(born(rules, *seed, own, now))),
            State::Parked(parked) => Some(Cow::Owned(parked.clone().wake(own, now))),
            State::Awake(machine) => Some(Cow::Borrowed(machine)),
            State::Out => None,
        }
    }

    /// The machine, to step.
    pub(super) fn take(&mut self, own: Option<Fence>, now: Now) -> Option<Box<Machine>> {
        match std::mem::replace(&mut self.state, State::Out) {
            State::Unborn(rules, seed) => Some(Box::new(born(&rules, seed, own, now))),
            State::Parked(parked) => Some(Box::new(parked.wake(own, now))),
            State::Awake(machine) => Some(machine),
            State::Out => None,
        }
    }

    /// Parks the machine if it is at rest.
    pub(super) fn rest(&mut self, own: Option<Fence>, now: Now) {
        self.state = match std::mem::replace(&mut self.state, State::Out) {
            State::Awake(machine) => match machine.park(own, now) {
                Ok(parked) => State::Parked(parked),
                Err(machine) => State::Awake(machine),
            },
            other => other,
        };
    }
}

fn born(rules: &Arc<Rules>, seed: u64, own: Option<Fence>, now: Now) -> Machine {
    Machine::restore(Arc::clone(rules), None, own, seed, now)
}

/// Something the store was given to do, and the event that follows, if anyone waits for it.
pub(super) type Write = BoxFuture<'static, Option<(u32, Event)>>;

/// Starts the loop's other end; see [`super::Driver::run`].
#[derive(Clone)]
pub struct Control(pub(super) mpsc::UnboundedSender<Input>);

impl Control {
    /// Tells the loop which apps there are now; returns when it has taken them over.
    pub async fn apps(&self, specs: Vec<Spec>) {
        let (done, wait) = oneshot::channel();
        if self.0.send(Input::Apps(specs, done)).is_ok() {
            let _ = wait.await;
        }
    }

    /// Another replica did something that an app's machine must hear of.
    pub fn heard(&self, app: AppId, event: Event) {
        let _ = self.0.send(Input::Heard(app, event));
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
