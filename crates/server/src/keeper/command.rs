//! What the loop that drives the machines is asked.

use std::time::Duration;

use tokio::sync::oneshot;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::{CredentialKey, Token, ValueId};
use wxtoken_core::refresh::event::Meeting;
use wxtoken_core::refresh::verdict::{Evidence, Theirs};

use super::absent::Absent;
use super::views::{AppStatus, RefreshOutcome, Report};

/// A question to the loop that drives the machines.
#[derive(Debug)]
pub enum Command {
    /// Somebody calls a value dead; answered when more is known.
    Report {
        /// Which credential it was taken for.
        key: CredentialKey,
        /// The reported value, hashed.
        id: ValueId,
        /// On whose word.
        evidence: Evidence,
        /// How long the reporter waits for a better answer than `pending`.
        wait: Duration,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Report, Absent>>,
    },
    /// An operator wants a fetch now.
    Refresh {
        /// Of what.
        key: CredentialKey,
        /// Stable with `force_refresh`.
        force: bool,
        /// How long to wait for the outcome.
        wait: Duration,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<RefreshOutcome, Absent>>,
    },
    /// Another program's token was seen, of an app in shadow mode.
    Observed {
        /// What it is used as.
        key: CredentialKey,
        /// The value, as it is to be held once a probe finds it alive.
        token: Token,
        /// Its keyed hash.
        id: ValueId,
        /// When it ends, if that is known.
        expires: Option<Wall>,
        /// Whether it was taken note of.
        answer: oneshot::Sender<bool>,
    },
    /// Another's value was found where a copy of ours should be; answered when more is known.
    Met {
        /// Of which credential.
        key: CredentialKey,
        /// What was found, and over which of ours.
        meeting: Meeting,
        /// How long the asker waits.
        wait: Duration,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Theirs, Absent>>,
    },
    /// Everything about some apps.
    Status {
        /// Which. The loop does nothing else meanwhile, so few at a time.
        apps: Vec<AppId>,
        /// Where the answer goes.
        answer: oneshot::Sender<Vec<AppStatus>>,
    },
}
