//! A problem that one feature alone has: it brings its status, its name and its words in both languages.

use http::StatusCode;
use wxtoken_core::clock::Wall;

use super::error::ApiError;
use crate::words::Sentence;

/// Such a problem.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", detail.en)]
pub struct Particular {
    pub(crate) status: StatusCode,
    /// The end of its `type`; it never changes.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) detail: Sentence,
    /// Which of several, as a stable name.
    pub(crate) reason: Option<&'static str>,
    pub(crate) since: Option<Wall>,
    /// WeChat's own, where WeChat refused.
    pub(crate) errcode: Option<i64>,
    /// In how many seconds asking again makes sense.
    pub(crate) retry_after: Option<u64>,
}

impl Particular {
    /// A problem without particulars.
    pub(crate) const fn new(
        status: StatusCode,
        name: &'static str,
        title: &'static str,
        detail: Sentence,
    ) -> Self {
        Self {
            status,
            name,
            title,
            detail,
            reason: None,
            since: None,
            errcode: None,
            retry_after: None,
        }
    }

    /// Something in the request is not what it should be.
    pub(crate) const fn malformed(detail: Sentence) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            "Not understood",
            detail,
        )
    }
}

impl From<Particular> for ApiError {
    fn from(problem: Particular) -> Self {
        Self::Particular(Box::new(problem))
    }
}
