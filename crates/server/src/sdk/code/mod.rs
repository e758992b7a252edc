//! The bytes: how a value and its end are put into what Redis keeps, and taken out again as the SDK would.
//!
//! Must not know: keys.

mod hash;
mod igbinary;
mod json;
mod kryo5;
mod php;
mod senparc;

use wxtoken_core::clock::Wall;
use wxtoken_core::credential::Kind;

use super::entry::{Body, Content, Entry, Found, Reading, Seen, Ttl, Value};
use super::format::PhpCache;
use super::key::Key;
pub use hash::HashFields;
pub(super) use json::wechatpy_end;
pub(super) use senparc::Bag;

/// WxJava takes an entry with less than this left for one that has ended.
const WXJAVA_MARGIN: u64 = 2_000;

/// A way to put a value into bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Code {
    /// The value as it is; it is good for as long as it lies there.
    Text,
    /// The value as it is; without a time to live it counts as ended.
    WxJava,
    /// As Redisson's Kryo5 codec writes a string.
    Kryo5,
    /// What a PHP cache keeps of a text.
    PhpText(PhpCache),
    /// What a PHP cache keeps of WeChat's answer as an array.
    PhpAnswer(PhpCache, Kind),
    /// A JSON text, and its end as a JSON number at a second key. The access token is trusted without it.
    WechatPy(Kind),
    /// WeChat's answer as JSON.
    JsonAnswer(Kind),
    /// `accessToken` or `ticket`, and `expireTime`.
    Node(Kind),
    /// A container's bag.
    Senparc(Box<Bag>),
    /// A hash.
    Hash(HashFields),
}

impl Code {
    /// What is written; `keys` are as many as this needs.
    pub(super) fn entries(&self, keys: &[Key], value: &Value<'_>) -> Vec<Entry> {
        let bodies = match self {
            Self::Text | Self::WxJava => vec![text(value.text())],
            Self::Kryo5 => vec![text(kryo5::string(value.text()))],
            Self::PhpText(cache) => vec![text(php::text(*cache, value.text()))],
            Self::PhpAnswer(cache, kind) => vec![text(php::answer(*cache, *kind, value))],
            Self::WechatPy(_) => json::wechatpy(value).map(text).into(),
            Self::JsonAnswer(kind) => vec![text(json::answer(*kind, value))],
            Self::Node(kind) => vec![text(json::node(*kind, value))],
            Self::Senparc(bag) => vec![text(bag.write(value))],
            Self::Hash(names) => vec![Body::Fields(names.write(value))],
        };
        let ttl = (!self.lives_without_ttl()).then_some(value.left());
        let entry = |(key, body): (&Key, Body)| Entry {
            key: key.clone(),
            body,
            ttl,
        };
        keys.iter().zip(bodies).map(entry).collect()
    }

    /// Whether the SDK keeps its entries without a time to live: it reads the end in the body.
    pub(super) const fn lives_without_ttl(&self) -> bool {
        matches!(self, Self::Senparc(_))
    }

    /// What the SDK sees in what lies at its keys, in their order.
    pub(super) fn read(&self, found: &[Found], now: Wall) -> Reading {
        let Some(first) = found.first() else {
            return Reading::Absent;
        };
        match (self, first) {
            (_, Found::Absent) => Reading::Absent,
            (Self::Hash(names), Found::Fields(fields, ttl)) => names.read(fields, *ttl, now),
            (Self::Hash(_), _) | (_, Found::Fields(..) | Found::Other) => Reading::Foreign,
            (_, Found::Text(body, _)) if body.expose().is_empty() => Reading::Foreign,
            (_, Found::Text(body, ttl)) => self.read_text(body.expose(), *ttl, found, now),
        }
    }

    fn read_text(&self, body: &[u8], ttl: Ttl, found: &[Found], now: Wall) -> Reading {
        let present = Seen::by_presence(ttl, now);
        match self {
            Self::Text => Reading::held_bytes(body, present),
            Self::WxJava => Reading::held_bytes(body, wxjava(ttl, now)),
            Self::Kryo5 => kryo5::read(body).map_or(Reading::Foreign, |text| {
                Reading::held(text.as_str(), wxjava(ttl, now))
            }),
            Self::PhpText(cache) => php::read_text(*cache, body, present),
            Self::PhpAnswer(cache, kind) => php::read_answer(*cache, *kind, body, present),
            Self::WechatPy(kind) => json::read_wechatpy(*kind, body, present, found.get(1), now),
            Self::JsonAnswer(kind) => json::read_answer(*kind, body, present),
            Self::Node(kind) => json::read_node(*kind, body, present, now),
            Self::Senparc(bag) => bag.read(body, present, now),
            Self::Hash(_) => Reading::Foreign,
        }
    }
}

fn text(bytes: impl Into<Vec<u8>>) -> Body {
    Body::Text(Content::new(bytes))
}

fn wxjava(ttl: Ttl, now: Wall) -> Seen {
    match ttl {
        Ttl::Unset => Seen::Expired,
        Ttl::Left(left) => Seen::until(now.plus(left), now, WXJAVA_MARGIN - 1),
    }
}

/// The field of WeChat's answer that holds a credential of this kind.
const fn field(kind: Kind) -> &'static str {
    match kind {
        Kind::AccessToken => "access_token",
        Kind::JsapiTicket | Kind::CardTicket => "ticket",
    }
}
