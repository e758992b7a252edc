//! What is known of apps' users: what they granted, their sessions, and what WeChat says of them.
//!
//! Owns: when a grant is renewed and when its user has to be asked again, which of the two kinds of user information a call is
//! for, sessions and what is decrypted with them. Must not know: HTTP, WeChat's JSON, how records are kept.

mod exchange;
mod keeping;

use std::sync::Arc;
use std::time::Duration;

use wxtoken_core::app::{AppId, AppType};
use wxtoken_core::clock::{Clock, Wall, millis};
use wxtoken_core::user::{Grant, UserStore};

use crate::keeper::Keeper;
use crate::wechat::UserApi;

pub use crate::wechat::users::{InvalidCode, Language, LoginCode, OAuthCode, PhoneCode, UserInfo};
pub use exchange::{ExchangeError, Granted};

/// Tells what sort of account an app is; none if it is not configured.
pub type TypeOf = Arc<dyn Fn(&AppId) -> Option<AppType> + Send + Sync>;
/// Told of every grant that is met, so that a token of it in a wrong place is known.
pub type Remember = Arc<dyn Fn(&AppId, &Grant) + Send + Sync>;

/// What users are looked after with.
pub struct Parts {
    /// Keeps records.
    pub store: Arc<dyn UserStore>,
    /// Asks WeChat.
    pub api: UserApi,
    /// Has the apps' tokens.
    pub keeper: Keeper,
    /// Knows apps' types.
    pub type_of: TypeOf,
    /// Told of web tokens.
    pub remember: Remember,
    /// How long a record is kept after it was written last.
    pub retention: Duration,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Looks after apps' users.
pub struct Users {
    parts: Parts,
}

impl Users {
    /// Joins the parts.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self { parts })
    }

    /// Where records are kept, and notes that may be taken once.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn UserStore> {
        &self.parts.store
    }

    /// The time.
    fn wall(&self) -> Wall {
        self.parts.clock.now().wall
    }

    /// Until when a record written now is kept.
    fn until(&self) -> Wall {
        self.wall().plus(millis(self.parts.retention))
    }
}
