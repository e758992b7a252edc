//! All users that are kept, and until when: what an export and an import need beyond everyday.
//!
//! Must not know: which store, who walks.

use async_trait::async_trait;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::store::StoreError;
use wxtoken_core::user::{OpenId, UserStore};

use super::wire::User;

/// What a walk meets.
#[derive(Debug)]
pub enum Met {
    /// A user whose time is not over.
    User(Box<User>),
    /// Something that cannot be read.
    Damaged,
}

/// A store that can be walked through.
#[async_trait]
pub trait Everyone: UserStore {
    /// Everybody, one by one, until false is answered. Who is written meanwhile may be met or not.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn each(&self, each: &mut (dyn FnMut(Met) -> bool + Send)) -> Result<(), StoreError>;

    /// Until when a user's record is kept; none where nothing is.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn kept_until(&self, app: &AppId, openid: &OpenId) -> Result<Option<Wall>, StoreError>;
}
