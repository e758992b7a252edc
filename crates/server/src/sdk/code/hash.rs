//! A hash of a value and its end: WxJava's `maConfig`, `weixin_authorize`, and whatever else is made so.

use wxtoken_core::clock::Wall;

use super::super::entry::{Content, Reading, Seen, Ttl, Value};

/// The names of a hash's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashFields {
    /// Of the value.
    pub value: Box<str>,
    /// Of its end, if that is kept.
    pub expires: Option<Box<str>>,
    /// The end is in milliseconds, not seconds.
    pub milliseconds: bool,
}

impl Default for HashFields {
    /// As `WxMaRedisConnectionConfigImpl` has them.
    fn default() -> Self {
        Self {
            value: "value".into(),
            expires: Some("expire".into()),
            milliseconds: true,
        }
    }
}

impl HashFields {
    pub(super) fn write(&self, value: &Value<'_>) -> Vec<(Box<str>, Content)> {
        let mut fields = vec![(self.value.clone(), Content::new(value.text()))];
        if let Some(name) = &self.expires {
            let end = if self.milliseconds {
                value.expires().0
            } else {
                value.expires().unix_seconds()
            };
            fields.push((name.clone(), Content::new(end.to_string())));
        }
        fields
    }

    pub(super) fn read(&self, fields: &[(Vec<u8>, Content)], ttl: Ttl, now: Wall) -> Reading {
        let field = |wanted: &str| {
            let is = |(name, _): &&(Vec<u8>, Content)| name == wanted.as_bytes();
            fields.iter().find(is).map(|(_, content)| content.expose())
        };
        let Some(value) = field(&self.value) else {
            return Reading::Foreign;
        };
        let mut seen = Seen::by_presence(ttl, now);
        if let Some(name) = &self.expires {
            let Some(end) = field(name).and_then(number) else {
                return Reading::Foreign;
            };
            let unit = if self.milliseconds { 1 } else { 1000 };
            seen = seen.and(Seen::until(Wall(end.saturating_mul(unit)), now, 0));
        }
        Reading::held_bytes(value, seen)
    }
}

fn number(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}
