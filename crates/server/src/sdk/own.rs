//! Keys that are the operator's to name: a bare value, and a hash.

use wxtoken_core::credential::Kind;

use super::code::{Code, HashFields};
use super::entry::{Found, Reading};
use super::format::{Format, Module};
use super::place::{Layout, Spec};
use super::recognise::{Candidate, Kept, Sight, app_in, is_md5};

pub(super) fn raw(spec: &Spec<'_>) -> Layout {
    Ok((vec![spec.own_key()?], Code::Text))
}

pub(super) fn hash(spec: &Spec<'_>) -> Layout {
    let fields = spec.fields.cloned().unwrap_or_default();
    Ok((vec![spec.own_key()?], Code::Hash(fields)))
}

/// A hash as two SDKs keep it, or a bare value under a name that speaks of it.
pub(super) fn recognise(sight: &Sight<'_>) -> Vec<Candidate> {
    match sight.found {
        Found::Fields(..) => known_hash(sight).into_iter().collect(),
        Found::Text(..) => bare(sight).into_iter().collect(),
        Found::Absent | Found::Other => Vec::new(),
    }
}

fn known_hash(sight: &Sight<'_>) -> Option<Candidate> {
    let ruby = |value: &str| HashFields {
        value: value.into(),
        expires: Some("expired_at".into()),
        milliseconds: false,
    };
    let (fields, kind, writer, module) = if sight.key.starts_with("maConfig:") {
        let kind = match sight.key.rsplit(':').next()? {
            "accessToken" => Kind::AccessToken,
            "jsapiTicket" => Kind::JsapiTicket,
            "cardApiTicket" => Kind::CardTicket,
            _ => return None,
        };
        (
            HashFields::default(),
            kind,
            "WxJava (maConfig)",
            Module::Mini,
        )
    } else if is_md5(&sight.key.to_ascii_lowercase()) {
        let token = (ruby("access_token"), Kind::AccessToken);
        let ticket = (ruby("jsticket"), Kind::JsapiTicket);
        let held = |(fields, _): &(HashFields, Kind)| sight.has_field(&fields.value);
        let (fields, kind) = [token, ticket].into_iter().find(held)?;
        (fields, kind, "weixin_authorize", Module::Official)
    } else {
        return None;
    };
    let kept = Kept::Credential(kind);
    let candidate = sight.candidate(Format::Hash, kept, &Code::Hash(fields.clone()));
    Some(
        candidate
            .written_by(writer)
            .with_own_key()
            .with_fields(fields)
            .in_module(module),
    )
}

fn bare(sight: &Sight<'_>) -> Option<Candidate> {
    let name = sight.key.to_ascii_lowercase();
    let kind = if name.contains("access") && name.contains("token") {
        Kind::AccessToken
    } else if name.contains("card") && name.contains("ticket") {
        Kind::CardTicket
    } else if name.contains("ticket") {
        Kind::JsapiTicket
    } else if app_in(sight.key).is_some() && name.contains("token") {
        Kind::AccessToken
    } else {
        return None;
    };
    let candidate = sight.candidate(Format::Raw, Kept::Credential(kind), &Code::Text);
    let long_enough = match &candidate.reading {
        Reading::Held(held) => held.token.expose().len() >= 16 && plain(held.token.expose()),
        Reading::Absent | Reading::Foreign => false,
    };
    let candidate = candidate.with_own_key();
    // What looks like an AppSecret may be one: older SDKs, and people, put it into keys.
    let candidate = match sight
        .key
        .split(|c: char| !c.is_ascii_alphanumeric())
        .find(|part| is_md5(part))
    {
        Some(secret) => candidate.with_secret(secret),
        None => candidate,
    };
    long_enough.then(|| match app_in(sight.key) {
        Some(app) => candidate.of_app(app),
        None => candidate,
    })
}

/// Of the characters that WeChat's values are made of.
fn plain(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
