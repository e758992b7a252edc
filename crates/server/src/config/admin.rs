//! `[admin]`: the listener for people who run wxtoken: admin API, metrics.

use std::net::{Ipv4Addr, SocketAddr};

use super::field::Field;
use super::flaw::{Flaw, Remark};
use super::listen::{Listen, Tls};
use super::phrase::Cure;
use super::secret::KeyHash;
use super::substitute::Env;
use super::table::Table;

/// The keys of `[admin]`.
pub(super) const KEYS: [&str; 5] = ["listen", "key", "key_sha256", "open_metrics", "tls"];
/// Where the admin key is looked for when the section names none.
pub(super) const KEY_VARIABLE: &str = "WXTOKEN_ADMIN_KEY";
/// A key this short can be guessed over the network.
const SHORTEST_KEY: usize = 8;
/// A key shorter than this deserves a word.
const SHORT_KEY: usize = 16;

/// The admin listener. On loopback only, unless it has a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where it is served.
    pub listen: Vec<Listen>,
    /// The hash of the admin key. `None` only when there is no configuration file and no `$WXTOKEN_ADMIN_KEY`: then
    /// nothing but `/healthz` and `/readyz` is answered.
    pub key: Option<KeyHash>,
    /// `/metrics` is answered without the key.
    pub open_metrics: bool,
    /// The certificate.
    pub tls: Option<Tls>,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: vec![Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 7201)))],
            key: None,
            open_metrics: false,
            tls: None,
        }
    }
}

impl Admin {
    /// What there is without a file: no key is no mistake then.
    pub(super) fn without_file(env: Env<'_>) -> Result<Self, Flaw> {
        Ok(Self {
            key: key_of_environment(env)?,
            ..Self::default()
        })
    }

    /// Reads and checks the section; `table` is an empty one when there is none.
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut admin = Self {
            key: read_key(table),
            ..Self::default()
        };
        table.set(&mut admin.open_metrics, "open_metrics", |f| f.boolean());
        table.set(&mut admin.tls, "tls", |f| f.tls().map(Some));
        if let Some(listen) = table.get("listen") {
            admin.listen = read_listen(&listen, !table.has("tls"));
        }
        admin
    }
}

fn read_listen(field: &Field<'_>, plain: bool) -> Vec<Listen> {
    let mut all = Vec::new();
    for (item, listen) in field.listeners() {
        if plain && !listen.is_local() {
            item.wrong(Flaw::OpenAdmin);
        }
        all.push(listen);
    }
    all
}

fn read_key(table: &Table<'_>) -> Option<KeyHash> {
    if !table.has("key") && !table.has("key_sha256") {
        return missing_key(table);
    }
    table.key_or_hash(|key, secret| match secret.len() {
        0..SHORTEST_KEY => {
            key.wrong(Flaw::ShortKey);
            None
        }
        length => {
            if length < SHORT_KEY {
                table.doc.warn(Remark::ShortKey { name: key.name() });
            }
            Some(KeyHash::of(secret))
        }
    })
}

fn missing_key(table: &Table<'_>) -> Option<KeyHash> {
    let key = key_of_environment(table.doc.world.env);
    let missing = Flaw::Missing {
        cure: Cure::AdminKey {
            variable: KEY_VARIABLE,
        },
    };
    match key.and_then(|key| key.ok_or(missing)) {
        Ok(key) => Some(key),
        Err(flaw) => {
            table.wrong("key", flaw);
            None
        }
    }
}

/// The admin key of the environment, if there is one.
fn key_of_environment(env: Env<'_>) -> Result<Option<KeyHash>, Flaw> {
    match env(KEY_VARIABLE) {
        None => Ok(None),
        Some(key) if key.len() >= SHORTEST_KEY => Ok(Some(KeyHash::of(&key))),
        Some(_) => Err(Flaw::ShortKeyOf {
            variable: KEY_VARIABLE,
        }),
    }
}
