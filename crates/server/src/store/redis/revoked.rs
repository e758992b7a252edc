//! Whose virtual tokens were ended before their time, shared by all replicas: an epoch for each caller, that only grows.
//!
//! Each is sealed and bound to its caller, so that nobody who may write in Redis can make one up. Must not know: what a
//! virtual token is.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redis::Value;
use wxtoken_core::clock::Wall;

use super::super::revocations::KEPT;
use super::super::sealed::SealError;
use super::row::{number, padded};
use super::rows::{Rows, strange};
use super::scripts::{PROVE, REVOKE};
use crate::redis::{Trouble, bytes};

const FAMILY: &[u8] = b"revoked";

/// It is sealed under a master key that is not ours.
struct OtherKey;

/// What is known in this process.
#[derive(Default)]
pub(super) struct Revoked(Mutex<BTreeMap<u64, u64>>);

impl Revoked {
    /// Whether that was new.
    pub(super) fn raise(&self, caller: u64, epoch: u64) -> bool {
        let mut known = self.lock();
        let own = known.entry(caller).or_default();
        let is_new = epoch > *own;
        *own = epoch.max(*own);
        is_new
    }

    pub(super) fn all(&self) -> Vec<(u64, u64)> {
        self.lock()
            .iter()
            .map(|(caller, epoch)| (*caller, *epoch))
            .collect()
    }

    /// What has ended by itself since is forgotten.
    fn keep_since(&self, oldest: u64) {
        self.lock().retain(|_, epoch| *epoch >= oldest);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn oldest(now: Wall) -> u64 {
    now.0.saturating_sub(KEPT)
}

impl Rows {
    /// Writes one down, and has the other replicas hear of it.
    pub(super) async fn tell_revoked(
        &self,
        caller: u64,
        epoch: u64,
        now: Wall,
    ) -> Result<(), Trouble> {
        let sealed = self
            .sealer
            .seal(FAMILY, &caller.to_be_bytes(), &epoch.to_be_bytes())
            .map_err(|_| Trouble::NoRandom)?;
        let value = [padded(epoch).as_bytes(), &sealed].concat();
        let arguments = vec![
            self.names.channel().into_bytes(),
            padded(caller).into_bytes(),
            value,
            padded(oldest(now)).into_bytes(),
        ];
        let call = REVOKE.on(vec![self.names.revoked()], arguments);
        call.run(&self.link).await.map(drop)
    }

    /// Compares what is known here with what Redis has; each learns what it lacks. Gives what is new here.
    pub(super) async fn compare_revoked(&self, now: Wall) -> Result<Vec<(u64, u64)>, Trouble> {
        let key = self.names.revoked();
        let mut read = redis::cmd("HGETALL");
        read.arg(&key);
        let there = pairs(self.link.ask(&read).await?).ok_or_else(strange)?;
        let (mut new, mut held) = (Vec::new(), BTreeMap::new());
        for (caller, value) in there {
            let opened = match self.open_revoked(&caller, &value) {
                Ok(opened) => opened,
                // Sealed by a replica that is ahead of us in changing keys.
                Err(_) => continue,
            };
            let Some((caller, epoch)) = opened else {
                tracing::warn!("a revocation in Redis was damaged and is dropped");
                let mut remove = redis::cmd("HDEL");
                remove.arg(&key).arg(caller);
                self.link.ask(&remove).await?;
                continue;
            };
            held.insert(caller, epoch);
            if epoch >= oldest(now) && self.revoked.raise(caller, epoch) {
                new.push((caller, epoch));
            }
        }
        self.revoked.keep_since(oldest(now));
        for (caller, epoch) in self.revoked.all() {
            if held.get(&caller).is_none_or(|there| *there < epoch) {
                self.tell_revoked(caller, epoch, now).await?;
            }
        }
        Ok(new)
    }

    /// None if it is damaged.
    fn open_revoked(&self, caller: &[u8], value: &[u8]) -> Result<Option<(u64, u64)>, OtherKey> {
        let (Some(caller), Some((epoch, sealed))) = (number(caller), value.split_at_checked(20))
        else {
            return Ok(None);
        };
        match self.sealer.open(FAMILY, &caller.to_be_bytes(), sealed) {
            Ok(plain) => {
                let plain = plain.as_slice().try_into().map(u64::from_be_bytes).ok();
                Ok(plain
                    .filter(|plain| number(epoch) == Some(*plain))
                    .map(|epoch| (caller, epoch)))
            }
            Err(SealError::OtherKey) => Err(OtherKey),
            Err(_) => Ok(None),
        }
    }

    /// Writes something of no meaning: what is wrong with writing is known before it is needed.
    pub(super) async fn prove(&self) -> Result<(), Trouble> {
        let call = PROVE.on(vec![self.names.proof()], Vec::new());
        call.run(&self.link).await.map(drop)
    }
}

/// A hash as it is answered: as a map, or as a list of names and values in turn.
fn pairs(answer: Value) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    match answer {
        Value::Map(pairs) => pairs
            .into_iter()
            .map(|(name, value)| Some((bytes(name)?, bytes(value)?)))
            .collect(),
        Value::Array(parts) => {
            let parts: Vec<Vec<u8>> = parts.into_iter().map(bytes).collect::<Option<_>>()?;
            let (pairs, []) = parts.as_chunks::<2>() else {
                return None;
            };
            Some(
                pairs
                    .iter()
                    .map(|[name, value]| (name.clone(), value.clone()))
                    .collect(),
            )
        }
        _ => None,
    }
}
