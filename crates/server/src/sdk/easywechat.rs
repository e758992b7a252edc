//! `EasyWeChat`'s keys. In those of 6 the app's secret stands as it is, in those of 4 and 5 as part of an MD5.

use wxtoken_core::credential::Kind;

use super::code::Code;
use super::format::{Format, Module, PhpCache, kind_of_ticket, ticket_type};
use super::key::{Key, Part, md5_hex};
use super::place::{Layout, Spec};
use super::recognise::{Candidate, Kept, Sight, is_app, is_md5};

const SIX_TOKEN: &str = ".access_token.";
const SIX_TICKET: &str = "official_account.jsapi_ticket.";
const FIVE_TOKEN: &str = "easywechat.kernel.access_token.";
const FIVE_TICKET: &str = "easywechat.basic_service.jssdk.ticket.";

/// `{module}.access_token.{appid}.{secret}.{0|1}`; the 1 is for stable mode.
pub(super) fn six(spec: &Spec<'_>) -> Layout {
    let (prefix, app) = (spec.prefix(), spec.app);
    let module = match spec.module {
        Module::Official => "official_account",
        Module::Mini => "mini_app",
        Module::Work { .. } => return spec.no_place(),
    };
    let key = match (spec.kind, spec.module) {
        (Kind::AccessToken, _) => Key::of(&[
            Part::Plain(prefix),
            Part::Plain(module),
            Part::Plain(SIX_TOKEN),
            Part::Plain(app.as_str()),
            Part::Plain("."),
            Part::Secret(spec.secret()?.expose()),
            Part::Plain(if spec.stable_mode { ".1" } else { ".0" }),
        ]),
        (Kind::JsapiTicket, Module::Official) => Key::plain(&format!("{prefix}{SIX_TICKET}{app}")),
        (Kind::JsapiTicket | Kind::CardTicket, _) => return spec.no_place(),
    };
    Ok((vec![key], Code::PhpText(spec.cache)))
}

/// `easywechat.kernel.access_token.` and the MD5 of the credentials as PHP's JSON; the tickets' keys hold no secret.
pub(super) fn five(spec: &Spec<'_>) -> Layout {
    let (prefix, app) = (spec.prefix(), spec.app);
    let key = match (ticket_type(spec.kind), spec.module) {
        (_, Module::Work { .. }) | (Some(_), Module::Mini) => return spec.no_place(),
        (Some(ticket), Module::Official) => {
            Key::plain(&format!("{prefix}{FIVE_TICKET}{ticket}.{app}"))
        }
        (None, Module::Official | Module::Mini) => {
            let hash = credentials_hash(app.as_str(), spec.secret()?.expose());
            Key::of(&[
                Part::Plain(prefix),
                Part::Plain(FIVE_TOKEN),
                Part::Secret(&hash),
            ])
        }
    };
    Ok((vec![key], Code::PhpAnswer(spec.cache, spec.kind)))
}

fn credentials_hash(app: &str, secret: &str) -> String {
    // PHP's JSON writes a slash with a backslash; no AppSecret holds quotes or control characters.
    let secret = zeroize::Zeroizing::new(
        secret
            .replace('\\', r"\\")
            .replace('"', "\\\"")
            .replace('/', r"\/"),
    );
    let head = r#"{"grant_type":"client_credential","appid":""#;
    md5_hex(&[head, app, r#"","secret":""#, &secret, r#""}"#])
}

pub(super) fn recognise(sight: &Sight<'_>) -> Vec<Candidate> {
    let found = six_token(sight).or_else(|| six_ticket(sight));
    let found = found.or_else(|| five_any(sight)).or_else(|| other(sight));
    found.into_iter().collect()
}

fn six_token(sight: &Sight<'_>) -> Option<Candidate> {
    let parts = [
        ("official_account", Module::Official),
        ("mini_app", Module::Mini),
    ];
    parts.into_iter().find_map(|(name, module)| {
        let (prefix, rest) = sight.key.split_once(&format!("{name}{SIX_TOKEN}"))?;
        let (app, rest) = rest.split_once('.')?;
        // The older node-easywechat has its keys without secret and digit; its values are no PHP's.
        let (secret, mode) = rest.rsplit_once('.')?;
        let cache = cache_of_text(sight);
        let candidate = sight.candidate(
            Format::Easywechat6,
            Kept::Credential(Kind::AccessToken),
            &Code::PhpText(cache),
        );
        let candidate = candidate.of_app(is_app(app)?).in_module(module);
        let candidate = candidate.with_prefix(prefix).with_cache(cache);
        (!secret.is_empty() && matches!(mode, "0" | "1"))
            .then(|| candidate.in_stable_mode(mode == "1").with_secret(secret))
    })
}

fn six_ticket(sight: &Sight<'_>) -> Option<Candidate> {
    let (prefix, app) = sight.key.split_once(SIX_TICKET)?;
    let cache = cache_of_text(sight);
    let kept = Kept::Credential(Kind::JsapiTicket);
    let candidate = sight.candidate(Format::Easywechat6, kept, &Code::PhpText(cache));
    Some(
        candidate
            .of_app(is_app(app)?)
            .with_prefix(prefix)
            .with_cache(cache),
    )
}

/// ThinkPHP 5.1 keeps a text as it is.
fn cache_of_text(sight: &Sight<'_>) -> PhpCache {
    match sight.text() {
        Some(body) if body.starts_with(b"s:") || body.starts_with(&[0, 0, 0]) => {
            PhpCache::Serialize
        }
        Some(_) => PhpCache::Think5,
        None => PhpCache::Serialize,
    }
}

fn five_any(sight: &Sight<'_>) -> Option<Candidate> {
    let cache = match sight.text() {
        Some(body) if body.starts_with(b"think_serialize:") => PhpCache::Think5,
        _ => PhpCache::Serialize,
    };
    let of = |kept, kind, prefix| {
        let candidate = sight.candidate(Format::Easywechat5, kept, &Code::PhpAnswer(cache, kind));
        candidate.with_prefix(prefix).with_cache(cache)
    };
    if let Some((prefix, hash)) = sight.key.split_once(FIVE_TOKEN) {
        let kind = Kind::AccessToken;
        return is_md5(hash).then(|| of(Kept::Credential(kind), kind, prefix).with_secret(hash));
    }
    let (prefix, rest) = sight.key.split_once(FIVE_TICKET)?;
    let (ticket, app) = rest.split_once('.')?;
    let kind = kind_of_ticket(ticket)?;
    Some(of(Kept::Credential(kind), kind, prefix).of_app(is_app(app)?))
}

/// What is not held here.
const OTHERS: [(&str, &str, Format); 9] = [
    (
        "work.access_token.",
        "WeCom's access_token",
        Format::Easywechat6,
    ),
    (
        "work.jsapi_ticket.",
        "WeCom's jsapi_ticket",
        Format::Easywechat6,
    ),
    (
        "open_platform.component_access_token.",
        "component_access_token",
        Format::Easywechat6,
    ),
    (
        "easywechat.open_platform.verify_ticket.",
        "component_verify_ticket",
        Format::Easywechat5,
    ),
    (
        "open_platform.verify_ticket.",
        "component_verify_ticket",
        Format::Easywechat6,
    ),
    (
        "open-platform.authorizer_access_token.",
        "authorizer_access_token",
        Format::Easywechat6,
    ),
    (
        "open_work.",
        "WeCom's for service providers",
        Format::Easywechat6,
    ),
    (
        "easywechat.work.jssdk.ticket.",
        "WeCom's jsapi_ticket",
        Format::Easywechat5,
    ),
    (
        "easywechat.common.access_token.",
        "the access_token of EasyWeChat 3",
        Format::Easywechat5,
    ),
];

fn other(sight: &Sight<'_>) -> Option<Candidate> {
    // Another SDK's keys hold one of these names, too.
    if sight.key.contains("powerwechat.") {
        return None;
    }
    let (name, kept, format) = *OTHERS.iter().find(|(name, ..)| sight.key.contains(name))?;
    let (prefix, rest) = sight.key.split_once(name)?;
    let cache = cache_of_text(sight);
    let candidate = sight.candidate(format, Kept::Other(kept), &Code::PhpText(cache));
    let candidate = candidate.with_prefix(prefix).with_secret_tail(rest);
    Some(match rest.split('.').find_map(is_app) {
        Some(app) => candidate.of_app(app),
        None => candidate,
    })
}
