//! `GET /oauth/{appid}/callback`: back from WeChat's page. The code is exchanged once, whatever the browser does.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use http::request::Parts;
use http::{Method, Request, Response};
use wxtoken_core::app::AppId;

use super::super::PublicServices;
use super::super::pages::{Button, Language, Page};
use super::cookies::Jar;
use super::params::{Ambiguous, Params};
use super::{again, links, sent_on, words};
use crate::relay::{Flow, Nonce, NotOurs, Redeemable, owner, site_url};
use crate::users::{ExchangeError, Granted, OAuthCode};
use crate::wechat::explain::explain;

/// One browser that has come back.
struct Return<'r> {
    public: &'r PublicServices,
    app: AppId,
    nonce: Nonce,
    flow: Flow,
}

/// Exchanges the code and sends the browser on to its site, or says what went wrong.
pub(in crate::http::public) async fn callback(
    State(public): State<Arc<PublicServices>>,
    Path(app): Path<String>,
    request: Request<Body>,
) -> Response<Body> {
    let asked = Language::of_request(&request);
    let (parts, _) = request.into_parts();
    if parts.method != Method::GET {
        // What only looks whether there is a page must not spend a code.
        return Page::not_here().answer(asked);
    }
    let params = Params::read(parts.uri.query().unwrap_or_default());
    let returned = Return::of(&public, &app, &params, &parts);
    let (language, went) = match returned {
        Err(page) => {
            public.count_sign_in(&app, page.name());
            (asked, Err(page))
        }
        Ok(returned) => {
            let said = returned.flow.lang.as_deref().and_then(Language::of_tag);
            let code = params
                .text("code")
                .map(|code| code.map(|code| code.into_owned()));
            let went = returned.go_on(code).await;
            returned.tell(
                went.as_ref()
                    .map_or_else(|page| page.name(), |_| "signed_in"),
            );
            (said.unwrap_or(asked), went)
        }
    };
    went.unwrap_or_else(|page| page.answer(language))
}

impl<'r> Return<'r> {
    /// Who has come back, if it is who was sent away.
    fn of(
        public: &'r PublicServices,
        app: &str,
        params: &Params<'_>,
        parts: &Parts,
    ) -> Result<Self, Box<Page>> {
        let unknown = || Box::new(links::unknown_app());
        let app: AppId = app.parse().map_err(|_| unknown())?;
        public.config.load().app(&app).ok_or_else(unknown)?;
        let state = params.text("state");
        let state = state.map_err(|Ambiguous| Box::new(links::ambiguous()))?;
        let (keys, now) = (&public.services.relay, public.services.keeper.now().wall);
        let state = state.unwrap_or_default();
        let (nonce, is_over) = match Nonce::read(&state, keys, &app, now) {
            Ok(nonce) => (nonce, false),
            Err(NotOurs::Ended(nonce)) => (nonce, true),
            Err(NotOurs::Forged) => return Err(Box::new(words::not_ours())),
        };
        let jar = Jar::new(public.base_url().is_https());
        let mut kept = jar.find(&parts.headers, &nonce);
        let flow = kept.find_map(|text| Flow::open(text, keys, &nonce, &app));
        let flow = flow.ok_or_else(|| {
            Box::new(if is_over {
                words::too_old(None)
            } else {
                words::other_browser()
            })
        })?;
        let returned = Self {
            public,
            app,
            nonce,
            flow,
        };
        returned.check_owner()?;
        if is_over {
            let page = words::too_old(Some(returned.again()));
            return Err(Box::new(page));
        }
        Ok(returned)
    }

    /// The configuration may have changed while the user was away.
    fn check_owner(&self) -> Result<(), Box<Page>> {
        let book = self.public.services.callers.now();
        let callers = book.all().iter().map(|caller| caller.config());
        let owner = owner(callers, &self.app, &self.flow.return_to);
        if owner.is_some_and(|caller| *caller.name == *self.flow.caller) {
            Ok(())
        } else {
            Err(Box::new(links::wrong_return_to()))
        }
    }

    fn again(&self) -> Button {
        words::again(again(self.public, &self.app, &self.flow))
    }

    /// What WeChat sent along: a code, which uses the state up, or none.
    async fn go_on(
        &self,
        code: Result<Option<String>, Ambiguous>,
    ) -> Result<Response<Body>, Box<Page>> {
        let code = code.map_err(|Ambiguous| Box::new(links::ambiguous()))?;
        let Some(code) = code.filter(|code| !code.is_empty()) else {
            return Err(Box::new(self.refused()));
        };
        let code: OAuthCode = code
            .parse()
            .map_err(|_| Box::new(words::bad_code(self.again())))?;
        let (once, until) = self.nonce.used();
        let users = &self.public.services.users;
        match users.store().put_once(once, &[], until).await {
            Ok(true) => {}
            Ok(false) => return Err(Box::new(words::done_already(self.again()))),
            Err(error) => {
                tracing::error!(app.id = %self.app, %error, "a user who came back could not be noted: {error}");
                return Err(Box::new(words::store_away(self.again())));
            }
        }
        match users.exchange(&self.app, &code).await {
            Ok(granted) if granted.is_snapshot && !self.flow.takes_snapshot => {
                Err(Box::new(self.snapshot()))
            }
            Ok(granted) => self.back_to_site(&granted).await,
            Err(error) => Err(Box::new(self.not_exchanged(&error))),
        }
    }

    async fn back_to_site(&self, granted: &Granted) -> Result<Response<Body>, Box<Page>> {
        let services = &self.public.services;
        let redeemable = Redeemable {
            caller: self.flow.caller.clone(),
            app: self.app.to_string(),
            openid: granted.openid.as_str().to_owned(),
            unionid: granted.unionid.as_ref().map(|id| id.as_str().to_owned()),
            scope: granted.scope.to_string(),
            is_snapshot: granted.is_snapshot,
            granted_at: granted.granted_at.0,
        };
        let mut chance = [0; 32];
        aws_lc_rs::rand::fill(&mut chance).map_err(|_| Box::new(Page::broken()))?;
        let (store, now) = (services.users.store().as_ref(), services.keeper.now().wall);
        let left = redeemable.leave(&services.relay, store, chance, now).await;
        let code = left.map_err(|error| {
            tracing::error!(app.id = %self.app, %error, "a code to redeem could not be kept: {error}");
            Box::new(words::store_away(self.again()))
        })?;
        let Flow {
            return_to, state, ..
        } = &self.flow;
        let to = site_url(return_to, "code", &code, state.as_deref());
        sent_on(&to, Vec::new()).ok_or_else(|| Box::new(Page::broken()))
    }

    fn refused(&self) -> Page {
        let Flow {
            return_to, state, ..
        } = &self.flow;
        let without = site_url(return_to, "error", "access_denied", state.as_deref());
        words::refused(self.again(), without)
    }

    fn snapshot(&self) -> Page {
        let accepting = Flow {
            takes_snapshot: true,
            ..self.flow.clone()
        };
        words::snapshot(self.again(), again(self.public, &self.app, &accepting))
    }

    fn not_exchanged(&self, error: &ExchangeError) -> Page {
        self.log(error);
        match error {
            ExchangeError::CodeUsed => words::done_already(self.again()),
            ExchangeError::CodeInvalid | ExchangeError::CodeExpired => {
                words::bad_code(self.again())
            }
            ExchangeError::Blocked => words::blocked(),
            ExchangeError::Refused { .. } => words::app_refused(self.again()),
            // The code may be spent, or not: it is not sent again.
            ExchangeError::Unreachable | ExchangeError::Unclear => words::wechat_away(self.again()),
            ExchangeError::Store(_) => words::store_away(self.again()),
            ExchangeError::UnknownApp => links::unknown_app(),
        }
    }

    /// Why there is no grant. Where it is the app that is refused, somebody has to act: they are told what to do.
    fn log(&self, error: &ExchangeError) {
        let app = &self.app;
        let ExchangeError::Refused { errcode } = error else {
            tracing::warn!(app.id = %app, %error, "a code of web OAuth was not exchanged: {error}");
            return;
        };
        let known = explain(*errcode).and_then(|known| known.entries.first());
        let meaning = known.map_or("not in WeChat's list of codes.", |known| known.meaning.en);
        let cure = known.and_then(|known| known.cure.first());
        let cure = cure.map_or_else(String::new, |cure| format!(" What to do: {}.", cure.en));
        tracing::error!(
            app.id = %app, errcode,
            "WeChat refuses to sign users in to {app}, errcode {errcode}: {meaning}{cure} More, and in Chinese: `wxtoken explain {errcode}`"
        );
    }

    /// One line for each return, without anything of the user's.
    fn tell(&self, outcome: &'static str) {
        let (app, caller) = (&self.app, &self.flow.caller);
        self.public.count_sign_in(app.as_str(), outcome);
        tracing::info!(app.id = %app, caller, outcome, "a user came back from WeChat for {caller} of {app}: {outcome}");
    }
}
