//! Codes that any endpoint may answer, and mistakes in a request that have nothing to do with credentials.

use super::{ANYWHERE, API, Explanation, Meaning, NOT_OURS, TOKEN_ENDPOINTS, Text, t};

const CALLBACK_CHECK: Text = t(
    "网络通信检测：/cgi-bin/callback/check",
    "the network check: /cgi-bin/callback/check",
);

pub(super) const CODES: &[Explanation] = &[
    Explanation {
        code: 0,
        name: "ok",
        entries: &[Meaning {
            endpoint: ANYWHERE,
            meaning: t(
                "成功。有些接口成功时根本没有 errcode。",
                "Success. Some endpoints leave errcode out altogether when they succeed.",
            ),
            causes: &[],
            cure: &[t("不需要做什么", "nothing needs to be done")],
            handled: t(
                "没有错误，无需处理。没有 errcode 或为 0 都算成功。",
                "Nothing is wrong: no errcode, or zero, is success.",
            ),
        }],
    },
    Explanation {
        code: -1,
        name: "system error",
        entries: &[Meaning {
            endpoint: ANYWHERE,
            meaning: t(
                "微信繁忙，请稍后再试。令牌没有问题。",
                "WeChat is busy; try again later. Nothing is wrong with the token.",
            ),
            causes: &[t("微信一侧的临时故障", "a passing fault on WeChat's side")],
            cure: &[
                t(
                    "稍等后用同一个令牌重试；发消息、下单这类调用重试前先确认上次没有成功",
                    "wait a little and call again with the same token; before repeating a call that sends or pays, see whether it did succeed",
                ),
                t(
                    "一直出现就记下 rid 反馈给微信",
                    "if it stays, tell WeChat the rid",
                ),
            ],
            handled: t(
                "wxtoken 取令牌时自己处理：1 到 60 秒随机退避后重试，期间继续发放仍有效的令牌。",
                "While fetching, wxtoken deals with it: it tries again after a random 1 to 60 seconds and hands out the token still alive.",
            ),
        }],
    },
    Explanation {
        code: 40097,
        name: "invalid args",
        entries: &[Meaning {
            endpoint: API,
            meaning: t("参数或请求体不对。", "A parameter or the body is wrong."),
            causes: &[t(
                "字段缺失、类型不对或取值越界",
                "a field is missing, of the wrong type or out of range",
            )],
            cure: &[t(
                "对照接口文档检查参数",
                "compare the parameters with the API's page",
            )],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 40201,
        name: "invalid url",
        entries: &[Meaning {
            endpoint: CALLBACK_CHECK,
            meaning: t(
                "要检测的回调 URL 不合法，或没有配置。",
                "The callback URL to be checked is malformed or not configured.",
            ),
            causes: &[t(
                "后台没有填写服务器地址",
                "no server address is set in the console",
            )],
            cure: &[t(
                "先在后台配置服务器 URL",
                "set the server's URL in the console first",
            )],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 40202,
        name: "invalid action",
        entries: &[Meaning {
            endpoint: CALLBACK_CHECK,
            meaning: t(
                "action 的值不对。",
                "The value of action is not a known one.",
            ),
            causes: &[t("只能是 dns、ping 或 all", "it must be dns, ping or all")],
            cure: &[t("改成 dns、ping 或 all", "send dns, ping or all instead")],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 40203,
        name: "invalid check_operator",
        entries: &[Meaning {
            endpoint: CALLBACK_CHECK,
            meaning: t(
                "check_operator 的值不对。",
                "The value of check_operator is not a known one.",
            ),
            causes: &[t(
                "只能是 CHINANET、UNICOM、CAP 或 DEFAULT",
                "it must be CHINANET, UNICOM, CAP or DEFAULT",
            )],
            cure: &[t("改成其中之一", "send one of these four instead")],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 43001,
        name: "require GET method",
        entries: &[Meaning {
            endpoint: API,
            meaning: t(
                "这个接口要用 GET。",
                "This endpoint takes GET, and something else was used.",
            ),
            causes: &[t(
                "程序或中间的代理改了请求方法",
                "the program or a proxy in between used another method",
            )],
            cure: &[t("改用 GET", "use GET for this call")],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 43002,
        name: "require POST method",
        entries: &[
            Meaning {
                endpoint: TOKEN_ENDPOINTS,
                meaning: t(
                    "stable_token 只接受 POST 加 JSON。",
                    "stable_token takes only POST with JSON.",
                ),
                causes: &[t(
                    "用 GET 调用了 stable_token，或重定向把 POST 变成了 GET",
                    "it was called by GET, or a redirect turned POST into GET",
                )],
                cure: &[t(
                    "改用 POST；若是 wxtoken 得到它，检查中间的代理",
                    "use POST; if wxtoken gets this, look at the proxy in between",
                )],
                handled: super::REFUSAL,
            },
            Meaning {
                endpoint: API,
                meaning: t(
                    "这个接口要用 POST。",
                    "This endpoint takes POST, and something else was used.",
                ),
                causes: &[t(
                    "程序或中间的代理改了请求方法",
                    "the program or a proxy in between used another method",
                )],
                cure: &[t(
                    "改用 POST；access_token 仍放在 URL 里",
                    "use POST; the access_token stays in the URL",
                )],
                handled: NOT_OURS,
            },
        ],
    },
    Explanation {
        code: 43003,
        name: "require https",
        entries: &[Meaning {
            endpoint: ANYWHERE,
            meaning: t("必须用 HTTPS。", "The call must be made over HTTPS."),
            causes: &[t("地址写成了 http://", "the address begins with http://")],
            cure: &[t(
                "改用 https://api.weixin.qq.com",
                "use https://api.weixin.qq.com",
            )],
            handled: t(
                "wxtoken 到微信只用 HTTPS。",
                "wxtoken speaks to WeChat by HTTPS alone.",
            ),
        }],
    },
    Explanation {
        code: 44002,
        name: "empty post data",
        entries: &[Meaning {
            endpoint: API,
            meaning: t("POST 的请求体是空的。", "The body of the POST is empty."),
            causes: &[t(
                "忘了带请求体，或中间的代理丢了它",
                "the body was forgotten, or a proxy in between dropped it",
            )],
            cure: &[t(
                "按文档带上 JSON 请求体",
                "send the JSON body the documentation asks for",
            )],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 45002,
        name: "content size out of limit",
        entries: &[Meaning {
            endpoint: API,
            meaning: t("消息内容太长。", "The content is longer than allowed."),
            causes: &[t(
                "文本、标题或请求体超过接口的长度限制",
                "text, title or body exceed the API's limit",
            )],
            cure: &[t(
                "缩短内容；注意按字节计算，中文一个字占 3 字节",
                "shorten it; bytes are counted, and a Chinese character takes three",
            )],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 47001,
        name: "data format error",
        entries: &[Meaning {
            endpoint: API,
            meaning: t(
                "请求体不是合法的 JSON（或 XML）。",
                "The body is not well-formed JSON (or XML).",
            ),
            causes: &[
                t(
                    "按表单编码发送了 JSON 接口",
                    "a form was sent where JSON is expected",
                ),
                t(
                    "编码不是 UTF-8，或引号没有转义",
                    "it is not UTF-8, or a quote was not escaped",
                ),
            ],
            cure: &[t(
                "发送 UTF-8 的 JSON；中文不要转成 \\u 形式以外的编码",
                "send JSON in UTF-8, built by a JSON library",
            )],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 50001,
        name: "user unauthorized",
        entries: &[Meaning {
            endpoint: API,
            meaning: t(
                "用户没有授权这个接口。",
                "The user has not authorized this API.",
            ),
            causes: &[t(
                "接口需要用户授权而用户没有给，或已撤回",
                "the API needs the user's consent, which was not given or was withdrawn",
            )],
            cure: &[t(
                "引导用户授权；换应用的令牌没有用",
                "ask the user for it; another token of the app will not help",
            )],
            handled: NOT_OURS,
        }],
    },
];
