//! What the loop stands on, what it is told, and the handle that steers it.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, oneshot};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Clock, Wall};
use wxtoken_core::credential::{Kind, Token, ValueId};
use wxtoken_core::refresh::Machine;
use wxtoken_core::refresh::event::Event;
use wxtoken_core::refresh::rules::Rules;
use wxtoken_core::source::CredentialSource;
use wxtoken_core::store::{Fence, Record, RecordStore};

use super::handle::Command;
use super::shelf::Shelf;
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
    pub(super) wake: Boot,
    pub(super) absent_since: Option<Wall>,
}

pub(super) type Write = Pin<Box<dyn Future<Output = (u32, Event)> + Send>>;

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
