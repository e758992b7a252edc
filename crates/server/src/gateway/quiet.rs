//! Paths that are known by what they did, for ten minutes. Those that called a living token bad give no evidence that long
//! (design rule 8): a path that wants another kind of token says 40001 for ever, and that must cost nothing.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Boot;

/// How long such a path is remembered, in milliseconds.
const FOR: u64 = 600_000;
/// So many are remembered; the oldest are forgotten first, which costs a probe.
const MOST: usize = 65_536;

/// Which paths are known, per app.
#[derive(Debug, Default)]
pub(crate) struct QuietPaths {
    hasher: RandomState,
    until: Mutex<HashMap<u64, Boot, RandomState>>,
}

impl QuietPaths {
    /// This path did it now: for one, the token was alive though it called it bad.
    pub(crate) fn silence(&self, app: &AppId, path: &str, now: Boot) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() >= MOST {
            until.retain(|_, end| *end > now);
        }
        if until.len() >= MOST {
            until.clear();
        }
        until.insert(self.hasher.hash_one((app, path)), now.plus(FOR));
    }

    /// Whether this path did it lately.
    pub(crate) fn is_silenced(&self, app: &AppId, path: &str, now: Boot) -> bool {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until
            .get(&self.hasher.hash_one((app, path)))
            .is_some_and(|end| *end > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_8_a_path_that_called_a_living_token_bad_gives_no_evidence_for_ten_minutes() {
        let quiet = QuietPaths::default();
        let (app, other): (AppId, AppId) = ("wx1".parse().unwrap(), "wx2".parse().unwrap());
        quiet.silence(&app, "/cgi-bin/x", Boot(1000));
        assert!(quiet.is_silenced(&app, "/cgi-bin/x", Boot(600_999)));
        assert!(!quiet.is_silenced(&app, "/cgi-bin/x", Boot(601_000)));
        assert!(!quiet.is_silenced(&app, "/cgi-bin/y", Boot(1000)));
        assert!(!quiet.is_silenced(&other, "/cgi-bin/x", Boot(1000)));
    }

    #[test]
    fn no_flood_of_paths_fills_the_memory() {
        let quiet = QuietPaths::default();
        let app: AppId = "wx1".parse().unwrap();
        for n in 0..MOST + 10 {
            quiet.silence(&app, &n.to_string(), Boot(n as u64));
        }
        assert!(quiet.until.lock().unwrap().len() <= MOST);
    }
}
