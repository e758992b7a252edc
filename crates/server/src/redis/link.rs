//! The one connection to Redis that everything is asked on.
//!
//! Owns: what the trouble is right now. Must not know: what is asked, and by whom.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value};
use tokio::sync::{Mutex, Notify, watch};
use wxtoken_core::clock::Clock;

use super::consequences::Then;
use super::health::Watch;
use super::open::{Connection, Door};
use super::opening::{Live, Named, State};
use super::trouble::Trouble;

/// Who uses a connection.
#[async_trait]
pub(crate) trait Guest: Send + Sync {
    /// Looks at a server before anything is asked of it, and may refuse it.
    async fn look(&self, connection: &Connection, at: &str) -> Result<(), Trouble>;
    /// Something is wrong, and it is not what was wrong before.
    fn turned_away(&self, trouble: &Trouble);
    /// All is well after that trouble, or one that turned into it, has lasted so long.
    fn back(&self, at: &str, over: &Trouble, lasted: Duration);
}

/// The connection.
pub(crate) struct Link {
    pub(super) me: Weak<Self>,
    pub(crate) door: Door,
    pub(super) guest: Box<dyn Guest>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) state: Mutex<State>,
    pub(crate) health: Watch,
    /// How many connections were opened so far, those aside that took the place of another.
    pub(super) opened: watch::Sender<u64>,
    /// Those that were opened where none was, and those that took the place of another.
    pub(super) connections: AtomicU64,
    pub(super) master: watch::Sender<Named>,
    pub(super) renewing: AtomicBool,
    /// The guest has found what it looks for, on some connection.
    pub(super) was_seen: AtomicBool,
    troubled: Notify,
}

impl Link {
    pub(crate) fn new(door: Door, guest: Box<dyn Guest>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            door,
            guest,
            health: Watch::new(Arc::clone(&clock)),
            clock,
            state: Mutex::default(),
            opened: watch::Sender::new(0),
            connections: AtomicU64::new(0),
            master: watch::Sender::default(),
            renewing: AtomicBool::new(false),
            was_seen: AtomicBool::new(false),
            troubled: Notify::new(),
        })
    }

    /// What keeps Redis from being asked or written, as of the last time it was.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.health.trouble()
    }

    /// Waits until something is wrong that was not before.
    pub(crate) async fn troubled(&self) {
        self.troubled.notified().await;
    }

    /// Changes with every connection: what was there before may not be there now.
    pub(crate) fn connection(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Changes with every connection that is opened where none was.
    pub(crate) fn opened(&self) -> watch::Receiver<u64> {
        self.opened.subscribe()
    }

    /// Asks one thing. Once more on a new connection where the old one turned out to be broken or to lead to a replica: all
    /// that is asked here may be asked twice.
    pub(crate) async fn ask(&self, command: &Cmd) -> Result<Value, Trouble> {
        let first = self.try_ask(command).await;
        match first {
            Err(trouble) if self.is_asked_again(&trouble) => self.try_ask(command).await,
            done => done,
        }
    }

    /// A cluster's connection has tried more than once by itself.
    pub(super) fn is_asked_again(&self, trouble: &Trouble) -> bool {
        trouble.then() == Then::Reconnect && !self.door.is_of_cluster()
    }

    /// Whether nothing more can be asked after that. In a cluster it may be so of one node alone.
    pub(crate) fn is_gone(&self, trouble: &Trouble) -> bool {
        trouble.is_of_another_store() || trouble.then() != Then::Keep && !self.door.is_of_cluster()
    }

    /// Runs a script: the short command names it, for a Redis that knows it; the whole one holds it.
    pub(crate) async fn run(
        &self,
        short: &Cmd,
        whole: impl FnOnce() -> Cmd,
    ) -> Result<Value, Trouble> {
        match self.ask(short).await {
            Err(Trouble::Other(code)) if code == UNKNOWN_SCRIPT => self.ask(&whole()).await,
            done => done,
        }
    }

    /// Something was surely written: whatever was wrong is over. In a cluster that was one node of several.
    pub(crate) fn written(&self) {
        if !self.door.is_of_cluster() {
            self.well(|_| true);
        }
    }

    /// Everything was done that was asked of all that can be asked: whatever was wrong is over.
    pub(crate) fn fine(&self) {
        self.well(|_| true);
    }

    pub(super) fn note(&self, trouble: &Trouble) {
        if self.health.failed(trouble) {
            self.guest.turned_away(trouble);
            self.troubled.notify_one();
        }
    }

    pub(super) fn well(&self, is_over: impl FnOnce(&Trouble) -> bool) {
        if let Some((over, lasted)) = self.health.over(is_over) {
            self.guest.back(&self.health.at(), &over, lasted);
        }
    }

    async fn try_ask(&self, command: &Cmd) -> Result<Value, Trouble> {
        let live = self.live().await?;
        match live.connection.ask(command).await {
            Ok(answer) => {
                if !self.door.is_of_cluster() {
                    self.well(|trouble| !trouble.is_of_writing());
                }
                Ok(answer)
            }
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                Err(Trouble::Other(UNKNOWN_SCRIPT.to_owned()))
            }
            Err(error) => Err(self.failed(&live, &error).await),
        }
    }

    /// What was asked was not done. The connection is given up where it is of no more use.
    pub(super) async fn failed(&self, live: &Live, error: &RedisError) -> Trouble {
        let met = Trouble::of(error, &live.at);
        // Slots that are on their way to another node, in what is known to be a cluster.
        let is_moving = matches!(met, Trouble::Stranger { .. }) && self.door.is_of_cluster();
        let trouble = if is_moving {
            Trouble::Incomplete
        } else {
            met.clone()
        };
        self.note(&trouble);
        self.give_up(live, &met).await;
        trouble
    }

    async fn give_up(&self, live: &Live, trouble: &Trouble) {
        if self.is_gone(trouble) {
            self.drop(live).await;
        } else if trouble.then() != Then::Keep {
            self.renew(live.number);
        }
    }

    /// Has the guest look once more: what it looks for may have been lost since the connection was opened.
    pub(crate) async fn look_again(&self) -> Result<(), Trouble> {
        let live = self.live().await?;
        let seen = self.guest.look(&live.connection, &live.at).await;
        if let Err(trouble) = &seen {
            self.note(trouble);
            self.give_up(&live, trouble).await;
        }
        seen
    }
}

/// What Redis says of a script it has not seen.
const UNKNOWN_SCRIPT: &str = "NOSCRIPT";
