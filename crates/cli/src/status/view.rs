//! What the admin listener answers to `GET /admin/apps`, as far as people are shown it. Fields we do not know are ignored.

use serde::Deserialize;

use crate::lang::Lang;

/// The whole answer.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    /// What is wrong with the store that replicas share.
    #[serde(default)]
    pub(super) store: Option<Trouble>,
    pub(super) apps: Vec<App>,
}

/// One app.
#[derive(Debug, Deserialize)]
pub(crate) struct App {
    /// Its AppID.
    pub(crate) appid: String,
    /// The name it has in the configuration.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Per kind configured.
    #[serde(default)]
    pub(crate) kinds: Vec<KindState>,
    /// Per lane in use.
    #[serde(default)]
    pub(crate) lanes: Vec<LaneState>,
    /// Calls since midnight in Beijing, per kind of call.
    #[serde(default)]
    pub(crate) budgets: Vec<Budget>,
}

/// One credential.
#[derive(Debug, Deserialize)]
pub(crate) struct KindState {
    /// access_token, jsapi_ticket or card_ticket.
    pub(crate) kind: String,
    /// The lane handed out.
    pub(crate) lane: Option<String>,
    /// Since when the value is known, Unix seconds.
    pub(crate) since: Option<u64>,
    /// When it ends, Unix seconds.
    pub(crate) expires_at: Option<u64>,
    /// The last trouble.
    pub(crate) trouble: Option<Trouble>,
}

/// One lane.
#[derive(Debug, Deserialize)]
pub(crate) struct LaneState {
    /// classic or stable.
    pub(crate) lane: String,
    /// Whether it holds a live value.
    pub(crate) live: bool,
    /// When that ends, Unix seconds.
    pub(crate) expires_at: Option<u64>,
    /// The last trouble.
    pub(crate) trouble: Option<Trouble>,
}

/// A trouble and since when.
#[derive(Debug, Deserialize)]
pub(crate) struct Trouble {
    /// In plain words.
    detail: String,
    /// The same in Chinese.
    detail_zh: Option<String>,
    /// Since when, Unix seconds.
    #[serde(default)]
    pub(super) since: Option<u64>,
}

impl Trouble {
    /// What it is, in a language.
    pub(super) fn in_words(&self, lang: Lang) -> &str {
        match lang {
            Lang::Zh => self.detail_zh.as_deref().unwrap_or(&self.detail),
            Lang::En => &self.detail,
        }
    }
}

/// Calls of one kind made today, and the limit.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Budget {
    /// classic, stable, ticket, probe or forced.
    pub(crate) kind: String,
    /// Made since midnight in Beijing.
    pub(crate) used: u32,
    /// Allowed a day.
    pub(crate) limit: u32,
}

impl App {
    /// One kind of call's budget; zero of zero if the server does not say.
    pub(crate) fn budget(&self, kind: &str) -> Budget {
        self.budgets
            .iter()
            .find(|budget| budget.kind == kind)
            .cloned()
            .unwrap_or_default()
    }

    /// Whether every credential has a value to hand out.
    pub(crate) fn is_live(&self) -> bool {
        self.kinds.iter().all(|kind| kind.expires_at.is_some())
    }
}
