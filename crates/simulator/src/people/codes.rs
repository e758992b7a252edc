//! One-time codes: given by what a person does, redeemed once.

use std::time::Duration;

use super::{Bounded, Person};
use crate::{clock::SimTime, errcode::Refusal};

/// A one-time code lives this long; for website apps twice as long.
const LIFETIME: Duration = Duration::from_secs(300);

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

/// How often a code was shown, and how often it was worth something: once at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CodeUses {
    /// Calls that showed it and got as far as it: app and secret were right.
    pub shown: u32,
    /// Calls it was redeemed by.
    pub redeemed: u32,
}

/// What a code is given for.
pub(crate) struct NewCode<'a> {
    pub(crate) person: Person,
    pub(crate) purpose: Purpose,
    pub(crate) scope: &'a str,
    /// Whether the app is a website's.
    pub(crate) website: bool,
}

struct Code {
    person: Person,
    purpose: Purpose,
    scope: String,
    expires: SimTime,
    uses: CodeUses,
}

#[derive(Default)]
pub(super) struct Codes(Bounded<Code>);

impl Codes {
    pub(super) fn put(&mut self, text: String, new: NewCode<'_>, now: SimTime) {
        let code = Code {
            person: new.person,
            purpose: new.purpose,
            scope: new.scope.to_owned(),
            expires: now.plus(LIFETIME * if new.website { 2 } else { 1 }),
            uses: CodeUses::default(),
        };
        self.0.put(text, code);
    }

    pub(super) fn uses(&self, text: &str) -> CodeUses {
        self.0
            .get(text)
            .map_or_else(CodeUses::default, |code| code.uses)
    }

    /// Redeems a one-time code: 40029 unknown, another app's or for something else, 40163 used, 42003 too late.
    pub(super) fn redeem(
        &mut self,
        app: u32,
        text: &str,
        purpose: Purpose,
        now: SimTime,
    ) -> Result<(Person, String), Refusal> {
        let code = self.0.get_mut(text).ok_or_else(|| Refusal::of(40029))?;
        code.uses.shown += 1;
        if code.person.app != app || code.purpose != purpose {
            return Err(Refusal::of(40029));
        }
        if code.uses.redeemed > 0 {
            return Err(Refusal::of(40163));
        }
        if now >= code.expires {
            return Err(Refusal::of(42003));
        }
        code.uses.redeemed += 1;
        Ok((code.person.clone(), code.scope.clone()))
    }
}
