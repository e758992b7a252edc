//! The keeper as the rest of the server sees it: cheap to clone, every question a method.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Clock, Now, Wall};
use wxtoken_core::credential::{Credential, CredentialKey, Token, ValueId};
use wxtoken_core::refresh::event::Meeting;
use wxtoken_core::refresh::verdict::{Evidence, Theirs};

use super::absent::Absent;
use super::command::Command;
use super::shelf::Shelf;
use super::views::{AppStatus, Notice, RefreshOutcome, Report};

/// Makes a value's keyed hash.
pub type HashValue = Arc<dyn Fn(&str) -> ValueId + Send + Sync>;

/// The loop is gone: the server is stopping.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the server is stopping")]
pub struct KeeperStopped;

/// Answers for every credential. Clones share everything.
#[derive(Clone)]
pub struct Keeper {
    shelf: Arc<Shelf>,
    clock: Arc<dyn Clock>,
    hash: HashValue,
    commands: mpsc::Sender<Command>,
    notices: broadcast::Sender<Notice>,
}

impl Keeper {
    /// Joins the parts; whoever drives the machines holds the other ends.
    #[must_use]
    pub fn new(
        shelf: Arc<Shelf>,
        clock: Arc<dyn Clock>,
        hash: HashValue,
        commands: mpsc::Sender<Command>,
        notices: broadcast::Sender<Notice>,
    ) -> Self {
        Self {
            shelf,
            clock,
            hash,
            commands,
            notices,
        }
    }

    /// The time, by the keeper's clock.
    #[must_use]
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// The shelf itself, for the read path.
    #[must_use]
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// A value's keyed hash, as in `Credential::id`.
    #[must_use]
    pub fn id_of(&self, value: &str) -> ValueId {
        (self.hash)(value)
    }

    /// Waits until every stored record is read, at most this long; false if they were. Before that a value of ours may be
    /// nobody's yet.
    pub async fn until_read(&self, wait: Duration) -> bool {
        self.shelf.until_read(wait).await
    }

    /// Whether stored records are being read: a value of ours may be nobody's yet.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.shelf.is_reading()
    }

    /// Whose value this is, by its keyed hash: of every one of ours, live or handing over.
    #[must_use]
    pub fn owner_of(&self, id: ValueId) -> Option<CredentialKey> {
        self.shelf.owner_of(id)
    }

    /// What is handed out now.
    ///
    /// # Errors
    /// [`Absent`] says why nothing is.
    pub fn peek(&self, key: &CredentialKey) -> Result<Arc<Credential>, Absent> {
        self.shelf.peek(key, self.now())
    }

    /// What is handed out, waiting a while for a first or a replaced one; but not where WeChat has refused and is asked
    /// again only after the wait: who has little patience is to hear of that, too.
    ///
    /// # Errors
    /// [`Absent`] once the wait is over.
    pub async fn get(
        &self,
        key: &CredentialKey,
        wait: Duration,
    ) -> Result<Arc<Credential>, Absent> {
        let settled = || match self.peek(key) {
            Err(Absent::NoLive(why)) if !why.outlasts(wait, self.now()) => None,
            known => Some(known),
        };
        if let Some(known) = settled() {
            return known;
        }
        let found = self.shelf.until(&key.app, wait, settled);
        match found.await {
            Some(known) => known,
            None => self.peek(key),
        }
    }

    /// Waits until something other than `seen` is handed out; `None` when the wait is over first.
    ///
    /// # Errors
    /// The app or kind is not (or no longer) configured.
    pub async fn changed(
        &self,
        key: &CredentialKey,
        seen: ValueId,
        wait: Duration,
    ) -> Result<Option<Arc<Credential>>, Absent> {
        let found = self.shelf.until(&key.app, wait, || match self.peek(key) {
            Ok(value) if value.id == seen => None,
            Ok(value) => Some(Ok(value)),
            Err(Absent::NoLive(_)) => None,
            Err(gone) => Some(Err(gone)),
        });
        found.await.transpose()
    }

    /// "This token is dead": compares, probes if it is the current one, replaces it if WeChat agrees (rule 8).
    ///
    /// # Errors
    /// Unknown app or kind, or the server is stopping.
    pub async fn report_dead(
        &self,
        key: CredentialKey,
        token: &str,
        evidence: Evidence,
        wait: Duration,
    ) -> Result<Result<Report, Absent>, KeeperStopped> {
        let id = self.id_of(token);
        self.ask(|answer| Command::Report {
            key,
            id,
            evidence,
            wait,
            answer,
        })
        .await
    }

    /// Another program's token was seen, of an app in shadow mode: it is probed, and held if it lives. False where the app is
    /// not known, or not in shadow mode, yet: it is to be told again.
    pub async fn observed(&self, key: CredentialKey, token: &Token, expires: Option<Wall>) -> bool {
        let id = self.id_of(token.expose());
        let token = token.clone();
        let taken = self.ask(|answer| Command::Observed {
            key,
            token,
            id,
            expires,
            answer,
        });
        taken.await.unwrap_or_default()
    }

    /// Another's value was found where a copy of this one of ours should be: whether it lives and has ended ours.
    ///
    /// # Errors
    /// Unknown app or kind, or the server is stopping.
    pub async fn met(
        &self,
        key: CredentialKey,
        over: ValueId,
        token: Token,
        wait: Duration,
    ) -> Result<Result<Theirs, Absent>, KeeperStopped> {
        let id = self.id_of(token.expose());
        self.ask(|answer| Command::Met {
            key,
            meeting: Meeting { over, token, id },
            wait,
            answer,
        })
        .await
    }

    /// An operator's refresh: tried at once, within the budgets.
    ///
    /// # Errors
    /// Unknown app or kind, or the server is stopping.
    pub async fn refresh(
        &self,
        key: CredentialKey,
        force: bool,
        wait: Duration,
    ) -> Result<Result<RefreshOutcome, Absent>, KeeperStopped> {
        self.ask(|answer| Command::Refresh {
            key,
            force,
            wait,
            answer,
        })
        .await
    }

    /// Every app there is, in order.
    #[must_use]
    pub fn apps(&self) -> Vec<AppId> {
        let mut apps = Vec::new();
        self.shelf.each(|app, _| apps.push(*app));
        apps.sort_unstable();
        apps
    }

    /// The states of some apps, in the order asked, for people; unknown ones are left out. The loop that keeps everything
    /// fresh looks them up: ask for few at a time.
    ///
    /// # Errors
    /// The server is stopping.
    pub async fn status(&self, apps: Vec<AppId>) -> Result<Vec<AppStatus>, KeeperStopped> {
        self.ask(|answer| Command::Status { apps, answer }).await
    }

    /// Resolves once nobody keeps anything fresh any more: the loop was stopped, or it failed.
    pub async fn gone(&self) {
        self.commands.closed().await;
    }

    /// Changes from now on. A receiver that lags is told so, and looks at the shelf.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// Tells those who listen of something that was noticed elsewhere.
    pub fn announce(&self, notice: Notice) {
        let _ = self.notices.send(notice);
    }

    async fn ask<R>(
        &self,
        question: impl FnOnce(oneshot::Sender<R>) -> Command,
    ) -> Result<R, KeeperStopped> {
        let (answer, answered) = oneshot::channel();
        self.commands
            .send(question(answer))
            .await
            .map_err(|_| KeeperStopped)?;
        answered.await.map_err(|_| KeeperStopped)
    }
}
