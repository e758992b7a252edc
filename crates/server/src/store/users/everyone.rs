//! A walk over all users that are kept, for exports.
//!
//! Must not know: which store, who walks.

use async_trait::async_trait;
use wxtoken_core::store::StoreError;
use wxtoken_core::user::UserStore;

use super::wire::User;

/// What a walk meets.
#[derive(Debug)]
pub(in crate::store) enum Met {
    /// A user, with the version of what is kept.
    User(Box<User>, u64),
    /// Something that cannot be read.
    Damaged,
}

/// A store that can be walked through.
#[async_trait]
pub(in crate::store) trait Everyone: UserStore {
    /// Everybody whose time is not over, one by one, until false is answered. Who is written meanwhile may be met or not.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn each(&self, each: &mut (dyn FnMut(Met) -> bool + Send)) -> Result<(), StoreError>;
}
