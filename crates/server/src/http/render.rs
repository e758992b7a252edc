//! A credential as JSON, written straight into the answer: what a read says, on every path, comes from here.
//!
//! Nothing is kept between reads: writing it costs less than looking a kept one up would, and `expires_in` is right.

use wxtoken_core::app::AppId;
use wxtoken_core::clock::Now;
use wxtoken_core::credential::{Credential, Kind};

use super::number;

/// A copy may be kept this long by the one it was given to.
const LONGEST_KEPT: u64 = 60;

/// Whole seconds until it ends.
pub(crate) fn expires_in(credential: &Credential, now: Now) -> u64 {
    credential.left(now) / 1000
}

/// The last whole Unix second at which it surely lives: never a moment beyond its end.
pub(crate) fn expires_at(credential: &Credential, now: Now) -> u64 {
    now.wall_at(credential.expires).unix_seconds()
}

/// The name of the field that holds the value: SDKs know two.
pub(crate) const fn value_field(kind: Kind) -> &'static str {
    match kind {
        Kind::AccessToken => "access_token",
        Kind::JsapiTicket | Kind::CardTicket => "ticket",
    }
}

/// Appends the native answer's object.
pub(crate) fn credential(out: &mut Vec<u8>, app: &AppId, credential: &Credential, now: Now) {
    head(out, app, credential);
    out.extend_from_slice(b",\"");
    out.extend_from_slice(value_field(credential.kind).as_bytes());
    out.extend_from_slice(b"\":\"");
    value(out, credential.token.expose());
    out.extend_from_slice(b"\",\"expires_in\":");
    number::push(out, expires_in(credential, now));
    tail(out, credential, now);
}

/// Appends the same object without the value and what depends on the moment of reading.
pub(crate) fn announcement(out: &mut Vec<u8>, app: &AppId, credential: &Credential, now: Now) {
    head(out, app, credential);
    tail(out, credential, now);
}

fn head(out: &mut Vec<u8>, app: &AppId, credential: &Credential) {
    out.extend_from_slice(b"{\"appid\":\"");
    out.extend_from_slice(app.as_bytes());
    out.extend_from_slice(b"\",\"kind\":\"");
    out.extend_from_slice(credential.kind.name().as_bytes());
    out.push(b'"');
    if let Some(lane) = credential.lane {
        out.extend_from_slice(b",\"lane\":\"");
        out.extend_from_slice(lane.name().as_bytes());
        out.push(b'"');
    }
}

fn tail(out: &mut Vec<u8>, credential: &Credential, now: Now) {
    out.extend_from_slice(b",\"expires_at\":");
    number::push(out, expires_at(credential, now));
    out.extend_from_slice(b",\"generation\":");
    number::push(out, credential.generation.0);
    out.push(b'}');
}

/// Appends WeChat's own answer to a token request (getAccessToken, getStableAccessToken).
pub(crate) fn wechat_token(out: &mut Vec<u8>, token: &str, expires_in: u64) {
    out.extend_from_slice(b"{\"access_token\":\"");
    value(out, token);
    out.extend_from_slice(b"\",\"expires_in\":");
    number::push(out, expires_in);
    out.push(b'}');
}

/// Appends WeChat's own answer to a ticket request (getticket): SDKs insist on `errcode` 0.
pub(crate) fn wechat_ticket(out: &mut Vec<u8>, ticket: &str, expires_in: u64) {
    out.extend_from_slice(b"{\"errcode\":0,\"errmsg\":\"ok\",\"ticket\":\"");
    value(out, ticket);
    out.extend_from_slice(b"\",\"expires_in\":");
    number::push(out, expires_in);
    out.push(b'}');
}

/// Appends a token or ticket inside a JSON string: visible ASCII, so only two characters need care, and they are rare.
fn value(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        out.push(b'\\');
        out.push(rest[at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Appends the native answer's `Cache-Control`: never past expiry, at most a minute, nobody else's.
pub(crate) fn cache_control(out: &mut Vec<u8>, credential: &Credential, now: Now) {
    out.extend_from_slice(b"private, max-age=");
    number::push(out, expires_in(credential, now).min(LONGEST_KEPT));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing::{APP, NOW, credential_of};
    use proptest::prelude::*;
    use serde_json::Value;

    fn rendered(kind: Kind, token: &str) -> Value {
        let mut out = Vec::new();
        let app = APP.parse().unwrap();
        credential(&mut out, &app, &credential_of(kind, token, 7_200_999), NOW);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_token_names_its_lane_and_a_ticket_has_none() {
        let token = rendered(Kind::AccessToken, "TOKEN");
        assert_eq!(token["access_token"], "TOKEN");
        assert_eq!(token["lane"], "stable");
        assert_eq!(token["expires_in"], 7200);
        assert_eq!(token["expires_at"], NOW.wall.plus(7_200_999).unix_seconds());
        let ticket = rendered(Kind::JsapiTicket, "TICKET");
        assert_eq!(ticket["ticket"], "TICKET");
        assert_eq!(ticket.get("lane"), None);
    }

    proptest! {
        #[test]
        fn every_value_a_token_can_have_comes_back_from_json(token in "[!-~]{1,512}") {
            prop_assert_eq!(&rendered(Kind::AccessToken, &token)["access_token"], &Value::from(token.as_str()));
            let mut out = Vec::new();
            wechat_ticket(&mut out, &token, 7200);
            let ticket: Value = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(&ticket["ticket"], &Value::from(token.as_str()));
        }
    }
}
