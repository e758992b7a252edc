//! Somebody comes to a page with an app's wish: who, for which app, back to where.

use http::header;

use super::html;
use crate::{
    apps::AppKind,
    http::{Answer, Asked, decode, encode},
    people::{NewCode, Person, Profile, Purpose},
};

/// The cookie in which `/_sim/login` notes who looks at the pages.
pub(crate) const LOGGED_IN: &str = "wxsim_user";

/// Which page it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    /// Web OAuth inside WeChat.
    Consent,
    /// A website's login, by scanning a code.
    Scan,
}

impl Page {
    fn grants(self, scope: &str, kind: AppKind) -> bool {
        match (self, kind) {
            (Self::Consent, AppKind::Official | AppKind::Test) => {
                ["snsapi_base", "snsapi_userinfo"].contains(&scope)
            }
            (Self::Scan, AppKind::Website) => scope == "snsapi_login",
            (Self::Consent, AppKind::Mini | AppKind::Website)
            | (Self::Scan, AppKind::Official | AppKind::Test | AppKind::Mini) => false,
        }
    }
}

/// A visit that WeChat lets go on.
pub(super) struct Visit<'a> {
    asked: &'a Asked<'a>,
    page: Page,
    appid: &'a str,
    kind: AppKind,
    person: Person,
    profile: Profile,
    redirect: &'a str,
    scope: &'a str,
}

impl<'a> Visit<'a> {
    /// The visit, or the number of the error page.
    pub(super) fn of(asked: &'a Asked<'a>, page: Page) -> Result<Self, u32> {
        let params = &asked.ask.params;
        params.filled("appid").ok_or(10012_u32)?;
        let app = asked.app.as_ref().ok_or(10016_u32)?;
        let (index, kind, settings) = {
            let state = app.lock();
            (state.index, state.kind, state.users())
        };
        if let Some(number) = settings.error_page {
            return Err(number);
        }
        let redirect = params.filled("redirect_uri").ok_or(10011_u32)?;
        if !settings.may_return_to(redirect) {
            return Err(10003);
        }
        let scope = params.filled("scope").ok_or(10010_u32)?;
        if !page.grants(scope, kind) {
            return Err(10005);
        }
        let name = match params.filled("user") {
            Some(name) => name.to_owned(),
            None => logged_in(asked.ask.headers).unwrap_or_else(|| "alice".to_owned()),
        };
        let snapshot = page == Page::Consent && is_true(params.get("forceSnapShot"));
        let person = Person {
            snapshot,
            ..Person::new(index, &name)
        };
        let profile = asked.shared.people().profile(&person);
        if kind == AppKind::Test && !profile.follows {
            return Err(10006);
        }
        Ok(Self {
            asked,
            page,
            appid: &app.appid,
            kind,
            person,
            profile,
            redirect,
            scope,
        })
    }

    pub(super) fn is_snapshot(&self) -> bool {
        self.person.snapshot
    }

    /// Whether nobody is asked. `forcePopup` says nothing against followers who come from the menu.
    pub(super) fn is_silent(&self) -> bool {
        let params = &self.asked.ask.params;
        let from_menu = params.get("entry") == Some("menu") && self.profile.follows;
        from_menu || (self.scope == "snsapi_base" && !is_true(params.get("forcePopup")))
    }

    /// The page with the two buttons.
    pub(super) fn question(&self, reply: &str) -> Answer {
        let link = |answer: &str| format!("{reply}?answer={answer}&{}", self.asked.ask.query);
        html::question(&html::Question {
            title: match self.page {
                Page::Consent => "微信授权 WeChat authorization",
                Page::Scan => "微信登录 WeChat login",
            },
            appid: self.appid,
            wants: match self.scope {
                "snsapi_base" => "你的身份 · who you are",
                _ => "你的昵称、头像 · your name and picture",
            },
            nickname: &self.profile.nickname,
            allow: &link("allow"),
            deny: &link("deny"),
        })
    }

    /// Back to the site with a code. The query goes before the site's fragment.
    pub(super) fn with_code(&self) -> String {
        let new = NewCode {
            person: self.person.clone(),
            purpose: Purpose::Web,
            scope: self.scope,
            website: self.kind == AppKind::Website,
        };
        let code = self.asked.shared.people().code(new, self.asked.now);
        self.back(Some(format!("code={code}")))
    }

    /// Back to the site with the state alone.
    pub(super) fn without_code(&self) -> String {
        self.back(None)
    }

    fn back(&self, code: Option<String>) -> String {
        let state = self.asked.ask.params.get("state");
        let state = state.map(|state| format!("state={}", encode(state)));
        let added: Vec<String> = code.into_iter().chain(state).collect();
        let (before, fragment) = match self.redirect.split_once('#') {
            Some((before, fragment)) => (before, format!("#{fragment}")),
            None => (self.redirect, String::new()),
        };
        let joint = match (added.is_empty(), before.contains('?')) {
            (true, _) => "",
            (false, true) => "&",
            (false, false) => "?",
        };
        format!("{before}{joint}{}{fragment}", added.join("&"))
    }
}

/// Whom the cookie names.
pub(crate) fn logged_in(headers: &http::HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .find_map(|cookie| cookie.trim().strip_prefix(LOGGED_IN)?.strip_prefix('='))
        .map(|name| decode(name).into_owned())
        .filter(|name| !name.is_empty())
}

fn is_true(value: Option<&str>) -> bool {
    matches!(value, Some("1" | "true"))
}
