//! What copies in Redis need of other tables, and that no two of them lie at one key, nor any among the store's.
//!
//! Must not know: how a table is read.

use std::collections::HashMap;

use super::app::Rare;
use super::app_read::AppRow;
use super::caller_read::CallerRow;
use super::cross::Cross;
use super::flaw::Flaw;
use super::mistake::Spot;
use super::redis_sink::{RedisRow, RedisSinkConfig, SecretFrom};
use super::secret::Secret;
use crate::redis::{Address, Host, Servers};
use crate::sdk::{Key, Unfit};

/// Where the store's own keys lie, if it is in Redis, and what they begin with.
pub(super) type StoreKeys<'a> = Option<(&'a Address, &'a str)>;

impl Cross<'_> {
    /// Finishes the copies in Redis, now that every caller is known, and compares their keys.
    pub(super) fn redis(
        &mut self,
        rows: &mut [AppRow],
        callers: &[CallerRow],
        store: StoreKeys<'_>,
        all_known: bool,
    ) {
        if rows.iter().all(|row| row.redis.is_empty()) {
            return;
        }
        let named = |row: &'_ CallerRow| (row.caller.name.to_string(), row.key_text.clone());
        let callers: HashMap<String, Option<Secret>> = callers.iter().map(named).collect();
        let mut taken = Taken::default();
        for row in rows {
            let mut sinks = Vec::with_capacity(row.redis.len());
            for draft in &row.redis {
                let Ok(secret) = self.secret(row, draft, &callers, all_known) else {
                    continue;
                };
                match draft.resolve(row.app.appid, row.app.name.as_deref(), secret.as_ref()) {
                    Ok(sink) => {
                        self.compare(&sink, draft.spot, store, &mut taken);
                        sinks.push(sink);
                    }
                    Err(why) => self.unfit(draft.spot, why),
                }
            }
            if !sinks.is_empty() {
                row.app.rare.get_or_insert_with(Box::<Rare>::default).redis = sinks.into();
            }
        }
    }

    /// The secret that stands in a format's keys; an error where there should be one and is none, which is noted.
    fn secret(
        &mut self,
        row: &AppRow,
        draft: &RedisRow,
        callers: &HashMap<String, Option<Secret>>,
        all_known: bool,
    ) -> Result<Option<Secret>, ()> {
        let (name, shown, spot) = match &draft.secret_from {
            SecretFrom::Nowhere => return Ok(None),
            SecretFrom::App => return Ok(Some(row.app.secret.clone())),
            SecretFrom::Caller { name, shown, spot } => (name, shown, *spot),
        };
        let flaw = match callers.get(name) {
            Some(Some(key)) => return Ok(Some(key.clone())),
            Some(None) => Flaw::CallerKeyUnknown { name: name.clone() },
            None if all_known => Flaw::NoSuchCaller {
                name: shown.clone(),
            },
            None => return Err(()),
        };
        self.wrong(spot, "app.redis.secret_from", flaw);
        Err(())
    }

    fn unfit(&mut self, spot: Spot, why: Unfit) {
        match why {
            Unfit::NoPlace {
                format,
                module,
                kind,
            } => {
                let (format, module) = (format.name(), module.name());
                let flaw = Flaw::NoPlace {
                    format,
                    module,
                    kind,
                };
                self.wrong(spot, "app.redis.kind", flaw);
            }
            // Both were noted when the table was read.
            Unfit::NeedsSecret | Unfit::NeedsKey => {}
        }
    }

    fn compare(
        &mut self,
        sink: &RedisSinkConfig,
        spot: Spot,
        store: StoreKeys<'_>,
        taken: &mut Taken,
    ) {
        let address = &sink.server.address;
        for key in sink.place.keys() {
            if let Some((theirs, prefix)) = store
                && nodes(address)
                    .iter()
                    .any(|node| nodes(theirs).contains(node))
                && key
                    .as_bytes()
                    .strip_prefix(prefix.as_bytes())
                    .is_some_and(|rest| rest.starts_with(b":"))
            {
                self.wrong(spot, "app.redis", Flaw::SinkAmongStores);
                return;
            }
            if let Some(first) = taken.take(address, key, spot) {
                let (at, key) = (self.place(first), key.to_string());
                self.wrong(spot, "app.redis", Flaw::SinkKeyTwice { key, at });
                return;
            }
        }
    }
}

/// Keys that are taken, each with the place of its sink.
#[derive(Default)]
struct Taken(HashMap<(String, Key), Spot>);

impl Taken {
    /// Takes a key; whose it is already, if it is.
    fn take(&mut self, address: &Address, key: &Key, spot: Spot) -> Option<Spot> {
        let nodes = nodes(address).into_iter();
        let places: Vec<_> = nodes.map(|node| (node, key.clone())).collect();
        let first = places.iter().find_map(|place| self.0.get(place)).copied();
        self.0.extend(places.into_iter().map(|place| (place, spot)));
        first
    }
}

/// A name for each server of an address; two addresses that have one in common are the same Redis and database.
fn nodes(address: &Address) -> Vec<String> {
    let db = address.db;
    let named = |host: &Host, master: &str| {
        let name = host.name.to_ascii_lowercase();
        let name = match &*name {
            "localhost" | "::1" => "127.0.0.1",
            other => other,
        };
        format!("{name}:{}/{master}/{db}", host.port)
    };
    match &address.servers {
        Servers::One(host) => vec![named(host, "")],
        Servers::Cluster(hosts) => hosts.iter().map(|host| named(host, "")).collect(),
        Servers::Sentinel { hosts, master } => {
            hosts.iter().map(|host| named(host, master)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, parse};

    const KEY: &str = "c0ffee0123456789c0ffee0123456789";

    fn config(sinks: &str) -> Config {
        let text = format!(
            "[admin]\nkey = \"an-admin-key-for-tests\"\n\
             [[app]]\nappid = \"wx1\"\nname = \"shop\"\nsecret = \"hush-hush\"\nkinds = [\"access_token\", \"jsapi_ticket\"]\n{sinks}\n\
             [[caller]]\nname = \"orders\"\nkey = \"{KEY}\"\napps = [\"*\"]\n"
        );
        parse(&text, Path::new("/nowhere"), &|_| None).unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn sink(rest: &str) -> String {
        format!("[[app.redis]]\nurl = \"redis://:letmein@h/2\"\n{rest}\n")
    }

    fn keys(sinks: &str) -> Vec<String> {
        let config = config(sinks);
        let sinks = config.apps[0].redis().iter();
        let keys = sinks.flat_map(|sink| sink.place.keys().to_vec());
        keys.map(|key| String::from_utf8(key.as_bytes().to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn a_sink_knows_its_server_its_kind_and_its_keys() {
        let one = sink("format = \"wechatpy\"\nkind = \"jsapi_ticket\"\nprefix = \"mine\"");
        let config = config(&one);
        let [sink] = config.apps[0].redis() else {
            panic!("{:?}", config.apps[0].redis());
        };
        assert_eq!(sink.kind, wxtoken_core::credential::Kind::JsapiTicket);
        assert_eq!(sink.server.address.db, 2);
        assert!(sink.server.address.password.is_some());
        assert_eq!(
            keys(&one),
            ["mine:wx1_jsapi_ticket", "mine:wx1_jsapi_ticket_expires_at"]
        );
    }

    #[test]
    fn a_key_holds_what_the_sdk_is_configured_with() {
        let six = |rest: &str| {
            keys(&sink(&format!(
                "format = \"easywechat6\"\nprefix = \"\"\n{rest}"
            )))
        };
        assert_eq!(
            six("secret_from = \"caller:orders\"\nmodule = \"mini\"\nstable_mode = true"),
            [format!("mini_app.access_token.wx1.{KEY}.1")]
        );
        assert_eq!(
            six("reveal_app_secret = true"),
            ["official_account.access_token.wx1.hush-hush.0"]
        );
        // Its ticket's key holds none, so none has to be named.
        assert_eq!(
            six("kind = \"jsapi_ticket\""),
            ["official_account.jsapi_ticket.wx1"]
        );
    }

    #[test]
    fn nothing_of_a_sink_shows_a_secret() {
        let config = config(&sink("format = \"senparc\"\nreveal_app_secret = true"));
        let shown = format!("{:?}", config.apps[0]);
        assert!(
            !shown.contains("hush-hush") && !shown.contains("letmein"),
            "{shown}"
        );
    }

    #[test]
    fn a_sink_that_changed_is_a_change_of_sinks_alone() {
        let raw = |rest: &str| config(&sink(&format!("format = \"raw\"\nkey = \"k\"\n{rest}")));
        let mut changed = raw("").diff(&raw("kind = \"jsapi_ticket\""));
        assert_eq!(changed.sinks_changed.len(), 1);
        changed.sinks_changed.clear();
        assert!(changed.is_empty());
        assert!(raw("").diff(&raw("")).is_empty());
    }

    #[test]
    fn one_key_is_one_place_whether_or_not_its_secret_is_known_to_be_one() {
        let named = sink("format = \"easywechat6\"\nprefix = \"\"\nreveal_app_secret = true");
        let written =
            sink("format = \"raw\"\nkey = \"official_account.access_token.wx1.hush-hush.0\"");
        let mut taken = Taken::default();
        let spot = Spot {
            file: 0,
            line: 1,
            column: 1,
        };
        let mut take = |sink: &str| {
            let config = config(sink);
            let sink = &config.apps[0].redis()[0];
            let address = &sink.server.address;
            taken.take(address, &sink.place.keys()[0], spot).is_some()
        };
        assert!(!take(&named));
        assert!(take(&written));
    }

    #[test]
    fn no_sink_is_among_the_keys_of_the_store() {
        let found = |url: &str, key: &str| {
            let text =
                format!("[[app.redis]]\nurl = \"{url}\"\nformat = \"raw\"\nkey = \"{key}\"\n");
            let config = config(&text);
            let mut cross = Cross {
                names: &["wxtoken.toml".into()],
                findings: Vec::new(),
            };
            let store: Address = "redis://localhost/1".parse().unwrap();
            let spot = Spot {
                file: 0,
                line: 1,
                column: 1,
            };
            let sink = &config.apps[0].redis()[0];
            cross.compare(sink, spot, Some((&store, "wxtoken")), &mut Taken::default());
            cross.findings.len()
        };
        assert_eq!(found("redis://127.0.0.1/1", "wxtoken:x"), 1);
        assert_eq!(found("redis-cluster://a,LOCALHOST", "wxtoken:x"), 0);
        assert_eq!(found("redis://127.0.0.1/0", "wxtoken:x"), 0);
        assert_eq!(found("redis://127.0.0.1/1", "wxtokens:x"), 0);
        assert_eq!(found("redis://127.0.0.1:6380/1", "wxtoken:x"), 0);
    }
}
