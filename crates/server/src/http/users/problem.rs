//! What a client is told when a question about a user is not answered: status, stable name, and whether to ask again.

use http::StatusCode;
use wxtoken_core::clock::Wall;

use super::super::error::ApiError;
use super::super::particular::Particular;
use crate::users::UserError;
use crate::words::Sentence;

/// When a store or a WeChat that is away is worth asking again, in seconds.
const SOON: u64 = 2;
/// WeChat counts calls by the minute.
const A_MINUTE: u64 = 60;

/// The problem of an error.
pub(super) fn problem(error: UserError, now: Wall) -> ApiError {
    let (status, name, title) = match sort(&error) {
        Some(sort) => sort,
        None => return plain(error, now),
    };
    let mut problem = Particular::new(status, name, title, Sentence::of(&error));
    match error {
        UserError::AskUserAgain(again) => {
            problem.reason = Some(again.reason.name());
            problem.since = Some(again.since);
        }
        UserError::BadCode(bad) => problem.reason = Some(bad.name()),
        UserError::BadData(bad) => problem.reason = Some(bad.name()),
        UserError::Blocked => problem.errcode = Some(40226),
        UserError::Refused(errcode) => problem.errcode = Some(errcode),
        UserError::TooOften => {
            problem.errcode = Some(45011);
            problem.retry_after = Some(A_MINUTE);
        }
        UserError::Away | UserError::Store(_) => problem.retry_after = Some(SOON),
        _ => {}
    }
    problem.into()
}

/// Those that are not users' alone.
fn plain(error: UserError, now: Wall) -> ApiError {
    match error {
        UserError::NoToken(absent) => ApiError::absent(absent, now),
        _ => ApiError::UnknownApp,
    }
}

const fn sort(error: &UserError) -> Option<(StatusCode, &'static str, &'static str)> {
    Some(match error {
        UserError::UnknownApp | UserError::NoToken(_) => return None,
        UserError::WrongAppType(_) => (
            StatusCode::BAD_REQUEST,
            "wrong-app-type",
            "Not for this sort of app",
        ),
        UserError::UnknownUser => (StatusCode::NOT_FOUND, "unknown-user", "No such user"),
        UserError::NoGrant => (StatusCode::NOT_FOUND, "no-grant", "Nothing was granted"),
        UserError::ScopeTooSmall => (
            StatusCode::FORBIDDEN,
            "scope-too-small",
            "Too little was granted",
        ),
        UserError::AskUserAgain(_) => (
            StatusCode::CONFLICT,
            "ask-user-again",
            "The user has to be asked again",
        ),
        UserError::NoSession => (StatusCode::NOT_FOUND, "no-session", "No session"),
        UserError::BadCode(_) => (StatusCode::BAD_REQUEST, "bad-code", "The code is no good"),
        UserError::Blocked => (StatusCode::FORBIDDEN, "user-blocked", "Blocked by WeChat"),
        UserError::Refused(_) => (StatusCode::BAD_GATEWAY, "wechat-refused", "WeChat refuses"),
        UserError::Away | UserError::TooOften => (
            StatusCode::SERVICE_UNAVAILABLE,
            "wechat-away",
            "WeChat is away",
        ),
        UserError::Unclear => (
            StatusCode::BAD_GATEWAY,
            "wechat-unclear",
            "WeChat gave no proper answer",
        ),
        UserError::Store(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "store-away",
            "The store is away",
        ),
        UserError::BadData(_) => (StatusCode::BAD_REQUEST, "bad-data", "Not to be decrypted"),
        UserError::ForeignWatermark => (
            StatusCode::BAD_REQUEST,
            "foreign-watermark",
            "Another app's data",
        ),
    })
}

/// Its name, for the numbers.
pub(super) const fn name(error: &UserError) -> &'static str {
    match sort(error) {
        Some((_, name, _)) => name,
        None => "no-live-token",
    }
}
