//! `[[app.redis]]`: a credential kept in Redis as an SDK would keep it there.
//!
//! Must not know: how it is written, and which keys and bytes a format has; that is `sdk`'s. What needs other tables, the key of
//! a caller, is put in by `redis_cross`.

use wxtoken_core::app::{AppId, AppType};
use wxtoken_core::credential::Kind;

use super::app::Kinds;
use super::app_read::kind;
use super::field::Field;
use super::flaw::Flaw;
use super::mistake::Spot;
use super::phrase::{Cure, Shown, Wanted};
use super::redis_server::RedisServer;
use super::secret::Secret;
use super::sink::check_kept;
use super::table::Table;
use crate::sdk::{Format, HashFields, Module, PhpCache, Place, Spec, Template, Unfit};

/// The keys of `[[app.redis]]`.
pub(super) const KEYS: [&str; 15] = [
    "url",
    "ca",
    "sentinel_password",
    "format",
    "kind",
    "prefix",
    "key",
    "module",
    "stable_mode",
    "cache",
    "value_field",
    "expires_field",
    "expires_unit",
    "secret_from",
    "reveal_app_secret",
];

/// One copy to keep in Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisSinkConfig {
    /// The Redis.
    pub server: RedisServer,
    /// What is kept.
    pub kind: Kind,
    /// Where, and in whose bytes.
    pub place: Place,
}

/// One table, and what is still to be looked up for it.
pub(super) struct RedisRow {
    server: RedisServer,
    pub(super) kind: Kind,
    format: Format,
    module: Module,
    prefix: Option<Box<str>>,
    key: Option<Template>,
    stable_mode: bool,
    cache: PhpCache,
    fields: HashFields,
    pub(super) secret_from: SecretFrom,
    /// Where the table begins.
    pub(super) spot: Spot,
}

/// Whose secret stands in a format's keys or values.
pub(super) enum SecretFrom {
    /// Nobody's.
    Nowhere,
    /// The key of the caller of this name.
    Caller {
        name: String,
        shown: Shown,
        spot: Spot,
    },
    /// The AppSecret.
    App,
}

impl RedisRow {
    /// Reads and checks one table. `None` when there is no address or format to speak of; the mistakes are noted.
    pub(super) fn read(table: &Table<'_>, app_type: AppType, kinds: Kinds) -> Option<Self> {
        let mut kept = Kind::AccessToken;
        table.set(&mut kept, "kind", |f| kind(f, app_type));
        check_kept(table, kept, app_type, kinds);
        let server = RedisServer::read(table);
        let format = table
            .need("format", Cure::RedisFormat)
            .and_then(read_format);
        let mut row = Self {
            server: server?,
            kind: kept,
            format: format?,
            module: Module::of(app_type),
            prefix: None,
            key: None,
            stable_mode: false,
            cache: PhpCache::default(),
            fields: HashFields::default(),
            secret_from: SecretFrom::Nowhere,
            spot: table.spot(),
        };
        row.read_key(table);
        row.read_variant(table);
        row.read_fields(table);
        row.read_secret(table);
        Some(row)
    }

    /// A key of this table that this format has something to do with.
    fn own<'t>(&self, table: &'t Table<'_>, key: &'static str, has: bool) -> Option<Field<'t>> {
        let field = table.get(key)?;
        if has {
            return Some(field);
        }
        field.wrong(Flaw::NotOfFormat {
            format: self.format.name(),
        });
        None
    }

    fn read_key(&mut self, table: &Table<'_>) {
        let (own, format) = (self.format.has_own_key(), self.format);
        if own {
            table.need("key", Cure::RedisKey);
        }
        let may_have_key = own || format == Format::RedissonKryo5;
        let key = self.own(table, "key", may_have_key);
        self.key = key.and_then(|f| f.parse(Wanted::RedisKey));
        let prefix = self.own(table, "prefix", !own && !table.has("key"));
        self.prefix = prefix.and_then(|f| read_plain(f, Wanted::RedisPrefix));
    }

    fn read_variant(&mut self, table: &Table<'_>) {
        let format = self.format;
        if let Some(field) = self.own(table, "module", format.has_modules()) {
            let modules = [Module::Official, Module::Mini].map(|one| (one.name(), one));
            self.module = field.one_of(&modules).unwrap_or(self.module);
        }
        if let Some(field) = self.own(table, "stable_mode", format.has_stable_mode()) {
            self.stable_mode = field.boolean().unwrap_or_default();
        }
        if let Some(field) = self.own(table, "cache", format.has_php_cache()) {
            let caches = [PhpCache::Serialize, PhpCache::Think5].map(|one| (one.name(), one));
            self.cache = field.one_of(&caches).unwrap_or_default();
        }
    }

    fn read_fields(&mut self, table: &Table<'_>) {
        let is_hash = self.format == Format::Hash;
        let name = |f| read_plain(f, Wanted::FieldName);
        if let Some(field) = self.own(table, "value_field", is_hash) {
            match name(field) {
                Some(text) if text.is_empty() => field.wrong(Flaw::NoFieldName),
                Some(text) => self.fields.value = text,
                None => {}
            }
        }
        if let Some(field) = self.own(table, "expires_field", is_hash) {
            self.fields.expires = name(field).filter(|text| !text.is_empty());
        }
        if let Some(field) = self.own(table, "expires_unit", is_hash) {
            let units = [("ms", true), ("s", false)];
            self.fields.milliseconds = field.one_of(&units).unwrap_or(true);
        }
    }

    fn read_secret(&mut self, table: &Table<'_>) {
        let has = self.format.holds_secret(self.kind)
            || self.key.as_ref().is_some_and(Template::has_secret);
        let from = self.own(table, "secret_from", has);
        let reveal = self.own(table, "reveal_app_secret", has);
        let reveal = reveal.filter(|f| f.boolean() == Some(true));
        match (from, reveal) {
            (Some(_), Some(reveal)) => reveal.wrong(Flaw::BesideSecretFrom),
            (Some(from), None) => {
                if let Some(caller) = read_caller(from) {
                    self.secret_from = caller;
                }
            }
            (None, Some(_)) => self.secret_from = SecretFrom::App,
            (None, None) if has => table.wrong(
                "secret_from",
                Flaw::NeedsSecret {
                    format: self.format.name(),
                },
            ),
            (None, None) => {}
        }
    }

    /// The finished sink of an app.
    pub(super) fn resolve(
        &self,
        app: AppId,
        name: Option<&str>,
        secret: Option<&Secret>,
    ) -> Result<RedisSinkConfig, Unfit> {
        let place = Place::new(&Spec {
            name,
            prefix: self.prefix.as_deref(),
            key: self.key.as_ref(),
            stable_mode: self.stable_mode,
            cache: self.cache,
            fields: Some(&self.fields),
            secret,
            ..Spec::new(self.format, app, self.module, self.kind)
        })?;
        Ok(RedisSinkConfig {
            server: self.server.clone(),
            kind: self.kind,
            place,
        })
    }
}

fn read_format(field: Field<'_>) -> Option<Format> {
    let format = field.one_of(&Format::ALL.map(|format| (format.name(), format)))?;
    if format == Format::WxjavaCp {
        field.wrong(Flaw::FormatOfWork);
        return None;
    }
    Some(format)
}

/// A piece of a key: no control characters, and not longer than a person would write.
fn read_plain(field: Field<'_>, wanted: Wanted) -> Option<Box<str>> {
    let text = field.text(wanted)?;
    if text.value.len() > 200 || text.value.chars().any(char::is_control) {
        field.wrong(Flaw::PieceOfKey);
        return None;
    }
    Some(text.value.into())
}

fn read_caller(field: Field<'_>) -> Option<SecretFrom> {
    let text = field.text(Wanted::SecretFrom)?;
    let Some(name) = text.value.strip_prefix("caller:") else {
        field.wrong(Flaw::NotSecretFrom);
        return None;
    };
    Some(SecretFrom::Caller {
        name: name.to_owned(),
        shown: text.shown(),
        spot: field.spot(),
    })
}
