//! The sections of the main file, one after the other.
//!
//! Must not know: what a section means; each has its own file.

use toml::de::DeTable;

use super::flaw::Flaw;
use super::phrase::Wanted;
use super::table::Table;
use super::{Admin, Config, Gateway, Listen, Log, Public, Refresh, Server, Store, Upstream, Users};
use super::{admin, gateway, log, public, refresh, server, store, upstream, users};

/// The keys at the top of the main file.
pub(super) const KEYS: [&str; 12] = [
    "include", "server", "admin", "public", "store", "upstream", "refresh", "gateway", "users",
    "log", "app", "caller",
];

/// Every section of the main file.
pub(super) fn read(top: &Table<'_>) -> Config {
    let empty = DeTable::new();
    let section = |key: &'static str, keys: &[&'static str]| match top.get(key) {
        Some(field) => field.table(Wanted::Section { name: key }, keys),
        None => Some(Table::new(top.doc, key.into(), &empty, 0..0, keys)),
    };
    let mut config = Config::default();
    if let Some(table) = section("server", &server::KEYS) {
        config.server = Server::read(&table);
    }
    if let Some(table) = section("admin", &admin::KEYS) {
        config.admin = Admin::read(&table);
    }
    if let Some(table) = section("public", &public::KEYS) {
        config.public = Public::read(&table);
    }
    if let Some(table) = section("store", &store::KEYS) {
        config.store = Store::read(&table);
    }
    if let Some(table) = section("upstream", &upstream::KEYS) {
        config.upstream = Upstream::read(&table);
    }
    if let Some(table) = section("refresh", &refresh::KEYS) {
        config.refresh = Refresh::read(&table);
    }
    if let Some(table) = section("gateway", &gateway::KEYS) {
        config.gateway = Gateway::read(&table);
    }
    if let Some(table) = section("users", &users::KEYS) {
        config.users = Users::read(&table);
    }
    if let Some(table) = section("log", &log::KEYS) {
        config.log = Log::read(&table);
    }
    same_place(top, &config);
    config
}

/// Refuses one address for two of the API, the admin and the public listener.
fn same_place(top: &Table<'_>, config: &Config) {
    let (server, admin) = (&config.server.listen, &config.admin.listen);
    let taken = |listen: &Listen, by: &[Listen]| listen.is_taken_by(by.iter());
    if admin.iter().any(|listen| taken(listen, server)) {
        let section = top.get("admin").or_else(|| top.get("server"));
        let at = section.map_or(0..0, |field| field.range());
        top.doc
            .wrong(&at, "admin.listen".to_owned(), Flaw::SamePlace);
    }
    let mut public = config.public.listen.iter();
    if public.any(|listen| taken(listen, server) || taken(listen, admin)) {
        let at = top.get("public").map_or(0..0, |field| field.range());
        let key = "public.listen".to_owned();
        top.doc.wrong(&at, key, Flaw::PublicSamePlace);
    }
}
