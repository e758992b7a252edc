//! What users are told of a sign-in that did not go straight through. For people: no code, no name of a parameter that only a
//! site's developer knows, but where it is the developer who has to do something.

use http::StatusCode;

use super::super::pages::{Button, Page};
use crate::words::Sentence;

pub(super) fn say(zh: &str, en: &str) -> Sentence {
    Sentence::new(zh, en)
}

fn button(to: String, zh: &str, en: &str) -> Button {
    Button {
        to,
        label: say(zh, en),
    }
}

/// The same sign-in from its beginning.
pub(super) fn again(to: String) -> Button {
    button(to, "重新登录", "Sign in again")
}

/// The user said no, or closed the page.
pub(super) fn refused(again: Button, without: String) -> Page {
    Page::new(
        StatusCode::OK,
        say("没有登录", "You are not signed in"),
        say(
            "你在微信里没有同意授权。",
            "You did not agree on WeChat's page.",
        ),
        say(
            "想登录就再试一次；也可以不登录，直接回到网站。",
            "Try again to sign in, or go back to the site without it.",
        ),
    )
    .called("refused")
    .with(again)
    .or(Some(button(
        without,
        "不登录，回到网站",
        "Back without signing in",
    )))
}

/// The code is of no use: too old, or unknown.
pub(super) fn bad_code(again: Button) -> Page {
    Page::new(
        StatusCode::BAD_REQUEST,
        say("登录没有完成", "The sign-in was not completed"),
        say(
            "微信给的登录凭证已失效。",
            "WeChat's permission for this sign-in is no longer good.",
        ),
        say("请重新登录一次。", "Please sign in again."),
    )
    .called("bad_code")
    .with(again)
}

/// A double click, or the back button.
pub(super) fn done_already(again: Button) -> Page {
    Page::new(
        StatusCode::CONFLICT,
        say(
            "这次登录已经处理过了",
            "This sign-in was dealt with already",
        ),
        say(
            "这个页面只能打开一次，可能是点了两下或按了返回键。",
            "This page opens only once; perhaps it was pressed twice, or you went back to it.",
        ),
        say("按下面的按钮继续。", "Press the button to go on."),
    )
    .called("used")
    .with(button(again.to, "继续", "Continue"))
}

/// The user took longer than the state is good.
pub(super) fn too_old(again: Option<Button>) -> Page {
    let page = Page::new(
        StatusCode::BAD_REQUEST,
        say("登录超时", "The sign-in took too long"),
        say(
            "离开始登录已经超过 10 分钟。",
            "More than ten minutes have passed since it began.",
        ),
        if again.is_some() {
            say("请重新登录一次。", "Please sign in again.")
        } else {
            say(
                "请回到刚才的网站，重新登录。",
                "Go back to the site and sign in again.",
            )
        },
    )
    .called("expired");
    match again {
        Some(again) => page.with(again),
        None => page,
    }
}

/// The state is good, but the browser did not begin this.
pub(super) fn other_browser() -> Page {
    Page::new(
        StatusCode::BAD_REQUEST,
        say("请在同一个浏览器里登录", "Sign in within one browser"),
        say(
            "这次登录是在另一个浏览器里开始的，或者浏览器不允许 Cookie。",
            "This sign-in was begun in another browser, or cookies are switched off.",
        ),
        say(
            "请在这里重新打开网站并登录，不要转发登录链接。",
            "Open the site here and sign in; a sign-in link cannot be passed on.",
        ),
    )
    .called("other_browser")
}

/// The state is none of ours.
pub(super) fn not_ours() -> Page {
    Page::new(
        StatusCode::BAD_REQUEST,
        say("这个链接无法登录", "This link signs nobody in"),
        say(
            "链接不完整，或不是由这里发出的。",
            "It is incomplete, or was not made here.",
        ),
        say(
            "请回到网站，重新登录。",
            "Go back to the site and sign in again.",
        ),
    )
    .called("not_ours")
}

/// A made-up user of a snapshot page.
pub(super) fn snapshot(again: Button, accepting: String) -> Page {
    Page::new(
        StatusCode::OK,
        say("当前是快照页", "This is a snapshot page"),
        say(
            "微信现在只提供了一个虚拟身份，不是你的微信账号。",
            "WeChat has given a made-up identity, not your account.",
        ),
        say(
            "请点页面底部的“使用完整服务”，然后重新登录。",
            "Tap “Use full service” (使用完整服务) at the bottom of the page, then sign in again.",
        ),
    )
    .called("snapshot")
    .with(again)
    .or(Some(button(accepting, "就这样继续", "Go on without it")))
}

/// WeChat cannot be reached.
pub(super) fn wechat_away(again: Button) -> Page {
    Page::new(
        StatusCode::SERVICE_UNAVAILABLE,
        say("微信没有回应", "WeChat does not answer"),
        say(
            "服务器现在得不到微信的答复。",
            "The server gets no answer from WeChat just now.",
        ),
        say("请过一会儿再登录。", "Please sign in again in a moment."),
    )
    .called("wechat")
    .with(again)
}

/// Our store is away.
pub(super) fn store_away(again: Button) -> Page {
    Page::new(
        StatusCode::SERVICE_UNAVAILABLE,
        say("暂时无法登录", "Signing in is not possible just now"),
        say(
            "服务器暂时无法保存登录结果。",
            "The server cannot keep the sign-in at the moment.",
        ),
        say("请过一会儿再登录。", "Please sign in again in a moment."),
    )
    .called("store")
    .with(again)
}

/// WeChat refuses the app.
pub(super) fn app_refused(again: Button) -> Page {
    Page::new(
        StatusCode::BAD_GATEWAY,
        say("微信拒绝了这次登录", "WeChat refused this sign-in"),
        say(
            "微信不接受这个公众号或网站应用的请求，原因已记入服务器日志。",
            "WeChat does not accept the account's request; the server's log says why.",
        ),
        say(
            "请过一会儿再试；仍然不行，请告诉网站的管理员。",
            "Try again in a moment; if that does not help, tell those who run the site.",
        ),
    )
    .called("app_refused")
    .with(again)
}

/// WeChat has blocked the user.
pub(super) fn blocked() -> Page {
    Page::new(
        StatusCode::FORBIDDEN,
        say("微信限制了这个账号", "WeChat has restricted this account"),
        say(
            "微信认为这个账号有风险，不允许登录。",
            "WeChat sees a risk in this account and does not let it sign in.",
        ),
        say(
            "请在微信里查看账号状态，或换一个账号。",
            "Look at the account's state in WeChat, or use another one.",
        ),
    )
    .called("blocked")
}
