//! What a client is told besides the answer, in both languages: which of two things that are alike it needs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::words::Sentence;

/// A piece of advice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Advice {
    /// In English.
    en: String,
    /// In Chinese.
    zh: String,
}

impl From<Sentence> for Advice {
    fn from(Sentence { zh, en }: Sentence) -> Self {
        Self { en, zh }
    }
}

/// For a user's web token where the app's belongs.
pub(crate) fn web_token() -> Sentence {
    Sentence::new(
        "这是某个用户的网页授权 access_token，只用于 /sns，不是应用的 access_token；它由 wxtoken 自动续期，\
         读用户资料请用 GET /v1/apps/{appid}/users/{openid}/profile",
        "this is a user's web access_token, for /sns alone, and not the app's access_token; wxtoken renews it by itself: read the \
         user through GET /v1/apps/{appid}/users/{openid}/profile",
    )
}
