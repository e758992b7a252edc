//! What a server works on, in the parts it uses: records, which of them belong to a configured app, whose virtual tokens are
//! over, users; and where several replicas share a store, what the others do.
//!
//! One trait for each part, so that whoever uses it knows no kind of store.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::store::{Fence, Record, RecordStore, StoreError};
use wxtoken_core::user::UserStore;

use super::keys::MasterKeys;
use super::redis::Health;
use super::revocations::{Configured, Revocations};

/// Which records belong to a configured app. One that does not is kept for 24 hours.
#[async_trait]
pub trait Belongings: Send + Sync {
    /// An app is configured no more: its record is kept for 24 hours from the first time that is said, and purged when it is
    /// said again after that. Until then it is remembered by a write or a lease, too.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn forget(&self, app: &AppId) -> Result<(), StoreError>;

    /// An app is configured again: its record is not that of one that is gone.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn remember(&self, app: &AppId) -> Result<(), StoreError>;

    /// The apps that were forgotten, as everything that was loaded last tells; once.
    ///
    /// # Errors
    /// The store cannot be asked.
    async fn forgotten(&self) -> Result<Vec<AppId>, StoreError>;
}

/// Whose virtual tokens are over, and who may hold some.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Whose were over when the store was opened.
    fn revoked(&self) -> Revocations;

    /// A caller's virtual tokens of earlier epochs are over, after a restart too. It never goes back.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn revoke(&self, caller: u64, epoch: u64) -> Result<(), StoreError>;

    /// These are all callers at a start. The virtual tokens of those that were there before, and are gone, are over, also if
    /// they come back.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn settle(&self, callers: Vec<Configured>, now: Wall) -> Result<(), StoreError>;

    /// These are all callers from now on; those that are gone were revoked before this.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn note(&self, callers: Vec<Configured>) -> Result<(), StoreError>;
}

/// Something another replica did.
#[derive(Debug)]
pub enum News {
    /// It saved this record.
    Learned(AppId, Box<Record>),
    /// It gave the lease of an app back.
    Freed(AppId),
    /// It has a lease that was ours.
    Lost(AppId, Fence),
    /// It ended the virtual tokens of a caller, up to this epoch.
    Revoked(u64, u64),
}

/// Who wants to hear of it.
#[derive(Clone)]
pub struct Ears {
    /// Whether an app is of interest.
    pub wants: Arc<dyn Fn(&AppId) -> bool + Send + Sync>,
    /// Told of everything that is.
    pub hear: Arc<dyn Fn(News) + Send + Sync>,
}

/// What a store has that several replicas share.
pub trait Shared: Send + Sync {
    /// Tells what the others do, as long as it is polled. To be called once.
    fn follow(self: Arc<Self>, ears: Ears) -> BoxFuture<'static, ()>;

    /// This record is handed out now, whether or not the store took it: it shall be there after a restart.
    fn handed_out(&self, app: &AppId, record: Record);

    /// An app's record as it is there now, to be learned from; none where there is none, or nobody to ask.
    fn ask_about(self: Arc<Self>, app: AppId) -> BoxFuture<'static, Option<Box<Record>>>;

    /// These apps are configured: at a start their records are read before others are looked for.
    fn expect(&self, apps: &[AppId]);

    /// How the way to the others is.
    fn health(&self) -> Health;

    /// Gives every lease back, and ends what was begun.
    fn stop(self: Arc<Self>) -> BoxFuture<'static, ()>;
}

/// A store that is open.
pub struct ServerStore {
    /// The records.
    pub records: Arc<dyn RecordStore>,
    /// Whom they belong to.
    pub belongings: Arc<dyn Belongings>,
    /// Whose virtual tokens are over.
    pub ledger: Arc<dyn Ledger>,
    /// Their users.
    pub users: Arc<dyn UserStore>,
    /// Where replicas share it.
    pub shared: Option<Arc<dyn Shared>>,
    /// The fence of a store that is ours alone; none where leases are taken.
    pub own: Option<Fence>,
    /// What it is sealed under.
    pub keys: MasterKeys,
}
