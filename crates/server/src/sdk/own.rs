//! Keys that are the operator's to name: a bare value, and a hash.

use wxtoken_core::app::AppId;
use wxtoken_core::credential::Kind;

use super::code::{Code, HashFields};
use super::entry::{Found, Reading};
use super::format::{Format, Module};
use super::key::md5_hex;
use super::place::{Layout, Spec};
use super::recognise::{Candidate, Kept, Sight, app_in, is_md5};

pub(super) fn raw(spec: &Spec<'_>) -> Layout {
    Ok((vec![spec.own_key()?], Code::Text))
}

pub(super) fn hash(spec: &Spec<'_>) -> Layout {
    let fields = spec.fields.cloned().unwrap_or_default();
    Ok((vec![spec.own_key()?], Code::Hash(fields)))
}

/// A hash as two SDKs keep it; a hash or a bare value under a name that speaks of it.
pub(super) fn recognise(sight: &Sight<'_>) -> Vec<Candidate> {
    let found = match sight.found {
        Found::Fields(..) => ma_config(sight)
            .or_else(|| ruby(sight))
            .or_else(|| plain_hash(sight)),
        Found::Text(..) => bare(sight),
        Found::Absent | Found::Other => None,
    };
    found.into_iter().collect()
}

/// WxJava's for mini programs, which have no tickets that are held here.
fn ma_config(sight: &Sight<'_>) -> Option<Candidate> {
    let name = sight.key.strip_prefix("maConfig:")?.rsplit(':').next()?;
    let kept = match name {
        "accessToken" => Kept::Credential(Kind::AccessToken),
        "jsapiTicket" => Kept::Other("mini program's jsapi_ticket"),
        "cardApiTicket" => Kept::Other("mini program's card ticket"),
        _ => return None,
    };
    let candidate = hash_of(sight, kept, HashFields::default());
    Some(
        candidate
            .written_by("WxJava (maConfig)")
            .in_module(Module::Mini),
    )
}

/// `weixin_authorize`'s: its key is an MD5 in capitals.
fn ruby(sight: &Sight<'_>) -> Option<Candidate> {
    let lower = sight.key.to_ascii_lowercase();
    if !is_md5(&lower) || lower == sight.key {
        return None;
    }
    let kinds = [
        ("access_token", Kind::AccessToken),
        ("jsticket", Kind::JsapiTicket),
    ];
    let (value, kind) = kinds
        .into_iter()
        .find(|(value, _)| sight.field(value).is_some())?;
    let fields = HashFields {
        value: value.into(),
        expires: Some("expired_at".into()),
        milliseconds: false,
    };
    let candidate = hash_of(sight, Kept::Credential(kind), fields);
    Some(candidate.written_by("weixin_authorize"))
}

/// Whether a key is `weixin_authorize`'s for this app.
pub(super) fn is_ruby(key: &str, kind: Kind, app: &AppId) -> bool {
    let head = match kind {
        Kind::AccessToken => "weixin_",
        Kind::JsapiTicket => "js_sdk_",
        Kind::CardTicket => return false,
    };
    md5_hex(&[head, app.as_str()]).to_ascii_uppercase() == key
}

/// A hash as this program keeps one where no other fields are named.
fn plain_hash(sight: &Sight<'_>) -> Option<Candidate> {
    let kind = kind_by_name(sight.key)?;
    let mut fields = HashFields::default();
    let end = sight.field(fields.expires.as_deref()?)?;
    // No end in seconds has more digits than these, and none in milliseconds as few.
    fields.milliseconds = end.len() > 10;
    named(sight, hash_of(sight, Kept::Credential(kind), fields))
}

fn bare(sight: &Sight<'_>) -> Option<Candidate> {
    let kind = kind_by_name(sight.key)?;
    let kept = Kept::Credential(kind);
    let candidate = sight.candidate(Format::Raw, kept, &Code::Text);
    named(sight, candidate.with_own_key())
}

fn hash_of(sight: &Sight<'_>, kept: Kept, fields: HashFields) -> Candidate {
    let candidate = sight.candidate(Format::Hash, kept, &Code::Hash(fields.clone()));
    candidate.with_own_key().with_fields(fields)
}

/// What a key speaks of. Nothing where it names a token that is not the app's own.
fn kind_by_name(key: &str) -> Option<Kind> {
    const OTHERS: [&str; 7] = [
        "refresh",
        "component",
        "authorizer",
        "suite",
        "provider",
        "verify",
        "oauth",
    ];
    let name = key.to_ascii_lowercase();
    let token = name.contains("token");
    if OTHERS.iter().any(|other| name.contains(other)) {
        None
    } else if token && name.contains("access") {
        Some(Kind::AccessToken)
    } else if name.contains("ticket") {
        let card = name.contains("card");
        Some(if card {
            Kind::CardTicket
        } else {
            Kind::JsapiTicket
        })
    } else {
        (token && app_in(key).is_some()).then_some(Kind::AccessToken)
    }
}

/// Whose it is, if the key tells; nothing where the value cannot be one of WeChat's.
fn named(sight: &Sight<'_>, candidate: Candidate) -> Option<Candidate> {
    let is_one = match &candidate.reading {
        Reading::Held(held) => held.token.expose().len() >= 16 && plain(held.token.expose()),
        Reading::Absent | Reading::Foreign => false,
    };
    is_one.then(|| match app_in(sight.key) {
        Some(app) => candidate.of_app(app),
        None => candidate,
    })
}

/// Of the characters that WeChat's values are made of.
fn plain(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
