//! Reads and checks `[[app]]`.
//!
//! Must not know: other apps; what must differ between two is checked in `cross`.

use wxtoken_core::app::{AppId, AppType};
use wxtoken_core::budget::{BudgetKind, Limits};
use wxtoken_core::credential::{Kind, Lane, Token};

use super::app::{App, Kinds, Lanes, Rare};
use super::field::Field;
use super::flaw::{Flaw, Remark};
use super::mistake::Spot;
use super::phrase::{Cure, Wanted};
use super::redis_sink::{self, RedisRow};
use super::secret::Secret;
use super::sink::{self, FileSinkConfig};
use super::table::Table;
use super::words::List;

/// The keys of `[[app]]`.
pub(super) const KEYS: [&str; 15] = [
    "appid",
    "name",
    "type",
    "secret",
    "previous_secret",
    "lanes",
    "kinds",
    "mode",
    "take_over",
    "initial_token",
    "base_url",
    "push_token",
    "budget",
    "file",
    "redis",
];
/// The keys of `budget`.
pub(super) const BUDGET_KEYS: [&str; 5] = ["classic", "stable", "ticket", "probe", "forced"];

/// An app and what is needed to compare it with others.
pub(super) struct AppRow {
    pub(super) app: App,
    /// Where its AppID stands.
    pub(super) spot: Spot,
    /// Where the path of each of its files stands.
    pub(super) files: Box<[Spot]>,
    /// Its copies in Redis, to be finished in `redis_cross`.
    pub(super) redis: Box<[RedisRow]>,
}

/// What an account of this type may do in a day.
pub(super) const fn usual_limits(app_type: AppType) -> Limits {
    match app_type {
        AppType::Test => Limits::TEST,
        AppType::Official | AppType::Mini | AppType::Website => Limits::ORDINARY,
    }
}

/// Reads one table. `None` when there is no app to speak of; the mistakes are noted.
pub(super) fn read(table: &Table<'_>) -> Option<AppRow> {
    let mut app_type = AppType::Official;
    table.set(&mut app_type, "type", |f| f.one_of(&TYPES));
    let appid = table.need("appid", Cure::AppId);
    let spot = appid.map_or_else(|| table.spot(), |f| f.spot());
    let appid: Option<AppId> = appid.and_then(|f| f.parse(Wanted::AppId));
    let secret = table
        .need("secret", Cure::Secret)
        .and_then(|f| f.app_secret());
    let mut name = None;
    table.set(&mut name, "name", |f| read_name(f).map(Some));
    let lanes = read_lanes(table, app_type);
    let kinds = read_kinds(table, app_type);
    let mut take_over = false;
    table.set(&mut take_over, "take_over", |f| f.boolean());
    let mut shadow = false;
    table.set(&mut shadow, "mode", |f| f.one_of(&MODES));
    let redis = read_redis(table, app_type, kinds);
    let holds_token = |row: &RedisRow| row.kind == Kind::AccessToken;
    if shadow && !table.has("redis") {
        table.wrong("mode", Flaw::ShadowOfNothing);
    } else if shadow && !redis.is_empty() && !redis.iter().any(holds_token) {
        table.wrong("mode", Flaw::ShadowOfTickets);
    }
    let (rare, files) = read_rare(table, app_type, kinds);
    let app = App {
        appid: appid?,
        // A missing one has been noted; the app still counts where others are compared with it.
        secret: secret.unwrap_or_else(|| Secret::new("")),
        name,
        rare: (rare != Rare::default()).then(|| Box::new(rare)),
        app_type,
        lanes,
        kinds,
        take_over,
        shadow,
    };
    let may_fetch_classic = shadow || take_over || app.initial_token().is_some();
    if lanes.contains(Lane::Classic) && !kinds.is_empty() && !may_fetch_classic {
        table.doc.warn(Remark::ClassicNotTaken { app: app.appid });
    }
    Some(AppRow {
        app,
        spot,
        files: files.into(),
        redis,
    })
}

fn read_name(field: Field<'_>) -> Option<Box<str>> {
    let text = field.text(Wanted::Name)?;
    if text.value.len() > 200 || text.value.chars().any(char::is_control) {
        field.wrong(Flaw::AppName);
        return None;
    }
    Some(text.value.into())
}

const TYPES: [(&str, AppType); 4] = [
    ("official", AppType::Official),
    ("mini", AppType::Mini),
    ("website", AppType::Website),
    ("test", AppType::Test),
];

/// Whether others fetch.
const MODES: [(&str, bool); 2] = [("live", false), ("shadow", true)];

fn type_name(app_type: AppType) -> &'static str {
    let named = TYPES.iter().find(|(_, one)| *one == app_type);
    named.map_or("", |(name, _)| name)
}

fn read_lanes(table: &Table<'_>, app_type: AppType) -> Lanes {
    let Some(field) = table.get("lanes") else {
        return Lanes::Stable;
    };
    if app_type == AppType::Website {
        field.wrong(Flaw::WebsiteLanes);
        return Lanes::Stable;
    }
    let words = [("stable", Lane::Stable), ("classic", Lane::Classic)];
    let items = field.some_items(Cure::Lanes);
    let lanes: Vec<Lane> = items.iter().filter_map(|f| f.one_of(&words)).collect();
    if let Some(twice) = items.get(1..).and_then(<[_]>::last)
        && (lanes.len() > 2 || (lanes.len() == 2 && lanes[0] == lanes[1]))
    {
        twice.wrong(Flaw::LaneTwice);
    }
    match lanes.as_slice() {
        [Lane::Stable, Lane::Classic, ..] => Lanes::StableThenClassic,
        [Lane::Classic, Lane::Stable, ..] => Lanes::ClassicThenStable,
        [Lane::Classic, ..] => Lanes::Classic,
        [] | [Lane::Stable, ..] => Lanes::Stable,
    }
}

fn read_kinds(table: &Table<'_>, app_type: AppType) -> Kinds {
    let Some(field) = table.get("kinds") else {
        return Kind::ALL
            .into_iter()
            .filter(|kind| *kind == Kind::AccessToken && kind.exists_for(app_type))
            .fold(Kinds::NONE, Kinds::with);
    };
    let items = match app_type {
        AppType::Website => field.items(),
        AppType::Official | AppType::Mini | AppType::Test => field.some_items(Cure::Kinds),
    };
    let mut kinds = Kinds::NONE;
    for item in items {
        if let Some(kind) = kind(item, app_type) {
            if kinds.contains(kind) {
                item.wrong(Flaw::Twice {
                    item: kind.to_string(),
                });
            }
            kinds = kinds.with(kind);
        }
    }
    kinds
}

/// A kind of credential that an app of this type has.
pub(super) fn kind(field: Field<'_>, app_type: AppType) -> Option<Kind> {
    let kind = field.one_of(&Kind::ALL.map(|kind| (kind.name(), kind)))?;
    if kind.exists_for(app_type) {
        return Some(kind);
    }
    let has: Vec<&str> = Kind::ALL
        .into_iter()
        .filter(|kind| kind.exists_for(app_type))
        .map(Kind::name)
        .collect();
    let app_type = type_name(app_type);
    field.wrong(if has.is_empty() {
        Flaw::NoKinds { app_type, kind }
    } else {
        let has = List::of(&has);
        Flaw::NotItsKind {
            app_type,
            kind,
            has,
        }
    });
    None
}

fn read_rare(table: &Table<'_>, app_type: AppType, kinds: Kinds) -> (Rare, Vec<Spot>) {
    let mut rare = Rare::default();
    table.set(&mut rare.previous_secret, "previous_secret", |f| {
        f.app_secret().map(Some)
    });
    table.set(&mut rare.initial_token, "initial_token", |f| {
        initial_token(f).map(Some)
    });
    table.set(&mut rare.base_url, "base_url", |f| f.base_url().map(Some));
    table.set(&mut rare.push_token, "push_token", |f| {
        f.push_token().map(Some)
    });
    table.set(&mut rare.limits, "budget", |f| {
        budget(f, app_type).map(Some)
    });
    let files: Vec<(FileSinkConfig, Spot)> = table.get("file").map_or_else(Vec::new, |f| {
        let tables = f.tables(&sink::FILE_KEYS);
        tables
            .iter()
            .filter_map(|table| FileSinkConfig::read(table, app_type, kinds))
            .collect()
    });
    let (files, spots): (Vec<_>, Vec<_>) = files.into_iter().unzip();
    rare.files = files.into();
    (rare, spots)
}

fn read_redis(table: &Table<'_>, app_type: AppType, kinds: Kinds) -> Box<[RedisRow]> {
    let Some(field) = table.get("redis") else {
        return Box::default();
    };
    let tables = field.tables(&redis_sink::KEYS);
    let read = |table| RedisRow::read(table, app_type, kinds);
    tables.iter().filter_map(read).collect()
}

fn initial_token(field: Field<'_>) -> Option<Token> {
    let token = Token::new(field.secret()?.expose());
    token.map_err(|why| field.wrong(why)).ok()
}

fn budget(field: Field<'_>, app_type: AppType) -> Option<Limits> {
    let table = field.table(Wanted::Budget, &BUDGET_KEYS)?;
    let mut limits = usual_limits(app_type);
    for (kind, per_day) in BudgetKind::ALL.into_iter().zip(&mut limits.per_day) {
        let most = match kind {
            BudgetKind::Forced => 20,
            BudgetKind::Classic | BudgetKind::Stable | BudgetKind::Ticket | BudgetKind::Probe => {
                50_000
            }
        };
        table.set(per_day, kind.name(), |f| {
            f.integer(1..=most).and_then(|n| n.try_into().ok())
        });
    }
    Some(limits)
}
