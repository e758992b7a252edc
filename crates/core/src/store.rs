//! What must survive a restart: one record per app, and the trait of whatever keeps it.
//!
//! Must not know: how records are sealed or laid out, when they are written.

use std::time::Duration;

use async_trait::async_trait;

use crate::app::AppId;
use crate::budget::Budgets;
use crate::clock::Wall;
use crate::credential::{Generation, Kind, Lane, Token, ValueId};
use crate::words::{InChinese, Sentence};

/// Everything about one app that outlives the process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// When it was written, by the writer's wall clock.
    pub saved_at: Wall,
    /// The current value of each lane, classic first.
    pub lanes: [Option<StoredToken>; 2],
    /// The current tickets, jsapi first.
    pub tickets: [Option<StoredTicket>; 2],
    /// What is handed out per kind (access token, jsapi, card), with the last generation given.
    pub handed_out: [HandedOut; 3],
    /// Calls that were about to be made, per lane: without a saved answer they may have minted.
    pub intents: [Option<Intent>; 2],
    /// Calls counted against WeChat's quotas.
    pub budgets: Budgets,
    /// Values replaced or found dead, youngest last.
    pub remembered: Vec<Remembered>,
    /// What is known of other programs fetching the classic token.
    pub contest: Contest,
    /// When a writer that had lost its lease says it minted a classic or forced token: someone must settle it.
    pub late_mint: Option<Wall>,
}

/// A token as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredToken {
    /// The value.
    pub token: Token,
    /// Its keyed hash.
    pub id: ValueId,
    /// When the request that first brought it was sent.
    pub sent: Wall,
    /// When it ends.
    pub expires: Wall,
    /// Its lifetime when it was minted, milliseconds; what was left of it if it was met half-way.
    pub lifetime: u64,
    /// WeChat has called it bad.
    pub dead: bool,
    /// The note of the call that minted it on the classic lane, in the records that are the first to tell of it: who knows that
    /// note as an open one sees that this is what came of it.
    pub noted: Option<Intent>,
}

/// A ticket as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTicket {
    /// The value.
    pub token: Token,
    /// Its keyed hash.
    pub id: ValueId,
    /// When it was first seen.
    pub first_seen: Wall,
    /// The last time an older ticket was still the answer; none while no change has been seen.
    pub born_after: Option<Wall>,
    /// When it surely ends.
    pub expires: Wall,
}

/// What is handed out for a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HandedOut {
    /// The last generation given; zero if none ever.
    pub generation: Generation,
    /// Which value bears that generation.
    pub id: Option<ValueId>,
    /// From which lane; none for tickets.
    pub lane: Option<Lane>,
}

/// A durable note: about to fetch classic, or to force stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// Who: the fence under which it is made.
    pub fence: Fence,
    /// Since when the call may be under way.
    pub sent: Wall,
    /// When it has surely ended.
    pub deadline: Wall,
}

/// A value that is no longer handed out, by its keyed hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remembered {
    /// Which value.
    pub id: ValueId,
    /// What it was.
    pub kind: Kind,
    /// When it is surely dead; until then it is being handed over.
    pub ends: Wall,
}

/// Rule 10's memory: who else fetches the classic token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contest {
    /// The last three times a classic value of ours died early by no act of ours, oldest first; zero for none.
    pub kills: [Wall; 3],
    /// A contested classic lane is left alone until then.
    pub leave_until: Wall,
    /// The primary classic lane has been killed too often: stable is handed out instead.
    pub yielded: bool,
    /// We have held a classic value before, so the first-fetch rule is satisfied.
    pub classic_ours: bool,
}

/// Who may write: a number that grows with every lease, within an epoch that grows when a store starts anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fence {
    /// The store's epoch.
    pub epoch: u64,
    /// The lease's number within it.
    pub number: u64,
}

/// What trying for a lease gave.
#[derive(Debug, Clone)]
pub enum Lease {
    /// It is ours.
    Won {
        /// Under which fence to write.
        fence: Fence,
        /// For how long, from when it was asked for.
        holds_for: Duration,
        /// The record as it is now.
        record: Option<Box<Record>>,
        /// Nobody who had it has written in its epoch yet: what was written before may be lost in part.
        begins_epoch: bool,
    },
    /// Someone else holds it; ask again then.
    Taken {
        /// When it may be free.
        free_in: Duration,
    },
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Disk full, no permission, unreachable: nothing was written, as far as we know.
    #[error("the store does not accept writes now: {0}")]
    Unavailable(Sentence),
    /// A newer fence or generation is there: nothing was written, and this is what holds.
    #[error("the store holds something newer")]
    Stale(Option<Box<Record>>),
}

impl InChinese for StoreError {
    fn in_chinese(&self) -> String {
        match self {
            Self::Unavailable(why) => format!("存储现在写不进去：{}", why.zh),
            Self::Stale(_) => "存储里的内容更新；再试一次".to_owned(),
        }
    }
}

/// A record as found at start.
#[derive(Debug)]
pub enum Loaded {
    /// Good.
    Record(AppId, Box<Record>),
    /// Damaged: set aside under this name, and to be fetched anew.
    Damaged {
        /// Whose it was, where that can still be read.
        app: Option<AppId>,
        /// What is wrong, without content.
        reason: String,
    },
}

/// Keeps records across restarts and replicas. Refuses a write whose fence or generation is older than what it holds.
#[async_trait]
pub trait RecordStore: Send + Sync {
    /// Everything that is held, handed over one by one; a damaged record costs only itself.
    ///
    /// # Errors
    /// The store as a whole cannot be read.
    async fn load_all(&self, each: &mut (dyn FnMut(Loaded) + Send)) -> Result<(), StoreError>;

    /// Tries to become the one that fetches for an app; for no time at all only looks, under a fence that writes nothing where
    /// a store is shared. One that is this process's alone grants for ever, whatever was asked for.
    ///
    /// # Errors
    /// The store cannot be asked.
    async fn lease(&self, app: &AppId, holds_for: Duration) -> Result<Lease, StoreError>;

    /// Makes a record durable, atomically; returns only when it would survive a crash.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when the fence, or a generation, is older than what is held.
    async fn write(&self, app: &AppId, record: &Record, fence: Fence) -> Result<(), StoreError>;

    /// Gives a lease back early. Losing this call costs only time.
    async fn release(&self, app: &AppId, fence: Fence);

    /// Notes that a writer without a lease may have minted at this time.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn note_late_mint(&self, app: &AppId, sent: Wall) -> Result<(), StoreError>;
}
