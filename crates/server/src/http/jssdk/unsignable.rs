//! Why nothing is signed, beyond what any caller can be told.

use http::StatusCode;
use wxtoken_core::credential::Kind;

use crate::jssdk::Origin;

/// Why a page or a card is not signed. The text is for the client: what is wrong and how to cure it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unsignable {
    /// The app's ticket is needed, and none is kept.
    #[error(
        "no {0} is kept for this app; add \"{0}\" to `kinds` in its [[app]] table, which must be of type \"official\" or \"test\""
    )]
    TicketNotKept(Kind),
    /// The page comes from elsewhere.
    #[error(
        "pages of {0} are not signed for this caller; add \"{0}\" to `sign_origins` in its [[caller]] table"
    )]
    OriginNotListed(Origin),
}

impl Unsignable {
    /// Status, stable name and title.
    pub(in crate::http) const fn sort(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::TicketNotKept(_) => (
                StatusCode::NOT_FOUND,
                "ticket-not-kept",
                "No such ticket is kept",
            ),
            Self::OriginNotListed(_) => (
                StatusCode::FORBIDDEN,
                "origin-not-listed",
                "Not a page of this caller's",
            ),
        }
    }
}
