//! Who is calling, and for which app. What names a caller and what names an app are two things: a real token names an app
//! and never a caller (design section 6).

use std::sync::Arc;

use wxtoken_core::app::AppId;
use wxtoken_core::clock::Now;

use super::family::{self, Family};
use super::introduction::{Introduction, Sent};
use super::mix_up::as_access_token;
use super::presented::{Held, Presented};
use super::refusal::Refusal;
use super::secrets::Given;
use crate::config::{AppScope, Permission};
use crate::http::callers::{Book, Caller, CallerAt, OpenRequest};
use crate::http::certified::Certified;
use crate::http::door;
use crate::http::error::ApiError;
use crate::http::peer::Peer;
use crate::http::services::Services;

/// A request as far as it says who sends it.
pub(crate) struct Asking<'r> {
    pub(crate) path: &'r str,
    pub(crate) said: Introduction<'r>,
    /// Where its Bearer key's caller stands, if that was looked up before.
    pub(crate) known: Option<CallerAt>,
    pub(crate) presented: &'r Presented,
    /// What stands in the `secret` of a call that takes one.
    pub(crate) given: &'r Given,
    pub(crate) peer: Peer,
    pub(crate) now: Now,
    /// What the client's certificate names.
    pub(crate) certified: Option<&'r Certified>,
}

/// Who is calling, for which app, and where to.
pub(crate) struct Identity {
    pub(crate) open: OpenRequest,
    /// None only where no app's token is needed.
    pub(crate) app: Option<AppId>,
    pub(crate) family: Family,
}

/// A path, and what the `/k/…` in front of it says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Prefixed<'p> {
    pub(crate) key: Option<&'p str>,
    pub(crate) app: Option<AppId>,
    pub(crate) path: &'p str,
}

/// Takes `/k/{key}/` or `/k/{key}/{appid}/` off a path. A segment is an AppID only if such an app is here.
pub(crate) fn prefixed<'p>(path: &'p str, knows: impl Fn(&AppId) -> bool) -> Prefixed<'p> {
    let plain = Prefixed {
        key: None,
        app: None,
        path,
    };
    let Some(behind) = path.strip_prefix("/k/") else {
        return plain;
    };
    let (key, rest) = behind.split_at(behind.find('/').unwrap_or(behind.len()));
    let named = rest.get(1..).and_then(|rest| {
        let (segment, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let app: AppId = segment.parse().ok()?;
        knows(&app).then_some((app, path))
    });
    let (app, rest) = named.map_or((None, rest), |(app, path)| (Some(app), path));
    Prefixed {
        key: Some(key),
        app,
        path: if rest.is_empty() { "/" } else { rest },
    }
}

/// Lets a call of this caller's in, or not.
pub(crate) fn admit(
    asking: &Asking<'_>,
    caller: &Arc<Caller>,
    app: Option<AppId>,
) -> Result<Identity, Refusal> {
    let open = door::open(caller, asking.peer, asking.now)?;
    if !may_call(caller) {
        return Err(ApiError::NotAllowed(Permission::Call).into());
    }
    if !family::allowed(&caller.config().call_paths, asking.path) {
        return Err(Refusal::PATH);
    }
    if app.is_some_and(|app| !caller.sees(&app)) {
        return Err(ApiError::ForeignApp.into());
    }
    let family = Family::of(asking.path);
    match (app, family) {
        (None, Family::App) => Err(no_app(asking.presented)),
        (None, Family::Exchange | Family::ClearQuotaBySecret) => Err(Refusal::NO_APPID),
        _ => Ok(Identity { open, app, family }),
    }
}

/// Whether this caller may send calls at all.
pub(crate) fn may_call(caller: &Caller) -> bool {
    caller.may(Permission::Call)
}

/// Who is calling, and for which app, if anything says so. `may` tells the callers that an address alone may name.
pub(crate) fn who(
    services: &Services,
    asking: &Asking<'_>,
    prefix: &Prefixed<'_>,
    may: impl Fn(&Caller) -> bool,
) -> Result<(Arc<Caller>, Option<AppId>), Refusal> {
    let app = app_named(asking, prefix)?;
    let (caller, only) = match caller_named(services, asking, prefix)? {
        Some(caller) => {
            let only = only_app(&caller);
            (caller, only)
        }
        None => by_address(services, asking.peer, app, may)?,
    };
    Ok((caller, app.or(only)))
}

/// What to say when nothing names an app.
pub(crate) fn no_app(presented: &Presented) -> Refusal {
    let mixed_up = |held| as_access_token(Family::App, held);
    if let Some(mix_up) = presented.each().find_map(mixed_up) {
        Refusal::MixUp(mix_up)
    } else if presented.held.is_empty() {
        Refusal::NO_TOKEN
    } else {
        Refusal::UNKNOWN_TOKEN
    }
}

/// The one app that a request names, in whichever ways it does.
fn app_named(asking: &Asking<'_>, prefix: &Prefixed<'_>) -> Result<Option<AppId>, Refusal> {
    let header = match asking.said.app {
        Sent::Never => None,
        Sent::Once(value) => {
            let text = str::from_utf8(value).ok();
            let named = text.and_then(|text| text.parse().ok());
            Some(named.ok_or(ApiError::UnknownApp)?)
        }
        Sent::Often => return Err(Refusal::TWO_APP_HEADERS),
    };
    let tokens = asking.presented.each().filter_map(|held| match held {
        Held::Virtual(claims) => Some(claims.app),
        Held::Ours(app) => Some(app),
        Held::Web(_) | Held::Refresh(_) | Held::NotVirtual(_) | Held::Other => None,
    });
    let mut named = tokens
        .chain(header)
        .chain(prefix.app)
        .chain(asking.given.app);
    match named.next() {
        Some(app) if named.any(|other| other != app) => Err(Refusal::TWO_APPS),
        app => Ok(app),
    }
}

/// The one caller that a request names by something only that caller has.
fn caller_named(
    services: &Services,
    asking: &Asking<'_>,
    prefix: &Prefixed<'_>,
) -> Result<Option<Arc<Caller>>, Refusal> {
    let book = services.callers.now();
    let mut named: Vec<&Arc<Caller>> = Vec::new();
    for held in asking.presented.each() {
        match held {
            Held::Virtual(claims) => {
                let caller = services
                    .gateway
                    .caller_of(&book, &claims)
                    .ok_or(Refusal::REVOKED)?;
                named.push(caller);
            }
            Held::NotVirtual(why) => {
                // Where no app's token belongs, another one of the same kind is no help.
                let mix_up = as_access_token(Family::of(asking.path), held);
                return Err(mix_up.map_or_else(|| Refusal::not_virtual(why), Refusal::MixUp));
            }
            Held::Ours(_) | Held::Web(_) | Held::Refresh(_) | Held::Other => {}
        }
    }
    match asking.said.authorization {
        Sent::Never => {}
        Sent::Once(value) => {
            let key = door::bearer_in(value)?;
            let known = asking.known.and_then(|at| book.at(at));
            let caller = known.or_else(|| book.by_key(key));
            named.push(caller.ok_or(ApiError::BadKey)?);
        }
        Sent::Often => return Err(ApiError::NoKey.into()),
    }
    if let Some(key) = prefix.key {
        let caller = book
            .by_key(key.as_bytes())
            .filter(|caller| caller.config().path_key);
        named.push(caller.ok_or(Refusal::PATH_KEY)?);
    }
    let secret = asking.given.secret.as_deref();
    let keyed = secret.and_then(|secret| book.by_key(secret.as_bytes()));
    let certified = asking.certified.map(|names| names.callers(&book));
    named.extend(keyed.into_iter().chain(certified.into_iter().flatten()));
    // All callers of an app may have its AppSecret: it names one only where nothing else does.
    if named.is_empty() {
        named.extend(by_app_secret(services, &book, asking));
    }
    match named.split_first() {
        None => Ok(None),
        Some((caller, others)) if others.iter().all(|other| other.name() == caller.name()) => {
            Ok(Some(Arc::clone(caller)))
        }
        Some(_) => Err(Refusal::TWO_CALLERS),
    }
}

/// The caller that may send the app's own AppSecret in the place of a key.
fn by_app_secret<'b>(
    services: &Services,
    book: &'b Book,
    asking: &Asking<'_>,
) -> Option<&'b Arc<Caller>> {
    let (app, secret) = (asking.given.app?, asking.given.secret.as_deref()?);
    let caller = book.by_app_secret(&app, asking.peer)?;
    (services.is_app_secret)(&app, secret).then_some(caller)
}

/// The caller whose `from` lists this address, where nothing else names one; and its only app. Where others are listed for the
/// same address, nobody knows whose app is meant, unless it is the only one of them all.
fn by_address(
    services: &Services,
    peer: Peer,
    app: Option<AppId>,
    may: impl Fn(&Caller) -> bool,
) -> Result<(Arc<Caller>, Option<AppId>), Refusal> {
    let book = services.callers.now();
    let mut listed = book.all().iter().filter(|caller| {
        // Where there is a key or a certificate, `from` only says where that may come from.
        caller.config().key.is_none()
            && caller.config().certificate.is_none()
            && !caller.config().accept_app_secret
            && !caller.config().from.is_empty()
            && caller.may_come_from(peer)
            && may(caller)
            && app.is_none_or(|app| caller.sees(&app))
    });
    let first = listed.next().ok_or(Refusal::NO_CALLER)?;
    let only = only_app(first).filter(|only| listed.all(|other| only_app(other) == Some(*only)));
    Ok((Arc::clone(first), only))
}

fn only_app(caller: &Caller) -> Option<AppId> {
    match &caller.config().apps {
        AppScope::Some(apps) if apps.len() == 1 => apps.first().copied(),
        AppScope::Some(_) | AppScope::All => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_an_appid_only_if_such_an_app_is_here() {
        let wx1: AppId = "wx1".parse().unwrap();
        let read = |path| prefixed(path, |app| *app == wx1);
        let of = |key, app, path| Prefixed { key, app, path };
        assert_eq!(read("/cgi-bin/menu"), of(None, None, "/cgi-bin/menu"));
        assert_eq!(
            read("/k/KEY/cgi-bin/menu"),
            of(Some("KEY"), None, "/cgi-bin/menu")
        );
        assert_eq!(
            read("/k/KEY/wx1/cgi-bin/menu"),
            of(Some("KEY"), Some(wx1), "/cgi-bin/menu")
        );
        assert_eq!(
            read("/k/KEY/wx2/cgi-bin"),
            of(Some("KEY"), None, "/wx2/cgi-bin")
        );
        assert_eq!(read("/k/KEY/wxa/x"), of(Some("KEY"), None, "/wxa/x"));
        assert_eq!(read("/k/KEY"), of(Some("KEY"), None, "/"));
        assert_eq!(read("/k/KEY/wx1"), of(Some("KEY"), Some(wx1), "/"));
        assert_eq!(read("/k/"), of(Some(""), None, "/"));
        assert_eq!(read("/kx/y"), of(None, None, "/kx/y"));
    }
}
