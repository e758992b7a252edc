//! Whose virtual tokens were ended before their time, shared by all replicas: an epoch for each caller, that only grows.
//!
//! Each is sealed and bound to its caller, so that nobody who may write in Redis can make one up. Must not know: what a
//! virtual token is.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use redis::Value;
use wxtoken_core::clock::Wall;

use super::super::revocations::KEPT;
use super::super::sealed::SealError;
use super::row::{number, padded};
use super::rows::{Rows, strange};
use super::scripts::{PROVE, REVOKE};
use crate::redis::{Trouble, bytes};

const FAMILY: &[u8] = b"revoked";

/// Tags of the keys that are written to try a cluster: one in each 256 of its slots, so that no node is left out.
const PLACES: [u16; 64] = [
    10, 18, 113, 342, 29, 21, 3, 122, 69, 61, 72, 162, 50, 58, 153, 43, 11, 19, 112, 343, 28, 20,
    2, 123, 68, 60, 73, 163, 51, 59, 152, 42, 12, 102, 111, 119, 133, 23, 1, 9, 173, 63, 70, 78,
    52, 142, 49, 41, 13, 103, 110, 118, 132, 22, 0, 8, 172, 62, 71, 79, 53, 143, 48, 40,
];

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

    /// Compares what is known here with what Redis has; each learns what it lacks. Gives what is new here, whether or not Redis
    /// took what it lacks: what is wrong with that has been noted, and the next comparison tries again.
    pub(super) async fn compare_revoked(&self, now: Wall) -> Result<Vec<(u64, u64)>, Trouble> {
        let mut read = redis::cmd("HGETALL");
        read.arg(self.names.revoked());
        let there = pairs(self.link.ask(&read).await?).ok_or_else(strange)?;
        let (mut new, mut held, mut damaged) = (Vec::new(), BTreeMap::new(), Vec::new());
        for (caller, value) in there {
            let opened = match self.open_revoked(&caller, &value) {
                Ok(opened) => opened,
                // Sealed by a replica that is ahead of us in changing keys.
                Err(_) => continue,
            };
            let Some((caller, epoch)) = opened else {
                damaged.push(caller);
                continue;
            };
            held.insert(caller, epoch);
            if epoch >= oldest(now) && self.revoked.raise(caller, epoch) {
                new.push((caller, epoch));
            }
        }
        self.revoked.keep_since(oldest(now));
        let _ = self.complete_revoked(&held, damaged, now).await;
        Ok(new)
    }

    /// Gives Redis what it lacks of them, and takes away what is damaged there.
    async fn complete_revoked(
        &self,
        held: &BTreeMap<u64, u64>,
        damaged: Vec<Vec<u8>>,
        now: Wall,
    ) -> Result<(), Trouble> {
        for caller in damaged {
            let mut remove = redis::cmd("HDEL");
            remove.arg(self.names.revoked()).arg(caller);
            self.link.ask(&remove).await?;
            tracing::warn!("a revocation in Redis was damaged and was dropped");
        }
        for (caller, epoch) in self.revoked.all() {
            if held.get(&caller).is_none_or(|there| *there < epoch) {
                self.tell_revoked(caller, epoch, now).await?;
            }
        }
        Ok(())
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

    /// Writes something of no meaning: what is wrong with writing is known before it is needed. In a cluster it is written in so
    /// many places that no node is left out, and only then is a trouble over, whichever node it was of.
    pub(super) async fn prove(&self) -> Result<(), Trouble> {
        let places = if self.link.door.is_of_cluster() {
            &PLACES[..]
        } else {
            &PLACES[..1]
        };
        let each = places.iter().map(|place| async move {
            let call = PROVE.on(vec![self.names.proof(*place)], Vec::new());
            call.run(&self.link).await.map(drop)
        });
        for proven in join_all(each).await {
            proven?;
        }
        self.link.fine();
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::PLACES;

    /// CRC-16 as XMODEM has it: a key's slot in a cluster, by Redis's own rule.
    fn slot(tag: &str) -> usize {
        let crc = tag.bytes().fold(0_u16, |crc, byte| {
            (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
                let shifted = crc << 1;
                if crc & 0x8000 == 0 {
                    shifted
                } else {
                    shifted ^ 0x1021
                }
            })
        });
        usize::from(crc) % 16_384
    }

    #[test]
    fn every_part_of_a_cluster_is_tried() {
        assert_eq!(slot("123456789"), 0x31C3);
        let parts: Vec<usize> = PLACES
            .iter()
            .map(|tag| slot(&tag.to_string()) / 256)
            .collect();
        assert_eq!(parts, (0..64).collect::<Vec<_>>());
    }
}
