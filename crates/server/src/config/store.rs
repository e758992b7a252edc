//! `[store]`: where credentials survive a restart.

use std::path::PathBuf;

use super::field::Field;
use super::flaw::Flaw;
use super::substitute::Env;
use super::table::Table;
use crate::store::MasterKey;

/// The keys of `[store]`.
pub(super) const KEYS: [&str; 5] = ["kind", "path", "url", "master_key", "previous_master_key"];
/// Where the master key is looked for when the section names none.
pub(super) const MASTER_KEY_VARIABLE: &str = "WXTOKEN_MASTER_KEY";

/// The embedded store. (`kind = "redis"` is not available in this version.)
#[derive(Debug, Clone)]
pub struct Store {
    /// The folder that holds it.
    pub path: PathBuf,
    /// What seals it. `None`: a key file in the folder, made at the first start.
    pub master_key: Option<MasterKey>,
    /// The master key before this one, while records are sealed anew.
    pub previous_master_key: Option<MasterKey>,
}

impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        let exposed = |key: &Option<MasterKey>| key.as_ref().map(MasterKey::expose_base64);
        self.path == other.path
            && exposed(&self.master_key) == exposed(&other.master_key)
            && exposed(&self.previous_master_key) == exposed(&other.previous_master_key)
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            path: PathBuf::from("data"),
            master_key: None,
            previous_master_key: None,
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
        if let Some(kind) = table.get("kind")
            && kind.one_of(&[("embedded", false), ("redis", true)]) == Some(true)
        {
            kind.wrong(Flaw::NoRedisStore);
        } else if let Some(url) = table.get("url") {
            url.wrong(Flaw::UrlOfRedis);
        }
        table.set(&mut store.path, "path", folder);
        table.set(&mut store.master_key, "master_key", |f| {
            f.master_key().map(Some)
        });
        table.set(&mut store.previous_master_key, "previous_master_key", |f| {
            f.master_key().map(Some)
        });
        if !table.has("master_key") {
            store.master_key = from_environment(table.doc.world.env)
                .inspect_err(|flaw| table.wrong("master_key", flaw.clone()))
                .unwrap_or_default();
        }
        store
    }
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
