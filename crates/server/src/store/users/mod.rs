//! Where users' records are kept: grants, sessions and one-time notes, apart from credentials, sealed, in every store.
//!
//! Every store keeps the contract of [`wxtoken_core::user::UserStore`]; one suite checks them all.
//! Must not know: what a grant is used for, how long a record is worth keeping.

#[cfg(test)]
mod contract;
mod embedded;
mod everyone;
mod late;
mod memory;
mod redis;
mod seal;
pub(crate) mod upkeep;
mod wire;

pub use embedded::EmbeddedUsers;
pub use everyone::{Everyone, Met};
pub(in crate::store) use late::LateUsers;
pub use memory::MemoryUsers;
pub use redis::RedisUsers;
pub use wire::User;
pub(in crate::store) use wire::{decode, encode};

use aws_lc_rs::rand;
use wxtoken_core::store::StoreError;

use super::keys::InvalidMasterKey;
use crate::words::Sentence;

/// Records and notes that one call of `purge` looks at, at most.
const PORTION: usize = 1000;

/// The name of a writing. Drawn from so many that none comes twice, also where nobody knows any more what there was: after a
/// deletion, or in a store that was emptied. A store counts it in 63 bits.
fn new_version() -> Result<u64, StoreError> {
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).map_err(|_| no_random())?;
    Ok(u64::from_ne_bytes(bytes) >> 1)
}

fn no_random() -> StoreError {
    StoreError::Unavailable(Sentence::of(&InvalidMasterKey::NoRandom))
}
