//! `[store]`: where credentials survive a restart.

use std::path::PathBuf;

use super::field::Field;
use super::flaw::Flaw;
use super::phrase::{Cure, Wanted};
use super::substitute::Env;
use super::table::Table;
use crate::store::MasterKey;
use crate::store::redis::{Prefix, Settings};

/// The keys of `[store]`.
pub(super) const KEYS: [&str; 8] = [
    "kind",
    "path",
    "url",
    "prefix",
    "ca",
    "sentinel_password",
    "master_key",
    "previous_master_key",
];
/// What only a store in Redis has.
const OF_REDIS: [&str; 4] = ["url", "prefix", "ca", "sentinel_password"];
/// Where the master key is looked for when the section names none.
pub(super) const MASTER_KEY_VARIABLE: &str = "WXTOKEN_MASTER_KEY";

/// Where records are kept: in a folder, or in a Redis that several replicas share.
#[derive(Debug, Clone)]
pub struct Store {
    /// The folder that holds it; with Redis, the sealed copy that serves while Redis is away.
    pub path: PathBuf,
    /// What seals it. `None`: a key file in the folder, made at the first start; never with Redis.
    pub master_key: Option<MasterKey>,
    /// The master key before this one, while records are sealed anew.
    pub previous_master_key: Option<MasterKey>,
    /// The Redis that is shared, if one is.
    pub redis: Option<Settings>,
}

impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        let exposed = |key: &Option<MasterKey>| key.as_ref().map(MasterKey::expose_base64);
        self.path == other.path
            && exposed(&self.master_key) == exposed(&other.master_key)
            && exposed(&self.previous_master_key) == exposed(&other.previous_master_key)
            && self.redis == other.redis
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            path: PathBuf::from("data"),
            master_key: None,
            previous_master_key: None,
            redis: None,
        }
    }
}

impl Store {
    /// Reads and checks the section; `table` is an empty one when there is none.
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut store = Self {
            path: table.doc.folder.join("data"),
            ..Self::default()
        };
        let kind = table.get("kind");
        let is_redis = kind.and_then(|kind| kind.one_of(&[("embedded", false), ("redis", true)]));
        if is_redis == Some(true) {
            store.redis = redis(table);
        } else {
            for field in OF_REDIS.iter().filter_map(|key| table.get(key)) {
                field.wrong(Flaw::OfRedis);
            }
        }
        table.set(&mut store.path, "path", folder);
        table.set(&mut store.master_key, "master_key", |f| {
            f.master_key().map(Some)
        });
        table.set(&mut store.previous_master_key, "previous_master_key", |f| {
            f.master_key().map(Some)
        });
        if !table.has("master_key") {
            match from_environment(table.doc.world.env) {
                Ok(None) if is_redis == Some(true) => table.wrong(
                    "master_key",
                    Flaw::Missing {
                        cure: Cure::SharedMasterKey {
                            variable: MASTER_KEY_VARIABLE,
                        },
                    },
                ),
                Ok(key) => store.master_key = key,
                Err(flaw) => table.wrong("master_key", flaw),
            }
        }
        store
    }
}

/// The Redis that is shared.
fn redis(table: &Table<'_>) -> Option<Settings> {
    let mut settings = Settings {
        address: table.need("url", Cure::StoreUrl)?.redis_address()?,
        ca: None,
        sentinel_password: None,
        prefix: Prefix::default(),
    };
    table.set(&mut settings.prefix, "prefix", |f| f.parse(Wanted::Prefix));
    table.set(&mut settings.sentinel_password, "sentinel_password", |f| {
        Some(Some(f.secret()?.expose().to_owned().into()))
    });
    if let Some(field) = table.get("ca") {
        if settings.address.tls {
            settings.ca = field.authorities();
        } else {
            field.wrong(Flaw::CaWithoutTls);
        }
    }
    Some(settings)
}

/// The master key of the environment, if there is one.
pub(super) fn from_environment(env: Env<'_>) -> Result<Option<MasterKey>, Flaw> {
    match env(MASTER_KEY_VARIABLE) {
        None => Ok(None),
        Some(text) => MasterKey::from_base64(&text)
            .map(Some)
            .map_err(|why| Flaw::MasterKeyOf {
                variable: MASTER_KEY_VARIABLE,
                why,
            }),
    }
}

/// The folder; what stands in its place already must be one.
fn folder(field: Field<'_>) -> Option<PathBuf> {
    let path = field.path()?;
    if std::fs::metadata(&path).is_ok_and(|about| !about.is_dir()) {
        field.wrong(Flaw::NotAFolder { path });
        return None;
    }
    Some(path)
}
