//! A user's record as bytes: compact JSON in structs of its own, so that core's types may change without the format changing.
//!
//! Owns: the layout of each format version. Must not know: sealing, stores. A field added later gets `#[serde(default)]`; a
//! change of meaning gets a new version in [`decode`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::user::{
    AskAgain, AskAgainReason, Grant, OpenId, RefreshToken, Session, SessionKey, UnionId,
    UserRecord, WebToken,
};
use zeroize::Zeroizing;

use super::super::wire::WireError;

/// The version written now, the first byte of what is written.
const VERSION: u8 = 1;

/// All there is to know of a user who is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Whose user.
    pub app: AppId,
    /// Which.
    pub openid: OpenId,
    /// When the record's time is over.
    pub until: Wall,
    /// What is kept.
    pub record: UserRecord,
}

#[derive(Serialize, Deserialize)]
struct WireUser<'a> {
    #[serde(borrow)]
    app: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    until: u64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    grant: Option<WireGrant<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    session: Option<WireSession<'a>>,
}

#[derive(Serialize, Deserialize)]
struct WireGrant<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    union: Option<Cow<'a, str>>,
    #[serde(borrow)]
    scope: Cow<'a, str>,
    #[serde(borrow)]
    web: (Cow<'a, str>, u64),
    #[serde(borrow)]
    refresh: (Cow<'a, str>, u64),
    at: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    snapshot: bool,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    over: Option<(Cow<'a, str>, u64)>,
}

#[derive(Serialize, Deserialize)]
struct WireSession<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    union: Option<Cow<'a, str>>,
    #[serde(borrow)]
    key: Cow<'a, str>,
    since: u64,
}

/// What is kept of a user, in the newest format. The bytes hold secrets and are wiped when dropped.
pub(in crate::store) fn encode(
    app: &AppId,
    openid: &OpenId,
    until: Wall,
    record: &UserRecord,
) -> Result<Zeroizing<Vec<u8>>, WireError> {
    let wire = WireUser {
        app: app.as_str().into(),
        id: openid.as_str().into(),
        until: until.0,
        grant: record.grant.as_ref().map(WireGrant::from),
        session: record.session.as_ref().map(WireSession::from),
    };
    // Room for the largest record, so that growing leaves no copies of secrets behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(8192));
    bytes.push(VERSION);
    serde_json::to_writer(&mut *bytes, &wire).map_err(|_| WireError::Shape)?;
    Ok(bytes)
}

/// What was written in any known version.
pub(in crate::store) fn decode(bytes: &[u8]) -> Result<User, WireError> {
    match bytes.split_first() {
        Some((&VERSION, content)) => serde_json::from_slice::<WireUser<'_>>(content)
            .map_err(|_| WireError::Shape)?
            .into_user(),
        None | Some((0, _)) => Err(WireError::Shape),
        Some((newer, _)) => Err(WireError::Newer(*newer)),
    }
}

impl<'a> From<&'a Grant> for WireGrant<'a> {
    fn from(grant: &'a Grant) -> Self {
        Self {
            id: grant.openid.as_str().into(),
            union: grant.unionid.as_ref().map(|id| id.as_str().into()),
            scope: (&*grant.scope).into(),
            web: (grant.web_token.expose().into(), grant.web_expires.0),
            refresh: (grant.refresh_token.expose().into(), grant.refresh_expires.0),
            at: grant.granted_at.0,
            snapshot: grant.is_snapshot,
            over: grant
                .refused
                .map(|over| (over.reason.name().into(), over.since.0)),
        }
    }
}

impl<'a> From<&'a Session> for WireSession<'a> {
    fn from(session: &'a Session) -> Self {
        Self {
            union: session.unionid.as_ref().map(|id| id.as_str().into()),
            key: session.session_key.expose().into(),
            since: session.since.0,
        }
    }
}

impl WireUser<'_> {
    fn into_user(self) -> Result<User, WireError> {
        let grant = self.grant.map(WireGrant::into_grant).transpose()?;
        let session = self.session.map(WireSession::into_session).transpose()?;
        Ok(User {
            app: self.app.parse().map_err(|_| WireError::Value)?,
            openid: self.id.parse().map_err(|_| WireError::Value)?,
            until: Wall(self.until),
            record: UserRecord { grant, session },
        })
    }
}

impl WireGrant<'_> {
    fn into_grant(self) -> Result<Grant, WireError> {
        Ok(Grant {
            openid: self.id.parse().map_err(|_| WireError::Value)?,
            unionid: union(self.union)?,
            scope: self.scope.into(),
            web_token: WebToken::new(self.web.0).ok_or(WireError::Value)?,
            web_expires: Wall(self.web.1),
            refresh_token: RefreshToken::new(self.refresh.0).ok_or(WireError::Value)?,
            refresh_expires: Wall(self.refresh.1),
            granted_at: Wall(self.at),
            is_snapshot: self.snapshot,
            refused: self.over.map(ask_again).transpose()?,
        })
    }
}

impl WireSession<'_> {
    fn into_session(self) -> Result<Session, WireError> {
        Ok(Session {
            unionid: union(self.union)?,
            session_key: SessionKey::new(self.key).ok_or(WireError::Value)?,
            since: Wall(self.since),
        })
    }
}

fn union(id: Option<Cow<'_, str>>) -> Result<Option<UnionId>, WireError> {
    id.map(|id| id.parse().map_err(|_| WireError::Value))
        .transpose()
}

fn ask_again((name, since): (Cow<'_, str>, u64)) -> Result<AskAgain, WireError> {
    let reason = AskAgainReason::ALL
        .into_iter()
        .find(|reason| reason.name() == name)
        .ok_or(WireError::Value)?;
    let since = Wall(since);
    Ok(AskAgain { reason, since })
}
