//! Users' web and refresh tokens that passed through an exchange here, known by hash: so that one that turns up where the app's token
//! belongs can be called by its name.
//!
//! Must not know: users, how long a token lives. What is forgotten costs a diagnosis, nothing else.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use wxtoken_core::app::AppId;
use wxtoken_core::credential::ValueId;

/// So many are remembered, the latest.
const MOST: usize = 65_536;

/// Which of the two that a user's consent gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserToken {
    /// The access_token for `/sns`.
    Web,
    /// What it is renewed with.
    Refresh,
}

/// Web tokens by hash, and whose app's users they are.
#[derive(Debug, Default)]
pub(crate) struct WebTokens(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    apps: HashMap<u64, (AppId, UserToken), foldhash::fast::RandomState>,
    order: VecDeque<u64>,
}

/// The answer to an exchange, as far as it matters here.
#[derive(Deserialize)]
struct Exchanged<'a> {
    #[serde(borrow)]
    access_token: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    refresh_token: Option<std::borrow::Cow<'a, str>>,
}

impl WebTokens {
    /// Remembers what an exchange gave.
    pub(crate) fn learn(&self, app: &AppId, answer: &[u8], hash: impl Fn(&str) -> ValueId) {
        let Ok(exchanged) = serde_json::from_slice::<Exchanged<'_>>(answer) else {
            return;
        };
        let web = exchanged.access_token.map(|token| (token, UserToken::Web));
        let refresh = exchanged
            .refresh_token
            .map(|token| (token, UserToken::Refresh));
        for (token, sort) in web.into_iter().chain(refresh) {
            self.remember((*app, sort), hash(&token));
        }
    }

    /// Remembers one token.
    pub(crate) fn remember(&self, what: (AppId, UserToken), token: ValueId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.apps.insert(token.0, what).is_none() {
            known.order.push_back(token.0);
        }
        if known.order.len() > MOST
            && let Some(oldest) = known.order.pop_front()
        {
            known.apps.remove(&oldest);
        }
    }

    /// The app whose user's token this is, and which, if it is a known one.
    pub(crate) fn find(&self, token: ValueId) -> Option<(AppId, UserToken)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.apps.get(&token.0).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> ValueId {
        ValueId(text.bytes().map(u64::from).sum())
    }

    #[test]
    fn both_tokens_of_an_exchange_are_known_afterwards() {
        let known = WebTokens::default();
        let app = "wx1".parse().unwrap();
        known.learn(
            &app,
            br#"{"access_token":"A","refresh_token":"R\/","openid":"o"}"#,
            hash,
        );
        assert_eq!(known.find(hash("A")), Some((app, UserToken::Web)));
        assert_eq!(known.find(hash("R/")), Some((app, UserToken::Refresh)));
        known.learn(&app, br#"{"errcode":40029}"#, hash);
        known.learn(&app, b"<html>", hash);
        assert_eq!(known.find(hash("B")), None);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let known = WebTokens::default();
        for n in 0..=MOST as u64 {
            known.remember(("wx1".parse().unwrap(), UserToken::Web), ValueId(n));
        }
        assert_eq!(known.find(ValueId(0)), None);
        assert!(known.find(ValueId(1)).is_some());
        assert_eq!(known.0.lock().unwrap().order.len(), MOST);
    }
}
