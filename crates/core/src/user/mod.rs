//! An app's users, as web OAuth (网页授权) and mini-program login know them: grants, sessions, and where both are kept.
//!
//! A user's web token is also called `access_token`, and is another thing than the app's: other type, other store, other
//! routes. Must not know: HTTP, WeChat's JSON, how anything is sealed.

mod grant;
mod openid;
mod secret;
mod store;

pub use grant::{AskAgain, AskAgainReason, Before, Grant, Scope, UnknownScope};
pub use openid::{InvalidOpenId, OpenId, UnionId};
pub use secret::{RefreshToken, SessionKey, WebToken};
pub use store::{Held, OnceKey, Purged, Session, UserRecord, UserStore, Written};
