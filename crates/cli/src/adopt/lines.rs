//! The lines of `wxtoken.toml` that would take over what was found.
//!
//! Must not know: how the rest is told.

use std::collections::{BTreeMap, BTreeSet};

use wxtoken_core::app::AppId;
use wxtoken_core::credential::Kind;
use wxtoken_server::sdk::{Candidate, Format, Kept, Module, PhpCache};
use wxtoken_server::survey::Survey;

use crate::lang::Lang;

/// An app and its entries.
#[derive(Default)]
struct App<'a> {
    kinds: BTreeSet<Kind>,
    entries: Vec<(Kind, &'a Candidate)>,
}

/// The lines; empty where nothing can be taken over.
pub(super) fn of(survey: &Survey, url: &str, lang: Lang) -> String {
    let mut apps: BTreeMap<Option<AppId>, App<'_>> = BTreeMap::new();
    for find in &survey.finds {
        if let Some(one) = find.likeliest()
            && let Kept::Credential(kind) = one.kept
        {
            let app = apps.entry(find.app).or_default();
            app.kinds.insert(kind);
            app.entries.push((kind, one));
        }
    }
    let known = apps
        .iter()
        .filter_map(|(app, entries)| Some(section((*app)?, entries, url, lang)));
    let mut lines: Vec<String> = known.collect();
    if let Some(app) = apps.get(&None) {
        let head = lang.pick(
            "# 以下各项的键和值都看不出是哪个应用的：移到它的 [[app]] 之下，再去掉行首的 #。",
            "# Neither key nor value tells whose these are: move each below its [[app]], and take the # away.",
        );
        let sinks: String = app.entries.iter().map(|one| sink(one, url, lang)).collect();
        let commented: Vec<String> = sinks.lines().map(|line| format!("# {line}")).collect();
        lines.push(format!("{head}\n{}\n", commented.join("\n")));
    }
    lines.join("\n")
}

fn section(id: AppId, app: &App<'_>, url: &str, lang: Lang) -> String {
    let is_mini = |(_, one): &(Kind, &Candidate)| one.module == Module::Mini;
    let app_type = if app.entries.iter().all(is_mini) {
        "mini"
    } else {
        "official"
    };
    let kinds: Vec<String> = app.kinds.iter().map(|kind| quoted(kind.name())).collect();
    let kinds = kinds.join(", ");
    let name = id.as_str().to_ascii_uppercase();
    let secret = lang.pick("它的 AppSecret", "its AppSecret");
    let mut lines = format!(
        "[[app]]\nappid = \"{id}\"\nsecret = \"${{{name}_SECRET}}\"    # {secret}\ntype = \"{app_type}\"\nkinds = [{kinds}]\n"
    );
    for entry in &app.entries {
        lines.push_str(&sink(entry, url, lang));
    }
    lines
}

fn sink((kind, one): &(Kind, &Candidate), url: &str, lang: Lang) -> String {
    let format = one.format;
    let mut lines = format!(
        "[[app.redis]]\nurl = {}\nformat = \"{format}\"\nkind = \"{kind}\"\n",
        quoted(url)
    );
    let mut put = |key: &str, value: &str| {
        lines.push_str(&format!("{key} = {value}\n"));
    };
    if one.own_key {
        put("key", &quoted(&one.template()));
    } else if let Some(prefix) = &one.prefix
        && prefix != format.usual_prefix(one.module)
    {
        put("prefix", &quoted(prefix));
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

/// A text as TOML has it: JSON's quotes and escapes are TOML's, too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
