//! One credential as one SDK keeps it: its keys, what is written there, what is read there.

use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::Kind;

use super::code::{Code, HashFields};
use super::entry::{Entry, Found, Reading, Value};
use super::format::{Format, Module, PhpCache};
use super::key::Key;
use super::template::Template;
use super::{easywechat, node, own, powerwechat, senparc, silenceper, wechatpy, wxjava};
use crate::config::Secret;

/// What is to be kept, and how.
#[derive(Debug, Clone)]
pub struct Spec<'a> {
    /// In whose keys and bytes.
    pub format: Format,
    /// Whose credential.
    pub app: AppId,
    /// What people call the app.
    pub name: Option<&'a str>,
    /// Which part of the SDK reads it.
    pub module: Module,
    /// Which credential.
    pub kind: Kind,
    /// What stands before the keys; none for the SDK's own.
    pub prefix: Option<&'a str>,
    /// The key, where it is the operator's to name.
    pub key: Option<&'a Template>,
    /// The SDK is in its mode for stable tokens.
    pub stable_mode: bool,
    /// How the cache under an `EasyWeChat` writes.
    pub cache: PhpCache,
    /// The fields of a hash.
    pub fields: Option<&'a HashFields>,
    /// What the SDK has configured as the app's secret.
    pub secret: Option<&'a Secret>,
}

impl Spec<'_> {
    /// A credential in a format, everything else as usual.
    #[must_use]
    pub const fn new(format: Format, app: AppId, module: Module, kind: Kind) -> Self {
        Self {
            format,
            app,
            name: None,
            module,
            kind,
            prefix: None,
            key: None,
            stable_mode: false,
            cache: PhpCache::Serialize,
            fields: None,
            secret: None,
        }
    }

    /// What stands before the keys.
    pub(super) fn prefix(&self) -> &str {
        self.prefix
            .unwrap_or_else(|| self.format.usual_prefix(self.module))
    }

    /// The secret, where there is no key or no body without it.
    pub(super) fn secret(&self) -> Result<&Secret, Unfit> {
        self.secret.ok_or(Unfit::NeedsSecret)
    }

    /// The key the operator named.
    pub(super) fn own_key(&self) -> Result<Key, Unfit> {
        let template = self.key.ok_or(Unfit::NeedsKey)?;
        let secret = self.secret.map(Secret::expose);
        let key = template.fill(&self.app, self.kind, secret);
        key.ok_or(Unfit::NeedsSecret)
    }

    /// Nothing where the SDK keeps no such thing.
    pub(super) const fn no_place<T>(&self) -> Result<T, Unfit> {
        Err(Unfit::NoPlace {
            format: self.format,
            module: self.module,
            kind: self.kind,
        })
    }
}

/// Why there is no such place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The SDK keeps no such credential there.
    #[error("{format} has no place for {kind} in its part for {}", module.name())]
    NoPlace {
        /// The format.
        format: Format,
        /// The part of the SDK.
        module: Module,
        /// What it has no place for.
        kind: Kind,
    },
    /// The app's secret stands in the key or the body, and none was given.
    #[error("the app's secret stands in this format's keys or values")]
    NeedsSecret,
    /// The key must be named.
    #[error("this format has no key of its own")]
    NeedsKey,
}

/// A credential's place in Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    format: Format,
    keys: Box<[Key]>,
    code: Code,
}

impl Place {
    /// Finds the place.
    ///
    /// # Errors
    /// The SDK keeps no such thing, or something is missing.
    pub fn new(spec: &Spec<'_>) -> Result<Self, Unfit> {
        let (keys, code) = match spec.format {
            Format::WxjavaMp => wxjava::mp(spec),
            Format::WxjavaMiniapp => wxjava::miniapp(spec),
            Format::WxjavaCp => wxjava::cp(spec),
            Format::RedissonKryo5 => wxjava::redisson(spec),
            Format::Silenceper => silenceper::place(spec),
            Format::Easywechat6 => easywechat::six(spec),
            Format::Easywechat5 => easywechat::five(spec),
            Format::Wechatpy => wechatpy::place(spec),
            Format::Powerwechat => powerwechat::place(spec),
            Format::Senparc => senparc::place(spec),
            Format::CoWechatApi => node::place(spec),
            Format::Hash => own::hash(spec),
            Format::Raw => own::raw(spec),
        }?;
        Ok(Self {
            format: spec.format,
            keys: keys.into(),
            code,
        })
    }

    /// In whose keys and bytes.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Its keys; the first holds the value. All are asked for by a reader, in this order.
    #[must_use]
    pub const fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// What is written, all of it in one MULTI.
    #[must_use]
    pub fn entries(&self, value: &Value<'_>) -> Vec<Entry> {
        self.code.entries(&self.keys, value)
    }

    /// What the SDK sees in what lies at [`Place::keys`].
    #[must_use]
    pub fn read(&self, found: &[Found], now: Wall) -> Reading {
        self.code.read(found, now)
    }
}

/// What a family says of a credential.
pub(super) type Layout = Result<(Vec<Key>, Code), Unfit>;
