//! Pages about a link that is wrong: it is the site's developer who has to do something.

use http::StatusCode;

use super::super::pages::Page;
use super::words::say;

/// No caller lists the page.
pub(super) fn wrong_return_to() -> Page {
    Page::new(
        StatusCode::BAD_REQUEST,
        say("登录链接不对", "This sign-in link is wrong"),
        say(
            "要返回的网页没有在这里登记。",
            "The page to come back to is not registered here.",
        ),
        say(
            "请告诉网站的管理员：return_to 必须与调用方配置里的某一项一字不差。",
            "Tell those who run the site: return_to must be, letter for letter, one that a caller's table lists.",
        ),
    )
    .called("wrong_return_to")
}

/// The scope is none of the app's.
pub(super) fn wrong_scope() -> Page {
    Page::new(
        StatusCode::BAD_REQUEST,
        say("登录链接不对", "This sign-in link is wrong"),
        say(
            "这个应用不能这样登录。",
            "This app does not sign users in like that.",
        ),
        say(
            "请告诉网站的管理员：公众号用 snsapi_base 或 snsapi_userinfo，网站应用用 snsapi_login，小程序没有网页登录。",
            "Tell those who run the site: official accounts have snsapi_base and snsapi_userinfo, website apps snsapi_login, mini programs none.",
        ),
    )
    .called("wrong_scope")
}

/// A parameter is too long.
pub(super) fn too_long() -> Page {
    Page::new(
        StatusCode::BAD_REQUEST,
        say("登录链接太长", "This sign-in link is too long"),
        say(
            "网站在链接里附带的内容太多。",
            "The site has put too much into it.",
        ),
        say(
            "请告诉网站的管理员：state 最多 1,024 字节。",
            "Tell those who run the site: state has 1,024 bytes at most.",
        ),
    )
    .called("too_long")
}

/// A parameter stands there twice.
pub(super) fn ambiguous() -> Page {
    Page::new(
        StatusCode::BAD_REQUEST,
        say("登录链接不对", "This sign-in link is wrong"),
        say(
            "链接里有一项写了两次，或无法识别。",
            "Something in it is there twice, or cannot be read.",
        ),
        say(
            "请回到网站，重新登录。",
            "Go back to the site and sign in again.",
        ),
    )
    .called("ambiguous")
}

/// There is no such app.
pub(super) fn unknown_app() -> Page {
    Page::new(
        StatusCode::NOT_FOUND,
        say("没有这个应用", "No such app"),
        say(
            "这里没有这个公众号或网站应用。",
            "This account or website app is not known here.",
        ),
        say(
            "请检查链接是否完整，或告诉网站的管理员。",
            "Check that the link is whole, or tell those who run the site.",
        ),
    )
    .called("unknown_app")
}
