//! Reads and checks `[[caller]]`.
//!
//! Must not know: other callers and the apps; those are compared in `cross`.

use std::num::NonZeroU32;

use toml::de::DeValue;
use wxtoken_core::app::AppId;

use super::caller::{AppScope, Caller, CompatExpiresIn, HandsOut, Permission, Permissions};
use super::field::Field;
use super::flaw::{Flaw, Remark};
use super::mistake::Spot;
use super::phrase::{Cure, Wanted};
use super::return_to;
use super::secret::{KeyHash, Secret, is_caller_key};
use super::sign_origins;
use super::table::Table;

/// The keys of `[[caller]]`.
pub(super) const KEYS: [&str; 16] = [
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
    "certificate",
    "return_to",
    "sign_origins",
    "path_key",
    "accept_app_secret",
];
/// The keys of `compat_expires_in` as a table.
pub(super) const ADD_KEYS: [&str; 1] = ["add"];

/// A virtual token is good for longer than this whenever it is handed out.
const VIRTUAL_EXPIRES_IN: u32 = 7200;

/// A caller and what is needed to compare it with others.
pub(super) struct CallerRow {
    pub(super) caller: Caller,
    /// Where its name stands.
    pub(super) spot: Spot,
    /// Its key, where it is given as itself: some SDKs have it in the names of what they keep.
    pub(super) key_text: Option<Secret>,
    /// Where its key stands.
    pub(super) key_spot: Spot,
    /// Where the name in its certificate stands.
    pub(super) certificate_spot: Spot,
    /// Where its `return_to` stands.
    pub(super) return_to_spot: Spot,
    /// The apps it names, each with its place.
    pub(super) apps: Vec<(AppId, Spot)>,
}

/// Reads one table. `None` when there is no caller to speak of; the mistakes are noted.
pub(super) fn read(table: &Table<'_>) -> Option<CallerRow> {
    let name = table.need("name", Cure::CallerName);
    let spot = name.map_or_else(|| table.spot(), |f| f.spot());
    let name = name.and_then(|f| read_name(&f));
    let key_field = table.get("key").or_else(|| table.get("key_sha256"));
    let key_spot = key_field.map_or(spot, |f| f.spot());
    let mut key_text = None;
    let key = read_key(table, &mut key_text);
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
    if caller.hands_out == HandsOut::Virtual {
        caller.compat_expires_in = CompatExpiresIn::Fixed(VIRTUAL_EXPIRES_IN);
    }
    table.set(&mut caller.compat_expires_in, "compat_expires_in", |f| {
        compat_expires_in(&f)
    });
    table.set(&mut caller.rate, "rate", |f| {
        f.parse(Wanted::Rate).map(Some)
    });
    table.set(&mut caller.concurrency, "concurrency", |f| {
        let number = f.integer(1..=1_000_000)?;
        u32::try_from(number).ok().map(NonZeroU32::new)
    });
    table.set(&mut caller.from, "from", |f| Some(f.networks()));
    table.set(&mut caller.certificate, "certificate", |f| {
        read_certificate(&f).map(Some)
    });
    read_pages(table, &mut caller);
    table.set(&mut caller.path_key, "path_key", |f| f.boolean());
    table.set(&mut caller.accept_app_secret, "accept_app_secret", |f| {
        f.boolean()
    });
    check_known_by_something(table);
    warn_of_the_gateway(table, &caller);
    Some(CallerRow {
        caller,
        spot,
        key_text,
        key_spot,
        certificate_spot: table.get("certificate").map_or(spot, |f| f.spot()),
        return_to_spot: table.get("return_to").map_or(spot, |f| f.spot()),
        apps: apps.unwrap_or_default(),
    })
}

fn read_name(field: &Field<'_>) -> Option<String> {
    let text = field.text(Wanted::Name)?;
    let good = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
    if !(1..=64).contains(&text.value.chars().count()) || !text.value.chars().all(good) {
        field.wrong(Flaw::CallerName);
        return None;
    }
    Some(text.value.into_owned())
}

fn read_certificate(field: &Field<'_>) -> Option<Box<str>> {
    let text = field.text(Wanted::Name)?;
    let name = text.value.to_ascii_lowercase();
    let is_label = |label: &str| {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(good)
    };
    if name.len() > 253 || !name.split('.').all(is_label) {
        field.wrong(Flaw::CertificateName);
        return None;
    }
    Some(name.into())
}

fn read_key(table: &Table<'_>, text: &mut Option<Secret>) -> Option<KeyHash> {
    table.key_or_hash(|key, secret| {
        if is_caller_key(secret) {
            *text = Some(Secret::new(secret));
            return Some(KeyHash::of(secret));
        }
        key.wrong(Flaw::NotACallerKey);
        None
    })
}

fn check_known_by_something(table: &Table<'_>) {
    let by = [
        "key",
        "key_sha256",
        "from",
        "certificate",
        "accept_app_secret",
    ];
    if !by.iter().any(|key| table.has(key)) {
        let cure = Cure::CallerKey;
        table.wrong("key", Flaw::Missing { cure });
    }
}

/// What lets browsers in: pages that users come back to, pages that are signed.
fn read_pages(table: &Table<'_>, caller: &mut Caller) {
    table.set(&mut caller.return_to, "return_to", |f| {
        Some(return_to::read(&f))
    });
    return_to::check_allowed(table, caller);
    table.set(&mut caller.sign_origins, "sign_origins", |f| {
        Some(sign_origins::read(&f))
    });
    sign_origins::check_allowed(table, caller);
}

/// Says what is right only with the gateway.
fn warn_of_the_gateway(table: &Table<'_>, caller: &Caller) {
    let name = &caller.name;
    let elsewhere = table.has("from") || table.has("certificate");
    if caller.key.is_none() && !caller.accept_app_secret && elsewhere {
        table.doc.warn(Remark::GatewayOnly {
            caller: name.to_string(),
        });
    }
    if let (CompatExpiresIn::Fixed(seconds), HandsOut::Real) =
        (caller.compat_expires_in, caller.hands_out)
    {
        table.doc.warn(Remark::KeepsTooLong {
            caller: name.to_string(),
            seconds,
        });
    }
}

/// `None` is all apps; so is a list that could not be read, to spare needless mistakes.
fn read_apps(table: &Table<'_>) -> Option<Vec<(AppId, Spot)>> {
    let field = table.need("apps", Cure::CallerApps)?;
    let items = field.some_items(Cure::CallerApps);
    let is_star = |f: &Field<'_>| matches!(f.value(), DeValue::String(text) if text == "*");
    if let Some(star) = items.iter().find(|f| is_star(f)) {
        if items.len() > 1 {
            star.wrong(Flaw::StarAlone);
        }
        return None;
    }
    let mut apps: Vec<(AppId, Spot)> = Vec::with_capacity(items.len());
    let mut seen = std::collections::HashSet::new();
    for item in items {
        if let Some(app) = item.parse::<AppId>(Wanted::AppId) {
            if seen.insert(app) {
                apps.push((app, item.spot()));
            } else {
                item.wrong(Flaw::Twice {
                    item: app.to_string(),
                });
            }
        }
    }
    Some(apps)
}

fn read_allow(field: &Field<'_>) -> Permissions {
    let words = Permission::ALL.map(|permission| (permission.name(), permission));
    let mut allow = Permissions::NONE;
    for item in field.some_items(Cure::Allow) {
        if let Some(permission) = item.one_of(&words) {
            allow = allow.with(permission);
        }
    }
    allow
}

fn read_paths(field: &Field<'_>) -> Box<[Box<str>]> {
    let mut paths = Vec::new();
    for item in field.some_items(Cure::CallPaths) {
        let Some(text) = item.text(Wanted::CallPath) else {
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
            item.wrong(Flaw::CallPath);
            continue;
        }
        paths.push(format!("/{}", segments.join("/")).into());
    }
    paths.into()
}

fn hands_out(field: &Field<'_>) -> Option<HandsOut> {
    field.one_of(&[("real", HandsOut::Real), ("virtual", HandsOut::Virtual)])
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
            let table = field.table(Wanted::Add, &ADD_KEYS)?;
            let add = table.need("add", Cure::Add)?.integer(1..=3600)?;
            u32::try_from(add).ok().map(CompatExpiresIn::Add)
        }
        DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) => {
            field.wrong_type(Wanted::CompatExpiresIn);
            None
        }
    }
}
