//! Error pages of web authorization: what the user sees at open.weixin.qq.com before any API is called.

use super::{Explanation, Meaning, Text, t};

const PAGE: Text = t(
    "网页授权页面 open.weixin.qq.com/connect/oauth2/authorize（用户看到的错误页）",
    "the authorization page open.weixin.qq.com/connect/oauth2/authorize, as an error the user sees",
);
const HANDLED: Text = t(
    "发生在用户的微信里，没有经过 wxtoken。",
    "It happens in the user's WeChat and does not pass through wxtoken.",
);
const LINK: Text = t(
    "检查生成授权链接的代码，参数按文档的顺序写",
    "look at the code that builds the authorization link, and keep the documented order of its parameters",
);

/// A page error with one cause and one cure.
macro_rules! page {
    ($code:literal, $name:literal, $meaning:expr, $cause:expr, $cure:expr) => {
        Explanation {
            code: $code,
            name: $name,
            entries: &[Meaning {
                endpoint: PAGE,
                meaning: $meaning,
                causes: &[$cause],
                cure: &[$cure],
                handled: HANDLED,
            }],
        }
    };
}

pub(super) const CODES: &[Explanation] = &[
    page!(
        10003,
        "redirect_uri domain mismatch",
        t(
            "redirect_uri 的域名与后台登记的不一致。",
            "The host of redirect_uri is not the one registered in the console."
        ),
        t(
            "只按完整域名匹配，父域、子域都不算；登记时不带 http:// 和路径",
            "hosts must match exactly, neither a parent nor a sub-domain does; it is registered without http:// and path"
        ),
        t(
            "在后台“网页授权域名”里登记回调所在的域名",
            "register the callback's host in the console as web authorization domain"
        )
    ),
    page!(
        10004,
        "account banned",
        t(
            "这个公众号被封禁，不能发起授权。",
            "The official account is banned and may not ask for authorization."
        ),
        t("帐号受到处罚", "the account was punished"),
        t(
            "登录 mp.weixin.qq.com 查看通知并申诉",
            "read the notices at mp.weixin.qq.com and appeal"
        )
    ),
    page!(
        10005,
        "no permission for this scope",
        t(
            "这个帐号没有所请求的授权范围。",
            "The account may not ask for this scope."
        ),
        t(
            "未认证的服务号、订阅号没有网页授权权限",
            "only verified service accounts (and test accounts) have web authorization"
        ),
        t(
            "完成服务号认证，或改用有权限的帐号",
            "verify the service account, or use one that has the permission"
        )
    ),
    page!(
        10006,
        "must follow the test account",
        t(
            "使用测试号时，用户必须先关注它。",
            "With a test account the user has to follow it first."
        ),
        t(
            "当前微信用户没有关注测试号",
            "this WeChat user does not follow the test account"
        ),
        t(
            "扫测试号的二维码关注后再试",
            "scan the test account's code, follow it, and try again"
        )
    ),
    page!(
        10009,
        "too frequent",
        t(
            "短时间内操作太频繁。",
            "This was done too often within a short time."
        ),
        t(
            "页面在授权地址与回调之间反复跳转",
            "the page goes back and forth between authorization and callback"
        ),
        t(
            "检查是否有重定向死循环，稍后再试",
            "look for a loop of redirects and try again later"
        )
    ),
    page!(
        10010,
        "scope is empty",
        t("链接里 scope 为空。", "The link's scope is empty."),
        t("参数缺失或拼写错误", "the parameter is missing or misspelt"),
        LINK
    ),
    page!(
        10011,
        "redirect_uri is empty",
        t(
            "链接里 redirect_uri 为空。",
            "The link's redirect_uri is empty."
        ),
        t(
            "没有做 URL 编码，参数被截断",
            "it was not URL-encoded and the parameter was cut off"
        ),
        LINK
    ),
    page!(
        10012,
        "appid is empty",
        t("链接里 appid 为空。", "The link's appid is empty."),
        t(
            "参数缺失或配置没有读到",
            "the parameter is missing or the configuration was not read"
        ),
        LINK
    ),
    page!(
        10013,
        "state is empty",
        t("链接里 state 为空。", "The link's state is empty."),
        t(
            "带了 state 参数却没有值",
            "there is a state parameter without a value"
        ),
        LINK
    ),
    page!(
        10015,
        "not authorized to the third-party platform",
        t(
            "公众号没有授权给这个第三方平台。",
            "The account has not authorized this third-party platform."
        ),
        t(
            "授权已取消，或 component_appid 写错",
            "the authorization was withdrawn, or component_appid is wrong"
        ),
        t(
            "让公众号管理员重新授权给第三方平台",
            "let the account's administrator authorize the platform again"
        )
    ),
    page!(
        10016,
        "appid of the wrong kind",
        t(
            "不支持这种 AppID：例如拿小程序的 AppID 做网页授权。",
            "This kind of AppID is not supported here: a mini program's AppID in web authorization, for example."
        ),
        t("用错了 AppID", "the wrong one of several AppIDs was used"),
        t(
            "网页授权用服务号的 AppID；网站扫码登录用网站应用的",
            "web authorization takes a service account's AppID; QR login on websites takes the website app's"
        )
    ),
];
