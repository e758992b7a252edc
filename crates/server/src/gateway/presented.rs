//! What stands in the token parameters of a call: a virtual token, a real one of ours, a user's, or something else.
//!
//! Must not know: what follows from it.

use std::ops::Range;

use wxtoken_core::app::AppId;
use wxtoken_core::clock::Now;
use wxtoken_core::credential::{Kind, ValueId};

use super::family::Family;
use super::query::{self, Parameter};
use super::refusal::Refusal;
use super::virtual_token::{Claims, NotVirtual};
use super::web_tokens::UserToken;
use crate::http::services::Services;

/// Where an app's token stands.
const APP_TOKEN: &str = "access_token";
/// A third-party platform's own token: no app's, so nothing is put in beside it.
const COMPONENT: &str = "component_access_token";
/// Where a user's refresh token stands.
const REFRESH: &str = "refresh_token";
/// All of them. An authorizer's token is that of an app as well.
const TOKENS: &[&str] = &[APP_TOKEN, "authorizer_access_token", COMPONENT, REFRESH];

/// So many token parameters may one query have.
const MOST: usize = 4;

/// What a token parameter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// A virtual token that is good now.
    Virtual(Claims),
    /// Something that looks like a virtual token and is none, or none any more.
    NotVirtual(NotVirtual),
    /// A real token of an app of ours, handed out now or lately.
    Ours(AppId),
    /// A user's web token that an exchange here gave.
    Web(AppId),
    /// A user's refresh token that an exchange here gave.
    Refresh(AppId),
    /// Nothing, or nothing we know.
    Other,
}

/// The token parameters of a query.
#[derive(Debug)]
pub(crate) struct Presented {
    /// Where values stand, and what they are.
    pub(crate) held: Vec<(Range<usize>, Held)>,
    /// What stands in the place of a refresh token.
    pub(crate) renewing: Vec<Held>,
    /// Whether a platform's own token is there.
    pub(crate) component: bool,
}

impl Presented {
    /// What a query holds. While stored records are read, a value that nobody knows may be one of ours: that is waited for.
    /// More token parameters than any call has are refused before any of them is looked at.
    pub(crate) async fn in_query(
        services: &Services,
        query: Option<&str>,
    ) -> Result<Self, Refusal> {
        let keeper = &services.keeper;
        let id_of = |value: &str| keeper.id_of(value);
        if let Some(presented) = Self::at_once(services, query, keeper.now(), id_of)? {
            return Ok(presented);
        }
        keeper.until_read(services.limits.first_token_wait).await;
        let tokens = Tokens::find(query.unwrap_or_default())?;
        Ok(tokens.look(services, keeper.now(), id_of))
    }

    /// What a query holds; none if it is better waited for. `id_of` tells values' keyed hashes.
    pub(crate) fn at_once(
        services: &Services,
        query: Option<&str>,
        now: Now,
        id_of: impl FnMut(&str) -> ValueId,
    ) -> Result<Option<Self>, Refusal> {
        let tokens = Tokens::find(query.unwrap_or_default())?;
        let keeper = &services.keeper;
        // Asked first: what is read in between is known then.
        let reading = keeper.is_reading();
        let presented = tokens.look(services, now, id_of);
        let is_unknown = presented.each().any(|held| held == Held::Other);
        Ok((!is_unknown || !reading).then_some(presented))
    }

    /// What is presented, apart from what nobody knows.
    pub(crate) fn each(&self) -> impl Iterator<Item = Held> + '_ {
        self.held.iter().map(|(_, held)| *held)
    }

    /// Whose user's token a call for users carries, if that is known: the call is told as that app's.
    pub(crate) fn users_app(&self, path: &str) -> Option<AppId> {
        let app = self.each().find_map(|held| match held {
            Held::Web(app) | Held::Refresh(app) => Some(app),
            Held::Virtual(_) | Held::NotVirtual(_) | Held::Ours(_) | Held::Other => None,
        })?;
        (Family::of(path) == Family::User).then_some(app)
    }

    /// Whether the app's token is put in: not beside a platform's own, whose death says nothing of ours.
    pub(crate) fn takes_app_token(&self, family: Family) -> bool {
        let platforms = self.component && self.held.is_empty();
        family.takes_app_token() && !platforms
    }

    /// The query with the app's token in its place.
    pub(crate) fn with_token(&self, query: Option<&str>, token: &str) -> Option<String> {
        if self.held.is_empty() {
            return match (self.component, query) {
                (true, query) => query.map(str::to_owned),
                (false, query) => Some(query::append(query, APP_TOKEN, token)),
            };
        }
        let places = self.held.iter().map(|(place, _)| (place.clone(), token));
        Some(query::replace(query.unwrap_or_default(), places))
    }
}

/// The token parameters of a query before they are looked at.
struct Tokens<'q> {
    of_apps: Vec<Parameter<'q>>,
    renewing: Vec<Parameter<'q>>,
    component: bool,
}

impl<'q> Tokens<'q> {
    fn find(query: &'q str) -> Result<Self, Refusal> {
        let (mut of_apps, mut renewing, mut component) = (Vec::new(), Vec::new(), false);
        for parameter in query::find(query, TOKENS) {
            if parameter.name == COMPONENT {
                component = true;
            } else if of_apps.len() + renewing.len() == MOST {
                return Err(Refusal::TOO_MANY_TOKENS);
            } else if parameter.name == REFRESH {
                renewing.push(parameter);
            } else {
                of_apps.push(parameter);
            }
        }
        Ok(Self {
            of_apps,
            renewing,
            component,
        })
    }

    fn look(
        self,
        services: &Services,
        now: Now,
        mut id_of: impl FnMut(&str) -> ValueId,
    ) -> Presented {
        let mut look = |Parameter { place, value, .. }| {
            let value = value.as_deref().unwrap_or_default();
            (place, known(services, value, now, &mut id_of))
        };
        let renewing = self.renewing.into_iter().map(|one| look(one).1).collect();
        Presented {
            renewing,
            held: self.of_apps.into_iter().map(look).collect(),
            component: self.component,
        }
    }
}

fn known(
    services: &Services,
    value: &str,
    now: Now,
    id_of: &mut impl FnMut(&str) -> ValueId,
) -> Held {
    let gateway = &services.gateway;
    match gateway.virtual_tokens.check(value, now.wall) {
        Ok(claims) => return Held::Virtual(claims),
        Err(NotVirtual::Foreign) => {}
        Err(why) => return Held::NotVirtual(why),
    }
    if value.is_empty() {
        return Held::Other;
    }
    let id = id_of(value);
    let owned = services.keeper.owner_of(id);
    if let Some(owned) = owned.filter(|owned| owned.kind == Kind::AccessToken) {
        Held::Ours(owned.app)
    } else {
        match gateway.web_tokens.find(id) {
            Some((app, UserToken::Web)) => Held::Web(app),
            Some((app, UserToken::Refresh)) => Held::Refresh(app),
            None => Held::Other,
        }
    }
}
