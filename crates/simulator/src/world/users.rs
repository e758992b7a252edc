//! What a test may let users do.

use serde::Deserialize;

use super::{UnknownApp, World};
use crate::{
    apps::AppKind,
    people::{Person, Purpose},
};

/// What a user does to give an app a one-time code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserCode {
    /// Consents to web OAuth with scope `snsapi_userinfo` (for a website app `snsapi_login`).
    Web,
    /// Comes by web OAuth with scope `snsapi_base`: the open id only.
    WebBase,
    /// Opens a mini program that calls `wx.login`.
    Login,
    /// Presses the button that shows the phone number.
    Phone,
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
            UserCode::Web => (Purpose::Web, "snsapi_userinfo"),
            UserCode::WebBase => (Purpose::Web, "snsapi_base"),
            UserCode::Login => (Purpose::Login, ""),
            UserCode::Phone => (Purpose::Phone, ""),
        };
        let person = Person {
            app: index,
            name: user.to_owned(),
        };
        Ok(self
            .0
            .people()
            .code(person, purpose, scope, website, self.now()))
    }

    /// The open id of a user in an app; `alice`, `bob` and `carol` follow every account.
    pub fn openid(&self, appid: &str, user: &str) -> Result<String, UnknownApp> {
        let app = self.0.app(appid)?.lock().index;
        Ok(self.0.people().openid(&Person {
            app,
            name: user.to_owned(),
        }))
    }
}
