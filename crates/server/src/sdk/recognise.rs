//! Who may have written what lies at a key: from the key's form and the bytes.
//!
//! Must not know: which apps are configured. Whatever is found here is a guess for people; nothing is fetched or written for it.

use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::Kind;

use super::code::{self, Code, HashFields};
use super::entry::{Found, Reading, Ttl};
use super::format::{Format, Module, PhpCache};
use super::key::Key;
use super::mask::{Care, suspects};
use super::{easywechat, node, own, powerwechat, senparc, silenceper, wechatpy, wxjava};
use crate::config::Secret;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// A credential that can be held here.
    Credential(Kind),
    /// The end of one that lies beside it.
    EndOf(Kind),
    /// Something that is not held here.
    Other(&'static str),
}

/// Who may have written a key, and what that tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// In whose keys and bytes; for what is not held here the nearest one.
    pub format: Format,
    /// What people call the writer.
    pub writer: &'static str,
    /// What it is for.
    pub kept: Kept,
    /// Whose it is, if the key shows that.
    pub app: Option<AppId>,
    /// Which part of the SDK wrote it.
    pub module: Module,
    /// What stands before the SDK's key, as the configuration wants it.
    pub prefix: Option<String>,
    /// The key is the application's own and has to be named.
    pub own_key: bool,
    /// The SDK is in its mode for stable tokens.
    pub stable_mode: bool,
    /// How the cache under an `EasyWeChat` writes.
    pub cache: PhpCache,
    /// The fields of a hash.
    pub fields: Option<HashFields>,
    /// The app's secret stands in the key or in the body.
    pub holds_secret: bool,
    /// What of the key is, or was made from, the app's secret.
    secret: Option<Secret>,
    /// The key, masked where it holds that secret, or what may be anybody else's.
    pub key: Key,
    /// What that SDK sees in it.
    pub reading: Reading,
    /// Its time to live.
    pub ttl: Option<Ttl>,
}

/// Who may have written this, the likeliest first. What a key without a text or hash is for is told by the key alone.
#[must_use]
pub fn recognise(key: &[u8], found: &Found, now: Wall) -> Vec<Candidate> {
    let Ok(key) = std::str::from_utf8(key) else {
        return Vec::new();
    };
    let sight = Sight { key, found, now };
    let families = [
        easywechat::recognise,
        silenceper::recognise,
        powerwechat::recognise,
        senparc::recognise,
        wechatpy::recognise,
        wxjava::recognise,
        node::recognise,
        own::recognise,
    ];
    families
        .iter()
        .map(|family| family(&sight))
        .find(|candidates| !candidates.is_empty())
        .unwrap_or_default()
        .into_iter()
        .map(|one| one.masked(key))
        .collect()
}

/// A key, what lies there, and when.
pub(super) struct Sight<'a> {
    pub(super) key: &'a str,
    pub(super) found: &'a Found,
    pub(super) now: Wall,
}

impl Sight<'_> {
    /// The bytes of a text.
    pub(super) fn text(&self) -> Option<&[u8]> {
        match self.found {
            Found::Text(body, _) => Some(body.expose()),
            Found::Absent | Found::Fields(..) | Found::Other => None,
        }
    }

    /// What a hash holds in a field.
    pub(super) fn field(&self, wanted: &str) -> Option<&[u8]> {
        match self.found {
            Found::Fields(fields, _) => fields
                .iter()
                .find(|(name, _)| name == wanted.as_bytes())
                .map(|(_, content)| content.expose()),
            Found::Absent | Found::Text(..) | Found::Other => None,
        }
    }

    /// Somebody who writes like this; the rest is for the caller to say.
    pub(super) fn candidate(&self, format: Format, kept: Kept, code: &Code) -> Candidate {
        Candidate {
            format,
            writer: format.writer(),
            kept,
            app: None,
            module: Module::Official,
            prefix: None,
            own_key: false,
            stable_mode: false,
            cache: PhpCache::Serialize,
            fields: None,
            holds_secret: false,
            secret: None,
            key: Key::plain(self.key),
            reading: code.read(std::slice::from_ref(self.found), self.now),
            ttl: self.found.ttl(),
        }
    }
}

impl Candidate {
    pub(super) const fn of_app(mut self, app: AppId) -> Self {
        self.app = Some(app);
        self
    }

    pub(super) const fn in_module(mut self, module: Module) -> Self {
        self.module = module;
        self
    }

    pub(super) fn with_prefix(mut self, prefix: &str) -> Self {
        self.prefix = Some(prefix.to_owned());
        self
    }

    pub(super) const fn in_stable_mode(mut self, stable: bool) -> Self {
        self.stable_mode = stable;
        self
    }

    pub(super) const fn with_cache(mut self, cache: PhpCache) -> Self {
        self.cache = cache;
        self
    }

    pub(super) fn with_fields(mut self, fields: HashFields) -> Self {
        self.fields = Some(fields);
        self
    }

    pub(super) const fn written_by(mut self, writer: &'static str) -> Self {
        self.writer = writer;
        self
    }

    /// The key is no SDK's: the application named it.
    pub(super) const fn with_own_key(mut self) -> Self {
        self.own_key = true;
        self
    }

    /// Hides in the key what is secret, and what may be: most where the key is no SDK's.
    fn masked(mut self, key: &str) -> Self {
        let strange = self.own_key || matches!(self.kept, Kept::Other(_));
        let care = if strange { Care::All } else { Care::Long };
        let secret = self.secret.as_ref().map(Secret::expose);
        let known = secret.map_or_else(Vec::new, |secret| key.match_indices(secret).collect());
        let (mut hidden, mut from) = (Vec::new(), 0);
        for (at, part) in known.into_iter().chain([(key.len(), "")]) {
            let between = key.get(from..at).unwrap_or_default();
            let doubtful = suspects(between, care).into_iter();
            hidden.extend(doubtful.map(|part| from + part.start..from + part.end));
            from = at + part.len();
            hidden.extend((!part.is_empty()).then_some(at..from));
        }
        self.key = Key::found(key, hidden);
        self
    }

    /// Names the app of a key that is an MD5 of an AppID, if it is this one's: then nothing in it is secret.
    pub fn is_perhaps(&mut self, app: AppId) {
        let key = std::str::from_utf8(self.key.as_bytes());
        if let (Format::Hash, None, Kept::Credential(kind), Ok(key)) =
            (self.format, self.app, self.kept, key)
            && own::is_ruby(key, kind, &app)
        {
            self.app = Some(app);
            self.key = Key::plain(key);
        }
    }

    /// Where the end of this value lies, if it lies beside it.
    #[must_use]
    pub fn key_of_end(&self, key: &[u8]) -> Vec<u8> {
        [key, wechatpy::END.as_bytes()].concat()
    }

    /// Takes into account the end that lies beside this value.
    pub fn ends_with(&mut self, end: &Found, now: Wall) {
        if let Reading::Held(held) = &mut self.reading {
            held.seen = code::wechatpy_end(held.seen, end, now).unwrap_or(held.seen);
        }
    }

    /// A part of the key is the app's secret, or was made from it.
    pub(super) fn with_secret(mut self, secret: &str) -> Self {
        self.holds_secret = true;
        self.secret = Some(Secret::new(secret)).filter(|_| !secret.is_empty());
        self
    }

    pub(super) const fn with_secret_in_body(mut self) -> Self {
        self.holds_secret = true;
        self
    }

    /// Masks what follows an AppID after a name: there some keep a secret.
    pub(super) fn with_secret_tail(self, rest: &str) -> Self {
        match rest.split_once('.') {
            Some((_, tail)) if !tail.is_empty() => self.with_secret(tail),
            _ => self,
        }
    }
}

/// An AppID or corp id as WeChat gives them: `wx` or `ww` and sixteen hex digits.
pub(super) fn is_app(text: &str) -> Option<AppId> {
    let id = text
        .strip_prefix("wx")
        .or_else(|| text.strip_prefix("ww"))?;
    let given = id.len() == 16 && id.bytes().all(is_hex);
    text.parse().ok().filter(|_| given)
}

/// The AppID at the end of a key.
pub(super) fn app_at_end(key: &str) -> Option<AppId> {
    is_app(key.rsplit(':').next()?)
}

/// An AppID anywhere in a key.
pub(super) fn app_in(key: &str) -> Option<AppId> {
    key.split(|c: char| !c.is_ascii_alphanumeric())
        .find_map(is_app)
}

pub(super) fn is_md5(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(is_hex)
}

/// A hex digit as WeChat, PHP and Go write them.
fn is_hex(digit: u8) -> bool {
    digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit)
}
