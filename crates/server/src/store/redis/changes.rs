//! What other replicas change: heard of by publish and subscribe, and looked for now and then, because messages get lost.
//!
//! A message names an app and a version, and never a value. Must not know: what a record says, who wants to hear.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::Value;
use redis::aio::PubSub;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Clock, Wall, millis};
use wxtoken_core::store::{Fence, Record};

use super::row::counted;
use super::rows::Rows;
use crate::redis::Trouble;

/// How often a Redis that something is wrong with is tried, milliseconds.
const PROVE_AGAIN: u64 = 1000;

/// A connection that takes longer to show that it lives is dead.
const PING_WITHIN: Duration = Duration::from_secs(2);

/// What happened in the store, by another's hand as a rule. Hearing of something twice, or of one's own doing, is possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The app's record is newer than what was read last: [`super::RedisStore::read`] gives it.
    Changed {
        /// Whose.
        app: AppId,
        /// The version it has.
        version: u64,
    },
    /// What others have offered where Redis had forgotten: it was read with that, so no comparison finds it any more.
    Learned {
        /// Whose.
        app: AppId,
        /// The record as it is now.
        record: Box<Record>,
    },
    /// A lease was given back: who waits for it may ask at once.
    Freed {
        /// Whose.
        app: AppId,
    },
    /// A caller's virtual tokens of earlier epochs are over.
    Revoked {
        /// Whose.
        caller: u64,
        /// The epoch they must at least be of.
        epoch: u64,
    },
    /// A lease of this process is somebody else's now, or of an epoch that is over.
    Lost {
        /// Whose.
        app: AppId,
        /// Which.
        fence: Fence,
    },
}

/// One who listens.
pub(super) struct Listener {
    pub(super) rows: Arc<Rows>,
    pub(super) clock: Arc<dyn Clock>,
    /// How often everything is compared.
    pub(super) every: Duration,
    pub(super) changes: UnboundedSender<Change>,
    /// Something was revoked since that was last read: once, however often it is said.
    pub(super) revoked: Notify,
}

impl Listener {
    /// Listens until told to stop, on connection after connection.
    pub(super) async fn run(self, stop: CancellationToken) {
        let work = async {
            let mut told = None;
            let mut next = Boot::default();
            loop {
                told = match self.listen().await {
                    Ok(()) => None,
                    Err(trouble) => Some(self.cannot_hear(trouble, told.as_ref()).await),
                };
                // What is not heard is compared all the same.
                if told.is_some() && self.clock.now().boot >= next {
                    let _ = self.compare_all().await;
                    next = self.next_comparison();
                }
                self.rows.link.pause().await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
            () = self.read_revoked() => {}
            () = self.prove_until_well() => {}
        }
    }

    /// Reads what was revoked as often as that is heard of; what fails is done at the next comparison.
    async fn read_revoked(&self) {
        loop {
            self.revoked.notified().await;
            let now = self.clock.now().wall;
            let _ = hear_revoked(&self.rows, &self.changes, now).await;
        }
    }

    /// Tells it once, and waits a moment; but where nothing can be asked either, that has been told, and has its own pauses.
    async fn cannot_hear(&self, trouble: Trouble, told: Option<&Trouble>) -> Trouble {
        // What can be heard no more can perhaps be asked no more, and nobody may have noticed yet.
        let is_asked = self.rows.prove().await.is_ok();
        if is_asked && told != Some(&trouble) {
            tracing::warn!(
                store.trouble = trouble.name(),
                "changes of other replicas are found late: {trouble}"
            );
        }
        if is_asked || self.rows.link.door.is_of_cluster() {
            self.clock
                .sleep_until(self.clock.now().boot.plus(1000))
                .await;
        }
        trouble
    }

    /// Listens as long as the connection holds and leads where everything is asked.
    async fn listen(&self) -> Result<(), Trouble> {
        let live = self.rows.link.live().await?;
        let (mut opened, mut masters) = (self.rows.link.opened(), self.rows.link.masters());
        opened.mark_unchanged();
        let mut pubsub = self.subscribed(&live.at).await?;
        self.compare_all().await?;
        let mut next = self.next_comparison();
        loop {
            let mut messages = pubsub.on_message();
            let message = tokio::select! {
                message = messages.next() => Some(message),
                () = self.clock.sleep_until(next) => None,
                _ = opened.changed() => return Ok(()),
                _ = masters.changed() => return Ok(()),
            };
            drop(messages);
            match message {
                Some(None) => return Ok(()),
                Some(Some(message)) => self.hear(message.get_payload_bytes()),
                None => {
                    // A connection that is dead without having been closed says nothing by itself.
                    let within = self.every.min(PING_WITHIN);
                    match timeout(within, pubsub.ping::<Value>()).await {
                        Ok(Ok(_)) => self.compare_all().await?,
                        Ok(Err(_)) | Err(_) => {
                            // Perhaps nothing is answered any more, and nobody has asked yet: what this finds is noted there.
                            let _ = self.rows.prove().await;
                            return Ok(());
                        }
                    }
                    next = self.next_comparison();
                }
            }
        }
    }

    /// Where something is wrong with Redis: looks every second whether that is over.
    async fn prove_until_well(&self) {
        loop {
            while self.rows.link.trouble().is_none() {
                self.rows.link.troubled().await;
            }
            self.clock
                .sleep_until(self.clock.now().boot.plus(PROVE_AGAIN))
                .await;
            // What this finds is noted there.
            let _ = self.rows.prove().await;
        }
    }

    /// When all is compared again: a thousand apps a second at most.
    fn next_comparison(&self) -> Boot {
        let pause = millis(self.every).max(self.rows.memory.count() as u64);
        self.clock.now().boot.plus(pause)
    }

    async fn subscribed(&self, at: &str) -> Result<PubSub, Trouble> {
        let mut pubsub = self.rows.link.door.listener().await?;
        let subscribed = timeout(self.every, pubsub.subscribe(self.rows.names.channel())).await;
        match subscribed {
            Ok(Ok(())) => Ok(pubsub),
            Ok(Err(error)) => Err(Trouble::of(&error, at)),
            Err(_) => Err(Trouble::Slow { at: at.to_owned() }),
        }
    }

    fn hear(&self, message: &[u8]) {
        if message == b"- revoked" {
            self.revoked.notify_one();
            return;
        }
        let mut words = message.split(|byte| *byte == b' ');
        let app = words
            .next()
            .and_then(|app| std::str::from_utf8(app).ok()?.parse().ok());
        let (Some(app), Some(what)) = (app, words.next()) else {
            return;
        };
        if what == b"free" {
            let _ = self.changes.send(Change::Freed { app });
        } else if let Some(version) = counted(what) {
            if words.next() == Some(b"epoch") && self.rows.memory.kept(&app).is_some() {
                let rows = Arc::clone(&self.rows);
                let changes = self.changes.clone();
                tokio::spawn(async move { refill(&rows, &changes, &app).await });
            }
            self.changed(app, version);
        }
    }

    pub(super) fn changed(&self, app: AppId, version: u64) {
        if version > self.rows.memory.version(&app) {
            let _ = self.changes.send(Change::Changed { app, version });
        }
    }
}

/// Tells of revocations that are new here.
pub(super) async fn hear_revoked(
    rows: &Rows,
    changes: &UnboundedSender<Change>,
    now: Wall,
) -> Result<(), Trouble> {
    for (caller, epoch) in rows.compare_revoked(now).await? {
        let _ = changes.send(Change::Revoked { caller, epoch });
    }
    Ok(())
}

/// Offers what is held here, and tells of what others have offered.
pub(super) async fn refill(rows: &Rows, changes: &UnboundedSender<Change>, app: &AppId) {
    let _turn = rows.refills.acquire().await;
    match rows.refill(app, None).await {
        Ok(Some(record)) => {
            let _ = changes.send(Change::Learned { app: *app, record });
        }
        Ok(None) => {}
        Err(trouble) => {
            tracing::debug!(app.id = %app, "what is held of {app} could not be offered: {trouble}");
        }
    }
}
