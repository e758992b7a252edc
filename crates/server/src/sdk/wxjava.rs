//! WxJava's keys: official accounts, mini programs, `WeCom`; over Jedis, `RedisTemplate` and Redisson.

use wxtoken_core::credential::Kind;

use super::code::Code;
use super::entry::Found;
use super::format::{Format, Module, kind_of_ticket, ticket_type};
use super::key::Key;
use super::place::{Layout, Spec};
use super::recognise::{Candidate, Kept, Sight, app_at_end, is_app};

/// `{p}:access_token:{appid}` and `{p}:ticket:key:{appid}:{type}`.
pub(super) fn mp(spec: &Spec<'_>) -> Layout {
    match spec.module {
        Module::Official | Module::Mini => Ok((vec![mp_key(spec)], Code::WxJava)),
        Module::Work { .. } => spec.no_place(),
    }
}

fn mp_key(spec: &Spec<'_>) -> Key {
    let (prefix, app) = (spec.prefix(), spec.app);
    Key::plain(&match ticket_type(spec.kind) {
        None => format!("{prefix}:access_token:{app}"),
        Some(ticket) => format!("{prefix}:ticket:key:{app}:{ticket}"),
    })
}

/// `{p}:access_token:{appid}`. A mini program has no tickets.
pub(super) fn miniapp(spec: &Spec<'_>) -> Layout {
    match spec.kind {
        Kind::AccessToken => mp(spec),
        Kind::JsapiTicket | Kind::CardTicket => spec.no_place(),
    }
}

/// `[{p}:]wechat_cp_access_token_key:{corp}[:{agent}]` and its ticket.
pub(super) fn cp(spec: &Spec<'_>) -> Layout {
    let Module::Work { agent } = spec.module else {
        return spec.no_place();
    };
    let name = match spec.kind {
        Kind::AccessToken => "access_token",
        Kind::JsapiTicket => "jsapi_ticket",
        Kind::CardTicket => return spec.no_place(),
    };
    let prefix = joined(spec.prefix());
    let agent = agent.map_or_else(String::new, |agent| format!(":{agent}"));
    let key = format!("{prefix}wechat_cp_{name}_key:{}{agent}", spec.app);
    Ok((vec![Key::plain(&key)], Code::WxJava))
}

/// The same values through Redisson's default codec: `mp`'s keys, and others for mini programs.
pub(super) fn redisson(spec: &Spec<'_>) -> Layout {
    let key = match (spec.key, spec.module, spec.kind) {
        (Some(_), _, _) => spec.own_key()?,
        (None, Module::Official, _) => mp_key(spec),
        (None, Module::Mini, Kind::AccessToken) => {
            let prefix = joined(spec.prefix());
            Key::plain(&format!("{prefix}wechat_ma_access_token_key:{}", spec.app))
        }
        (None, Module::Mini | Module::Work { .. }, _) => return spec.no_place(),
    };
    Ok((vec![key], Code::Kryo5))
}

/// A prefix with its colon; a blank one gives none.
fn joined(prefix: &str) -> String {
    let prefix = prefix.trim();
    if prefix.is_empty() || prefix.ends_with(':') {
        prefix.to_owned()
    } else {
        format!("{prefix}:")
    }
}

/// Who may have written this, among WxJava's.
pub(super) fn recognise(sight: &Sight<'_>) -> Vec<Candidate> {
    if let Some((prefix, rest)) = sight.key.split_once(":access_token:") {
        return plain(sight, prefix, rest, Kind::AccessToken);
    }
    if let Some((prefix, rest)) = sight.key.split_once(":ticket:key:")
        && let Some((app, ticket)) = rest.split_once(':')
        && let Some(kind) = kind_of_ticket(ticket)
    {
        return plain(sight, prefix, app, kind);
    }
    named(sight).or_else(|| open(sight)).into_iter().collect()
}

/// The keys of `mp` and `miniapp`, which are the same: a usual prefix tells which.
fn plain(sight: &Sight<'_>, prefix: &str, app: &str, kind: Kind) -> Vec<Candidate> {
    let Some(app) = is_app(app) else {
        return Vec::new();
    };
    let likely_mini = kind == Kind::AccessToken
        && (prefix == "wa"
            || prefix == "wh"
            || prefix.starts_with("wx:ma")
            || prefix.starts_with("wx:channel"));
    let first = if likely_mini {
        (Format::WxjavaMiniapp, Module::Mini)
    } else {
        (Format::WxjavaMp, Module::Official)
    };
    let second = if likely_mini {
        (Format::WxjavaMp, Module::Official)
    } else {
        (Format::WxjavaMiniapp, Module::Mini)
    };
    let of = |(format, module)| {
        let (format, code) = by_codec(sight.found, format);
        let candidate = sight.candidate(format, Kept::Credential(kind), &code);
        let candidate = candidate.of_app(app).in_module(module).with_prefix(prefix);
        // Redisson's own class for mini programs has another key than the others: this one has to be named.
        if format == Format::RedissonKryo5 && module == Module::Mini {
            candidate.with_own_key()
        } else {
            candidate
        }
    };
    let both =
        kind == Kind::AccessToken && by_codec(sight.found, Format::WxjavaMp).0 == Format::WxjavaMp;
    let mut candidates = vec![of(first)];
    if both {
        candidates.push(of(second));
    }
    candidates
}

/// Redisson's codec shows in the first byte.
fn by_codec(found: &Found, format: Format) -> (Format, Code) {
    match found {
        Found::Text(body, _) if body.expose().first() == Some(&3) => {
            (Format::RedissonKryo5, Code::Kryo5)
        }
        _ => (format, Code::WxJava),
    }
}

/// Names that only one class writes, and what they keep.
const NAMED: [(&str, Kept); 8] = [
    (
        "wechat_ma_access_token_key:",
        Kept::Credential(Kind::AccessToken),
    ),
    (
        "wechat_ma_jsapi_ticket_key:",
        Kept::Other("mini program's jsapi_ticket"),
    ),
    (
        "wechat_ma_card_api_ticket_key:",
        Kept::Other("mini program's card ticket"),
    ),
    (
        "wx_channel_access_token_key:",
        Kept::Credential(Kind::AccessToken),
    ),
    (
        "wechat_cp_access_token_key:",
        Kept::Other("WeCom's access_token"),
    ),
    (
        "wechat_cp_jsapi_ticket_key:",
        Kept::Other("WeCom's jsapi_ticket"),
    ),
    (
        "wechat_cp_agent_jsapi_ticket_key:",
        Kept::Other("WeCom's agent ticket"),
    ),
    (
        "wechat_cg_access_token_key:",
        Kept::Other("WeCom corp group's access_token"),
    ),
];

/// Keys with a name of their own: Redisson's for mini programs and channels, `WeCom`'s.
fn named(sight: &Sight<'_>) -> Option<Candidate> {
    let (name, kept) = *NAMED.iter().find(|(name, _)| sight.key.contains(name))?;
    let (prefix, tail) = sight.key.split_once(name)?;
    let work = name.starts_with("wechat_c");
    let plain = if work {
        Format::WxjavaCp
    } else {
        Format::WxjavaMiniapp
    };
    let (format, code) = by_codec(sight.found, plain);
    let app = tail.split(':').find_map(is_app)?;
    let agent = tail.rsplit(':').next().and_then(|agent| agent.parse().ok());
    let module = if work {
        Module::Work { agent }
    } else {
        Module::Mini
    };
    // Where the text is bare, this key is no format's but Redisson's with another codec: a key of the operator's own.
    let format = if format == Format::WxjavaMiniapp {
        Format::Raw
    } else {
        format
    };
    let candidate = sight
        .candidate(format, kept, &code)
        .of_app(app)
        .in_module(module);
    let candidate = candidate.with_prefix(prefix.trim_end_matches(':'));
    Some(if format == Format::Raw || name.starts_with("wx_channel") {
        candidate.written_by("WxJava over Redisson").with_own_key()
    } else {
        candidate
    })
}

/// What third-party platforms keep, which is not held here.
fn open(sight: &Sight<'_>) -> Option<Candidate> {
    const NAMES: [(&str, &str); 6] = [
        ("wechat_component_access_token:", "component_access_token"),
        ("wechat_authorizer_access_token:", "authorizer_access_token"),
        ("wechat_component_verify_ticket:", "component_verify_ticket"),
        (
            "wechat_authorizer_refresh_token:",
            "authorizer_refresh_token",
        ),
        ("wechat_jsapi_ticket:", "authorizer's jsapi_ticket"),
        ("wechat_card_api_ticket:", "authorizer's card ticket"),
    ];
    let (name, kept) = *NAMES.iter().find(|(name, _)| sight.key.contains(name))?;
    let (prefix, _) = sight.key.split_once(name)?;
    let app = app_at_end(sight.key)?;
    let (_, code) = by_codec(sight.found, Format::WxjavaMp);
    let candidate = sight.candidate(Format::WxjavaMp, Kept::Other(kept), &code);
    Some(
        candidate
            .of_app(app)
            .with_prefix(prefix.trim_end_matches(':')),
    )
}
