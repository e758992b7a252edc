//! What survives a restart: sealed records in a store, and the keys they are sealed under.
//!
//! Every store keeps the contract of [`wxtoken_core::store::RecordStore`]; one suite checks them all.
//! Must not know: when to refresh, who asks.

pub mod configured;
#[cfg(test)]
pub(crate) mod contract;
mod embedded;
mod export;
mod key_file;
mod keys;
mod memory;
mod precedence;
pub mod redis;
mod rekey;
mod replica;
mod revocations;
mod sealed;
mod serving;
pub mod users;
mod wire;

pub use embedded::{EmbeddedStore, OpenError};
pub use export::{
    Contents, ExportError, ExportKey, Exported, Imported, Taken, export, import, lease_in_time,
};
pub use key_file::KeyFileError;
pub use keys::{InvalidMasterKey, MasterKey, MasterKeys, ValueHasher};
pub use memory::MemoryStore;
pub use replica::ReplicaStore;
pub use revocations::{Configured, Revocations};
pub use serving::{Belongings, Ears, Ledger, News, ServerStore, Shared};
