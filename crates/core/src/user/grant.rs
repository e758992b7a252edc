//! What one user gave one app through web OAuth, and when it has to be asked for again. Pure.

use std::fmt;
use std::str::FromStr;

use super::{OpenId, RefreshToken, UnionId, WebToken};
use crate::clock::Wall;
use crate::words::InChinese;

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
/// A web token with less left is renewed before it is used.
const RENEWED_BEFORE: u64 = 5 * MINUTE;
/// A refresh token cannot be renewed itself: so long before its end the user should be asked again.
const ASKED_BEFORE: u64 = DAY;

/// What an app asks a user for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `snsapi_base`: the openid, without a page.
    Base,
    /// `snsapi_userinfo`: name and picture too, with a page of consent.
    UserInfo,
    /// `snsapi_login`: a website's QR code.
    Login,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Base, Self::UserInfo, Self::Login];

    /// WeChat's name of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Base => "snsapi_base",
            Self::UserInfo => "snsapi_userinfo",
            Self::Login => "snsapi_login",
        }
    }

    /// Whether `/sns/userinfo` answers for it.
    #[must_use]
    pub const fn shows_profile(self) -> bool {
        matches!(self, Self::UserInfo | Self::Login)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such scope; there are snsapi_base, snsapi_userinfo and, for websites, snsapi_login")]
pub struct UnknownScope;

impl InChinese for UnknownScope {
    fn in_chinese(&self) -> String {
        "没有这种 scope；有 snsapi_base、snsapi_userinfo，网站应用用 snsapi_login".to_owned()
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.name() == text)
            .ok_or(UnknownScope)
    }
}

/// Why a user has to be sent through the page again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskAgainReason {
    /// The refresh token is about to end, or has ended (its 30 days, or 42002).
    Expired,
    /// WeChat does not know the refresh token (40030).
    Invalid,
    /// The user changed the password or took the consent back (42007).
    Revoked,
}

impl AskAgainReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Expired, Self::Invalid, Self::Revoked];

    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Invalid => "invalid",
            Self::Revoked => "revoked",
        }
    }

    /// The reason that an errcode of `/sns/oauth2/refresh_token` gives; none where it says something else.
    #[must_use]
    pub const fn of_errcode(errcode: i64) -> Option<Self> {
        match errcode {
            42002 => Some(Self::Expired),
            40030 => Some(Self::Invalid),
            42007 => Some(Self::Revoked),
            _ => None,
        }
    }
}

/// The user has to be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskAgain {
    /// Why.
    pub reason: AskAgainReason,
    /// Since when.
    pub since: Wall,
}

/// What one user gave one app. Not a credential: there are as many as users, and none is handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The user, as this app sees them.
    pub openid: OpenId,
    /// The user, as all apps of one open-platform account see them; where WeChat tells.
    pub unionid: Option<UnionId>,
    /// What was consented to; several can be joined by commas.
    pub scope: Box<str>,
    /// For `/sns`.
    pub web_token: WebToken,
    /// When it ends.
    pub web_expires: Wall,
    /// For another web token.
    pub refresh_token: RefreshToken,
    /// When that ends; WeChat says 30 days.
    pub refresh_expires: Wall,
    /// When the user consented.
    pub granted_at: Wall,
    /// A made-up user of a snapshot page (快照页): openid, name and picture are not real.
    pub is_snapshot: bool,
    /// WeChat said that it is over.
    pub refused: Option<AskAgain>,
}

/// What to do before a grant's web token is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// It lives.
    Use,
    /// Renew it first; where that fails for now and it still lives, use it.
    Renew,
    /// Nothing can be done without the user.
    AskAgain(AskAgain),
}

impl Grant {
    /// How long WeChat lets a refresh token live (`refresh_token拥有较长的有效期`), milliseconds.
    pub const REFRESH_LIFETIME: u64 = 30 * DAY;

    /// Whether `/sns/userinfo` answers for it.
    #[must_use]
    pub fn shows_profile(&self) -> bool {
        let mut scopes = self
            .scope
            .split(',')
            .filter_map(|name| name.trim().parse().ok());
        scopes.any(Scope::shows_profile)
    }

    /// Whether the web token lives, as far as is known.
    #[must_use]
    pub fn lives(&self, now: Wall) -> bool {
        self.refused.is_none() && now < self.web_expires
    }

    /// Whether, and since when, the user has to be asked again.
    #[must_use]
    pub fn ask_again(&self, now: Wall) -> Option<AskAgain> {
        let from = self.refresh_expires.minus(ASKED_BEFORE);
        self.refused.or_else(|| {
            (now >= from).then_some(AskAgain {
                reason: AskAgainReason::Expired,
                since: from,
            })
        })
    }

    /// What has to be done before its web token is used.
    #[must_use]
    pub fn before_use(&self, now: Wall) -> Before {
        if let Some(over) = self.refused {
            return Before::AskAgain(over);
        }
        if now.plus(RENEWED_BEFORE) < self.web_expires {
            return Before::Use;
        }
        match self.ask_again(now) {
            Some(over) if now >= self.refresh_expires => Before::AskAgain(over),
            Some(_) | None => Before::Renew,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant {
            openid: "oLVPpjqs9BhvzwPj5A-vTYAX3GLc".parse().unwrap(),
            unionid: None,
            scope: "snsapi_userinfo".into(),
            web_token: WebToken::new("98_web").unwrap(),
            web_expires: Wall(7_200_000),
            refresh_token: RefreshToken::new("98_refresh").unwrap(),
            refresh_expires: Wall(Grant::REFRESH_LIFETIME),
            granted_at: Wall(0),
            is_snapshot: false,
            refused: None,
        }
    }

    #[test]
    fn a_web_token_is_renewed_in_its_last_five_minutes_and_afterwards_while_the_refresh_token_lives()
     {
        let grant = grant();
        assert_eq!(grant.before_use(Wall(0)), Before::Use);
        assert_eq!(grant.before_use(Wall(6_899_999)), Before::Use);
        assert_eq!(grant.before_use(Wall(6_900_000)), Before::Renew);
        assert_eq!(grant.before_use(Wall(29 * DAY + 1)), Before::Renew);
        let over = AskAgain {
            reason: AskAgainReason::Expired,
            since: Wall(29 * DAY),
        };
        assert_eq!(grant.before_use(Wall(30 * DAY)), Before::AskAgain(over));
        assert_eq!(grant.ask_again(Wall(29 * DAY)), Some(over));
        assert_eq!(grant.ask_again(Wall(29 * DAY - 1)), None);
    }

    #[test]
    fn what_wechat_refused_is_asked_of_the_user_however_long_it_would_have_lived() {
        for (errcode, reason) in [
            (42002, AskAgainReason::Expired),
            (40030, AskAgainReason::Invalid),
            (42007, AskAgainReason::Revoked),
        ] {
            assert_eq!(AskAgainReason::of_errcode(errcode), Some(reason));
            let since = Wall(5);
            let refused = Some(AskAgain { reason, since });
            let grant = Grant { refused, ..grant() };
            assert_eq!(
                grant.before_use(Wall(6)),
                Before::AskAgain(AskAgain { reason, since })
            );
            assert!(!grant.lives(Wall(6)));
        }
        assert_eq!(AskAgainReason::of_errcode(-1), None);
    }

    #[test]
    fn only_the_scopes_with_consent_show_a_profile() {
        let of = |scope: &str| Grant {
            scope: scope.into(),
            ..grant()
        };
        assert!(of("snsapi_userinfo").shows_profile());
        assert!(of("snsapi_base, snsapi_userinfo").shows_profile());
        assert!(of("snsapi_login").shows_profile());
        assert!(!of("snsapi_base").shows_profile());
        assert!(!of("").shows_profile());
    }
}
