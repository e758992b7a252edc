//! Senparc's keys: `Senparc:{namespace}:Container:{bag}:{short key}`. The body holds the app's secret.

use wxtoken_core::credential::Kind;

use super::code::{Bag, Code};
use super::format::{Format, Module};
use super::key::{Key, Part};
use super::place::{Layout, Spec};
use super::recognise::{Candidate, Kept, Sight, is_app};
use crate::config::Secret;

/// Bags by what they hold.
const BAGS: [(&str, Module, Kind); 4] = [
    (
        "Senparc.Weixin.MP.Containers.AccessTokenBag",
        Module::Official,
        Kind::AccessToken,
    ),
    (
        "Senparc.Weixin.MP.Containers.JsApiTicketBag",
        Module::Official,
        Kind::JsapiTicket,
    ),
    (
        "Senparc.Weixin.MP.Containers.WxCardApiTicketBag",
        Module::Official,
        Kind::CardTicket,
    ),
    (
        "Senparc.Weixin.WxOpen.Containers.AccessTokenBag",
        Module::Mini,
        Kind::AccessToken,
    ),
];
/// Bags of what is not held here.
const OTHERS: [(&str, &str); 2] = [
    (
        "Senparc.Weixin.Work.Containers.AccessTokenBag",
        "WeCom's access_token",
    ),
    (
        "Senparc.Weixin.Open.Containers.ComponentBag",
        "component_access_token",
    ),
];

pub(super) fn place(spec: &Spec<'_>) -> Layout {
    let fits =
        |(_, module, kind): &&(&str, Module, Kind)| *module == spec.module && *kind == spec.kind;
    let Some((bag, ..)) = BAGS.iter().find(fits) else {
        return spec.no_place();
    };
    let key = format!("Senparc:{}:Container:{bag}:{}", spec.prefix(), spec.app);
    let bag = Bag {
        name: spec.name.unwrap_or_default().into(),
        app: spec.app.as_str().into(),
        secret: spec.secret()?.clone(),
        module: spec.module,
        kind: spec.kind,
    };
    Ok((
        vec![Key::of(&[Part::Plain(&key)])],
        Code::Senparc(Box::new(bag)),
    ))
}

pub(super) fn recognise(sight: &Sight<'_>) -> Vec<Candidate> {
    one(sight).into_iter().collect()
}

fn one(sight: &Sight<'_>) -> Option<Candidate> {
    let (head, rest) = sight.key.split_once(":Container:")?;
    let (first, namespace) = head.split_once(':')?;
    if !matches!(first, "Senparc" | "SenparcWeixin") {
        return None;
    }
    let (bag, short) = rest.split_once(':')?;
    let code = |app: &str, module, kind| {
        Code::Senparc(Box::new(Bag {
            name: "".into(),
            app: app.into(),
            secret: Secret::new(""),
            module,
            kind,
        }))
    };
    if let Some((_, module, kind)) = BAGS.iter().find(|(name, ..)| *name == bag) {
        let code = code(short, *module, *kind);
        let candidate = sight.candidate(Format::Senparc, Kept::Credential(*kind), &code);
        let candidate = candidate.of_app(is_app(short)?).in_module(*module);
        return Some(candidate.with_prefix(namespace).with_secret_in_body());
    }
    let (_, kept) = OTHERS.iter().find(|(name, _)| *name == bag)?;
    let (corp, secret) = short.split_once('@').unwrap_or((short, ""));
    let module = Module::Work { agent: None };
    let code = code(corp, module, Kind::AccessToken);
    let candidate = sight.candidate(Format::Senparc, Kept::Other(kept), &code);
    let candidate = candidate.with_prefix(namespace).with_secret_in_body();
    let candidate = if secret.is_empty() {
        candidate
    } else {
        candidate.with_secret(secret)
    };
    Some(candidate.of_app(is_app(corp)?))
}
