//! The numbers WeChat plays by, and how its answers are dressed. All can be changed while running.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Readings, seconds};

/// Lifetimes, limits, readings and dress. In JSON the durations are seconds: `{"token_lifetime_s": 12}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// How long a token lives (2 hours).
    #[serde(rename = "token_lifetime_s", with = "seconds")]
    pub token_lifetime: Duration,
    /// How long before its end the stable line gives a new token (5 minutes).
    #[serde(rename = "stable_renewal_s", with = "seconds")]
    pub stable_renewal: Duration,
    /// How long a replaced token is still accepted (5 minutes).
    #[serde(rename = "overlap_s", with = "seconds")]
    pub overlap: Duration,
    /// How long a ticket stays the same (2 hours).
    #[serde(rename = "ticket_lifetime_s", with = "seconds")]
    pub ticket_lifetime: Duration,
    /// The least time between two forced fetches (30 s).
    #[serde(rename = "force_spacing_s", with = "seconds")]
    pub force_spacing: Duration,
    /// Forced fetches a day (20).
    pub forces_per_day: u32,
    /// Daily and minute limits.
    pub quotas: Quotas,
    /// What WeChat does where nobody could verify it.
    pub readings: Readings,
    /// How answers look.
    pub dress: Dress,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            token_lifetime: Duration::from_secs(7200),
            stable_renewal: Duration::from_secs(300),
            overlap: Duration::from_secs(300),
            ticket_lifetime: Duration::from_secs(7200),
            force_spacing: Duration::from_secs(30),
            forces_per_day: 20,
            quotas: Quotas::default(),
            readings: Readings::default(),
            dress: Dress::default(),
        }
    }
}

impl Rules {
    /// The rules with every lifetime shortened so that a token lives for `lifetime`, in proportion.
    #[must_use]
    pub fn with_token_lifetime(lifetime: Duration) -> Self {
        let usual = Self::default();
        let scale = lifetime.as_secs_f64() / usual.token_lifetime.as_secs_f64();
        Self {
            token_lifetime: lifetime,
            stable_renewal: usual.stable_renewal.mul_f64(scale),
            overlap: usual.overlap.mul_f64(scale),
            ticket_lifetime: usual.ticket_lifetime.mul_f64(scale),
            force_spacing: usual.force_spacing.mul_f64(scale),
            ..usual
        }
    }
}

/// Daily and minute limits per app; `null` is the documented figure for the app's kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// `GET /cgi-bin/token`: 2000, for a test account 200.
    pub classic_per_day: Option<u32>,
    /// `POST /cgi-bin/stable_token`.
    pub stable_per_day: u32,
    /// `POST /cgi-bin/stable_token`, every minute: beyond it 45011.
    pub stable_per_minute: u32,
    /// `getticket`; WeChat does not publish it.
    pub ticket_per_day: u32,
    /// `clear_quota` and its second version together, in a month.
    pub clears_per_month: u32,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            classic_per_day: None,
            stable_per_day: 500_000,
            stable_per_minute: 10_000,
            ticket_per_day: 5_000_000,
            clears_per_month: 10,
        }
    }
}

/// How answers look: nothing in here changes what they mean.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dress {
    /// The `Content-Type` of JSON answers outside `/sns`.
    pub content: Content,
    /// How the length of an answer is told.
    pub framing: Framing,
    /// The style of `errmsg`.
    pub error_text: ErrorText,
    /// The text of 45009.
    pub quota_text: QuotaText,
    /// Whether control characters in nicknames stand raw in the JSON, which strict parsers refuse.
    pub raw_control_characters: bool,
    /// How `countryCode` of a phone number is written.
    pub country_code: CountryCode,
}

/// The `Content-Type` of JSON answers outside `/sns` (there it is always `text/plain`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// `application/json; encoding=utf-8`, as observed.
    #[default]
    Json,
    /// `text/plain`, as old reports have it.
    Text,
}

/// How the length of an answer is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// `Content-Length`.
    #[default]
    ContentLength,
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// The style of `errmsg`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorText {
    /// Today's texts with their `rid`, and the long hint in 40001.
    #[default]
    Rid,
    /// With `rid`, without the long hint, as `AccessToken.html` prints it.
    RidShort,
    /// ` hint: [xxxx!]`, before about 2019.
    Hint,
    /// `, hints: [ req_id: xxxx ]`, older.
    ReqId,
    /// The bare text.
    Bare,
}

/// How `countryCode` of a phone number is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CountryCode {
    /// `"86"`, as the table says.
    #[default]
    Text,
    /// `86`, as the example shows.
    Number,
}

/// The text of 45009.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuotaText {
    /// `reach max api daily quota limit`.
    #[default]
    Plain,
    /// The same with the hint at `getStableAccessToken`.
    Hinted,
    /// `api freq out of limit`, as the table of limits prints it.
    Documented,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_survive_json_and_refuse_unknown_names() {
        let rules = Rules::with_token_lifetime(Duration::from_secs(12));
        assert_eq!(rules.overlap, Duration::from_millis(500));
        let json = serde_json::to_value(&rules).unwrap();
        assert_eq!(json["token_lifetime_s"], 12.0);
        assert_eq!(serde_json::from_value::<Rules>(json).unwrap(), rules);
        assert!(serde_json::from_str::<Rules>(r#"{"token_livetime_s":1}"#).is_err());
        assert!(serde_json::from_str::<Rules>(r#"{"token_lifetime_s":-1}"#).is_err());
    }
}
