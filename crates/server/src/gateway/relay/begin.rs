//! The beginning of a plain call: the rules that every call asks, in the same order, as long as nothing has to be waited for.

use std::sync::Arc;

use tokio::time::Instant;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Now;
use wxtoken_core::credential::{Credential, ValueId};

use super::{Errand, LONGEST_BODY, Plain, Stage, Started};
use crate::gateway::call::key;
use crate::gateway::family::Family;
use crate::gateway::forward::{destination, let_in};
use crate::gateway::identify::{Asking, Identity};
use crate::gateway::line::Line;
use crate::gateway::presented::Presented;
use crate::gateway::secrets::Given;
use crate::gateway::telling::Telling;
use crate::http::callers::CallerAt;
use crate::http::counters::Surface;
use crate::http::peer::Peer;
use crate::http::request_id::{RequestId, RequestIds};
use crate::http::services::Services;
use crate::wechat::{AppUpstream, Base};

/// How a call begins.
pub(crate) enum Begun {
    /// With what is at hand: this goes up in front of the body.
    Goes(Box<Errand>, Vec<u8>),
    /// Behind hyper.
    Elsewhere(Box<Started>),
    /// Nothing has happened: it is not for the relay.
    NotHere,
}

/// What a connection knows from its last call.
pub(crate) struct Known<'k> {
    /// Where the caller stands that has the Bearer key.
    pub(crate) caller: Option<CallerAt>,
    /// Tells values' keyed hashes.
    pub(crate) id_of: &'k mut dyn FnMut(&str) -> ValueId,
}

/// Begins a call, if all that is needed for it is at hand.
pub(crate) fn begin(
    services: &Arc<Services>,
    peer: Peer,
    ids: &RequestIds,
    plain: &Plain<'_>,
    known: Known<'_>,
    (now, clock): (Now, Instant),
) -> Begun {
    let gateway = &services.gateway;
    // What is not kept for a second sending is told so, where there is a tape.
    if plain.length as u64 > gateway.tape_limits().total {
        return Begun::NotHere;
    }
    let target = &plain.target;
    let mut line = Line::of(&plain.method, clock);
    let Ok((prefix, Family::App | Family::User)) = destination(services, target, &mut line) else {
        return Begun::NotHere;
    };
    let Ok(Some(presented)) = Presented::at_once(services, target.query, now, known.id_of) else {
        return Begun::NotHere;
    };
    let id = RequestId::sent(plain.id, ids, now.wall);
    let mut telling = Telling::with(services, line, id);
    let asking = Asking {
        path: prefix.path,
        said: plain.said,
        known: known.caller,
        presented: &presented,
        given: &Given::default(),
        peer,
        now,
        // Plain TCP: nobody shows a certificate here.
        certified: None,
    };
    let identity = match let_in(services, &asking, &prefix, &mut telling.line) {
        Ok(identity) => identity,
        Err(refusal) => return elsewhere(telling, Stage::Refused(refusal)),
    };
    let app = identity.app;
    let silenced = |app| gateway.odd.is_silenced(&app, prefix.path, now.boot);
    let (odd, used) = (
        app.is_some_and(silenced),
        token(services, &identity, &presented, now),
    );
    let upstream = app.and_then(|app| gateway.directory.upstream(&app));
    let own = upstream.as_ref().and_then(|own| own.base_url.as_ref());
    let host = own.or_else(|| gateway.upstream.first_host(clock));
    let base = host.filter(|base| takes(base, plain));
    let mut share = gateway.share_of(services, identity.open.caller());
    let room = share.grow(plain.length.min(LONGEST_BODY));
    let (Ok(used), Some(base), Ok(()), false) = (used, base, room, odd) else {
        let (open, first) = (identity.open, None);
        return elsewhere(telling, Stage::LetIn { open, app, first });
    };
    let query = query(used.as_deref(), &presented, target.query);
    let up = written(plain, base, prefix.path, query.as_deref());
    let way = (base.clone(), prefix.path, Surface::of(&target.path));
    let secret = upstream.map(|AppUpstream { secret, .. }| secret);
    let errand = Errand::new(telling, identity, used, secret, share, way);
    Begun::Goes(Box::new(errand), up)
}

fn elsewhere(telling: Telling, stage: Stage) -> Begun {
    Begun::Elsewhere(Box::new(Started { telling, stage }))
}

/// Whether a body can go there: a long one is not read, and so cannot be sealed.
fn takes(base: &Base, plain: &Plain<'_>) -> bool {
    plain.length <= LONGEST_BODY || base.is_bare()
}

/// No live token is at hand.
struct NotAtHand;

/// The app's token, for calls that take it.
fn token(
    services: &Services,
    identity: &Identity,
    presented: &Presented,
    now: Now,
) -> Result<Option<Arc<Credential>>, NotAtHand> {
    let takes = |_: &AppId| presented.takes_app_token(identity.family);
    let found = identity
        .app
        .filter(takes)
        .map(|app| services.keeper.shelf().peek(&key(app), now));
    found.transpose().map_err(|_| NotAtHand)
}

/// The query as it goes up.
fn query(used: Option<&Credential>, presented: &Presented, came: Option<&str>) -> Option<String> {
    match used {
        Some(used) => presented.with_token(came, used.token.expose()),
        None => came.map(str::to_owned),
    }
}

/// The head of a request as it goes up.
fn written(plain: &Plain<'_>, base: &Base, path: &str, query: Option<&str>) -> Vec<u8> {
    let asked = query.map_or(["", ""], |query| ["?", query]);
    let method = plain.method.as_str();
    let line = [method, " ", base.prefix(), path, asked[0], asked[1]];
    let length: usize = line.iter().map(|part| part.len()).sum();
    let mut up = Vec::with_capacity(length + plain.lines.len() + base.named().len() + 64);
    for part in line {
        up.extend_from_slice(part.as_bytes());
    }
    up.extend_from_slice(b" HTTP/1.1\r\n");
    up.extend_from_slice(&plain.lines);
    up.extend_from_slice(b"accept-encoding: identity\r\nhost: ");
    up.extend_from_slice(base.named().as_bytes());
    up.extend_from_slice(b"\r\n\r\n");
    up
}
