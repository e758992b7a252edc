//! What WeChat's answers about users say, once they are understood.
//!
//! Must not know: what is made of it.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};
use wxtoken_core::user::{OpenId, RefreshToken, SessionKey, UnionId, WebToken};

use super::object::Object;

/// No web token lives longer than a few hours; a week leaves room for changes.
const LONGEST_LIFE: u64 = 7 * 24 * 3600;

/// What the exchange of a web OAuth code gave; page `api_snsaccesstoken`.
#[derive(Debug, Clone)]
pub struct NewGrant {
    /// The user, to this app.
    pub openid: OpenId,
    /// The user, to all apps of one open-platform account.
    pub unionid: Option<UnionId>,
    /// What was granted, in WeChat's words; empty if it did not say.
    pub scope: Box<str>,
    /// For `/sns`.
    pub web_token: WebToken,
    /// How long it lives.
    pub expires_in: Duration,
    /// Renews it.
    pub refresh_token: RefreshToken,
    /// A made-up user of a snapshot page.
    pub is_snapshot: bool,
}

/// What renewing a web token gave; page `api_snsrefreshtoken`.
#[derive(Debug, Clone)]
pub struct Renewed {
    /// A new one, or the same with its time extended.
    pub web_token: WebToken,
    /// How long it lives from now.
    pub expires_in: Duration,
    /// The refresh token; none if the answer has none.
    pub refresh_token: Option<RefreshToken>,
}

/// What a login code gave; page `api_code2session`.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The user, to this app.
    pub openid: OpenId,
    /// The user, to all apps of one open-platform account.
    pub unionid: Option<UnionId>,
    /// What their data is encrypted under.
    pub session_key: SessionKey,
}

/// A user as WeChat describes them, in its own fields. Personal data: it is not printed.
#[derive(Clone, PartialEq)]
pub struct UserInfo(Map<String, Value>);

impl UserInfo {
    /// The fields, as WeChat named them.
    #[must_use]
    pub fn into_fields(self) -> Map<String, Value> {
        self.0
    }

    /// Whom it is about, where it says.
    #[must_use]
    pub fn openid(&self) -> Option<&str> {
        self.0.get("openid")?.as_str()
    }

    /// Whether the user follows the account; none where it does not say.
    #[must_use]
    pub fn follows(&self) -> Option<bool> {
        match self.0.get("subscribe")? {
            Value::Number(number) => Some(number.as_i64() != Some(0)),
            Value::String(text) => Some(text != "0"),
            Value::Bool(follows) => Some(*follows),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl fmt::Debug for UserInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserInfo(redacted)")
    }
}

/// A phone number; page `api_getphonenumber`. Personal data: it is not printed.
#[derive(Clone, PartialEq)]
pub struct PhoneInfo {
    fields: Map<String, Value>,
    appid: Option<String>,
}

impl PhoneInfo {
    /// The fields of `phone_info`, as WeChat named them.
    #[must_use]
    pub fn into_fields(self) -> Map<String, Value> {
        self.fields
    }

    /// The app its watermark names.
    #[must_use]
    pub fn appid(&self) -> Option<&str> {
        self.appid.as_deref()
    }
}

impl fmt::Debug for PhoneInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneInfo(redacted)")
    }
}

pub(super) fn new_grant(mut object: Object) -> Option<NewGrant> {
    Some(NewGrant {
        openid: object.take_text("openid")?.parse().ok()?,
        unionid: unionid(&mut object),
        scope: object.take_text("scope").unwrap_or_default().into(),
        web_token: WebToken::new(object.take_text("access_token")?)?,
        expires_in: expires_in(&object),
        refresh_token: RefreshToken::new(object.take_text("refresh_token")?)?,
        is_snapshot: object.integer("is_snapshotuser").is_some_and(|n| n != 0),
    })
}

pub(super) fn renewed(mut object: Object) -> Option<Renewed> {
    Some(Renewed {
        web_token: WebToken::new(object.take_text("access_token")?)?,
        expires_in: expires_in(&object),
        refresh_token: object
            .take_text("refresh_token")
            .and_then(RefreshToken::new),
    })
}

pub(super) fn new_session(mut object: Object) -> Option<NewSession> {
    Some(NewSession {
        openid: object.take_text("openid")?.parse().ok()?,
        unionid: unionid(&mut object),
        session_key: SessionKey::new(object.take_text("session_key")?)?,
    })
}

/// A user who is the one asked for; none if the answer is about somebody else, or does not say about whom.
pub(super) fn user(object: Object, wanted: &OpenId) -> Option<UserInfo> {
    let is_wanted = object.text("openid") == Some(wanted.as_str());
    is_wanted.then(|| UserInfo(object.into_fields()))
}

pub(super) fn users(mut object: Object) -> Option<Vec<UserInfo>> {
    let list = object.take_objects("user_info_list")?;
    Some(
        list.into_iter()
            .map(|one| UserInfo(one.into_fields()))
            .collect(),
    )
}

pub(super) fn phone_info(mut object: Object) -> Option<PhoneInfo> {
    let info = object.take_object("phone_info")?;
    let fields = info.into_fields();
    let watermark = fields.get("watermark");
    let appid = watermark.and_then(|mark| mark.get("appid")?.as_str().map(str::to_owned));
    Some(PhoneInfo { fields, appid })
}

/// One that is odd is as good as none: nothing hangs on it.
fn unionid(object: &mut Object) -> Option<UnionId> {
    object.take_text("unionid")?.parse().ok()
}

/// What is absurd or missing counts as over: the token is then renewed before it is used.
fn expires_in(object: &Object) -> Duration {
    let seconds = object.integer("expires_in").unwrap_or_default();
    let seconds = u64::try_from(seconds).unwrap_or_default();
    Duration::from_secs(seconds.min(LONGEST_LIFE))
}
