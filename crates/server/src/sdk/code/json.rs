//! Values as JSON: wechatpy's texts, `PowerWeChat`'s answers, the text of co-wechat-api's callbacks.

use serde::{Deserialize, Serialize};
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::Kind;
use zeroize::Zeroizing;

use super::super::entry::{Found, Reading, Seen, Value};

/// wechatpy 2 fetches when its end is not further away than this.
const WECHATPY_MARGIN: u64 = 60_000;

/// A JSON text, and its end in seconds.
pub(super) fn wechatpy(value: &Value<'_>) -> [String; 2] {
    [
        quoted(value.text()),
        value.expires().unix_seconds().to_string(),
    ]
}

/// What WeChat answered, or would now.
pub(super) fn answer(kind: Kind, value: &Value<'_>) -> String {
    let (text, left) = (quoted(value.text()), value.left_seconds());
    match kind {
        Kind::AccessToken => format!(r#"{{"access_token":{text},"expires_in":{left}}}"#),
        Kind::JsapiTicket | Kind::CardTicket => {
            format!(r#"{{"errcode":0,"errmsg":"ok","ticket":{text},"expires_in":{left}}}"#)
        }
    }
}

/// A token or ticket, and its end in milliseconds.
pub(super) fn node(kind: Kind, value: &Value<'_>) -> String {
    let name = match kind {
        Kind::AccessToken => "accessToken",
        Kind::JsapiTicket | Kind::CardTicket => "ticket",
    };
    let (text, end) = (quoted(value.text()), value.expires().0);
    format!(r#"{{"{name}":{text},"expireTime":{end}}}"#)
}

fn quoted(text: &str) -> String {
    #[derive(Serialize)]
    #[serde(transparent)]
    struct Text<'a>(&'a str);
    // A text: nothing in it can fail.
    serde_json::to_string(&Text(text)).unwrap_or_default()
}

pub(super) fn read_wechatpy(
    kind: Kind,
    body: &[u8],
    present: Seen,
    end: Option<&Found>,
    now: Wall,
) -> Reading {
    let Ok(text) = serde_json::from_slice::<String>(body).map(Zeroizing::new) else {
        return Reading::Foreign;
    };
    let seen = match (end, kind) {
        // Version 1 keeps no end with a token, and version 2 trusts one without.
        (None | Some(Found::Absent), Kind::AccessToken) => present,
        (None | Some(Found::Absent), Kind::JsapiTicket | Kind::CardTicket) => Seen::Expired,
        (Some(end), _) => match wechatpy_end(present, end, now) {
            Some(seen) => seen,
            None => return Reading::Foreign,
        },
    };
    Reading::held(&text, seen)
}

/// How long a value is used whose end lies beside it; none if that is no end.
pub(in crate::sdk) fn wechatpy_end(present: Seen, end: &Found, now: Wall) -> Option<Seen> {
    let Found::Text(end, _) = end else {
        return None;
    };
    let seconds = serde_json::from_slice::<f64>(end.expose()).ok()?;
    Some(present.and(Seen::until(wall(seconds), now, WECHATPY_MARGIN)))
}

/// Seconds as Python writes them, maybe with a point.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float saturates, and that is wanted"
)]
const fn wall(seconds: f64) -> Wall {
    Wall((seconds * 1000.0) as u64)
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    ticket: Option<String>,
    #[serde(rename = "expires_in")]
    _expires_in: f64,
}

pub(super) fn read_answer(kind: Kind, body: &[u8], present: Seen) -> Reading {
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
        return Reading::Foreign;
    };
    let value = match kind {
        Kind::AccessToken => answer.access_token,
        Kind::JsapiTicket | Kind::CardTicket => answer.ticket,
    };
    value.map_or(Reading::Foreign, |text| {
        Reading::held(&Zeroizing::new(text), present)
    })
}

#[derive(Deserialize)]
struct Node {
    #[serde(rename = "accessToken")]
    token: Option<String>,
    ticket: Option<String>,
    #[serde(rename = "expireTime")]
    end: f64,
}

pub(super) fn read_node(kind: Kind, body: &[u8], present: Seen, now: Wall) -> Reading {
    let Ok(node) = serde_json::from_slice::<Node>(body) else {
        return Reading::Foreign;
    };
    let value = match kind {
        Kind::AccessToken => node.token,
        Kind::JsapiTicket | Kind::CardTicket => node.ticket,
    };
    let seen = present.and(Seen::until(wall(node.end / 1000.0), now, 0));
    value.map_or(Reading::Foreign, |text| {
        Reading::held(&Zeroizing::new(text), seen)
    })
}
