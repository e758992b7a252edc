//! WeChat's calls about users: web OAuth, user information, mini-program login. One method, one call; nothing is decided here.
//!
//! Owns: their paths, their JSON, and whether a call may leave twice. Must not know: grants, sessions and where they are kept,
//! which token is current, who asks.

mod answers;
mod calls;
mod code;
mod object;
mod sending;
mod tolerant;

use std::sync::Arc;

use wxtoken_core::user::AskAgainReason;

pub use answers::{NewGrant, NewSession, PhoneInfo, Renewed, UserInfo};
pub use calls::Language;
pub use code::{InvalidCode, LoginCode, OAuthCode, PhoneCode};
pub(crate) use tolerant::tolerant;

use super::way::Way;

/// WeChat, asked about users. Clones share everything.
#[derive(Clone)]
pub struct UserApi {
    way: Arc<Way>,
}

impl UserApi {
    pub(super) const fn new(way: Arc<Way>) -> Self {
        Self { way }
    }
}

/// Why a call about users gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// The app is not configured (any more).
    UnknownApp,
    /// No connection, or none in time: nothing of the call has left.
    Unreachable,
    /// It was sent and no proper answer came: it may have been carried out, or not.
    Unclear,
    /// WeChat answered this errcode.
    Errcode(i64),
}

impl Failed {
    /// Whether the same may well work a moment later.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Unreachable | Self::Unclear | Self::Errcode(-1 | 45011)
        )
    }

    /// Why the user has to be asked again, if that is what WeChat says.
    #[must_use]
    pub const fn ask_again(self) -> Option<AskAgainReason> {
        match self {
            Self::Errcode(errcode) => AskAgainReason::of_errcode(errcode),
            Self::UnknownApp | Self::Unreachable | Self::Unclear => None,
        }
    }
}
