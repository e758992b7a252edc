//! Reads and checks `[[caller]]`.
//!
//! Must not know: other callers and the apps; those are compared in `cross`.

use std::num::NonZeroU32;

use toml::de::DeValue;
use wxtoken_core::app::AppId;

use super::caller::{AppScope, Caller, CompatExpiresIn, HandsOut, Permission, Permissions};
use super::field::Field;
use super::mistake::Spot;
use super::network::IpNet;
use super::secret::{KeyHash, is_caller_key};
use super::table::Table;

/// The keys of `[[caller]]`.
pub(super) const KEYS: [&str; 13] = [
    "name",
    "key",
    "key_sha256",
    "apps",
    "allow",
    "call_paths",
    "hands_out",
    "compat_expires_in",
    "rate",
    "concurrency",
    "from",
    "path_key",
    "accept_app_secret",
];
/// The keys of `compat_expires_in` as a table.
pub(super) const ADD_KEYS: [&str; 1] = ["add"];

/// A caller and what is needed to compare it with others.
pub(super) struct CallerRow {
    pub(super) caller: Caller,
    /// Where its name stands.
    pub(super) spot: Spot,
    /// Where its key stands.
    pub(super) key_spot: Spot,
    /// The apps it names, each with its place.
    pub(super) apps: Vec<(AppId, Spot)>,
}

/// Reads one table. `None` when there is no caller to speak of; the mistakes are noted.
pub(super) fn read(table: &Table<'_>) -> Option<CallerRow> {
    let name = table.need("name", "name the program that asks, such as \"orders\"");
    let spot = name.map_or_else(|| table.spot(), |f| f.spot());
    let name = name.and_then(|f| read_name(&f));
    let key_field = table.get("key").or_else(|| table.get("key_sha256"));
    let key_spot = key_field.map_or(spot, |f| f.spot());
    let key = read_key(table);
    let apps = read_apps(table);
    let mut caller = Caller::new(&name.unwrap_or_default(), KeyHash([0; 32]));
    caller.key = key;
    if let Some(apps) = &apps {
        let mut sorted: Vec<AppId> = apps.iter().map(|(app, _)| *app).collect();
        sorted.sort_unstable();
        caller.apps = AppScope::Some(sorted.into());
    }
    table.set(&mut caller.allow, "allow", |f| Some(read_allow(&f)));
    table.set(&mut caller.call_paths, "call_paths", |f| {
        Some(read_paths(&f))
    });
    table.set(&mut caller.hands_out, "hands_out", |f| hands_out(&f));
    table.set(&mut caller.compat_expires_in, "compat_expires_in", |f| {
        compat_expires_in(&f)
    });
    table.set(&mut caller.rate, "rate", |f| {
        f.parse("a rate such as \"200/s\"").map(Some)
    });
    table.set(&mut caller.concurrency, "concurrency", |f| {
        let number = f.integer(1..=1_000_000)?;
        u32::try_from(number).ok().map(NonZeroU32::new)
    });
    table.set(&mut caller.from, "from", |f| Some(read_from(&f)));
    table.set(&mut caller.path_key, "path_key", |f| f.boolean());
    table.set(&mut caller.accept_app_secret, "accept_app_secret", |f| {
        f.boolean()
    });
    check_known_by_something(table);
    warn_of_the_gateway(table, &caller);
    Some(CallerRow {
        caller,
        spot,
        key_spot,
        apps: apps.unwrap_or_default(),
    })
}

fn read_name(field: &Field<'_>) -> Option<String> {
    let text = field.text("a name")?;
    let good = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
    if !(1..=64).contains(&text.value.chars().count()) || !text.value.chars().all(good) {
        field.wrong(
            "a caller's name has 1 to 64 letters, digits, dots, dashes, underscores or spaces",
        );
        return None;
    }
    Some(text.value.into_owned())
}

fn read_key(table: &Table<'_>) -> Option<KeyHash> {
    match (table.get("key"), table.get("key_sha256")) {
        (Some(_), Some(hash)) => {
            hash.wrong("stands beside key; keep one of the two");
            None
        }
        (None, Some(hash)) => hash.key_hash(),
        (Some(key), None) => {
            let secret = key.secret()?;
            if is_caller_key(secret.expose()) {
                return Some(KeyHash::of(secret.expose()));
            }
            key.wrong("a caller key is 32 lower-case hex digits, as an AppSecret is; make one with `wxtoken key`");
            None
        }
        (None, None) => None,
    }
}

fn check_known_by_something(table: &Table<'_>) {
    let by = ["key", "key_sha256", "from", "accept_app_secret"];
    if !by.iter().any(|key| table.has(key)) {
        table.wrong("key", "is missing; make one with `wxtoken key` and write key_sha256 = \"…\", or key = \"${NAME}\"".to_owned());
    }
}

/// Says what is right only with the gateway.
fn warn_of_the_gateway(table: &Table<'_>, caller: &Caller) {
    let name = &caller.name;
    if caller.key.is_none() && !caller.accept_app_secret && table.has("from") {
        table.doc.warn(format!(
            "caller {name}: without a key it is known at the gateway alone, which is not available in this version"
        ));
    }
    if let CompatExpiresIn::Fixed(seconds) = caller.compat_expires_in {
        table.doc.warn(format!(
            "caller {name}: compat_expires_in = {seconds} has SDKs keep tokens longer than they live; it is right only when \
             all calls go through the gateway, which is not available in this version"
        ));
    }
}

/// `None` is all apps; so is a list that could not be read, to spare needless mistakes.
fn read_apps(table: &Table<'_>) -> Option<Vec<(AppId, Spot)>> {
    let field = table.need(
        "apps",
        "list the AppIDs it may see, or write [\"*\"] for all",
    )?;
    let items = field.some_items("list the AppIDs it may see, or write [\"*\"] for all");
    let is_star = |f: &Field<'_>| matches!(f.value(), DeValue::String(text) if text == "*");
    if let Some(star) = items.iter().find(|f| is_star(f)) {
        if items.len() > 1 {
            star.wrong("\"*\" means all apps and stands alone");
        }
        return None;
    }
    let mut apps: Vec<(AppId, Spot)> = Vec::with_capacity(items.len());
    let mut seen = std::collections::HashSet::new();
    for item in items {
        if let Some(app) = item.parse::<AppId>("an AppID in quotes") {
            if seen.insert(app) {
                apps.push((app, item.spot()));
            } else {
                item.wrong(format_args!("{app} is listed twice"));
            }
        }
    }
    Some(apps)
}

fn read_allow(field: &Field<'_>) -> Permissions {
    let words = Permission::ALL.map(|permission| (permission.name(), permission));
    let mut allow = Permissions::NONE;
    for item in field.some_items("write [\"read\"], or leave it out") {
        if let Some(permission) = item.one_of(&words) {
            allow = allow.with(permission);
        }
    }
    if allow.allows(Permission::Read) {
        allow = allow.with(Permission::Ticket);
    }
    allow
}

fn read_paths(field: &Field<'_>) -> Box<[Box<str>]> {
    let mut paths = Vec::new();
    for item in field.some_items("write [\"/\"], or leave it out") {
        let Some(text) = item.text("a path such as \"/cgi-bin/message\"") else {
            continue;
        };
        let path = text.value.as_ref();
        let segments: Vec<&str> = path.trim_end_matches('/').split('/').skip(1).collect();
        let plain = |segment: &&str| {
            !["", ".", ".."].contains(segment)
                && segment
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b))
        };
        if !path.starts_with('/') || !segments.iter().all(plain) {
            item.wrong("a path begins with / and has whole, plain segments: \"/cgi-bin/message\"");
            continue;
        }
        paths.push(format!("/{}", segments.join("/")).into());
    }
    paths.into()
}

fn hands_out(field: &Field<'_>) -> Option<HandsOut> {
    let chosen = field.one_of(&[("real", Some(HandsOut::Real)), ("virtual", None)])?;
    if chosen.is_none() {
        field.wrong("\"virtual\" is not available in this version; take hands_out = \"real\"");
    }
    chosen
}

fn compat_expires_in(field: &Field<'_>) -> Option<CompatExpiresIn> {
    match field.value() {
        DeValue::String(text) if !text.contains("${") => {
            field.one_of(&[("remaining", CompatExpiresIn::Remaining)])
        }
        DeValue::String(_) | DeValue::Integer(_) => {
            let seconds = field.integer(1..=7200)?;
            u32::try_from(seconds).ok().map(CompatExpiresIn::Fixed)
        }
        DeValue::Table(_) => {
            let table = field.table("{ add = 1500 }", &ADD_KEYS)?;
            let add = table
                .need("add", "write { add = 1500 }")?
                .integer(1..=3600)?;
            u32::try_from(add).ok().map(CompatExpiresIn::Add)
        }
        DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) => {
            field.wrong_type("\"remaining\", 7200 or { add = 1500 }");
            None
        }
    }
}

fn read_from(field: &Field<'_>) -> Box<[IpNet]> {
    let items = field.some_items("list networks such as \"10.0.0.0/8\", or leave it out");
    items
        .iter()
        .filter_map(|f| f.parse("a network such as \"10.0.0.0/8\""))
        .collect()
}
