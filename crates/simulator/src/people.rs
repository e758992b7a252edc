//! The users of the simulated WeChat: their open ids, their one-time codes, their web tokens and sessions.
//!
//! Owns: what one *user* gave an app. Must not know: the apps' own tokens, HTTP. Takes `now` as a parameter.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::{
    clock::SimTime,
    errcode::Refusal,
    token::{Minter, mix},
};

/// A one-time code lives this long; for website apps twice as long.
const CODE_LIFETIME: Duration = Duration::from_secs(300);
/// A web token.
const GRANT_LIFETIME: Duration = Duration::from_secs(7200);
/// A refresh token.
const REFRESH_LIFETIME: Duration = Duration::from_secs(30 * 86_400);
/// The simulator forgets the oldest beyond so many of a sort.
const MOST: usize = 50_000;

/// What a one-time code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Web OAuth: `/sns/oauth2/access_token`.
    Web,
    /// `wx.login`: `/sns/jscode2session`.
    Login,
    /// The phone-number button: `getuserphonenumber`.
    Phone,
}

/// A user of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) app: u32,
    pub(crate) name: String,
}

struct Code {
    person: Person,
    purpose: Purpose,
    scope: String,
    expires: SimTime,
    used: bool,
}

/// What a user granted an app through web OAuth.
#[derive(Debug, Clone)]
pub(crate) struct UserGrant {
    pub(crate) person: Person,
    pub(crate) scope: String,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    expires: SimTime,
    refresh_expires: SimTime,
}

impl UserGrant {
    /// Whether the user let the app see more than the open id.
    pub(crate) fn shows_profile(&self) -> bool {
        self.scope
            .split(',')
            .any(|scope| scope == "snsapi_userinfo" || scope == "snsapi_login")
    }
}

/// All users, as far as anyone has met them.
pub(crate) struct People {
    minter: Minter,
    next: u64,
    codes: Bounded<Code>,
    /// By refresh token.
    grants: Bounded<UserGrant>,
    /// From web token to refresh token.
    refresh_of: Bounded<String>,
    /// By open id.
    met: Bounded<Person>,
    /// By open id.
    sessions: Bounded<String>,
}

impl People {
    pub(crate) fn new(minter: Minter) -> Self {
        Self {
            minter,
            next: 0,
            codes: Bounded::default(),
            grants: Bounded::default(),
            refresh_of: Bounded::default(),
            met: Bounded::default(),
            sessions: Bounded::default(),
        }
    }

    /// The same person has another open id in every app.
    pub(crate) fn openid(&mut self, person: &Person) -> String {
        let text = self
            .minter
            .text(20, name_hash(&person.name) ^ mix(u64::from(person.app) + 1));
        let openid = format!("o{}", &text[..27]);
        if self.met.get(&openid).is_none() {
            self.met.put(openid.clone(), person.clone());
        }
        openid
    }

    /// The same person has one union id in all apps.
    pub(crate) fn unionid(&self, name: &str) -> String {
        format!("u{}", &self.minter.text(20, name_hash(name))[..27])
    }

    /// Who has this open id in this app.
    pub(crate) fn with_openid(&self, app: u32, openid: &str) -> Option<&Person> {
        self.met.get(openid).filter(|person| person.app == app)
    }

    /// A person does something in WeChat that gives an app a one-time code.
    pub(crate) fn code(
        &mut self,
        person: Person,
        purpose: Purpose,
        scope: &str,
        website: bool,
        now: SimTime,
    ) -> String {
        self.openid(&person);
        let bytes = if purpose == Purpose::Phone { 48 } else { 24 };
        let text = self.fresh(bytes);
        let expires = now.plus(CODE_LIFETIME * if website { 2 } else { 1 });
        let code = Code {
            person,
            purpose,
            scope: scope.to_owned(),
            expires,
            used: false,
        };
        self.codes.put(text.clone(), code);
        text
    }

    /// Redeems a one-time code: 40029 unknown, 40163 used, 42003 too late.
    pub(crate) fn redeem(
        &mut self,
        app: u32,
        text: &str,
        purpose: Purpose,
        now: SimTime,
    ) -> Result<(Person, String), Refusal> {
        let code = self
            .codes
            .get_mut(text)
            .filter(|code| code.person.app == app && code.purpose == purpose);
        let code = code.ok_or_else(|| Refusal::of(40029))?;
        if code.used {
            return Err(Refusal::of(40163));
        }
        if now >= code.expires {
            return Err(Refusal::of(42003));
        }
        code.used = true;
        Ok((code.person.clone(), code.scope.clone()))
    }

    /// Grants a web token.
    pub(crate) fn grant(&mut self, person: Person, scope: String, now: SimTime) -> UserGrant {
        let grant = UserGrant {
            person,
            scope,
            access_token: format!("98_{}", self.fresh(80)),
            refresh_token: format!("98_{}", self.fresh(80)),
            expires: now.plus(GRANT_LIFETIME),
            refresh_expires: now.plus(REFRESH_LIFETIME),
        };
        self.refresh_of
            .put(grant.access_token.clone(), grant.refresh_token.clone());
        self.grants.put(grant.refresh_token.clone(), grant.clone());
        grant
    }

    /// The same web token with its time extended while it lives, a new one afterwards: 40030, 42002.
    pub(crate) fn refresh(
        &mut self,
        app: u32,
        refresh_token: &str,
        now: SimTime,
    ) -> Result<UserGrant, Refusal> {
        let fresh = format!("98_{}", self.fresh(80));
        let grant = self
            .grants
            .get_mut(refresh_token)
            .filter(|grant| grant.person.app == app);
        let grant = grant.ok_or_else(|| Refusal::of(40030))?;
        if now >= grant.refresh_expires {
            return Err(Refusal::of(42002));
        }
        if now >= grant.expires {
            grant.access_token = fresh;
        }
        grant.expires = now.plus(GRANT_LIFETIME);
        let grant = grant.clone();
        self.refresh_of
            .put(grant.access_token.clone(), refresh_token.to_owned());
        Ok(grant)
    }

    /// Whose web token this is: 40001 when nobody's, 42001 when its time is over.
    pub(crate) fn granted(&self, access_token: &str, now: SimTime) -> Result<&UserGrant, Refusal> {
        let grant = self
            .refresh_of
            .get(access_token)
            .and_then(|refresh| self.grants.get(refresh));
        let grant = grant
            .filter(|grant| grant.access_token == access_token)
            .ok_or_else(|| Refusal::of(40001))?;
        if now < grant.expires {
            Ok(grant)
        } else {
            Err(Refusal::of(42001))
        }
    }

    /// Opens a mini-program session, or a new one in its place; gives the session key.
    pub(crate) fn open_session(&mut self, openid: &str) -> String {
        // 16 bytes as padded base64, as WeChat writes it; the URL alphabet's two letters stay out of it.
        let key = format!("{}==", self.fresh(16).replace('-', "+").replace('_', "/"));
        self.sessions.put(openid.to_owned(), key.clone());
        key
    }

    pub(crate) fn session_key(&self, openid: &str) -> Option<&str> {
        self.sessions.get(openid).map(String::as_str)
    }

    /// Text nobody has seen before.
    pub(crate) fn fresh(&mut self, bytes: usize) -> String {
        self.next += 1;
        self.minter.text(bytes, mix(self.next ^ 0x7065_6f70_6c65))
    }
}

fn name_hash(name: &str) -> u64 {
    name.bytes().fold(
        0x70_6572_736f_6e00,
        |hash, byte| mix(hash ^ u64::from(byte)),
    )
}

/// A map that forgets its oldest entries.
struct Bounded<V> {
    entries: HashMap<String, V>,
    order: VecDeque<String>,
}

impl<V> Default for Bounded<V> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<V> Bounded<V> {
    fn put(&mut self, key: String, value: V) {
        if self.entries.insert(key.clone(), value).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }

    fn get(&self, key: &str) -> Option<&V> {
        self.entries.get(key)
    }

    fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        self.entries.get_mut(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> SimTime {
        SimTime::from_unix_ms(s * 1000)
    }

    fn alice(app: u32) -> Person {
        Person {
            app,
            name: "alice".into(),
        }
    }

    fn code_of<T: std::fmt::Debug>(result: Result<T, Refusal>) -> i64 {
        result.unwrap_err().code
    }

    #[test]
    fn a_code_works_once_for_five_minutes_in_its_app_and_for_its_purpose() {
        let mut people = People::new(Minter::new(1));
        let code = people.code(alice(1), Purpose::Web, "snsapi_base", false, at(0));
        assert_eq!(code_of(people.redeem(2, &code, Purpose::Web, at(1))), 40029);
        assert_eq!(
            code_of(people.redeem(1, &code, Purpose::Login, at(1))),
            40029
        );
        assert_eq!(
            people.redeem(1, &code, Purpose::Web, at(299)).unwrap().0,
            alice(1)
        );
        assert_eq!(
            code_of(people.redeem(1, &code, Purpose::Web, at(299))),
            40163
        );
        let late = people.code(alice(1), Purpose::Web, "", false, at(0));
        assert_eq!(
            code_of(people.redeem(1, &late, Purpose::Web, at(300))),
            42003
        );
        let website = people.code(alice(1), Purpose::Web, "", true, at(0));
        assert!(people.redeem(1, &website, Purpose::Web, at(599)).is_ok());
    }

    #[test]
    fn a_web_token_is_extended_while_it_lives_and_replaced_afterwards() {
        let mut people = People::new(Minter::new(1));
        let first = people.grant(alice(1), "snsapi_base".into(), at(0));
        let same = people.refresh(1, &first.refresh_token, at(7000)).unwrap();
        assert_eq!(same.access_token, first.access_token);
        assert!(people.granted(&first.access_token, at(14_199)).is_ok());
        assert_eq!(
            code_of(people.granted(&first.access_token, at(14_200))),
            42001
        );
        let new = people.refresh(1, &first.refresh_token, at(14_200)).unwrap();
        assert_ne!(new.access_token, first.access_token);
        assert_eq!(
            code_of(people.granted(&first.access_token, at(14_201))),
            40001
        );
        assert_eq!(
            code_of(people.refresh(2, &first.refresh_token, at(14_201))),
            40030
        );
        assert_eq!(
            code_of(people.refresh(1, &first.refresh_token, at(30 * 86_400))),
            42002
        );
    }

    #[test]
    fn a_person_has_one_union_id_and_an_open_id_per_app() {
        let mut people = People::new(Minter::new(1));
        let (one, two) = (people.openid(&alice(1)), people.openid(&alice(2)));
        assert_ne!(one, two);
        assert_eq!(one.len(), 28);
        assert_eq!(people.with_openid(1, &one), Some(&alice(1)));
        assert_eq!(people.with_openid(2, &one), None);
        assert_ne!(people.unionid("alice"), people.unionid("bob"));
    }
}
