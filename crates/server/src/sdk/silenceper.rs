//! silenceper/wechat's keys. Both halves carry an underscore: the double one is real.

use wxtoken_core::credential::Kind;

use super::code::Code;
use super::format::{Format, Module};
use super::key::Key;
use super::place::{Layout, Spec};
use super::recognise::{Candidate, Kept, Sight, is_app};

const OFFICIAL: &str = "gowechat_officialaccount_";
const MINI: &str = "gowechat_miniprogram_";
const WORK: &str = "gowechat_work_";
const TOKEN: &str = "_access_token_";
const STABLE: &str = "_stable_access_token_";
const TICKET: &str = "_jsapi_ticket_";

pub(super) fn place(spec: &Spec<'_>) -> Layout {
    let module = match spec.module {
        Module::Official => OFFICIAL,
        Module::Mini => MINI,
        Module::Work { .. } => return spec.no_place(),
    };
    let name = match (spec.kind, spec.module) {
        (Kind::AccessToken, _) if spec.stable_mode => STABLE,
        (Kind::AccessToken, _) => TOKEN,
        (Kind::JsapiTicket, Module::Official) => TICKET,
        (Kind::JsapiTicket | Kind::CardTicket, _) => return spec.no_place(),
    };
    let key = format!("{}{module}{name}{}", spec.prefix(), spec.app);
    Ok((vec![Key::plain(&key)], Code::Text))
}

pub(super) fn recognise(sight: &Sight<'_>) -> Vec<Candidate> {
    let parts = [
        (OFFICIAL, Module::Official),
        (MINI, Module::Mini),
        (WORK, Module::Work { agent: None }),
    ];
    let found = parts.into_iter().find_map(|(name, module)| {
        let (prefix, rest) = sight.key.split_once(name)?;
        one(sight, prefix, rest, module)
    });
    found.or_else(|| open(sight)).into_iter().collect()
}

fn one(sight: &Sight<'_>, prefix: &str, rest: &str, module: Module) -> Option<Candidate> {
    let names = [
        (STABLE, Kind::AccessToken, true),
        (TOKEN, Kind::AccessToken, false),
        (TICKET, Kind::JsapiTicket, false),
    ];
    let (app, kind, stable) = names.into_iter().find_map(|(name, kind, stable)| {
        let app = rest.strip_prefix(name)?;
        Some((is_app(app.split('_').next()?)?, kind, stable))
    })?;
    let kept = match module {
        Module::Work { .. } => Kept::Other("WeCom's access_token"),
        Module::Official | Module::Mini => Kept::Credential(kind),
    };
    let candidate = sight.candidate(Format::Silenceper, kept, &Code::Text);
    let candidate = candidate.of_app(app).in_module(module).with_prefix(prefix);
    Some(candidate.in_stable_mode(stable))
}

fn open(sight: &Sight<'_>) -> Option<Candidate> {
    let names = [
        ("component_access_token_", "component_access_token"),
        ("authorizer_access_token_", "authorizer_access_token"),
    ];
    names.into_iter().find_map(|(name, kept)| {
        let (prefix, app) = sight.key.split_once(name)?;
        let app = is_app(app)?;
        let candidate = sight.candidate(Format::Silenceper, Kept::Other(kept), &Code::Text);
        Some(candidate.of_app(app).with_prefix(prefix))
    })
}
