//! Keeps the entries at one Redis true: the thin loop around [`Room`].
//!
//! One thing at a time is asked of Redis, so that no write overtakes another; what became due meanwhile goes together. Holds no
//! rule of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Clock;
use wxtoken_core::credential::{Credential, CredentialKey, Kind, Token, ValueId};
use wxtoken_core::refresh::verdict::{Evidence, Theirs};

use super::AskAbout;
use super::desk::Desk;
use super::kept::{Heard, Sink, Then, Truth};
use super::room::Room;
use super::shadow::Watch;
use super::tell::Teller;
use crate::keeper::Keeper;
use crate::redis::Trouble;

/// How long a report waits for its answer; the loop does not wait for it.
const REPORT_WAIT: Duration = Duration::from_secs(10);

/// What the loop is told.
#[derive(Debug)]
pub(super) enum Message {
    Changed(AppId, Kind),
    PutBack(AppId, Kind),
    Sinks { kept: Vec<Sink>, watched: Vec<Sink> },
}

/// What a report was about, and what came of it.
type Answer = (Arc<Sink>, ValueId, Heard);

/// One Redis's loop.
pub(super) struct Keeping {
    pub(super) room: Room,
    pub(super) shadow: Watch,
    pub(super) desk: Arc<dyn Desk>,
    pub(super) keeper: Keeper,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) teller: Teller,
    pub(super) ask_about: AskAbout,
    pub(super) messages: mpsc::UnboundedReceiver<Message>,
    pub(super) heard: mpsc::UnboundedReceiver<Vec<u8>>,
    /// Which keys there are, for who listens.
    pub(super) keys: watch::Sender<Vec<Vec<u8>>>,
    pub(super) reports: JoinSet<Answer>,
    pub(super) connection: u64,
}

impl Keeping {
    /// Runs until nobody gives it anything to do any more.
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                message = self.messages.recv() => match message {
                    Some(message) => self.take(message),
                    None => return,
                },
                Some(key) = self.heard.recv() => self.touched(&key),
                Some(answer) = self.reports.join_next(), if !self.reports.is_empty() => {
                    if let Ok(answer) = answer {
                        self.answered(answer);
                    }
                }
                () = self.clock.sleep_until(self.room.wake().min(self.shadow.wake())) => {}
            }
            while self.hear() && self.work().await {}
        }
    }

    /// Takes what else has come; always true.
    fn hear(&mut self) -> bool {
        while let Ok(message) = self.messages.try_recv() {
            self.take(message);
        }
        while let Ok(key) = self.heard.try_recv() {
            self.touched(&key);
        }
        true
    }

    fn touched(&mut self, key: &[u8]) {
        let now = self.clock.now().boot;
        self.room.touched(key, now);
        self.shadow.touched(key, now);
    }

    fn take(&mut self, message: Message) {
        let now = self.clock.now().boot;
        match message {
            Message::Changed(app, kind) => self.room.changed(app, kind, &self.keeper, now),
            Message::PutBack(app, kind) => {
                let then = self.room.put_back(&CredentialKey { app, kind }, now);
                self.follow(then);
            }
            Message::Sinks { kept, watched } => {
                self.room.configure(kept, now);
                self.shadow.configure(watched, now);
                let keys = self.room.keys().into_iter().chain(self.shadow.keys());
                self.keys.send_replace(keys.collect());
            }
        }
    }

    /// Writes what is due, or looks at what is to be looked at; whether there was any, and may be more.
    async fn work(&mut self) -> bool {
        self.write().await || self.look().await || self.watch().await
    }

    /// Notices a new connection, before what came over it counts: what is missing there was not taken away.
    fn notice_connection(&mut self) {
        let connection = self.desk.connection();
        if std::mem::replace(&mut self.connection, connection) != connection {
            self.room.connected(self.clock.now().boot);
        }
    }

    async fn write(&mut self) -> bool {
        let writings = self.room.writings(&self.keeper, self.clock.now());
        if writings.is_empty() {
            return false;
        }
        let outcomes = self.desk.write(&writings).await;
        self.notice_connection();
        let now = self.clock.now().boot;
        let outcomes = self.each(outcomes, writings.len());
        for (writing, outcome) in writings.iter().zip(outcomes) {
            self.teller
                .wrote(if outcome.is_ok() { "ok" } else { "failed" });
            let then = self.room.wrote(writing, outcome, now);
            self.follow(then);
        }
        true
    }

    async fn look(&mut self) -> bool {
        let lookings = self.room.lookings(&self.keeper, self.clock.now());
        if lookings.is_empty() {
            return false;
        }
        let sinks: Vec<_> = lookings.iter().map(|look| Arc::clone(&look.sink)).collect();
        let found = self.desk.read(&sinks).await;
        self.notice_connection();
        let now = self.clock.now();
        let mut seen = Vec::with_capacity(lookings.len());
        let mut unseen = Vec::new();
        for (looking, found) in lookings.into_iter().zip(self.each(found, usize::MAX)) {
            match found {
                Ok(found) => seen.push((looking, found)),
                Err(trouble) => unseen.push((looking, trouble)),
            }
        }
        let then = self.room.looked(seen, &self.keeper, now);
        self.follow(then);
        let then = self.room.unseen(unseen, now.boot);
        self.follow(then);
        true
    }

    /// Looks at what others write.
    async fn watch(&mut self) -> bool {
        let lookings = self.shadow.lookings(self.clock.now().boot);
        if lookings.is_empty() {
            return false;
        }
        let found = self.desk.read(&lookings).await;
        let now = self.clock.now();
        let mut sighted = Vec::new();
        for (sink, found) in lookings.iter().zip(self.each(found, lookings.len())) {
            sighted.extend(match found {
                Ok(found) => {
                    let known = self.keeper.acquaintance(sink.key);
                    self.shadow.looked(sink, found, &*known, now)
                }
                Err(trouble) => self.shadow.unseen(sink, trouble, now.boot),
            });
        }
        sighted.extend(self.shadow.disagreements(now));
        for what in &sighted {
            self.teller.sighted(what);
            let Some((sink, token, expires)) = what.to_probe() else {
                continue;
            };
            if !self.keeper.observed(sink.key, token, expires).await {
                self.shadow.not_taken(sink);
            }
        }
        true
    }

    /// What came of each, where it may be the same for all.
    fn each<T>(
        &self,
        outcomes: Result<Vec<Result<T, Trouble>>, Trouble>,
        count: usize,
    ) -> Box<dyn Iterator<Item = Result<T, Trouble>>>
    where
        T: 'static,
    {
        match outcomes {
            Ok(outcomes) => {
                self.teller.reached();
                Box::new(outcomes.into_iter())
            }
            Err(trouble) => {
                self.teller.away(&trouble);
                Box::new((0..count).map(move |_| Err(trouble.clone())))
            }
        }
    }

    fn follow(&mut self, all: impl IntoIterator<Item = Then>) {
        for then in all {
            match then {
                Then::Report(sink, value) => self.report(sink, value),
                Then::Meet(sink, value, theirs) => self.meet(sink, value, theirs),
                Then::Doubt(app) => (self.ask_about)(app),
                Then::Tell(sink, what, found) => self.teller.changed(&sink, what, &found),
                Then::Contended(sink) => self.teller.contended(&sink),
                Then::Emptied(entries) => self.teller.emptied(entries),
                Then::Failed(sink, trouble) => self.teller.failed(&sink, &trouble),
                Then::Well(sink) => self.teller.well(&sink),
                Then::Restored(sink) => self.teller.restored(&sink),
                Then::Calm(sink) => self.teller.calm(&sink),
            }
        }
    }

    fn report(&mut self, sink: Arc<Sink>, value: Arc<Credential>) {
        let keeper = self.keeper.clone();
        self.reports.spawn(async move {
            let heard = of_ours(&keeper, sink.key, &value).await;
            (sink, value.id, heard)
        });
    }

    /// Asks about another's value first, and about ours only where that decides nothing.
    fn meet(&mut self, sink: Arc<Sink>, value: Arc<Credential>, theirs: Token) {
        let keeper = self.keeper.clone();
        self.reports.spawn(async move {
            let said = keeper.met(sink.key, value.id, theirs, REPORT_WAIT).await;
            let heard = match said {
                Ok(Ok(Theirs::IsNoMatter)) => of_ours(&keeper, sink.key, &value).await,
                Ok(Ok(said)) => Heard::OfTheirs(said),
                Ok(Err(_)) | Err(_) => Heard::OfTheirs(Theirs::Unclear),
            };
            (sink, value.id, heard)
        });
    }

    fn answered(&mut self, (sink, about, heard): Answer) {
        let now = self.clock.now().boot;
        let then = self.room.answered(&sink, about, heard, &self.keeper, now);
        self.follow(then);
    }
}

/// Reports a value of ours as called dead by what was found.
async fn of_ours(keeper: &Keeper, key: CredentialKey, value: &Credential) -> Heard {
    let token = value.token.expose();
    let told = keeper.report_dead(key, token, Evidence::Sink, REPORT_WAIT);
    Heard::OfOurs(match told.await {
        Ok(Ok(report)) => Some(report.verdict),
        Ok(Err(_)) | Err(_) => None,
    })
}
