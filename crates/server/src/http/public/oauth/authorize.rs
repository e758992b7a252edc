//! `GET /oauth/{appid}/authorize`: off to WeChat's page, if the way back is one that a caller lists.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use http::{Request, Response};
use wxtoken_core::app::AppId;
use wxtoken_core::user::Scope;

use super::super::PublicServices;
use super::super::pages::{Language, Page};
use super::cookies::Jar;
use super::params::{Ambiguous, Params};
use super::{callback_url, links, sent_on};
use crate::relay::{Flow, Nonce, SiteState, authorize_url, owner, wants};

/// Sends a browser to WeChat's page, or says why not.
pub(in crate::http::public) async fn authorize(
    State(public): State<Arc<PublicServices>>,
    Path(app): Path<String>,
    request: Request<Body>,
) -> Response<Body> {
    let language = Language::of_request(&request);
    let begun = begin(&public, &app, &request);
    let outcome = begun
        .as_ref()
        .map_or_else(|page| page.name(), |_| "authorize");
    public.count_sign_in(&app, outcome);
    begun.unwrap_or_else(|page| page.answer(language))
}

fn begin(
    public: &PublicServices,
    app: &str,
    request: &Request<Body>,
) -> Result<Response<Body>, Box<Page>> {
    let (app, flow) = asked_for(public, app, request.uri().query().unwrap_or_default())?;
    let mut chance = [0; 16];
    aws_lc_rs::rand::fill(&mut chance).map_err(|_| Box::new(Page::broken()))?;
    let now = public.services.keeper.now().wall;
    let (nonce, keys) = (Nonce::new(chance, now), &public.services.relay);
    let sealed = flow.seal(keys, &nonce, &app);
    let sealed = sealed.ok_or_else(|| Box::new(links::too_long()))?;
    let state = nonce.state(keys, &app);
    let callback = callback_url(public, &app);
    let open_url = public.open_url().as_str();
    let to = authorize_url(open_url, &app, &callback, flow.scope, &state);
    let jar = Jar::new(public.base_url().is_https());
    let cookies = jar.keep(request.headers(), &nonce, &sealed);
    sent_on(&to, cookies).ok_or_else(|| Box::new(Page::broken()))
}

/// What an address asks for, if it may.
fn asked_for(public: &PublicServices, app: &str, query: &str) -> Result<(AppId, Flow), Box<Page>> {
    let unknown = || Box::new(links::unknown_app());
    let app: AppId = app.parse().map_err(|_| unknown())?;
    let app_type = public.config.load().app(&app).map(|app| app.app_type);
    let app_type = app_type.ok_or_else(unknown)?;
    let params = Params::read(query);
    let text = |name: &str| {
        let text = params.text(name);
        text.map_err(|Ambiguous| Box::new(links::ambiguous()))
    };
    let return_to = text("return_to")?.unwrap_or_default();
    let book = public.services.callers.now();
    let callers = book.all().iter().map(|caller| caller.config());
    let caller = owner(callers, &app, &return_to);
    let caller = caller.ok_or_else(|| Box::new(links::wrong_return_to()))?;
    let said: Option<Scope> = match text("scope")?.as_deref() {
        None | Some("") => None,
        Some(name) => Some(name.parse().map_err(|_| Box::new(links::wrong_scope()))?),
    };
    let scope = wants(app_type, said).ok_or_else(|| Box::new(links::wrong_scope()))?;
    let state = params.raw("state");
    let state = state.map_err(|Ambiguous| Box::new(links::ambiguous()))?;
    let state = state.map(|raw| SiteState::read(raw).ok_or_else(|| Box::new(links::too_long())));
    let lang = text("lang")?.as_deref().and_then(Language::of_tag);
    let flow = Flow {
        return_to: return_to.into_owned(),
        caller: caller.name.to_string(),
        state: state.transpose()?.map(|SiteState(state)| state),
        scope,
        lang: lang.map(|lang| lang.tag().to_owned()),
        takes_snapshot: text("snapshot")?.as_deref() == Some("accept"),
    };
    Ok((app, flow))
}
