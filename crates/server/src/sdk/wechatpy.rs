//! wechatpy's keys: the value, and beside it its end.

use wxtoken_core::credential::Kind;

use super::code::Code;
use super::format::{Format, Module};
use super::key::Key;
use super::place::{Layout, Spec};
use super::recognise::{Candidate, Kept, Sight, is_app};

/// What follows a key in the name of its end.
pub(super) const END: &str = "_expires_at";

/// `{p}:{appid}_access_token` and the same with `_expires_at`, which version 2 looks at; tickets need both in any version.
pub(super) fn place(spec: &Spec<'_>) -> Layout {
    match spec.module {
        Module::Official | Module::Mini => {}
        Module::Work { .. } => return spec.no_place(),
    }
    let key = format!("{}:{}_{}", spec.prefix(), spec.app, name(spec.kind));
    let end = Key::plain(&format!("{key}{END}"));
    Ok((vec![Key::plain(&key), end], Code::WechatPy(spec.kind)))
}

const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::AccessToken => "access_token",
        Kind::JsapiTicket => "jsapi_ticket",
        Kind::CardTicket => "jsapi_card_ticket",
    }
}

pub(super) fn recognise(sight: &Sight<'_>) -> Vec<Candidate> {
    one(sight).into_iter().collect()
}

fn one(sight: &Sight<'_>) -> Option<Candidate> {
    let (prefix, rest) = sight.key.rsplit_once(':')?;
    let (app, name) = rest.split_once('_')?;
    let app = is_app(app)?;
    let (name, is_end) = match name.strip_suffix(END) {
        Some(name) => (name, true),
        None => (name, false),
    };
    let credential = |kind| {
        if is_end {
            Kept::EndOf(kind)
        } else {
            Kept::Credential(kind)
        }
    };
    let kept = match Kind::ALL.into_iter().find(|kind| self::name(*kind) == name) {
        Some(kind) => credential(kind),
        None if name == "component_access_token" => Kept::Other("component_access_token"),
        None if name == "component_verify_ticket" => Kept::Other("component_verify_ticket"),
        None if name == "refresh_token" => Kept::Other("authorizer_refresh_token"),
        None if name == "agent_jsapi_ticket" => Kept::Other("WeCom's agent ticket"),
        None if name.ends_with("_access_token") => Kept::Other("WeCom's access_token"),
        None => return None,
    };
    let quoted = sight
        .text()
        .is_none_or(|body| body.starts_with(b"\"") || is_end);
    // An end without its key beside it says nothing of the value: read the token as version 1 does.
    let candidate = sight.candidate(Format::Wechatpy, kept, &Code::WechatPy(Kind::AccessToken));
    let candidate = candidate.of_app(app).with_prefix(prefix);
    // The first ten characters of WeCom's secret stand before the name.
    let secret = name
        .strip_suffix("_access_token")
        .filter(|part| *part != "component");
    let candidate = match secret {
        Some(secret) => candidate.with_secret(secret),
        None => candidate,
    };
    quoted.then_some(candidate)
}
