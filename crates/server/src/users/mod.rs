//! What is known of apps' users: what they granted, their sessions, and what WeChat says of them.
//!
//! Owns: when a grant is renewed and when its user has to be asked again, which of the two kinds of user information a call is
//! for, sessions and what is decrypted with them. Must not know: HTTP, WeChat's JSON, how records are kept.

mod app_token;
mod decrypt;
mod error;
mod exchange;
mod info;
mod keeping;
mod profile;
mod renew;
mod session;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;
use wxtoken_core::app::{AppId, AppType};
use wxtoken_core::clock::{Clock, Wall, millis};
use wxtoken_core::user::{Grant, OpenId, UserStore};

use crate::gateway::QuietPaths;
use crate::keeper::Keeper;
use crate::wechat::UserApi;

pub use crate::wechat::users::{InvalidCode, Language, LoginCode, OAuthCode, PhoneCode, UserInfo};
pub use decrypt::BadData;
pub use error::{BadCode, Need, UserError};
pub use exchange::{ExchangeError, Granted};
pub use profile::{Profile, Standing};
pub use session::{Encrypted, LoggedIn};

use renew::Flights;

/// Tells what sort of account an app is; none if it is not configured.
pub type TypeOf = Arc<dyn Fn(&AppId) -> Option<AppType> + Send + Sync>;
/// Told of every grant that is met, so that a token of it in a wrong place is known.
pub type Remember = Arc<dyn Fn(&AppId, &Grant) + Send + Sync>;

/// Told of what happens, for the numbers.
pub type Tell = Arc<dyn Fn(&AppId, Happening) + Send + Sync>;

/// Something that is counted. Nothing personal is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// A question about users was answered, or not.
    Asked {
        /// Which one.
        call: &'static str,
        /// `ok`, or the name of the problem.
        outcome: &'static str,
    },
    /// A web token was renewed.
    Renewed,
    /// WeChat said that a grant is over.
    Refused,
}

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
    /// Told of what happens.
    pub tell: Tell,
    /// How long a question waits for an app's token.
    pub token_wait: Duration,
    /// How long a record is kept after it was written last.
    pub retention: Duration,
    /// How long a stop waits for what may not be lost.
    pub grace: Duration,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Looks after apps' users.
pub struct Users {
    parts: Parts,
    flights: Flights,
    /// What may not be lost, though nobody waits for it any more: codes are being spent.
    under_way: TaskTracker,
    /// Paths that called a living token bad.
    quiet: QuietPaths,
}

impl Users {
    /// Joins the parts.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            parts,
            flights: Flights::default(),
            under_way: TaskTracker::new(),
            quiet: QuietPaths::default(),
        })
    }

    /// Where records are kept, and notes that may be taken once.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn UserStore> {
        &self.parts.store
    }

    /// Counts something, unless its app is an invented one.
    pub(crate) fn tell(&self, app: &AppId, happening: Happening) {
        if (self.parts.type_of)(app).is_some() {
            (self.parts.tell)(app, happening);
        }
    }

    /// Lets exchanges, logins and renewals under way end and be kept, within the grace of a stop.
    pub async fn finish(&self) {
        self.under_way.close();
        let ended = tokio::time::timeout(self.parts.grace, self.under_way.wait());
        if ended.await.is_err() {
            tracing::warn!(
                "an exchange, a login or a renewal was cut off: it took longer than `server.shutdown_grace`"
            );
        }
    }

    /// Deletes all that is kept of a user, of an app that is not configured any more too; says whether there was anything.
    ///
    /// # Errors
    /// The store is away.
    pub async fn delete(&self, app: &AppId, openid: &OpenId) -> Result<bool, UserError> {
        Ok(self.parts.store.delete(app, openid).await?)
    }

    /// Refuses what this sort of app does not have.
    fn must_fit(&self, app: &AppId, need: Need) -> Result<(), UserError> {
        let app_type = (self.parts.type_of)(app).ok_or(UserError::UnknownApp)?;
        if need.fits(app_type) {
            Ok(())
        } else {
            Err(UserError::WrongAppType(need))
        }
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
