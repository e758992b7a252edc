//! The calls themselves: path, parameters, what an answer must hold.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::hmac;
use serde_json::json;
use wxtoken_core::app::AppId;
use wxtoken_core::credential::Token;
use wxtoken_core::user::{OpenId, RefreshToken, SessionKey, WebToken};

use super::super::request::{Call, Percent};
use super::answers::{self, NewGrant, NewSession, PhoneInfo, Renewed, UserInfo};
use super::code::{LoginCode, OAuthCode, PhoneCode};
use super::sending::{Care, Manner};
use super::{Failed, UserApi};

/// A hundred users at once need more room than one.
const LONGEST_BATCH: usize = 256 * 1024;
/// The session is none of this user, or none any more.
const WRONG_SIGNATURE: i64 = 87009;

const EXCHANGE: Manner = Manner {
    name: "sns_access_token",
    care: Care::UsesUp,
};
const SESSION: Manner = Manner {
    name: "jscode2session",
    care: Care::UsesUp,
};
const PHONE: Manner = Manner {
    name: "getuserphonenumber",
    care: Care::UsesUp,
};
/// A refresh token cannot be used up: it gives the same web token, or a new one, as often as it is shown.
const RENEW: Manner = Manner {
    name: "sns_refresh_token",
    care: Care::Repeatable,
};
const PROFILE: Manner = Manner {
    name: "sns_userinfo",
    care: Care::Repeatable,
};
const INFO: Manner = Manner {
    name: "user_info",
    care: Care::Repeatable,
};
const BATCH: Manner = Manner {
    name: "user_info_batchget",
    care: Care::Repeatable,
};
const CHECK: Manner = Manner {
    name: "checksession",
    care: Care::Repeatable,
};

/// In which language WeChat names countries and cities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// `zh_CN`.
    #[default]
    Simplified,
    /// `zh_TW`.
    Traditional,
    /// `en`.
    English,
}

impl Language {
    /// WeChat's name of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Simplified => "zh_CN",
            Self::Traditional => "zh_TW",
            Self::English => "en",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Language {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::Simplified, Self::Traditional, Self::English];
        all.into_iter().find(|one| one.name() == text).ok_or(())
    }
}

impl UserApi {
    /// `/sns/oauth2/access_token`: spends a code.
    ///
    /// # Errors
    /// [`Failed`]; after [`Failed::Unclear`] the code may be spent.
    pub async fn exchange(&self, app: &AppId, code: &OAuthCode) -> Result<NewGrant, Failed> {
        let call = |secret: &crate::config::Secret| {
            Call::get(format!(
                "/sns/oauth2/access_token?appid={app}&secret={}&code={}&grant_type=authorization_code",
                Percent(secret.expose()),
                Percent(code.expose()),
            ))
        };
        let object = self.with_secret(app, &EXCHANGE, call).await?;
        answers::new_grant(object).ok_or(Failed::Unclear)
    }

    /// `/sns/oauth2/refresh_token`: a new web token, or more time for the one there is.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn renew(&self, app: &AppId, refresh: &RefreshToken) -> Result<Renewed, Failed> {
        let call = Call::get(format!(
            "/sns/oauth2/refresh_token?appid={app}&grant_type=refresh_token&refresh_token={}",
            Percent(refresh.expose()),
        ));
        let object = self.plain(app, &RENEW, call).await?;
        answers::renewed(object).ok_or(Failed::Unclear)
    }

    /// `/sns/userinfo`: who consented, by their web token.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn profile(
        &self,
        app: &AppId,
        token: &WebToken,
        openid: &OpenId,
        language: Language,
    ) -> Result<UserInfo, Failed> {
        let call = Call::get(format!(
            "/sns/userinfo?access_token={}&openid={}&lang={language}",
            Percent(token.expose()),
            openid.as_str(),
        ));
        let object = self.plain(app, &PROFILE, call).await?;
        answers::user(object, openid).ok_or(Failed::Unclear)
    }

    /// `/cgi-bin/user/info`: who follows, by the app's token.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn info(
        &self,
        app: &AppId,
        token: &Token,
        openid: &OpenId,
        language: Language,
    ) -> Result<UserInfo, Failed> {
        let call = Call::get(format!(
            "/cgi-bin/user/info?access_token={}&openid={}&lang={language}",
            Percent(token.expose()),
            openid.as_str(),
        ));
        let object = self.plain(app, &INFO, call).await?;
        answers::user(object, openid).ok_or(Failed::Unclear)
    }

    /// `/cgi-bin/user/info/batchget`: the same for up to a hundred.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn batch(
        &self,
        app: &AppId,
        token: &Token,
        openids: &[OpenId],
        language: Language,
    ) -> Result<Vec<UserInfo>, Failed> {
        let one = |openid: &OpenId| json!({"openid": openid.as_str(), "lang": language.name()});
        let list: Vec<_> = openids.iter().map(one).collect();
        let target = format!(
            "/cgi-bin/user/info/batchget?access_token={}",
            Percent(token.expose())
        );
        let call = Call::post(target, &json!({ "user_list": list })).answered_by(LONGEST_BATCH);
        let object = self.plain(app, &BATCH, call).await?;
        answers::users(object).ok_or(Failed::Unclear)
    }

    /// `/sns/jscode2session`: spends a login code.
    ///
    /// # Errors
    /// [`Failed`]; after [`Failed::Unclear`] the code may be spent.
    pub async fn session(&self, app: &AppId, code: &LoginCode) -> Result<NewSession, Failed> {
        let call = |secret: &crate::config::Secret| {
            Call::get(format!(
                "/sns/jscode2session?appid={app}&secret={}&js_code={}&grant_type=authorization_code",
                Percent(secret.expose()),
                Percent(code.expose()),
            ))
        };
        let object = self.with_secret(app, &SESSION, call).await?;
        answers::new_session(object).ok_or(Failed::Unclear)
    }

    /// `/wxa/checksession`: whether a session is still the one WeChat knows.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn check_session(
        &self,
        app: &AppId,
        token: &Token,
        openid: &OpenId,
        key: &SessionKey,
    ) -> Result<bool, Failed> {
        let call = Call::get(format!(
            "/wxa/checksession?access_token={}&openid={}&signature={}&sig_method=hmac_sha256",
            Percent(token.expose()),
            openid.as_str(),
            session_signature(key),
        ));
        match self.plain(app, &CHECK, call).await {
            Ok(_) => Ok(true),
            Err(Failed::Errcode(WRONG_SIGNATURE)) => Ok(false),
            Err(failed) => Err(failed),
        }
    }

    /// `/wxa/business/getuserphonenumber`: spends a phone-number code. A bad token is found before the code is looked at.
    ///
    /// # Errors
    /// [`Failed`]; after [`Failed::Unclear`] the code may be spent.
    pub async fn phone_number(
        &self,
        app: &AppId,
        token: &Token,
        code: &PhoneCode,
        openid: Option<&OpenId>,
    ) -> Result<PhoneInfo, Failed> {
        let mut body = json!({"code": code.expose()});
        if let Some(openid) = openid {
            body["openid"] = openid.as_str().into();
        }
        let target = format!(
            "/wxa/business/getuserphonenumber?access_token={}",
            Percent(token.expose())
        );
        let object = self.plain(app, &PHONE, Call::post(target, &body)).await?;
        answers::phone_info(object).ok_or(Failed::Unclear)
    }
}

/// HMAC-SHA256 of nothing under the session key, which is the base64 text itself; lower hex.
fn session_signature(key: &SessionKey) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
    let tag = hmac::sign(&key, b"");
    tag.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_session_is_signed_with_the_key_as_it_is_written() {
        let key = SessionKey::new("o0q0otL8aEzpcZL/FT9WsQ==").unwrap();
        assert_eq!(
            session_signature(&key),
            "46e043c5525c2d817c44be603d30837a808a1d930d038f6fdc3e62a201fed128"
        );
    }
}
