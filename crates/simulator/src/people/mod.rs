//! The users of the simulated WeChat: their open ids, their one-time codes, their web tokens and sessions.
//!
//! Owns: what one *user* is and gave an app. Must not know: the apps' own tokens, HTTP. Takes `now` as a parameter.

mod bounded;
mod codes;
mod grants;
mod profile;
mod sealed_data;

use bounded::Bounded;
pub use codes::CodeUses;
use codes::Codes;
pub(crate) use codes::{NewCode, Purpose};
use grants::Grants;
pub(crate) use grants::UserGrant;
use profile::FOLLOWERS;
pub use profile::Profile;
pub use sealed_data::EncryptedData;
pub(crate) use sealed_data::seal;

use crate::{
    clock::SimTime,
    errcode::Refusal,
    token::{Minter, mix},
};

/// A user of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) app: u32,
    pub(crate) name: String,
    /// Whom the app meets instead of this person on a snapshot page.
    pub(crate) snapshot: bool,
}

impl Person {
    pub(crate) fn new(app: u32, name: &str) -> Self {
        Self {
            app,
            name: name.to_owned(),
            snapshot: false,
        }
    }

    /// What their ids are made from: another text for the snapshot user than for any person.
    fn seed(&self) -> u64 {
        let seed = name_hash(&self.name);
        if self.snapshot {
            mix(seed ^ 0x736e_6170)
        } else {
            seed
        }
    }
}

/// All users, as far as anyone has met them.
pub(crate) struct People {
    minter: Minter,
    next: u64,
    codes: Codes,
    grants: Grants,
    /// By name; only those that somebody changed.
    profiles: Bounded<Profile>,
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
            codes: Codes::default(),
            grants: Grants::default(),
            profiles: Bounded::default(),
            met: Bounded::default(),
            sessions: Bounded::default(),
        }
    }

    /// The same person has another open id in every app.
    pub(crate) fn openid(&mut self, person: &Person) -> String {
        let text = self
            .minter
            .text(20, person.seed() ^ mix(u64::from(person.app) + 1));
        let openid = format!("o{}", &text[..27]);
        if self.met.get(&openid).is_none() {
            self.met.put(openid.clone(), person.clone());
        }
        openid
    }

    /// The same person has one union id in all apps, unless they have none.
    pub(crate) fn unionid(&self, person: &Person) -> Option<String> {
        self.profile(person)
            .has_unionid
            .then(|| format!("u{}", &self.minter.text(20, person.seed())[..27]))
    }

    /// What WeChat tells of a person.
    pub(crate) fn profile(&self, person: &Person) -> Profile {
        if person.snapshot {
            return Profile::of_snapshot();
        }
        self.profiles
            .get(&person.name)
            .cloned()
            .unwrap_or_else(|| Profile::of(&person.name))
    }

    /// The names of those who follow every account.
    pub(crate) fn followers(&self) -> Vec<String> {
        let changed = self.profiles.iter().map(|(name, _)| name.as_str());
        let mut names: Vec<&str> = FOLLOWERS.into_iter().chain(changed).collect();
        names.sort_unstable();
        names.dedup();
        names
            .into_iter()
            .filter(|name| self.profile(&Person::new(0, name)).follows)
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn set_profile(&mut self, name: &str, profile: Profile) {
        self.profiles.put(name.to_owned(), profile);
    }

    /// Who has this open id in this app.
    pub(crate) fn with_openid(&self, app: u32, openid: &str) -> Option<&Person> {
        self.met.get(openid).filter(|person| person.app == app)
    }

    /// A person does something in WeChat that gives an app a one-time code.
    pub(crate) fn code(&mut self, new: NewCode<'_>, now: SimTime) -> String {
        self.openid(&new.person);
        let text = if new.purpose == Purpose::Phone {
            self.fresh_hex()
        } else {
            self.fresh(24)
        };
        self.codes.put(text.clone(), new, now);
        text
    }

    pub(crate) fn uses(&self, code: &str) -> CodeUses {
        self.codes.uses(code)
    }

    /// Redeems a one-time code: 40029 unknown, 40163 used, 42003 too late; 40226 whose code it is, is blocked.
    pub(crate) fn redeem(
        &mut self,
        app: u32,
        text: &str,
        purpose: Purpose,
        now: SimTime,
    ) -> Result<(Person, String), Refusal> {
        let (person, scope) = self.codes.redeem(app, text, purpose, now)?;
        if self.profile(&person).blocked {
            return Err(Refusal::of(40226));
        }
        Ok((person, scope))
    }

    /// Grants a web token. Where `base_supersedes`, consent to `snsapi_base` ends the earlier refresh tokens.
    pub(crate) fn grant(
        &mut self,
        person: Person,
        scope: String,
        base_supersedes: bool,
        now: SimTime,
    ) -> UserGrant {
        if base_supersedes && scope == "snsapi_base" {
            self.grants.supersede(&person);
        }
        let web_token = format!("98_{}", self.fresh(80));
        let refresh_token = format!("98_{}", self.fresh(80));
        self.grants
            .grant((person, scope), (web_token, refresh_token), now)
    }

    /// The same web token with its time extended while it lives, a new one afterwards.
    pub(crate) fn refresh(
        &mut self,
        app: u32,
        refresh_token: &str,
        now: SimTime,
    ) -> Result<UserGrant, Refusal> {
        let fresh = format!("98_{}", self.fresh(80));
        self.grants.refresh(app, refresh_token, fresh, now)
    }

    /// Whose web token this is.
    pub(crate) fn granted(&self, access_token: &str, now: SimTime) -> Result<&UserGrant, Refusal> {
        self.grants.granted(access_token, now)
    }

    /// The person takes back what they granted the app, or changes the password; gives how many grants that ended.
    pub(crate) fn revoke(&mut self, person: &Person) -> usize {
        self.grants.revoke(person)
    }

    /// Opens a mini-program session, or a new one in its place; gives the session key.
    pub(crate) fn open_session(&mut self, openid: &str) -> String {
        // 16 bytes as padded base64, as WeChat writes it; the URL alphabet's two letters stay out of it.
        let key = format!("{}==", self.fresh(16).replace('-', "+").replace('_', "/"));
        self.sessions.put(openid.to_owned(), key.clone());
        key
    }

    /// 16 bytes nobody has seen before.
    pub(crate) fn fresh_iv(&mut self) -> [u8; 16] {
        self.next += 1;
        let high = mix(self.next ^ 0x6976_0000).to_be_bytes();
        let low = mix(self.next ^ 0x6976_ffff).to_be_bytes();
        std::array::from_fn(|n| if n < 8 { high[n] } else { low[n - 8] })
    }

    pub(crate) fn session_key(&self, openid: &str) -> Option<&str> {
        self.sessions.get(openid).map(String::as_str)
    }

    /// 32 bytes nobody has seen before, in hex, as WeChat writes the codes of its phone-number button.
    fn fresh_hex(&mut self) -> String {
        let seed = name_hash(&self.fresh(32));
        (0..4).map(|n| format!("{:016x}", mix(seed ^ n))).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> SimTime {
        SimTime::from_unix_ms(s * 1000)
    }

    fn alice(app: u32) -> Person {
        Person::new(app, "alice")
    }

    fn web_code(people: &mut People, website: bool) -> String {
        let new = NewCode {
            person: alice(1),
            purpose: Purpose::Web,
            scope: "snsapi_base",
            website,
        };
        people.code(new, at(0))
    }

    fn code_of<T: std::fmt::Debug>(result: Result<T, Refusal>) -> i64 {
        result.unwrap_err().code
    }

    #[test]
    fn a_code_works_once_for_five_minutes_in_its_app_and_for_its_purpose() {
        let mut people = People::new(Minter::new(1));
        let code = web_code(&mut people, false);
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
        let uses = CodeUses {
            shown: 4,
            redeemed: 1,
        };
        assert_eq!(people.uses(&code), uses);
        let late = web_code(&mut people, false);
        assert_eq!(
            code_of(people.redeem(1, &late, Purpose::Web, at(300))),
            42003
        );
        let website = web_code(&mut people, true);
        assert!(people.redeem(1, &website, Purpose::Web, at(599)).is_ok());
    }

    #[test]
    fn a_web_token_is_extended_while_it_lives_and_replaced_afterwards() {
        let mut people = People::new(Minter::new(1));
        let first = people.grant(alice(1), "snsapi_base".into(), false, at(0));
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
        let bob = Person::new(1, "bob");
        assert_eq!(people.unionid(&alice(1)), people.unionid(&alice(2)));
        assert_ne!(people.unionid(&alice(1)), people.unionid(&bob));
    }

    #[test]
    fn a_snapshot_user_is_nobody_that_an_app_knows() {
        let mut people = People::new(Minter::new(1));
        let nobody = Person {
            snapshot: true,
            ..alice(1)
        };
        assert_ne!(people.openid(&nobody), people.openid(&alice(1)));
        assert_ne!(people.unionid(&nobody), people.unionid(&alice(1)));
        assert_ne!(people.profile(&nobody).nickname, "alice");
    }

    #[test]
    fn what_a_person_takes_back_is_dead_and_what_they_grant_afterwards_is_not() {
        let mut people = People::new(Minter::new(1));
        let granted = |people: &mut People, name| {
            people.grant(Person::new(1, name), "snsapi_userinfo".into(), true, at(0))
        };
        let (old, bobs) = (granted(&mut people, "alice"), granted(&mut people, "bob"));
        assert_eq!(people.revoke(&alice(1)), 1);
        assert_eq!(people.revoke(&alice(1)), 0);
        let new = granted(&mut people, "alice");
        assert_eq!(code_of(people.refresh(1, &old.refresh_token, at(1))), 42007);
        assert_eq!(code_of(people.granted(&old.access_token, at(1))), 42007);
        assert!(people.refresh(1, &bobs.refresh_token, at(1)).is_ok());
        assert!(people.refresh(1, &new.refresh_token, at(1)).is_ok());
    }

    #[test]
    fn consent_to_the_base_scope_ends_earlier_refresh_tokens_only_where_that_is_believed() {
        for believed in [false, true] {
            let mut people = People::new(Minter::new(1));
            let wide = people.grant(alice(1), "snsapi_userinfo".into(), believed, at(0));
            people.grant(alice(1), "snsapi_base".into(), believed, at(1));
            assert_eq!(
                people.refresh(1, &wide.refresh_token, at(2)).is_ok(),
                !believed
            );
            assert!(people.granted(&wide.access_token, at(2)).is_ok());
        }
    }
}
