//! `GET /jssdk/{appid}?url=`: a page has itself signed for the JS-SDK, without a key.
//!
//! Whose page it is the browser says, in `Origin`, and the address that is signed says it again; both must be among the
//! `sign_origins` of one caller that has the app. That keeps other sites' scripts out. A program can claim any origin: what it
//! gets is good only on pages of the origin it named, and the ticket stays here. Must not know: how a page is signed.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::routing::{MethodRouter, get};
use http::header::{
    ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    CONTENT_TYPE, ORIGIN, RETRY_AFTER, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::millis;
use wxtoken_core::credential::Kind;

use super::super::callers::Caller;
use super::super::error::{ApiError, Problem};
use super::super::input::Query;
use super::super::jssdk::{self, page::PageReply};
use super::super::native::fresh_json;
use super::super::peer::Peer;
use super::PublicServices;
use crate::config::Permission;
use crate::jssdk::{InvalidPageUrl, Origin, PageUrl};
use crate::words::{InChinese, Sentence};

/// How long a browser may remember that it may ask.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");

/// The route's methods.
pub(super) fn route() -> MethodRouter<Arc<PublicServices>> {
    get(sign).options(preflight).fallback(wrong_method)
}

/// Why a page is not signed.
enum Refused {
    /// Its network asks too often.
    TooOften(Duration),
    /// No browser said where the page comes from, or not in a way that browsers do.
    NoOrigin,
    /// No caller that has the app lists where it comes from.
    NotListed,
    /// What is to be signed was not sent as it must be.
    NotOneUrl,
    /// What is to be signed is no page.
    BadUrl(InvalidPageUrl),
    /// Whatever the API says too.
    Other(ApiError),
}

/// Signs the page that asks.
async fn sign(
    State(public): State<Arc<PublicServices>>,
    Path(app): Path<String>,
    request: Request,
) -> Response<Body> {
    let asked = Asked::read(&public, &app, &request);
    let query = request.uri().query().unwrap_or_default();
    let answer = match admitted(&public, &request).and_then(|()| asked.page(query)) {
        Ok((app, page)) => signed(&public, app, &page).await,
        Err(refused) => Err(refused),
    };
    asked.answer(answer)
}

/// Tells a browser that asks first whether its page may ask.
async fn preflight(
    State(public): State<Arc<PublicServices>>,
    Path(app): Path<String>,
    request: Request,
) -> Response<Body> {
    let asked = Asked::read(&public, &app, &request);
    let answer = admitted(&public, &request).and_then(|()| asked.listed());
    asked.answer(answer.map(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET"),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, REMEMBERED);
        response
    }))
}

/// Whether one of the handlers here answers, which say in JSON that somebody asks too often.
pub(super) fn asks_itself(request: &Request) -> bool {
    let app = request.uri().path().strip_prefix("/jssdk/");
    let is_app = app.is_some_and(|app| app.parse::<AppId>().is_ok());
    is_app && [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method())
}

async fn wrong_method() -> ApiError {
    ApiError::WrongMethod
}

fn admitted(public: &PublicServices, request: &Request) -> Result<(), Refused> {
    // Put there by the front, for every request.
    let peer = request.extensions().get::<Peer>().copied();
    let peer = peer.ok_or(Refused::Other(ApiError::Internal))?;
    let taken = public.admit(peer, request.headers());
    taken.map_err(Refused::TooOften)
}

async fn signed(
    public: &PublicServices,
    app: AppId,
    page: &PageUrl,
) -> Result<Response<Body>, Refused> {
    let services = &public.services;
    let ticket = jssdk::ticket(services, app, Kind::JsapiTicket).await;
    let ticket = ticket.map_err(Refused::Other)?;
    let nonce = jssdk::nonce().map_err(Refused::Other)?;
    let now = services.keeper.now().wall;
    let reply = PageReply::signed(&app, &ticket.token, &nonce, now, page, Vec::new());
    let json = reply.json().map_err(Refused::Other)?;
    Ok(fresh_json(json).map(Body::from))
}

/// Who asks, for which app.
struct Asked {
    app: Option<AppId>,
    origin: Option<(Origin, HeaderValue)>,
    /// The callers that have the app, may sign, and list the origin.
    callers: Vec<Arc<Caller>>,
}

impl Asked {
    fn read(public: &PublicServices, app: &str, request: &Request) -> Self {
        let app = app.parse::<AppId>().ok();
        let origin = origin(request.headers());
        let book = public.services.callers.now();
        let lists = |caller: &&Arc<Caller>| {
            let (Some(app), Some((origin, _))) = (&app, &origin) else {
                return false;
            };
            caller.sees(app)
                && caller.may(Permission::Sign)
                && caller.config().sign_origins.contains(origin)
        };
        let callers = book.all().iter().filter(lists).cloned().collect();
        Self {
            app,
            origin,
            callers,
        }
    }

    /// The app, if the page's origin is listed for it. Whether an app exists is told to nobody else.
    fn listed(&self) -> Result<AppId, Refused> {
        if self.origin.is_none() {
            return Err(Refused::NoOrigin);
        }
        let app = self.app.filter(|_| !self.callers.is_empty());
        app.ok_or(Refused::NotListed)
    }

    /// The page to be signed: one caller lists where it comes from and where the request does.
    fn page(&self, query: &str) -> Result<(AppId, PageUrl), Refused> {
        let app = self.listed()?;
        let page: PageUrl = only_url(query)?.parse().map_err(Refused::BadUrl)?;
        let lists = |caller: &Arc<Caller>| caller.config().sign_origins.contains(page.origin());
        if self.callers.iter().any(lists) {
            return Ok((app, page));
        }
        Err(Refused::NotListed)
    }

    /// With what lets the page read it, if it may; caches are told that it depends.
    fn answer(&self, answer: Result<Response<Body>, Refused>) -> Response<Body> {
        let mut response = answer.unwrap_or_else(|refused| refused.answer());
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        if let Some((_, origin)) = self.origin.as_ref().filter(|_| !self.callers.is_empty()) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
        response
    }
}

/// The origin that a browser states, and how it wrote it.
fn origin(headers: &HeaderMap) -> Option<(Origin, HeaderValue)> {
    let mut sent = headers.get_all(ORIGIN).iter();
    let (Some(value), None) = (sent.next(), sent.next()) else {
        return None;
    };
    Some((value.to_str().ok()?.parse().ok()?, value.clone()))
}

/// The `url` of a query that holds nothing else: an address that was not encoded falls into several parameters.
fn only_url(query: &str) -> Result<String, Refused> {
    let mut pairs = query.split('&').filter(|pair| !pair.is_empty());
    let (Some(pair), None) = (pairs.next(), pairs.next()) else {
        return Err(Refused::NotOneUrl);
    };
    let url = Query::new(pair).get("url").ok_or(Refused::NotOneUrl)?;
    Ok(url.into_owned())
}

impl Refused {
    fn answer(&self) -> Response<Body> {
        let problem = self.problem();
        let mut response =
            Response::new(Body::from(serde_json::to_vec(&problem).unwrap_or_default()));
        *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        let wait = match self {
            Self::TooOften(wait) => Some(millis(*wait).div_ceil(1000).max(1)),
            Self::Other(error) => error.retry_after(),
            Self::NoOrigin | Self::NotListed | Self::NotOneUrl | Self::BadUrl(_) => None,
        };
        if let Some(seconds) = wait {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }

    fn problem(&self) -> Problem {
        // The same types as the API's, where it has them.
        let (like, detail) = match self {
            Self::Other(error) => return error.problem(),
            Self::TooOften(wait) => (
                ApiError::TooFast { retry_after: *wait },
                Sentence::new(
                    "这个网络的请求过于频繁；请稍候再试",
                    "too many requests came from this network; ask again a little later",
                ),
            ),
            Self::NoOrigin => (
                ApiError::ForeignOrigin,
                Sentence::new(
                    "请求没有说明页面的来源：由另一个主机名下的页面用 fetch 发送，浏览器会带上 Origin",
                    "the request does not say where the page comes from: send it with fetch from a page under another host name, so that the browser adds Origin",
                ),
            ),
            Self::NotListed => (
                ApiError::ForeignOrigin,
                Sentence::new(
                    "没有为这个 AppID 登记这个页面的来源：把页面和 url 的来源都写进同一个 [[caller]] 的 sign_origins，它的 apps 要包含这个 AppID，allow 要包含 \"sign\"",
                    "this page's origin is not listed for this AppID: add the origins of both the page and the url to `sign_origins` of one [[caller]] whose `apps` has the AppID and whose `allow` has \"sign\"",
                ),
            ),
            Self::NotOneUrl => (
                ApiError::Malformed(String::new()),
                Sentence::new(
                    "查询串里只写一个 url：?url= 加上 encodeURIComponent(location.href.split('#')[0])",
                    "the query holds url and nothing else: ?url= and encodeURIComponent(location.href.split('#')[0])",
                ),
            ),
            Self::BadUrl(why) => (
                ApiError::Malformed(String::new()),
                Sentence::new(why.in_chinese(), why.to_string()),
            ),
        };
        Problem {
            detail: detail.en,
            detail_zh: Some(detail.zh),
            ..like.problem()
        }
    }
}
