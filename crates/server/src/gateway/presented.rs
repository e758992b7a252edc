//! What stands in the token parameters of a call: a virtual token, a real one of ours, a user's, or something else.
//!
//! Must not know: what follows from it.

use std::ops::Range;

use wxtoken_core::app::AppId;
use wxtoken_core::credential::Kind;

use super::Gateway;
use super::family::Family;
use super::query;
use super::refusal::Refusal;
use super::virtual_token::{Claims, NotVirtual};
use crate::http::services::Services;
use crate::keeper::Keeper;

/// Where an app's token stands. An authorizer's is that of an app as well.
const APP_TOKEN: &[&str] = &["access_token", "authorizer_access_token"];
/// A third-party platform's own token: no app's, so nothing is put in beside it.
const COMPONENT: &[&str] = &["component_access_token"];

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
    /// Nothing, or nothing we know.
    Other,
}

/// The token parameters of a query.
#[derive(Debug)]
pub(crate) struct Presented {
    /// Where values stand, and what they are.
    pub(crate) held: Vec<(Range<usize>, Held)>,
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
        if let Some(presented) = Self::at_once(services, query)? {
            return Ok(presented);
        }
        let keeper = &services.keeper;
        keeper.until_read(services.limits.first_token_wait).await;
        Ok(Self::look(&services.gateway, keeper, query))
    }

    /// What a query holds; none if it is better waited for.
    pub(crate) fn at_once(
        services: &Services,
        query: Option<&str>,
    ) -> Result<Option<Self>, Refusal> {
        let names = query::find(query.unwrap_or_default(), APP_TOKEN);
        if names.take(MOST + 1).count() > MOST {
            return Err(Refusal::TOO_MANY_TOKENS);
        }
        let (gateway, keeper) = (&services.gateway, &services.keeper);
        // Asked first: what is read in between is known then.
        let reading = keeper.is_reading();
        let presented = Self::look(gateway, keeper, query);
        let is_unknown = presented.each().any(|held| held == Held::Other);
        Ok((!is_unknown || !reading).then_some(presented))
    }

    fn look(gateway: &Gateway, keeper: &Keeper, query: Option<&str>) -> Self {
        let query = query.unwrap_or_default();
        let known = |value: Option<&str>| known(gateway, keeper, value.unwrap_or_default());
        Self {
            held: query::find(query, APP_TOKEN)
                .map(|parameter| (parameter.place, known(parameter.value.as_deref())))
                .collect(),
            component: query::find(query, COMPONENT).next().is_some(),
        }
    }

    /// What is presented, apart from what nobody knows.
    pub(crate) fn each(&self) -> impl Iterator<Item = Held> + '_ {
        self.held.iter().map(|(_, held)| *held)
    }

    /// Whose user's token a call for users carries, if that is known: the call is told as that app's.
    pub(crate) fn users_app(&self, path: &str) -> Option<AppId> {
        let app = self.each().find_map(|held| match held {
            Held::Web(app) => Some(app),
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
                (false, query) => Some(query::append(query, APP_TOKEN[0], token)),
            };
        }
        let places = self.held.iter().map(|(place, _)| (place.clone(), token));
        Some(query::replace(query.unwrap_or_default(), places))
    }
}

fn known(gateway: &Gateway, keeper: &Keeper, value: &str) -> Held {
    match gateway.virtual_tokens.check(value, keeper.now().wall) {
        Ok(claims) => return Held::Virtual(claims),
        Err(NotVirtual::Foreign) => {}
        Err(why) => return Held::NotVirtual(why),
    }
    if value.is_empty() {
        return Held::Other;
    }
    let id = keeper.id_of(value);
    if let Some(owned) = keeper
        .owner_of(id)
        .filter(|owned| owned.kind == Kind::AccessToken)
    {
        Held::Ours(owned.app)
    } else {
        gateway.web_tokens.app_of(id).map_or(Held::Other, Held::Web)
    }
}
