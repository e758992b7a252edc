//! `PowerWeChat`'s keys: the token's holds an MD5 of AppID and secret, the tickets' do not.

use wxtoken_core::credential::Kind;

use super::code::Code;
use super::format::{Format, Module, kind_of_ticket, ticket_type};
use super::key::{Key, Part, md5_hex};
use super::place::{Layout, Spec};
use super::recognise::{Candidate, Kept, Sight, is_app, is_md5};

const TOKEN: &str = "powerwechat.access_token.";
const TICKET: &str = "powerwechat.basic_service.jssdk.ticket.";
const VERIFY: &str = "powerwechat.open_platform.verify_ticket.";

pub(super) fn place(spec: &Spec<'_>) -> Layout {
    let (prefix, app) = (spec.prefix(), spec.app);
    let key = match (ticket_type(spec.kind), spec.module) {
        (_, Module::Work { .. }) | (Some(_), Module::Mini) => return spec.no_place(),
        (Some(ticket), Module::Official) => Key::plain(&format!("{prefix}{TICKET}{ticket}.{app}")),
        (None, Module::Official | Module::Mini) => {
            let hash = md5_hex(&[app.as_str(), spec.secret()?.expose()]);
            Key::of(&[Part::Plain(prefix), Part::Plain(TOKEN), Part::Secret(&hash)])
        }
    };
    Ok((vec![key], Code::JsonAnswer(spec.kind)))
}

pub(super) fn recognise(sight: &Sight<'_>) -> Vec<Candidate> {
    one(sight).into_iter().collect()
}

fn one(sight: &Sight<'_>) -> Option<Candidate> {
    let of = |kept, kind| sight.candidate(Format::Powerwechat, kept, &Code::JsonAnswer(kind));
    if let Some((prefix, hash)) = sight.key.split_once(TOKEN) {
        // Corps, components and authorizers have such keys, too: their answers have other fields.
        let kept = match sight.text() {
            Some(body) if contains(body, b"component_access_token") => {
                Kept::Other("component_access_token")
            }
            Some(body) if contains(body, b"authorizer_access_token") => {
                Kept::Other("authorizer_access_token")
            }
            Some(body) if contains(body, b"suite_access_token") => {
                Kept::Other("WeCom's suite_access_token")
            }
            Some(body) if contains(body, b"provider_access_token") => {
                Kept::Other("WeCom's provider_access_token")
            }
            _ => Kept::Credential(Kind::AccessToken),
        };
        let candidate = of(kept, Kind::AccessToken).with_prefix(prefix);
        return is_md5(hash).then(|| candidate.with_secret(hash));
    }
    if let Some((prefix, rest)) = sight.key.split_once(TICKET) {
        let (ticket, app) = rest.split_once('.')?;
        let kind = kind_of_ticket(ticket)?;
        return Some(
            of(Kept::Credential(kind), kind)
                .of_app(is_app(app)?)
                .with_prefix(prefix),
        );
    }
    let (prefix, app) = sight.key.split_once(VERIFY)?;
    let candidate = of(Kept::Other("component_verify_ticket"), Kind::AccessToken);
    Some(candidate.of_app(is_app(app)?).with_prefix(prefix))
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}
