//! Which of an app's two AppSecrets a call shows, while the AppSecret is being changed.
//!
//! One call shows one secret: what is asked again with the other one is a call of its own, noted and counted as such.
//! Must not know: requests, errcodes, when to ask.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use wxtoken_core::app::AppId;

use super::errcode::Endpoint;
use super::notes::SecretUsed;
use crate::config::Secret;

/// The two, as configured now.
pub(super) struct Pair<'a> {
    pub(super) current: &'a Secret,
    pub(super) previous: &'a Secret,
}

impl Pair<'_> {
    pub(super) const fn get(&self, used: SecretUsed) -> &Secret {
        match used {
            SecretUsed::Current => self.current,
            SecretUsed::Previous => self.previous,
        }
    }
}

pub(super) const fn other(used: SecretUsed) -> SecretUsed {
    match used {
        SecretUsed::Current => SecretUsed::Previous,
        SecretUsed::Previous => SecretUsed::Current,
    }
}

/// What WeChat said of them last.
#[derive(Default)]
pub(super) struct TwoSecrets(Mutex<Said>);

#[derive(Default)]
struct Said {
    /// Apps whose previous AppSecret was the one accepted last: it is shown first.
    on_previous: HashSet<AppId>,
    /// The AppSecret that was just called wrong: the next call of this sort shows the other.
    wrong: HashMap<(AppId, Endpoint), Secret>,
}

impl TwoSecrets {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one accepted last, for a call that tries the other at once.
    pub(super) fn first(&self, app: &AppId) -> SecretUsed {
        if self.runs_on_previous(app) {
            SecretUsed::Previous
        } else {
            SecretUsed::Current
        }
    }

    /// WeChat took this one in such a call.
    pub(super) fn took(&self, app: &AppId, used: SecretUsed) {
        let mut said = self.said();
        match used {
            SecretUsed::Current => said.on_previous.remove(app),
            SecretUsed::Previous => said.on_previous.insert(*app),
        };
    }

    /// Whether the previous one was accepted last.
    pub(super) fn runs_on_previous(&self, app: &AppId) -> bool {
        self.said().on_previous.contains(app)
    }

    /// Which one to show now.
    pub(super) fn choose(&self, app: &AppId, endpoint: Endpoint, pair: &Pair<'_>) -> SecretUsed {
        let said = self.said();
        let first = if said.on_previous.contains(app) {
            SecretUsed::Previous
        } else {
            SecretUsed::Current
        };
        match said.wrong.get(&(*app, endpoint)) {
            Some(wrong) if wrong == pair.get(first) => other(first),
            _ => first,
        }
    }

    /// WeChat took this one.
    pub(super) fn accepted(&self, app: &AppId, endpoint: Endpoint, used: SecretUsed) {
        self.said().wrong.remove(&(*app, endpoint));
        self.took(app, used);
    }

    /// WeChat called this one wrong. Whether it has yet to be asked about the other.
    pub(super) fn refused(
        &self,
        app: &AppId,
        endpoint: Endpoint,
        used: SecretUsed,
        pair: &Pair<'_>,
    ) -> bool {
        let (shown, another) = (pair.get(used), pair.get(other(used)));
        let mut said = self.said();
        let before = said.wrong.remove(&(*app, endpoint));
        let both = before.as_ref() == Some(another);
        if !both {
            said.wrong.insert((*app, endpoint), shown.clone());
        }
        !both
    }
}
