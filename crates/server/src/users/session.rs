//! Mini programs: a login code becomes a session, which stays here, and what is done with it.

use std::sync::Arc;

use serde_json::{Map, Value};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::user::{OpenId, Session, SessionKey, UnionId, UserRecord};

use super::decrypt::{decrypted, signed, watermark};
use super::{Need, UserError, Users};
use crate::wechat::users::{LoginCode, PhoneCode, PhoneInfo};

const CHECK: &str = "/wxa/checksession";
const PHONE: &str = "/wxa/business/getuserphonenumber";

/// Who a login code stands for.
#[derive(Debug, Clone)]
pub struct LoggedIn {
    /// The user, to this app.
    pub openid: OpenId,
    /// The user, to all apps of one open-platform account.
    pub unionid: Option<UnionId>,
    /// For callers that may have it.
    pub session_key: SessionKey,
}

/// What a mini program sends to be decrypted, as WeChat gave it.
#[derive(Clone, Copy)]
pub struct Encrypted<'e> {
    /// `encryptedData`.
    pub data: &'e str,
    /// `iv`.
    pub iv: &'e str,
    /// `rawData` and `signature`, to be checked too.
    pub signed: Option<(&'e str, &'e str)>,
}

impl Users {
    /// Exchanges a login code and keeps the session. Goes on to its end though nobody waits for it any more: the code is spent.
    ///
    /// # Errors
    /// [`UserError`] says whether the code is spent.
    pub async fn login(
        self: &Arc<Self>,
        app: &AppId,
        code: &LoginCode,
    ) -> Result<LoggedIn, UserError> {
        self.must_fit(app, Need::Mini)?;
        let (this, app, code) = (Arc::clone(self), *app, code.clone());
        let login = self
            .under_way
            .spawn(async move { this.login_now(&app, &code).await });
        login.await.unwrap_or(Err(UserError::Unclear))
    }

    async fn login_now(&self, app: &AppId, code: &LoginCode) -> Result<LoggedIn, UserError> {
        let since = self.wall();
        let new = self.parts.api.session(app, code).await;
        let new = new.map_err(UserError::of_code)?;
        let session = Session {
            unionid: new.unionid.clone(),
            session_key: new.session_key.clone(),
            since,
        };
        let seen = self.read(app, &new.openid).await?;
        let now = self.wall();
        let change = |record: Option<&UserRecord>| with_session(record, &session, now);
        self.change(app, &new.openid, seen, change).await?;
        Ok(LoggedIn {
            openid: new.openid,
            unionid: new.unionid,
            session_key: new.session_key,
        })
    }

    /// What a mini program's encrypted data says, decrypted with the session that is kept, if it was made for this app.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn decrypt(
        &self,
        app: &AppId,
        openid: &OpenId,
        sent: Encrypted<'_>,
    ) -> Result<Map<String, Value>, UserError> {
        let session = self.session(app, openid).await?;
        let key = &session.session_key;
        if let Some((raw, signature)) = sent.signed {
            signed(key, raw, signature)?;
        }
        let fields = decrypted(key, sent.data, sent.iv)?;
        if watermark(&fields) == Some(app.as_str()) {
            Ok(fields)
        } else {
            Err(UserError::ForeignWatermark)
        }
    }

    /// Whether WeChat still knows the session that is kept.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn check_session(&self, app: &AppId, openid: &OpenId) -> Result<bool, UserError> {
        let session = self.session(app, openid).await?;
        let (api, key) = (&self.parts.api, &session.session_key);
        let ask = |token: Arc<wxtoken_core::credential::Credential>| async move {
            api.check_session(app, &token.token, openid, key).await
        };
        Ok(self.with_app_token(app, CHECK, ask).await??)
    }

    /// The phone number a code stands for, if it was made for this app.
    ///
    /// # Errors
    /// [`UserError`] says whether the code is spent.
    pub async fn phone_number(
        &self,
        app: &AppId,
        code: &PhoneCode,
        openid: Option<&OpenId>,
    ) -> Result<PhoneInfo, UserError> {
        self.must_fit(app, Need::Mini)?;
        let api = &self.parts.api;
        let ask = |token: Arc<wxtoken_core::credential::Credential>| async move {
            api.phone_number(app, &token.token, code, openid).await
        };
        let answer = self.with_app_token(app, PHONE, ask).await?;
        let info = answer.map_err(UserError::of_code)?;
        if info.appid() == Some(app.as_str()) {
            Ok(info)
        } else {
            Err(UserError::ForeignWatermark)
        }
    }

    async fn session(&self, app: &AppId, openid: &OpenId) -> Result<Session, UserError> {
        self.must_fit(app, Need::Mini)?;
        let held = self.read(app, openid).await?;
        held.and_then(|held| held.record.session)
            .ok_or(UserError::NoSession)
    }
}

/// The record with this session in it; a grant stays. A session that began later does, too, unless that time has not come yet:
/// a clock may have been put back.
fn with_session(record: Option<&UserRecord>, session: &Session, now: Wall) -> Option<UserRecord> {
    let mut record = record.cloned().unwrap_or_default();
    if record
        .session
        .as_ref()
        .is_some_and(|kept| kept.since > session.since && kept.since <= now)
    {
        return None;
    }
    record.session = Some(session.clone());
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_began_later_stays_unless_that_time_has_not_come() {
        let began = |since| Session {
            unionid: None,
            session_key: SessionKey::new("AAAA").unwrap(),
            since: Wall(since),
        };
        let kept = UserRecord {
            grant: None,
            session: Some(began(7)),
        };
        assert_eq!(with_session(Some(&kept), &began(5), Wall(8)), None);
        let replaced = with_session(Some(&kept), &began(5), Wall(6)).unwrap();
        assert_eq!(replaced.session, Some(began(5)));
    }
}
