//! The pages a browser sees: consent for web OAuth, and the code to scan for a website's login.
//!
//! `&user=bob` logs in as somebody else than `alice`; `snsapi_base` redirects at once, as WeChat does.

use http::{HeaderValue, StatusCode, header};

use super::{Door, Route};
use crate::{
    apps::{AppCell, AppKind},
    errcode::{Family, Refusal},
    http::{Answer, Asked, encode},
    people::{Person, Purpose},
};

pub(super) static ROUTES: &[Route] = &[
    Route::new(
        "/connect/oauth2/authorize",
        Door::Open,
        Family::Cgi,
        authorize,
    ),
    Route::new("/connect/qrconnect", Door::Open, Family::Cgi, scan),
];

fn authorize(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    Ok(consent(asked, &["snsapi_base", "snsapi_userinfo"]).unwrap_or_else(error_page))
}

fn scan(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    Ok(consent(asked, &["snsapi_login"]).unwrap_or_else(error_page))
}

/// The consent page, or the number of the error page.
fn consent(asked: &Asked<'_>, scopes: &[&str]) -> Result<Answer, u32> {
    let params = &asked.ask.params;
    params.filled("appid").ok_or(10012_u32)?;
    let app = asked.app.as_ref().ok_or(10016_u32)?;
    let redirect = params.filled("redirect_uri").ok_or(10011_u32)?;
    if !redirect.starts_with("http://") && !redirect.starts_with("https://") {
        return Err(10003);
    }
    let scope = params.filled("scope").ok_or(10010_u32)?;
    if !scopes.contains(&scope) {
        return Err(10005);
    }
    let back = redirect_with_code(asked, app, redirect, scope);
    if scope == "snsapi_base" {
        let location = HeaderValue::try_from(back).map_err(|_| 10003_u32)?;
        let answer = Answer {
            status: StatusCode::FOUND,
            ..Answer::of("text/html; charset=utf-8", "")
        };
        return Ok(answer.with_header(header::LOCATION, location));
    }
    let (appid, back) = (escape(&app.appid), escape(&back));
    Ok(page(
        "微信登录",
        &format!(
            "<p>{appid} 申请获得你的昵称、头像 · wants your name and picture</p><a id=\"allow\" href=\"{back}\">允许 Allow</a>"
        ),
    ))
}

fn redirect_with_code(asked: &Asked<'_>, app: &AppCell, redirect: &str, scope: &str) -> String {
    let params = &asked.ask.params;
    let (index, kind) = {
        let state = app.lock();
        (state.index, state.kind)
    };
    let person = Person {
        app: index,
        name: params.filled("user").unwrap_or("alice").to_owned(),
    };
    let code = asked.shared.people().code(
        person,
        Purpose::Web,
        scope,
        kind == AppKind::Website,
        asked.now,
    );
    let (before, fragment) = redirect
        .split_once('#')
        .map_or((redirect, String::new()), |(b, f)| (b, format!("#{f}")));
    let joint = if before.contains('?') { '&' } else { '?' };
    let state = params
        .get("state")
        .map_or_else(String::new, |state| format!("&state={}", encode(state)));
    format!("{before}{joint}code={code}{state}{fragment}")
}

fn error_page(code: u32) -> Answer {
    let answer = page("出错了", &format!("<p>错误码 error {code}</p>"));
    Answer {
        errcode: Some(code.into()),
        ..answer
    }
}

fn page(title: &str, body: &str) -> Answer {
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"zh\"><head><meta charset=\"utf-8\"><title>{title}</title></head><body><h1>{title}</h1>{body}</body></html>\n"
    );
    Answer::of("text/html; charset=utf-8", html)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
