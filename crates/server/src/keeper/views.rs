//! What the keeper tells: answers to reports and refreshes, notices of changes, and each app's state for people.
//!
//! Holds no value of any credential.

use wxtoken_core::app::AppId;
use wxtoken_core::budget::BudgetKind;
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::{Credential, CredentialKey, Generation, Kind, Lane};
use wxtoken_core::refresh::HeldBack;
use wxtoken_core::refresh::verdict::Verdict;

use std::sync::Arc;

use crate::words::Sentence;

/// The answer to a report that a token is dead.
#[derive(Debug, Clone)]
pub struct Report {
    /// What is known of the reported value now.
    pub verdict: Verdict,
    /// The value to use instead (or the same, if it is alive); none when there is no live one.
    pub current: Option<Arc<Credential>>,
    /// With `pending`: when the next attempt is made.
    pub next_try: Option<Wall>,
}

/// What became of an operator's `refresh`.
#[derive(Debug, Clone)]
pub enum RefreshOutcome {
    /// A new value is handed out.
    Refreshed(Arc<Credential>),
    /// WeChat answered with the value we have: stable in normal mode does so until the last five minutes.
    Unchanged(Arc<Credential>),
    /// Not in time, or WeChat refused; the text says what, and holds no secret.
    Failed(Sentence),
    /// The quota kept for this does not allow it.
    OverBudget(BudgetKind),
    /// It would not begin now, and was not noted for later; the reason tells the cure.
    HeldBack(HeldBack),
}

/// A change that others may want to hear of.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A value was published, or its expiry moved.
    Credential(CredentialKey, Arc<Credential>),
    /// There is no live value any more.
    Gone(CredentialKey),
    /// Something a person should know.
    Trouble {
        /// Whose.
        app: AppId,
        /// Which credential, where it concerns one.
        kind: Option<Kind>,
        /// A stable name: `foreign-fetcher`, `refused`, `unsaved` …
        name: &'static str,
        /// In plain words, without secrets.
        detail: String,
    },
    /// A trouble is over.
    Cleared {
        /// Whose.
        app: AppId,
        /// Its stable name.
        name: &'static str,
    },
}

/// One app, for people.
#[derive(Debug, Clone)]
pub struct AppStatus {
    /// Which.
    pub app: AppId,
    /// Per kind configured.
    pub kinds: Vec<KindStatus>,
    /// Per lane in use.
    pub lanes: Vec<LaneStatus>,
    /// Calls since midnight in Beijing, and the limit, per kind of call.
    pub budgets: Vec<(BudgetKind, u32, u16)>,
}

/// One credential's state.
#[derive(Debug, Clone)]
pub struct KindStatus {
    /// Which.
    pub kind: Kind,
    /// The lane handed out; none for tickets or when nothing is live.
    pub lane: Option<Lane>,
    /// The generation handed out.
    pub generation: Option<Generation>,
    /// Since when it is known.
    pub since: Option<Wall>,
    /// When it ends.
    pub expires_at: Option<Wall>,
    /// The last trouble and since when, if there is any.
    pub trouble: Option<(Sentence, Wall)>,
    /// When something is next done about it.
    pub next_try: Option<Wall>,
}

/// One lane's state.
#[derive(Debug, Clone)]
pub struct LaneStatus {
    /// Which.
    pub lane: Lane,
    /// Whether it holds a live value.
    pub live: bool,
    /// When that ends.
    pub expires_at: Option<Wall>,
    /// When it is next fetched.
    pub due_at: Option<Wall>,
    /// The last trouble, if there is any.
    pub trouble: Option<(Sentence, Wall)>,
}
