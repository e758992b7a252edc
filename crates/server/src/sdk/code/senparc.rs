//! A bag of Senparc's containers: an object with the app, its secret, WeChat's answer and when that ends.

use std::fmt::Write as _;

use jiff::tz::{Offset, TimeZone};
use serde_json::{Value as Json, json};
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::Kind;

use super::super::entry::{Reading, Seen, Value};
use super::super::format::Module;
use super::field;
use crate::config::Secret;

/// Whose bag, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sdk) struct Bag {
    pub(in crate::sdk) name: Box<str>,
    pub(in crate::sdk) app: Box<str>,
    pub(in crate::sdk) secret: Secret,
    pub(in crate::sdk) module: Module,
    pub(in crate::sdk) kind: Kind,
}

impl Bag {
    pub(super) fn write(&self, value: &Value<'_>) -> String {
        let (result, end) = self.names();
        let (app, secret) = match self.module {
            Module::Official => ("AppId", "AppSecret"),
            Module::Mini => ("WxOpenAppId", "WxOpenAppSecret"),
            Module::Work { .. } => ("CorpId", "CorpSecret"),
        };
        let fields = [
            ("Name", json!(self.name)),
            ("Key", json!(self.app)),
            ("CacheTime", json!(time(value.now()))),
            (app, json!(self.app)),
            (secret, json!(self.secret.expose())),
            (end, json!(time(value.expires()))),
        ];
        let mut text = String::from("{");
        for (name, field) in fields {
            // Into a text: it cannot fail.
            let _ = write!(text, "\"{name}\":{field},");
        }
        let (kind, token) = (field(self.kind), json!(value.text()));
        let left = value.left_seconds();
        let _ = write!(
            text,
            r#""{result}":{{"{kind}":{token},"expires_in":{left},"errcode":0,"errmsg":null}}}}"#
        );
        text
    }

    /// The names of WeChat's answer and of its end.
    const fn names(&self) -> (&'static str, &'static str) {
        match (self.kind, self.module) {
            (Kind::AccessToken, Module::Work { .. }) => ("AccessTokenResult", "ExpireTime"),
            (Kind::AccessToken, _) => ("AccessTokenResult", "AccessTokenExpireTime"),
            (Kind::JsapiTicket, _) => ("JsApiTicketResult", "JsApiTicketExpireTime"),
            (Kind::CardTicket, _) => ("WxCardApiTicketResult", "WxCardApiTicketExpireTime"),
        }
    }

    pub(super) fn read(&self, body: &[u8], present: Seen, now: Wall) -> Reading {
        let Ok(bag) = serde_json::from_slice::<Json>(body) else {
            return Reading::Foreign;
        };
        let (result, end) = self.names();
        let Some(end) = bag[end].as_str().and_then(wall) else {
            return Reading::Foreign;
        };
        match bag[result][field(self.kind)].as_str() {
            Some("") => Reading::Absent,
            Some(text) => Reading::held(text, present.and(Seen::until(end, now, 0))),
            None if end <= now => Reading::Absent,
            None => Reading::Foreign,
        }
    }
}

/// A time as .NET writes it, in China's.
fn time(at: Wall) -> String {
    let second = i64::try_from(at.unix_seconds()).unwrap_or(i64::MAX);
    let stamp = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX);
    let china = TimeZone::fixed(Offset::constant(8));
    let zoned = stamp.to_zoned(china);
    zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// A time as .NET writes it; before 1970, as for a bag that was just registered, it is 1970.
fn wall(text: &str) -> Option<Wall> {
    let text = if text.ends_with('Z') || text.get(19..)?.contains(['+', '-']) {
        text.to_owned()
    } else {
        format!("{text}Z")
    };
    let stamp: jiff::Timestamp = text.parse().ok()?;
    Some(Wall(u64::try_from(stamp.as_millisecond()).unwrap_or(0)))
}
