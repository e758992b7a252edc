//! `GET /push/{appid}`: answers WeChat when it checks the address that an app's messages are to be pushed to.
//!
//! Must not know: what is pushed later; nothing is taken here.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::routing::{MethodRouter, get};
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use wxtoken_core::app::AppId;

use super::super::input::Query;
use super::PublicServices;
use super::pages::{Language, Page};
use crate::config::App;
use crate::jssdk::{Echo, PushCheck};
use crate::words::Sentence;

/// The route's methods.
pub(super) fn route() -> MethodRouter<Arc<PublicServices>> {
    get(check).fallback(wrong_method)
}

async fn check(
    State(public): State<Arc<PublicServices>>,
    Path(app): Path<String>,
    request: Request,
) -> Response<Body> {
    let language = Language::of_request(&request);
    let query = Query::new(request.uri().query().unwrap_or_default());
    match checked(&public, &app, &query) {
        Ok(echo) => said_back(echo),
        Err(page) => page.answer(language),
    }
}

async fn wrong_method(request: Request) -> Response<Body> {
    let mut response = page_of_messages().answer(Language::of_request(&request));
    let allowed = HeaderValue::from_static("GET, HEAD");
    response.headers_mut().insert(ALLOW, allowed);
    response
}

/// What WeChat wants to hear, once it has shown that it knows the app's push token.
fn checked(public: &PublicServices, app: &str, query: &Query<'_>) -> Result<String, Box<Page>> {
    let config = public.config.load();
    let app = app.parse::<AppId>().ok();
    let app = app.and_then(|app| config.app(&app));
    let token = app.and_then(App::push_token);
    let token = token.ok_or_else(|| Box::new(page_without_token()))?;
    let sent = |name| query.get(name).unwrap_or_default();
    let (signature, timestamp, nonce) = (sent("signature"), sent("timestamp"), sent("nonce"));
    let check = PushCheck {
        signature: &signature,
        timestamp: &timestamp,
        nonce: &nonce,
    };
    if !check.is_of(token.expose()) {
        return Err(Box::new(page_of_wrong_token()));
    }
    let echo = sent("echostr");
    let echo = Echo::new(&echo).map_err(|_| Box::new(page_without_echo()))?;
    Ok(echo.as_str().to_owned())
}

/// Verbatim, and never as anything but text.
fn said_back(echo: String) -> Response<Body> {
    let mut response = Response::new(Body::from(echo));
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

fn page_without_token() -> Page {
    Page::new(
        StatusCode::NOT_FOUND,
        Sentence::new("没有设置推送 Token", "No push token"),
        Sentence::new(
            "这里没有这个 AppID，或它没有设置推送 Token。",
            "This AppID is not known here, or has no push token.",
        ),
        Sentence::new(
            "在 wxtoken.toml 里它的 [[app]] 下写上 push_token，与公众平台“服务器配置”里的 Token 相同，然后重新加载。",
            "Write push_token under its [[app]] in wxtoken.toml, the same as the Token of its server configuration at WeChat, and reload.",
        ),
    )
}

fn page_of_wrong_token() -> Page {
    Page::new(
        StatusCode::FORBIDDEN,
        Sentence::new("签名不符", "The signature does not match"),
        Sentence::new(
            "signature 不是用这个 AppID 的推送 Token 对 timestamp 和 nonce 算出来的。",
            "signature was not made from timestamp and nonce with the push token of this AppID.",
        ),
        Sentence::new(
            "请比对三处：公众平台“服务器配置”里的 Token、wxtoken.toml 里这个 [[app]] 的 push_token，以及 URL 末尾的 AppID。Token 区分大小写。",
            "Compare three things: the Token of the server configuration at WeChat, push_token of this [[app]] in wxtoken.toml, and the AppID at the end of the URL. Capital letters count in a Token.",
        ),
    )
}

fn page_without_echo() -> Page {
    Page::new(
        StatusCode::BAD_REQUEST,
        Sentence::new("缺少 echostr", "echostr is missing"),
        Sentence::new(
            "签名是对的，但 echostr 没有发来、太长，或含有控制字符。",
            "The signature is right, but echostr was not sent, is too long, or holds a control character.",
        ),
        Sentence::new(
            "请在公众平台重新提交服务器配置。",
            "Submit the server configuration at WeChat once more.",
        ),
    )
}

fn page_of_messages() -> Page {
    Page::new(
        StatusCode::METHOD_NOT_ALLOWED,
        Sentence::new("这里只回答校验", "Only the check is answered here"),
        Sentence::new(
            "这个地址用 GET 回答微信的服务器校验，不接收消息。",
            "This address answers WeChat's check, by GET. It takes no messages.",
        ),
        Sentence::new(
            "消息请推送到您自己的服务。",
            "Have messages pushed to a service of your own.",
        ),
    )
}
