//! WeChat's endpoints, one file per feature, and the table that finds them.
//!
//! Owns: which path leads where, and what must be shown at the door. Must not know: connections, faults.

mod addresses;
mod connect;
mod generic;
mod login;
mod media;
mod messages;
mod quota;
mod sns;
mod ticket;
mod token;
mod users;
mod wxacode;

pub(crate) use connect::{LOGGED_IN, logged_in};
pub(crate) use login::phone;

use std::{collections::HashMap, sync::LazyLock};

use crate::{
    errcode::{Family, Refusal},
    http::{Answer, Ask, Asked},
};

/// What a caller must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The app's token, as `access_token` in the query.
    Token,
    /// The AppSecret; the AppID is found as said.
    Secret(Names),
    /// A user's web token.
    User,
    /// Nothing: a page for browsers.
    Open,
}

/// Where a call by AppSecret names its app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// In the query.
    Query,
    /// In the JSON body.
    Body,
    /// In either.
    Either,
}

impl Names {
    /// The value of a parameter, unless it is empty.
    pub(crate) fn value<'a>(self, ask: &'a Ask<'_>, name: &str) -> Option<&'a str> {
        let body = || ask.field(name).filter(|value| !value.is_empty());
        match self {
            Self::Query => ask.params.filled(name),
            Self::Body => body(),
            Self::Either => ask.params.filled(name).or_else(body),
        }
    }

    pub(crate) fn appid<'a>(self, ask: &'a Ask<'_>) -> Option<&'a str> {
        self.value(ask, "appid")
    }
}

/// One endpoint.
pub(crate) struct Route {
    pub(crate) path: &'static str,
    pub(crate) door: Door,
    pub(crate) family: Family,
    /// How much of a body is kept for the handler.
    pub(crate) keeps_body: usize,
    pub(crate) handler: fn(&Asked<'_>) -> Result<Answer, Refusal>,
}

/// A JSON body is never longer than this.
const JSON_BODY: usize = 64 * 1024;

impl Route {
    const fn new(
        path: &'static str,
        door: Door,
        family: Family,
        handler: fn(&Asked<'_>) -> Result<Answer, Refusal>,
    ) -> Self {
        Self {
            path,
            door,
            family,
            keeps_body: JSON_BODY,
            handler,
        }
    }

    /// A `/cgi-bin` or `/wxa` API called with the app's token.
    const fn api(path: &'static str, handler: fn(&Asked<'_>) -> Result<Answer, Refusal>) -> Self {
        Self::new(path, Door::Token, Family::Cgi, handler)
    }
}

impl Route {
    /// Whether it answers minted values: a token or a ticket with `expires_in`.
    pub(crate) fn mints(&self) -> bool {
        [
            "/cgi-bin/token",
            "/cgi-bin/stable_token",
            "/cgi-bin/ticket/getticket",
            "/sns/oauth2/access_token",
        ]
        .contains(&self.path)
    }
}

static ROUTES: LazyLock<HashMap<&'static str, &'static Route>> = LazyLock::new(|| {
    let features = [
        connect::ROUTES,
        login::ROUTES,
        media::ROUTES,
        messages::ROUTES,
        sns::ROUTES,
        users::ROUTES,
        wxacode::ROUTES,
        token::ROUTES,
        ticket::ROUTES,
        addresses::ROUTES,
        quota::ROUTES,
    ];
    features
        .into_iter()
        .flatten()
        .map(|route| (route.path, route))
        .collect()
});

/// Where a path leads; every unknown one is a plain API that wants a token.
pub(crate) fn route(path: &str) -> &'static Route {
    ROUTES.get(path).copied().unwrap_or(&generic::ROUTE)
}

/// 43002 unless it is a POST.
fn require_post(asked: &Asked<'_>) -> Result<(), Refusal> {
    if asked.ask.method == http::Method::POST {
        Ok(())
    } else {
        Err(Refusal::of(43002))
    }
}

/// The JSON body of a POST: 43002, 44002 or 47001 without one.
fn require_json<'a>(asked: &'a Asked<'_>) -> Result<&'a serde_json::Value, Refusal> {
    require_post(asked)?;
    if asked.ask.body_len == 0 {
        return Err(Refusal::of(44002));
    }
    asked
        .ask
        .json()
        .filter(|json| json.is_object())
        .ok_or_else(|| Refusal::of(47001))
}
