//! Third-party platforms of the open platform, and a code of WeCom that is mistaken for one of these.

use super::{API, Explanation, Meaning, NOT_OURS, REFUSAL, TOKEN_ENDPOINTS, Text, t};

const COMPONENT: Text = t(
    "第三方平台接口：/cgi-bin/component/* 及代帐号调用",
    "third-party platform interfaces: /cgi-bin/component/* and calls made for an account",
);

pub(super) const CODES: &[Explanation] = &[
    Explanation {
        code: 40082,
        name: "invalid suite token",
        entries: &[Meaning {
            endpoint: t(
                "企业微信接口 qyapi.weixin.qq.com",
                "WeCom at qyapi.weixin.qq.com",
            ),
            meaning: t(
                "企业微信第三方应用的 suite_access_token 无效；公众号与小程序不会返回它。",
                "The suite_access_token of a WeCom suite is not valid; official accounts and mini programs never answer this.",
            ),
            causes: &[t(
                "令牌过期，或把接口域名弄混了",
                "the token ran out, or hosts were mixed up",
            )],
            cure: &[t(
                "重新获取 suite_access_token，核对域名",
                "fetch the suite_access_token again and look at the host",
            )],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 41018,
        name: "missing component parameter",
        entries: &[Meaning {
            endpoint: COMPONENT,
            meaning: t(
                "缺少第三方平台的参数（如 component_appid）。",
                "A parameter of the third-party platform is missing, component_appid for example.",
            ),
            causes: &[t(
                "请求体没有带齐字段",
                "the body does not hold all its fields",
            )],
            cure: &[t(
                "按文档补齐参数；换令牌没有用",
                "send all documented parameters; another token will not help",
            )],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 61007,
        name: "api is unauthorized to component",
        entries: &[Meaning {
            endpoint: COMPONENT,
            meaning: t(
                "帐号没有把该接口的权限授予这个第三方平台。",
                "The account has not granted this API to the third-party platform.",
            ),
            causes: &[t(
                "授权时没有勾选对应的权限集，或平台没有申请",
                "that set of permissions was not chosen, or the platform has not applied for it",
            )],
            cure: &[t(
                "平台申请权限集并发布，再让管理员重新授权",
                "apply for the permissions, publish the platform, then have the administrator authorize again",
            )],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 61014,
        name: "third-party platform permission or parameter error",
        entries: &[Meaning {
            endpoint: COMPONENT,
            meaning: t(
                "第三方平台的权限或参数不对；与令牌无关。",
                "The third-party platform's permission or parameter is wrong; the token is fine.",
            ),
            causes: &[t(
                "该接口要由帐号自己调用，或必须由平台代调用",
                "the API must be called by the account itself, or only through the platform",
            )],
            cure: &[t(
                "对照文档检查调用身份与参数",
                "compare who calls, and with which parameters, to the documentation",
            )],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 61024,
        name: "a third-party platform must use its own token interface",
        entries: &[Meaning {
            endpoint: TOKEN_ENDPOINTS,
            meaning: t(
                "第三方平台的帐号不能用这个接口取令牌。",
                "A third-party platform may not fetch tokens through this endpoint.",
            ),
            causes: &[t(
                "用第三方平台的 AppID、或对已托管的帐号调用了 /cgi-bin/token",
                "it was called with the platform's AppID, or for an account the platform looks after",
            )],
            cure: &[t(
                "改用 component 的取令牌接口",
                "use the token interface for third-party platforms (component)",
            )],
            handled: REFUSAL,
        }],
    },
    Explanation {
        code: 40066,
        name: "invalid url",
        entries: &[Meaning {
            endpoint: API,
            meaning: t(
                "URL 不合法；有时也表示接口路径写错。",
                "A URL is not valid; sometimes the path of the API itself is.",
            ),
            causes: &[t(
                "菜单等内容里的链接格式不对，或请求的路径不存在",
                "a link (in a menu, for example) is malformed, or the path called does not exist",
            )],
            cure: &[t(
                "检查请求体里的链接与接口路径",
                "look at the links in the body and at the path called",
            )],
            handled: NOT_OURS,
        }],
    },
];
