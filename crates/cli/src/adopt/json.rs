//! What was found, for scripts. No token, no secret.

use serde_json::{Value, json};
use wxtoken_core::app::AppId;
use wxtoken_server::sdk::{Candidate, Kept, Reading, Seen, Ttl};
use wxtoken_server::survey::{Clash, Find, Survey};

use super::lines::{self, Server};
use super::listing;
use crate::lang::Lang;

/// One object, on one line.
pub(super) fn of(survey: &Survey, server: &Server, lang: Lang) -> String {
    let all: Vec<Value> = survey.finds.iter().map(find).collect();
    let clashes: Vec<Value> = survey
        .clashes
        .iter()
        .map(|one| clash(one, survey))
        .collect();
    json!({
        "keys": survey.keys,
        "whole": survey.whole,
        "found": all,
        "disagreements": clashes,
        "unnamed": survey.unnamed,
        "unreadable": survey.unreadable,
        "config": lines::of(survey, server, lang),
    })
    .to_string()
}

fn find(find: &Find) -> Value {
    let Some(one) = find.likeliest() else {
        return Value::Null;
    };
    let (kind, other) = match one.kept {
        Kept::Credential(kind) => (Some(kind.name()), None),
        Kept::EndOf(kind) => (None, Some(format!("end of {kind}"))),
        Kept::Other(name) => (None, Some(name.to_owned())),
    };
    let formats: Vec<&str> = find
        .candidates
        .iter()
        .map(|one| one.format.name())
        .collect();
    let key = one.key.to_string();
    // Where the key hides a part of it, this does, too.
    let prefix = one.prefix.as_ref().filter(|prefix| key.contains(*prefix));
    json!({
        "key": key,
        "appid": find.app.as_ref().map(AppId::as_str),
        "kind": kind,
        "other": other,
        "formats": formats,
        "writer": one.writer,
        "prefix": prefix,
        "module": one.module.name(),
        "stable_mode": one.stable_mode,
        "holds_secret": one.holds_secret,
        "value": value(one),
        "state": state(one),
        "expires_at": expires_at(one),
        "ttl_ms": match one.ttl {
            Some(Ttl::Left(left)) => Some(left),
            Some(Ttl::Unset) | None => None,
        },
    })
}

fn value(one: &Candidate) -> Option<String> {
    match &one.reading {
        Reading::Held(held) => Some(listing::shown(&held.token)),
        Reading::Absent | Reading::Foreign => None,
    }
}

/// What the SDK would make of it.
const fn state(one: &Candidate) -> &'static str {
    match &one.reading {
        Reading::Held(held) => match held.seen {
            Seen::Until(_) | Seen::Always => "live",
            Seen::Expired => "ended",
        },
        Reading::Absent => "empty",
        Reading::Foreign => "unreadable",
    }
}

const fn expires_at(one: &Candidate) -> Option<u64> {
    match &one.reading {
        Reading::Held(held) => match held.seen {
            Seen::Until(end) => Some(end.unix_seconds()),
            Seen::Always | Seen::Expired => None,
        },
        Reading::Absent | Reading::Foreign => None,
    }
}

fn clash(clash: &Clash, survey: &Survey) -> Value {
    let finds = clash
        .finds
        .iter()
        .filter_map(|number| survey.finds.get(*number));
    let entries = finds.filter_map(Find::likeliest);
    let entries: Vec<Value> = entries
        .map(|one| json!({ "key": one.key.to_string(), "value": value(one) }))
        .collect();
    json!({ "appid": clash.app.as_str(), "kind": clash.kind.name(), "entries": entries })
}
