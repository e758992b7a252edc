//! The lines of `wxtoken.toml` that would take over what was found.
//!
//! Must not know: how the rest is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use wxtoken_core::app::AppId;
use wxtoken_core::credential::Kind;
use wxtoken_server::sdk::{Candidate, Format, Kept, Module, NotTakenOver, PhpCache, is_shown};
use wxtoken_server::survey::Survey;

use crate::lang::Lang;

/// The variables that the passwords are left to.
const PASSWORD: &str = "REDIS_PASSWORD";
const SENTINEL_PASSWORD: &str = "REDIS_SENTINEL_PASSWORD";

/// Where the copies would be kept, as the configuration says it.
pub(super) struct Server {
    /// The lines, each with its end.
    lines: String,
    /// What they leave to the environment.
    variables: Vec<&'static str>,
}

impl Server {
    /// As it was looked at: the password and the sentinels' are left to the environment, the authorities are named.
    pub(super) fn new(url: &str, password: bool, sentinels: bool, ca: Option<&Path>) -> Self {
        let (mut url, mut lines, mut variables) = (literal(url), String::new(), Vec::new());
        if password {
            url = with_password(&url);
            variables.push(PASSWORD);
        }
        put(&mut lines, "url", &quoted(&url));
        if let Some(ca) = ca {
            put(&mut lines, "ca", &quoted(&literal(&ca.to_string_lossy())));
        }
        if sentinels {
            let variable = quoted(&format!("${{{SENTINEL_PASSWORD}}}"));
            put(&mut lines, "sentinel_password", &variable);
            variables.push(SENTINEL_PASSWORD);
        }
        Self { lines, variables }
    }

    /// What is to be set in the environment before these lines can be used, beside the AppSecrets.
    pub(super) fn variables(&self) -> String {
        self.variables.join(", ")
    }
}

/// Puts the password's place between the user and the host.
fn with_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("redis", url));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let user = user.trim_end_matches(':');
    format!("{scheme}://{user}:${{{PASSWORD}}}@{hosts}{path}")
}

/// An app and its entries.
#[derive(Default)]
struct App<'a> {
    kinds: BTreeSet<Kind>,
    entries: Vec<(Kind, &'a Candidate)>,
    /// Remarks on entries that no lines take over.
    remarks: String,
}

/// The lines; empty where nothing can be taken over.
pub(super) fn of(survey: &Survey, server: &Server, lang: Lang) -> String {
    let mut apps: BTreeMap<Option<AppId>, App<'_>> = BTreeMap::new();
    for find in &survey.finds {
        let Some(one) = find.likeliest() else {
            continue;
        };
        if !matches!(one.kept, Kept::Credential(_)) {
            continue;
        }
        let app = apps.entry(find.app).or_default();
        match one.taken_over() {
            Ok(kind) => {
                app.kinds.insert(kind);
                app.entries.push((kind, one));
            }
            Err(why) => app.remarks.push_str(&remark(one, why, lang)),
        }
    }
    let known = apps
        .iter()
        .filter_map(|(app, entries)| Some(section((*app)?, entries, server, lang)));
    let mut lines: Vec<String> = known.collect();
    if let Some(app) = apps.get(&None) {
        lines.push(of_nobody(app, server, lang));
    }
    lines.join("\n")
}

fn of_nobody(app: &App<'_>, server: &Server, lang: Lang) -> String {
    let head = lang.pick(
        "# 以下各项的键和值都看不出是哪个应用的：移到它的 [[app]] 之下，再去掉行首的 #。",
        "# Neither key nor value tells whose these are: move each below its [[app]], and take the # away.",
    );
    let sinks = app.entries.iter().map(|one| sink(one, server, lang));
    let sinks: String = sinks.collect();
    let mut lines = String::new();
    if !sinks.is_empty() {
        lines = format!("{head}\n");
        sinks
            .lines()
            .for_each(|line| lines.push_str(&format!("# {line}\n")));
    }
    lines + &app.remarks
}

/// Why there are no lines for an entry.
fn remark(one: &Candidate, why: NotTakenOver, lang: Lang) -> String {
    let (key, format) = (&one.key, one.format);
    let why = match (why, lang) {
        (NotTakenOver::Secret, Lang::Zh) => format!(
            "*** 可能是密钥，所以不给出配置；确实要接管，就自己写 format = \"{format}\" 和完整的键"
        ),
        (NotTakenOver::Secret, Lang::En) => format!(
            "what *** hides may be a secret, so there are no lines for it; to take it over, write format = \"{format}\" and the whole key yourself"
        ),
        (NotTakenOver::NoFormat, Lang::Zh) => {
            "没有哪种格式写这样的键，所以不给出配置；可以自己写 format = \"raw\" 或 \"hash\"".to_owned()
        }
        (NotTakenOver::NoFormat, Lang::En) => {
            "no format writes such a key, so there are no lines for it; format = \"raw\" or \"hash\" may do".to_owned()
        }
    };
    format!("# {key}: {why}\n")
}

fn section(id: AppId, app: &App<'_>, server: &Server, lang: Lang) -> String {
    let is_mini = |(_, one): &(Kind, &Candidate)| one.module == Module::Mini;
    let app_type = if !app.entries.is_empty() && app.entries.iter().all(is_mini) {
        "mini"
    } else {
        "official"
    };
    let kinds: Vec<String> = app.kinds.iter().map(|kind| quoted(kind.name())).collect();
    let name = id.as_str().to_ascii_uppercase();
    let secret = lang.pick("它的 AppSecret", "its AppSecret");
    let mut lines = String::new();
    if !kinds.is_empty() {
        let kinds = kinds.join(", ");
        lines = format!(
            "[[app]]\nappid = \"{id}\"\nsecret = \"${{{name}_SECRET}}\"    # {secret}\ntype = \"{app_type}\"\nkinds = [{kinds}]\n"
        );
    }
    for entry in &app.entries {
        lines.push_str(&sink(entry, server, lang));
    }
    lines + &app.remarks
}

fn sink((kind, one): &(Kind, &Candidate), server: &Server, lang: Lang) -> String {
    let format = one.format;
    let server = &server.lines;
    let mut lines = format!("[[app.redis]]\n{server}format = \"{format}\"\nkind = \"{kind}\"\n");
    let mut put = |key: &str, value: &str| put(&mut lines, key, value);
    if one.own_key {
        put("key", &quoted(&literal(&one.template())));
    } else if let Some(prefix) = &one.prefix
        && prefix != format.usual_prefix(one.module)
    {
        put("prefix", &quoted(&literal(prefix)));
    }
    if format.has_modules() && one.module == Module::Mini {
        put("module", "\"mini\"");
    }
    if one.stable_mode {
        put("stable_mode", "true");
    }
    if one.cache == PhpCache::Think5 {
        put("cache", "\"thinkphp5\"");
    }
    if format == Format::Hash
        && let Some(fields) = &one.fields
    {
        put("value_field", &quoted(&fields.value));
        put(
            "expires_field",
            &quoted(fields.expires.as_deref().unwrap_or_default()),
        );
        put(
            "expires_unit",
            if fields.milliseconds {
                "\"ms\""
            } else {
                "\"s\""
            },
        );
    }
    if one.holds_secret {
        let how = lang.pick(
            "这个 SDK 配的是 AppSecret；改配调用方密钥后写 secret_from = \"caller:名称\"",
            "the SDK has the AppSecret; once it has a caller's key, secret_from = \"caller:NAME\"",
        );
        put("reveal_app_secret", &format!("true    # {how}"));
    }
    lines
}

fn put(lines: &mut String, key: &str, value: &str) {
    lines.push_str(&format!("{key} = {value}\n"));
}

/// A text in which the configuration sees no variable.
fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

/// A text as TOML has it, with nothing in it that a terminal would obey.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            _ if is_shown(c) => quoted.push(c),
            _ => quoted.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}
