//! The text that co-wechat-api's and wechat-api's documented callbacks keep, wherever the application puts it.

use wxtoken_core::credential::Kind;

use super::code::Code;
use super::entry::Reading;
use super::format::Format;
use super::place::{Layout, Spec};
use super::recognise::{Candidate, Kept, Sight, app_in};

pub(super) fn place(spec: &Spec<'_>) -> Layout {
    Ok((vec![spec.own_key()?], Code::Node(spec.kind)))
}

pub(super) fn recognise(sight: &Sight<'_>) -> Vec<Candidate> {
    let ticket = if sight.key.contains("card") {
        Kind::CardTicket
    } else {
        Kind::JsapiTicket
    };
    let looked = [Kind::AccessToken, ticket].map(|kind| {
        let candidate = sight.candidate(
            Format::CoWechatApi,
            Kept::Credential(kind),
            &Code::Node(kind),
        );
        let candidate = candidate.with_own_key();
        match app_in(sight.key) {
            Some(app) => candidate.of_app(app),
            None => candidate,
        }
    });
    let fits = |candidate: &Candidate| matches!(candidate.reading, Reading::Held(_));
    looked.into_iter().filter(fits).collect()
}
