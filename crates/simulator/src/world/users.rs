//! What a test may let users do.

use serde::Deserialize;
use serde_json::json;

use super::{UnknownApp, World};
use crate::{
    apps::AppKind,
    endpoints::phone,
    people::{CodeUses, EncryptedData, NewCode, Person, Profile, Purpose, seal},
    rules::UserSettings,
};

/// What a user does to give an app a one-time code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserCode {
    /// Consents to web OAuth with scope `snsapi_userinfo` (for a website app `snsapi_login`).
    Web,
    /// Comes by web OAuth with scope `snsapi_base`: the open id only.
    WebBase,
    /// Looks at a snapshot page: the app meets a made-up user.
    WebSnapshot,
    /// Opens a mini program that calls `wx.login`.
    Login,
    /// Presses the button that shows the phone number.
    Phone,
}

/// What a mini program's page hands on in encrypted form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encrypted {
    /// Name and picture.
    Profile,
    /// The phone number.
    Phone,
}

/// Why there is nothing encrypted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EncryptError {
    /// No app has this AppID.
    #[error(transparent)]
    UnknownApp(#[from] UnknownApp),
    /// There is no key to encrypt with.
    #[error(
        "{0} has no session in this app; redeem a login code of theirs at /sns/jscode2session first"
    )]
    NoSession(String),
}

impl World {
    /// A user of that name does something that gives the app a one-time code.
    pub fn user_code(&self, appid: &str, user: &str, code: UserCode) -> Result<String, UnknownApp> {
        let app = self.0.app(appid)?;
        let (index, kind) = {
            let state = app.lock();
            (state.index, state.kind)
        };
        let website = kind == AppKind::Website;
        let (purpose, scope) = match code {
            UserCode::Web if website => (Purpose::Web, "snsapi_login"),
            UserCode::Web | UserCode::WebSnapshot => (Purpose::Web, "snsapi_userinfo"),
            UserCode::WebBase => (Purpose::Web, "snsapi_base"),
            UserCode::Login => (Purpose::Login, ""),
            UserCode::Phone => (Purpose::Phone, ""),
        };
        let new = NewCode {
            person: Person {
                snapshot: code == UserCode::WebSnapshot,
                ..Person::new(index, user)
            },
            purpose,
            scope,
            website,
        };
        Ok(self.0.people().code(new, self.now()))
    }

    /// How often a one-time code was shown and redeemed.
    pub fn code_uses(&self, code: &str) -> CodeUses {
        self.0.people().uses(code)
    }

    /// The open id of a user in an app; `alice`, `bob` and `carol` follow every account unless that is changed.
    pub fn openid(&self, appid: &str, user: &str) -> Result<String, UnknownApp> {
        let person = self.person(appid, user)?;
        Ok(self.0.people().openid(&person))
    }

    /// What WeChat tells of a user.
    pub fn profile(&self, user: &str) -> Profile {
        self.0.people().profile(&Person::new(0, user))
    }

    /// Changes what WeChat tells of a user, in all apps.
    pub fn change_profile(&self, user: &str, change: impl FnOnce(&mut Profile)) {
        let mut profile = self.profile(user);
        change(&mut profile);
        self.0.people().set_profile(user, profile);
    }

    /// The user takes back what they granted the app, or changes the password: 42007. Gives how many grants that ended.
    pub fn revoke(&self, appid: &str, user: &str) -> Result<usize, UnknownApp> {
        let person = self.person(appid, user)?;
        Ok(self.0.people().revoke(&person))
    }

    /// How an app meets its users.
    pub fn user_settings(&self, appid: &str) -> Result<UserSettings, UnknownApp> {
        Ok(self.0.app(appid)?.lock().users())
    }

    /// Changes how an app meets its users.
    pub fn change_user_settings(
        &self,
        appid: &str,
        change: impl FnOnce(&mut UserSettings),
    ) -> Result<(), UnknownApp> {
        let app = self.0.app(appid)?;
        let mut state = app.lock();
        let mut settings = state.users();
        change(&mut settings);
        state.set_users(settings);
        Ok(())
    }

    /// The user's session key in a mini program, if they logged in.
    pub fn session_key(&self, appid: &str, user: &str) -> Result<Option<String>, UnknownApp> {
        let person = self.person(appid, user)?;
        let mut people = self.0.people();
        let openid = people.openid(&person);
        Ok(people.session_key(&openid).map(str::to_owned))
    }

    /// The user logs in once more, elsewhere: an earlier session key is no good any longer.
    pub fn replace_session(&self, appid: &str, user: &str) -> Result<(), UnknownApp> {
        let person = self.person(appid, user)?;
        let mut people = self.0.people();
        let openid = people.openid(&person);
        people.open_session(&openid);
        Ok(())
    }

    /// What the user's phone hands a mini program, encrypted with the session key; `watermark` is the AppID that stands
    /// in it, if not the app's own.
    pub fn encrypted(
        &self,
        appid: &str,
        user: &str,
        what: Encrypted,
        watermark: Option<&str>,
    ) -> Result<EncryptedData, EncryptError> {
        let person = self.person(appid, user)?;
        let bound = self.user_settings(appid)?.bound;
        let written = self.0.rules().dress.country_code;
        let mut people = self.0.people();
        let (openid, profile) = (people.openid(&person), people.profile(&person));
        let unionid = people.unionid(&person).filter(|_| bound);
        let iv = people.fresh_iv();
        let no_session = || EncryptError::NoSession(user.to_owned());
        let key = people.session_key(&openid).ok_or_else(no_session)?;
        let mut raw = json!({
            "nickName": profile.nickname,
            "gender": profile.sex,
            "language": "zh_CN",
            "city": profile.city,
            "province": profile.province,
            "country": profile.country,
            "avatarUrl": profile.headimgurl,
        });
        let raw_data = raw.to_string();
        let plain = match what {
            Encrypted::Profile => {
                raw["openId"] = openid.clone().into();
                if let Some(unionid) = unionid {
                    raw["unionId"] = unionid.into();
                }
                &mut raw
            }
            Encrypted::Phone => &mut phone(&profile, written),
        };
        plain["watermark"] =
            json!({"timestamp": self.now().unix_s(), "appid": watermark.unwrap_or(appid)});
        seal(key, iv, &plain.to_string(), raw_data).ok_or_else(no_session)
    }

    fn person(&self, appid: &str, user: &str) -> Result<Person, UnknownApp> {
        Ok(Person::new(self.0.app(appid)?.lock().index, user))
    }
}
