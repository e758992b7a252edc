//! Changes records that others may be changing at the same time.
//!
//! Must not know: what is changed.

use wxtoken_core::app::AppId;
use wxtoken_core::store::StoreError;
use wxtoken_core::user::{Held, OpenId, UserRecord, Written};

use super::Users;
use crate::words::Sentence;

/// So often somebody else may be faster.
const ATTEMPTS: usize = 32;

impl Users {
    /// What is kept of a user; what it holds of web tokens is remembered.
    pub(super) async fn read(
        &self,
        app: &AppId,
        openid: &OpenId,
    ) -> Result<Option<Held>, StoreError> {
        let held = self.parts.store.read(app, openid).await?;
        if let Some(held) = &held {
            self.remember(app, &held.record);
        }
        Ok(held)
    }

    /// Changes what is kept of a user, however many others do so. `change` is given what there is (nothing: an empty record),
    /// and may be asked again; none leaves it as it is. Gives what is kept afterwards, and which version that is.
    pub(super) async fn change(
        &self,
        app: &AppId,
        openid: &OpenId,
        mut seen: Option<Held>,
        mut change: impl FnMut(Option<&UserRecord>) -> Option<UserRecord> + Send,
    ) -> Result<Option<Held>, StoreError> {
        for _ in 0..ATTEMPTS {
            let Some(record) = change(seen.as_ref().map(|held| &held.record)) else {
                return Ok(seen);
            };
            let over = seen.as_ref().map(|held| held.version);
            let store = &self.parts.store;
            let written = store
                .write(app, openid, &record, over, self.until())
                .await?;
            match written {
                Written::Yes(version) => {
                    self.remember(app, &record);
                    return Ok(Some(Held { record, version }));
                }
                Written::Overtaken(now) => seen = now,
            }
        }
        Err(StoreError::Unavailable(Sentence::new(
            "这个用户的记录一直在被别人修改；再试一次",
            "this user's record is being changed all the time; try again",
        )))
    }

    fn remember(&self, app: &AppId, record: &UserRecord) {
        if let Some(grant) = &record.grant {
            (self.parts.remember)(app, grant);
        }
    }
}
