//! How a refusal looks in JSON (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a problem looks in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What went wrong, as a URI that never changes.
    #[serde(rename = "type")]
    #[schema(example = "urn:wxtoken:problem:no-live-token")]
    pub problem: String,
    /// The same for people, without particulars.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time, and the cure.
    pub detail: String,
    /// `detail` in Chinese, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail_zh: Option<String>,
    /// Which of several, or why, as a stable name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// With `no-live-token`: when something is next tried, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<u64>,
    /// WeChat's own errcode, where WeChat refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errcode: Option<i64>,
}
