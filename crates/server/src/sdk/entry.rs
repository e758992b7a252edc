//! What is written to Redis, what is found there, and what an SDK makes of it.

use std::fmt;
use std::num::NonZeroU64;

use wxtoken_core::clock::Wall;
use wxtoken_core::credential::Token;
use zeroize::Zeroizing;

use super::key::Key;

/// A live value at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    token: &'a Token,
    expires: Wall,
    now: Wall,
    left: NonZeroU64,
}

impl<'a> Value<'a> {
    /// A token that ends at `expires`; none if that is not later than `now`: what has ended is not written.
    #[must_use]
    pub fn new(token: &'a Token, expires: Wall, now: Wall) -> Option<Self> {
        let left = NonZeroU64::new(expires.since(now))?;
        Some(Self {
            token,
            expires,
            now,
            left,
        })
    }

    /// The token itself.
    pub(super) fn text(&self) -> &'a str {
        self.token.expose()
    }

    pub(super) const fn expires(&self) -> Wall {
        self.expires
    }

    pub(super) const fn now(&self) -> Wall {
        self.now
    }

    /// Milliseconds until it ends.
    pub(super) const fn left(&self) -> NonZeroU64 {
        self.left
    }

    /// Whole seconds until it ends.
    pub(super) const fn left_seconds(&self) -> u64 {
        self.left.get() / 1000
    }
}

/// Bytes that hold a secret. `Debug` tells their number alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Content(Zeroizing<Vec<u8>>);

impl Content {
    /// Takes bytes as they are.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes. Every use is a place to look at in review.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes, redacted)", self.0.len())
    }
}

/// One key to write. All entries of a credential go into one MULTI; a hash replaces what was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub key: Key,
    /// What. Never empty.
    pub body: Body,
    /// Milliseconds it lives: the true rest of the value's life. None only where the SDK reads the end in the body and
    /// needs its entry to stay.
    pub ttl: Option<NonZeroU64>,
}

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A Redis string.
    Text(Content),
    /// A Redis hash: names and values.
    Fields(Vec<(Box<str>, Content)>),
}

/// A time to live that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// None was set.
    Unset,
    /// Milliseconds that are left.
    Left(u64),
}

/// What lies at a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Absent,
    /// A Redis string.
    Text(Content, Ttl),
    /// A Redis hash.
    Fields(Vec<(Vec<u8>, Content)>, Ttl),
    /// Something else: a list, a set.
    Other,
}

impl Found {
    /// Its time to live; none where there is nothing, or nothing we know of.
    #[must_use]
    pub const fn ttl(&self) -> Option<Ttl> {
        match self {
            Self::Text(_, ttl) | Self::Fields(_, ttl) => Some(*ttl),
            Self::Absent | Self::Other => None,
        }
    }
}

/// What an SDK makes of what lies at its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// There is nothing: it would fetch.
    Absent,
    /// There is a value.
    Held(Held),
    /// There is something it cannot use, or not rightly.
    Foreign,
}

/// A value as an SDK sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The value.
    pub token: Token,
    /// How long it would use it.
    pub seen: Seen,
}

/// How long an SDK would use a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Until then.
    Until(Wall),
    /// For as long as it lies there.
    Always,
    /// Not at all: it would fetch now.
    Expired,
}

impl Seen {
    /// Until then, or not at all if that is not more than `margin` ms ahead.
    pub(super) fn until(end: Wall, now: Wall, margin: u64) -> Self {
        if end.since(now) > margin {
            Self::Until(end)
        } else {
            Self::Expired
        }
    }

    /// As a cache that forgets by its time to live, and knows nothing else.
    pub(super) fn by_presence(ttl: Ttl, now: Wall) -> Self {
        match ttl {
            Ttl::Unset => Self::Always,
            Ttl::Left(left) => Self::Until(now.plus(left)),
        }
    }

    /// The sooner of two ends.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Expired, _) | (_, Self::Expired) => Self::Expired,
            (Self::Always, end) | (end, Self::Always) => end,
            (Self::Until(one), Self::Until(two)) => Self::Until(one.min(two)),
        }
    }
}

impl Reading {
    /// A value, if the text can be one.
    pub(super) fn held(text: &str, seen: Seen) -> Self {
        Token::new(text).map_or(Self::Foreign, |token| Self::Held(Held { token, seen }))
    }

    /// A value, if the bytes can be one.
    pub(super) fn held_bytes(bytes: &[u8], seen: Seen) -> Self {
        std::str::from_utf8(bytes).map_or(Self::Foreign, |text| Self::held(text, seen))
    }
}
