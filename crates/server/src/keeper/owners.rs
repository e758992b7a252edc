//! Which app a value of ours is of, by its keyed hash: every one that is handed out, stands by or is handing over.
//!
//! A hundred thousand apps have as many values, so an entry takes twelve bytes: a hash, and the app's number with the kind
//! in two of its bits; the AppID of each number stands here only. Written by the loop alone; readers meet it only for as long as it moves a few kilobytes.

use std::sync::{PoisonError, RwLock};

use wxtoken_core::app::AppId;
use wxtoken_core::credential::{CredentialKey, Kind, ValueId};

const SHARDS: usize = 256;

/// The table.
#[derive(Debug)]
pub(super) struct Owners {
    shards: Vec<RwLock<Shard>>,
    /// The AppID of each number.
    names: RwLock<Vec<Option<AppId>>>,
}

/// Hashes in order, and whose each is.
#[derive(Debug, Default)]
struct Shard {
    ids: Vec<u64>,
    whose: Vec<u32>,
}

/// An app's number and a kind in one word.
const fn packed(index: u32, kind: Kind) -> u32 {
    index << 2 | kind.index() as u32
}

impl Shard {
    fn find(&self, id: u64) -> Result<usize, usize> {
        self.ids.binary_search(&id)
    }

    fn insert(&mut self, id: u64, whose: u32) {
        match self.find(id) {
            Ok(at) => self.whose[at] = whose,
            Err(at) => {
                if self.ids.len() == self.ids.capacity() {
                    // An eighth more: doubling would waste what many apps cost.
                    let more = self.ids.len() / 8 + 4;
                    self.ids.reserve_exact(more);
                    self.whose.reserve_exact(more);
                }
                self.ids.insert(at, id);
                self.whose.insert(at, whose);
            }
        }
    }

    fn remove(&mut self, id: u64, whose: u32) {
        if let Ok(at) = self.find(id)
            && self.whose[at] == whose
        {
            self.ids.remove(at);
            self.whose.remove(at);
        }
    }
}

impl Owners {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            names: RwLock::default(),
        }
    }

    fn shard(&self, id: ValueId) -> &RwLock<Shard> {
        &self.shards[(id.0 >> 56) as usize % SHARDS]
    }

    /// Whose value this is.
    pub(super) fn of(&self, id: ValueId) -> Option<CredentialKey> {
        let shard = self
            .shard(id)
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let whose = shard.whose[shard.find(id.0).ok()?];
        drop(shard);
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| kind.index() as u32 == whose & 3)?;
        let app = self.app_of(whose >> 2)?;
        Some(CredentialKey { app, kind })
    }

    /// The app of this number.
    pub(super) fn app_of(&self, index: u32) -> Option<AppId> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        *names.get(usize::try_from(index).ok()?)?
    }

    /// Makes room for the names of this many apps more, and no more.
    pub(super) fn reserve(&self, apps: usize) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        names.reserve_exact(apps);
    }

    /// An app has this number.
    pub(super) fn name(&self, index: u32, app: AppId) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        if at >= names.len() {
            if at >= names.capacity() {
                let more = at + 1 - names.len() + names.len() / 8;
                names.reserve_exact(more);
            }
            names.resize(at + 1, None);
        }
        names[at] = Some(app);
    }

    /// An app's values are these now, and were those before.
    pub(super) fn change(&self, index: u32, before: &[(ValueId, Kind)], now: &[(ValueId, Kind)]) {
        if before == now {
            return;
        }
        let shard = |id| {
            self.shard(id)
                .write()
                .unwrap_or_else(PoisonError::into_inner)
        };
        for (id, kind) in before.iter().filter(|value| !now.contains(value)) {
            shard(*id).remove(id.0, packed(index, *kind));
        }
        for (id, kind) in now.iter().filter(|value| !before.contains(value)) {
            shard(*id).insert(id.0, packed(index, *kind));
        }
    }

    /// Bytes taken for each entry there is.
    #[cfg(test)]
    fn bytes_an_entry(&self) -> f64 {
        let (mut bytes, mut entries) = (0, 0);
        for shard in &self.shards {
            let shard = shard.read().unwrap();
            bytes += size_of::<RwLock<Shard>>();
            bytes += shard.ids.capacity() * size_of::<u64>();
            bytes += shard.whose.capacity() * size_of::<u32>();
            entries += shard.ids.len();
        }
        bytes as f64 / entries as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wxtoken_core::retry::Jitter;

    fn app(number: u32) -> AppId {
        format!("wx{number:06}").parse().unwrap()
    }

    #[test]
    fn a_value_is_found_with_its_app_and_kind_until_it_is_taken_away() {
        let owners = Owners::new();
        owners.name(3, app(3));
        let token = (ValueId(7), Kind::AccessToken);
        let ticket = (ValueId(8 << 56), Kind::CardTicket);
        owners.change(3, &[], &[token, ticket]);
        let key = owners.of(ticket.0).unwrap();
        assert_eq!((key.app, key.kind), (app(3), Kind::CardTicket));
        assert_eq!(owners.of(token.0).unwrap().kind, Kind::AccessToken);
        assert!(owners.of(ValueId(9)).is_none());
        owners.change(3, &[token, ticket], &[ticket]);
        assert!(owners.of(token.0).is_none());
        assert!(owners.of(ticket.0).is_some());
    }

    #[test]
    fn one_app_does_not_take_away_what_is_now_anothers() {
        let owners = Owners::new();
        owners.name(0, app(0));
        owners.name(1, app(1));
        let shared = (ValueId(7), Kind::AccessToken);
        owners.change(0, &[], &[shared]);
        owners.change(1, &[], &[shared]);
        owners.change(0, &[shared], &[]);
        assert_eq!(owners.of(shared.0).unwrap().app, app(1));
    }

    #[test]
    fn a_hundred_thousand_values_take_sixteen_bytes_each() {
        let owners = Owners::new();
        let mut chance = Jitter(1);
        for index in 0..100_000 {
            let id = ValueId(chance.below(u64::MAX));
            owners.change(index, &[], &[(id, Kind::AccessToken)]);
        }
        let bytes = owners.bytes_an_entry();
        assert!(bytes <= 16.0, "{bytes}");
    }
}
