//! Looks at the Redis that replicas share.
//!
//! Must not know: in which words a person is told.

use std::sync::Arc;

use wxtoken_server::clock::SystemClock;
use wxtoken_server::store::MasterKeys;
use wxtoken_server::store::redis::{RedisStore, Settings, Survey};
use wxtoken_server::words::Sentence;

use super::finding::Setup;
use super::of_redis::Shared;

/// The oldest that has all that is used.
const OLDEST: (u32, u32) = (6, 2);
/// Clocks that differ by more than this differ more than tokens can bear.
const CLOCKS: u64 = 30;

/// The store, if it can be used, and what there is to say of it.
pub(super) async fn look(
    settings: Settings,
    keys: MasterKeys,
) -> (Option<Arc<RedisStore>>, Vec<Setup>) {
    let store = match RedisStore::connect(settings, keys, Arc::new(SystemClock)).await {
        Ok((store, _)) => Arc::new(store),
        Err(trouble) => {
            let finding = Shared::Unusable(Sentence::of(&trouble));
            return (None, vec![Setup::Shared(finding)]);
        }
    };
    let found = match store.survey().await {
        Ok(seen) => findings(&seen),
        Err(trouble) => vec![Shared::Unusable(Sentence::of(&trouble))],
    };
    let found = found.into_iter().map(Setup::Shared).collect();
    (Some(store), found)
}

fn findings(seen: &Survey) -> Vec<Shared> {
    let mut found = vec![Shared::Reached {
        at: seen.at.clone(),
        version: seen.version.clone(),
    }];
    if let Some(version) = seen.version.as_ref().filter(|version| is_old(version)) {
        found.push(Shared::Old(version.clone()));
    }
    match seen.policy.as_deref() {
        None | Some("noeviction") => {}
        Some(policy) => found.push(Shared::Evicts(policy.to_owned())),
    }
    if seen.persists == Some(false) {
        found.push(Shared::Forgets);
    }
    if let Some(ahead) = seen.ahead.filter(|ahead| ahead.unsigned_abs() > CLOCKS) {
        found.push(Shared::ClockOff(ahead));
    }
    found
}

fn is_old(version: &str) -> bool {
    let mut numbers = version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < OLDEST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(change: impl FnOnce(&mut Survey)) -> Vec<Shared> {
        let mut seen = Survey {
            at: "h:6379".to_owned(),
            version: Some("7.0.15".to_owned()),
            policy: Some("noeviction".to_owned()),
            persists: Some(true),
            ahead: Some(0),
        };
        change(&mut seen);
        findings(&seen).split_off(1)
    }

    #[test]
    fn a_redis_that_keeps_what_it_is_given_is_fine_and_each_fault_is_found() {
        assert_eq!(seen(|_| ()), []);
        let policy = "allkeys-lru".to_owned();
        assert_eq!(
            seen(|seen| seen.policy = Some(policy.clone())),
            [Shared::Evicts(policy)]
        );
        assert_eq!(seen(|seen| seen.persists = Some(false)), [Shared::Forgets]);
        assert_eq!(seen(|seen| seen.ahead = Some(-31)), [Shared::ClockOff(-31)]);
        let old = "6.0.16".to_owned();
        assert_eq!(
            seen(|seen| seen.version = Some(old.clone())),
            [Shared::Old(old)]
        );
        // What may not be asked is not known, and nothing is said of it.
        assert_eq!(seen(|seen| *seen = Survey::default()), []);
    }
}
