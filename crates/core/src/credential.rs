//! What is held for an app: tokens and tickets, their kinds, lanes and generations.
//!
//! Must not know: how they are minted, kept or handed out. A *user's* web token is not a credential and has no place here.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroize;

use crate::app::{AppId, AppType};
use crate::clock::{Boot, Now};
use crate::words::InChinese;

/// What is held for an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The app's `access_token` (接口调用凭据), for `/cgi-bin`, `/wxa` and the like.
    AccessToken,
    /// `jsapi_ticket`, which signs pages that use the JS-SDK.
    JsapiTicket,
    /// `api_ticket` of type `wx_card`, which signs cards (卡券).
    CardTicket,
}

impl Kind {
    /// Every kind, in the order they are listed to people.
    pub const ALL: [Self; 3] = [Self::AccessToken, Self::JsapiTicket, Self::CardTicket];

    /// The name used in paths, configuration and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::JsapiTicket => "jsapi_ticket",
            Self::CardTicket => "card_ticket",
        }
    }

    /// Whether accounts of this type have this kind of credential (JS-SDK and cards belong to 公众号 and 服务号).
    #[must_use]
    pub const fn exists_for(self, app_type: AppType) -> bool {
        match (self, app_type) {
            (Self::AccessToken, AppType::Official | AppType::Mini | AppType::Test) => true,
            (Self::JsapiTicket | Self::CardTicket, AppType::Official | AppType::Test) => true,
            (Self::JsapiTicket | Self::CardTicket, AppType::Mini) | (_, AppType::Website) => false,
        }
    }

    /// Its place in arrays that hold one of each.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is not a kind of credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such kind of credential; there are access_token, jsapi_ticket and card_ticket")]
pub struct UnknownKind;

impl InChinese for UnknownKind {
    fn in_chinese(&self) -> String {
        "没有这种凭据；凭据有 access_token、jsapi_ticket 和 card_ticket".to_owned()
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or(UnknownKind)
    }
}

/// A ticket: what is fetched with an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ticket {
    /// `type=jsapi` of `ticket/getticket`.
    Jsapi,
    /// `type=wx_card` of `ticket/getticket`.
    Card,
}

impl Ticket {
    /// Both tickets.
    pub const ALL: [Self; 2] = [Self::Jsapi, Self::Card];

    /// The kind of credential this ticket is.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Jsapi => Kind::JsapiTicket,
            Self::Card => Kind::CardTicket,
        }
    }

    /// The ticket a kind names, or none for the access token.
    #[must_use]
    pub const fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::AccessToken => None,
            Kind::JsapiTicket => Some(Self::Jsapi),
            Kind::CardTicket => Some(Self::Card),
        }
    }
}

/// WeChat keeps two independent access tokens per app; neither invalidates the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// `GET /cgi-bin/token` (getAccessToken): each fetch ends the one before within five minutes.
    Classic,
    /// `POST /cgi-bin/stable_token` (getStableAccessToken): the same value for everyone until its last five minutes.
    Stable,
}

impl Lane {
    /// Both lanes.
    pub const ALL: [Self; 2] = [Self::Classic, Self::Stable];

    /// The name used in configuration and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Stable => "stable",
        }
    }

    /// The other lane.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Classic => Self::Stable,
            Self::Stable => Self::Classic,
        }
    }

    /// Its place in arrays that hold one of each.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Names one credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialKey {
    /// Whose it is.
    pub app: AppId,
    /// What it is.
    pub kind: Kind,
}

/// The secret value of a token or ticket: 1 to 512 visible ASCII characters. Wiped when dropped.
///
/// It has no `Display` and its `Debug` shows nothing; [`Token::expose`] is the one door.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<str>);

/// Why a text is not a token. WeChat asks clients to reserve at least 512 characters (getAccessToken).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Nothing was given.
    #[error("the token is empty")]
    Empty,
    /// More than 512 characters.
    #[error("the token has {0} characters; 512 is the most")]
    TooLong(usize),
    /// A control character, a space or something outside ASCII.
    #[error("the token holds a character that no token has")]
    Character,
}

impl Token {
    /// Checks and takes a token.
    ///
    /// # Errors
    /// Says what no token can be: empty, longer than 512, or holding anything but visible ASCII.
    pub fn new(value: &str) -> Result<Self, InvalidToken> {
        match value.len() {
            0 => Err(InvalidToken::Empty),
            len @ 513.. => Err(InvalidToken::TooLong(len)),
            _ if value.bytes().all(|b| b.is_ascii_graphic()) => Ok(Self(value.into())),
            _ => Err(InvalidToken::Character),
        }
    }

    /// The secret itself. Every use is a place to look at in review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// A keyed hash of a token's value, made by the shell: tells values apart without holding or comparing them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u64);

/// One growing number per app and kind, over all lanes: next = max(last + 1, Unix milliseconds).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A value as it is handed out. Immutable; a change is a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// What it is.
    pub kind: Kind,
    /// Which lane it comes from; none for tickets.
    pub lane: Option<Lane>,
    /// The value.
    pub token: Token,
    /// Its keyed hash.
    pub id: ValueId,
    /// Its generation.
    pub generation: Generation,
    /// When the request that first brought it was sent.
    pub sent: Boot,
    /// When it ends: it is live while boot time says so.
    pub expires: Boot,
    /// Others fetched it and it was taken over: they may have fetched again since.
    pub adopted: bool,
}

impl Credential {
    /// Whether it has not run out.
    #[must_use]
    pub const fn live_at(&self, now: Now) -> bool {
        now.boot.0 < self.expires.0
    }

    /// Milliseconds until it runs out.
    #[must_use]
    pub const fn left(&self, now: Now) -> u64 {
        self.expires.since(now.boot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_visible_ascii_of_at_most_512_characters() {
        assert!(Token::new(&"x".repeat(512)).is_ok());
        assert_eq!(Token::new(""), Err(InvalidToken::Empty));
        assert_eq!(
            Token::new(&"x".repeat(513)),
            Err(InvalidToken::TooLong(513))
        );
        assert_eq!(Token::new("a b"), Err(InvalidToken::Character));
        assert_eq!(Token::new("a\n"), Err(InvalidToken::Character));
    }

    #[test]
    fn debug_never_shows_a_token() {
        let token = Token::new("68_SECRETSECRET").unwrap();
        assert_eq!(format!("{token:?}"), "Token(redacted)");
    }

    #[test]
    fn a_website_app_has_no_credentials_and_a_mini_program_no_tickets() {
        assert!(!Kind::AccessToken.exists_for(AppType::Website));
        assert!(!Kind::JsapiTicket.exists_for(AppType::Mini));
        assert!(Kind::CardTicket.exists_for(AppType::Test));
    }
}
