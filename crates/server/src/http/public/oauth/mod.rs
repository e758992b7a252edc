//! `/oauth`: a browser is sent to WeChat's page, comes back, and goes on to the site.
//!
//! Must not know: how states, cookies and codes are made (`relay`), how a code is exchanged (`users`).

mod authorize;
mod callback;
mod cookies;
mod links;
mod params;
mod words;

pub(super) use authorize::authorize;
pub(super) use callback::callback;

use axum::body::Body;
use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderValue, Response, StatusCode};
use wxtoken_core::app::AppId;

use super::PublicServices;
use crate::relay::{Flow, escape};

/// Sends a browser on; none if the address cannot stand in a header, which it always can.
fn sent_on(to: &str, cookies: Vec<String>) -> Option<Response<Body>> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::from_str(to).ok()?);
    for cookie in cookies {
        headers.append(SET_COOKIE, HeaderValue::from_str(&cookie).ok()?);
    }
    Some(response)
}

/// Where WeChat sends the browser back to.
fn callback_url(public: &PublicServices, app: &AppId) -> String {
    format!("{}/oauth/{app}/callback", public.base_url().as_str())
}

/// The same sign-in from its beginning.
fn again(public: &PublicServices, app: &AppId, flow: &Flow) -> String {
    let mut url = format!(
        "{}/oauth/{app}/authorize?return_to={}&scope={}",
        public.base_url().as_str(),
        escape(&flow.return_to),
        flow.scope
    );
    let lang = flow.lang.as_ref().map(|lang| escape(lang));
    for (name, value) in [("state", flow.state.as_ref()), ("lang", lang.as_ref())] {
        if let Some(value) = value {
            url.push_str(&format!("&{name}={value}"));
        }
    }
    if flow.takes_snapshot {
        url.push_str("&snapshot=accept");
    }
    url
}
