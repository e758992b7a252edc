//! The pages a browser sees: consent for web OAuth, and the code to scan for a website's login.
//!
//! `&user=bob` says who looks at the page; without it whoever `/_sim/login` noted, else `alice`. `&entry=menu` says that
//! they come from the account's menu or chat: then followers consent silently to `snsapi_userinfo`. `forcePopup` and
//! `forceSnapShot` are WeChat's own.

mod html;
mod visit;

use http::{HeaderValue, StatusCode, header};

use super::{Door, Route};
use crate::{
    errcode::{Family, Refusal},
    http::{Answer, Asked},
    rules::ConsentRefusal,
};
pub(crate) use visit::{LOGGED_IN, logged_in};
use visit::{Page, Visit};

pub(super) static ROUTES: &[Route] = &[
    page("/connect/oauth2/authorize", authorize),
    page("/connect/qrconnect", scan),
    page(REPLY, reply),
];

/// Where the buttons of both pages lead.
const REPLY: &str = "/connect/reply";

const fn page(path: &'static str, show: fn(&Asked<'_>) -> Result<Answer, Refusal>) -> Route {
    Route::new(path, Door::Open, Family::Cgi, show)
}

fn authorize(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    Ok(Visit::of(asked, Page::Consent)
        .and_then(|visit| {
            if visit.is_snapshot() || visit.is_silent() {
                sent_back(&visit.with_code())
            } else {
                Ok(visit.question(REPLY))
            }
        })
        .unwrap_or_else(html::error))
}

fn scan(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    Ok(Visit::of(asked, Page::Scan)
        .map(|visit| visit.question(REPLY))
        .unwrap_or_else(html::error))
}

/// A button was pressed.
fn reply(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let page = match asked.ask.params.get("scope") {
        Some("snsapi_login") => Page::Scan,
        _ => Page::Consent,
    };
    Ok(Visit::of(asked, page)
        .and_then(|visit| {
            if asked.ask.params.get("answer") == Some("allow") {
                return sent_back(&visit.with_code());
            }
            match asked.rules.readings.consent_refusal {
                ConsentRefusal::OwnPage => Ok(html::refused()),
                ConsentRefusal::Redirect => sent_back(&visit.without_code()),
            }
        })
        .unwrap_or_else(html::error))
}

fn sent_back(to: &str) -> Result<Answer, u32> {
    let location = HeaderValue::try_from(to).map_err(|_| 10003_u32)?;
    let answer = Answer {
        status: StatusCode::FOUND,
        ..Answer::of("text/html; charset=utf-8", "")
    };
    Ok(answer.with_header(header::LOCATION, location))
}
