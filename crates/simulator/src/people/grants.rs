//! What users granted apps through web OAuth: web tokens and the refresh tokens behind them.

use std::time::Duration;

use super::{Bounded, Person};
use crate::{clock::SimTime, errcode::Refusal};

/// A web token.
const LIFETIME: Duration = Duration::from_secs(7200);
/// A refresh token.
const REFRESH_LIFETIME: Duration = Duration::from_secs(30 * 86_400);

/// What a user granted an app through web OAuth.
#[derive(Debug, Clone)]
pub(crate) struct UserGrant {
    pub(crate) person: Person,
    pub(crate) scope: String,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    expires: SimTime,
    refresh_expires: SimTime,
    /// The user took it back: 42007, whatever is shown of it.
    revoked: bool,
    /// A later consent ended the refresh token: 40030. The web token lives on.
    superseded: bool,
}

impl UserGrant {
    /// Whether the user let the app see more than the open id.
    pub(crate) fn shows_profile(&self) -> bool {
        self.scope
            .split(',')
            .any(|scope| scope == "snsapi_userinfo" || scope == "snsapi_login")
    }
}

#[derive(Default)]
pub(super) struct Grants {
    /// By refresh token.
    grants: Bounded<UserGrant>,
    /// From web token to refresh token.
    refresh_of: Bounded<String>,
}

impl Grants {
    /// Grants a web token.
    pub(super) fn grant(
        &mut self,
        (person, scope): (Person, String),
        (access_token, refresh_token): (String, String),
        now: SimTime,
    ) -> UserGrant {
        let grant = UserGrant {
            person,
            scope,
            access_token,
            refresh_token,
            expires: now.plus(LIFETIME),
            refresh_expires: now.plus(REFRESH_LIFETIME),
            revoked: false,
            superseded: false,
        };
        self.refresh_of
            .put(grant.access_token.clone(), grant.refresh_token.clone());
        self.grants.put(grant.refresh_token.clone(), grant.clone());
        grant
    }

    /// The same web token with its time extended while it lives, `fresh` afterwards: 40030, 42002, 42007.
    pub(super) fn refresh(
        &mut self,
        app: u32,
        refresh_token: &str,
        fresh: String,
        now: SimTime,
    ) -> Result<UserGrant, Refusal> {
        let grant = self
            .grants
            .get_mut(refresh_token)
            .filter(|grant| grant.person.app == app && !grant.superseded)
            .ok_or_else(|| Refusal::of(40030))?;
        if grant.revoked {
            return Err(Refusal::of(42007));
        }
        if now >= grant.refresh_expires {
            return Err(Refusal::of(42002));
        }
        if now >= grant.expires {
            grant.access_token = fresh;
        }
        grant.expires = now.plus(LIFETIME);
        let grant = grant.clone();
        self.refresh_of
            .put(grant.access_token.clone(), refresh_token.to_owned());
        Ok(grant)
    }

    /// Whose web token this is: 40001 when nobody's, 42001 when its time is over, 42007 when it was taken back.
    pub(super) fn granted(&self, access_token: &str, now: SimTime) -> Result<&UserGrant, Refusal> {
        let grant = self
            .refresh_of
            .get(access_token)
            .and_then(|refresh| self.grants.get(refresh));
        let grant = grant
            .filter(|grant| grant.access_token == access_token)
            .ok_or_else(|| Refusal::of(40001))?;
        if grant.revoked {
            return Err(Refusal::of(42007));
        }
        if now < grant.expires {
            Ok(grant)
        } else {
            Err(Refusal::of(42001))
        }
    }

    /// The person takes back whatever they granted the app so far; gives how many grants that were.
    pub(super) fn revoke(&mut self, person: &Person) -> usize {
        self.of(person)
            .map(|grant| std::mem::replace(&mut grant.revoked, true))
            .filter(|already| !already)
            .count()
    }

    /// Ends the refresh tokens of whatever the person granted the app so far.
    pub(super) fn supersede(&mut self, person: &Person) {
        for grant in self.of(person) {
            grant.superseded = true;
        }
    }

    fn of(&mut self, person: &Person) -> impl Iterator<Item = &mut UserGrant> {
        self.grants
            .values_mut()
            .filter(move |grant| grant.person == *person)
    }
}
