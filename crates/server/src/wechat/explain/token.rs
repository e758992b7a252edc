//! A token that WeChat does not take: replaced, expired, malformed, missing, or of the wrong kind.

use super::{API, Explanation, Meaning, OF_USERS, SNS, TOKEN_ENDPOINTS, t};

/// What wxtoken does about a token of its own that is called bad.
const REPLACES: super::Text = t(
    "wxtoken 自己处理：用一次探测确认，确认失效就换新，所有读者随即拿到新令牌；没有经过 wxtoken 的调用，请把失效的令牌报给 POST /v1/apps/{appid}/access_token/dead。",
    "wxtoken deals with it: one probe confirms it, a dead token is replaced and every reader gets the new one. For calls that did not go through wxtoken, report the failed token to POST /v1/apps/{appid}/access_token/dead.",
);

pub(super) const CODES: &[Explanation] = &[
    Explanation {
        code: 40001,
        name: "invalid credential, access_token is invalid or not latest",
        entries: &[
            Meaning {
                endpoint: TOKEN_ENDPOINTS,
                meaning: t(
                    "AppSecret 不对。这里说的不是令牌失效。",
                    "The AppSecret is wrong. Here the code does not speak of a dead token.",
                ),
                causes: &[
                    t(
                        "AppSecret 被重置，配置里还是旧的",
                        "the AppSecret was reset and the configuration still holds the old one",
                    ),
                    t(
                        "AppSecret 属于另一个 AppID",
                        "the AppSecret belongs to another AppID",
                    ),
                ],
                cure: &[
                    t(
                        "在微信后台核对 AppID 与 AppSecret，把正确的 AppSecret 写进配置",
                        "compare AppID and AppSecret in WeChat's console and put the right AppSecret into the configuration",
                    ),
                    t(
                        "更换 AppSecret 期间，把旧值放进 previous_secret",
                        "while an AppSecret is being changed, keep the old one as previous_secret",
                    ),
                ],
                handled: super::REFUSAL,
            },
            Meaning {
                endpoint: API,
                meaning: t(
                    "令牌无效：已被更新的令牌顶替、不是本应用的，或根本不是令牌。",
                    "The token is not valid: a newer one has replaced it, it is another app's, or no app token at all.",
                ),
                causes: &[
                    t(
                        "别的程序（如测试环境、旧服务）用同一个 AppSecret 取了新的普通令牌",
                        "another program (a test system, an old service) fetched a new classic token with the same AppSecret",
                    ),
                    t(
                        "程序里缓存的令牌已经过时",
                        "the program keeps a token longer than it lives",
                    ),
                    t(
                        "误用了网页授权的 access_token 或云调用令牌",
                        "a web-authorization token or a cloud token was used instead",
                    ),
                    t(
                        "有人强制刷新了稳定版令牌",
                        "someone forced a refresh of the stable token",
                    ),
                ],
                cure: &[
                    t(
                        "让所有程序都从 wxtoken 取令牌，不要各自去微信取",
                        "let every program take its token from wxtoken; none may fetch its own",
                    ),
                    t(
                        "优先使用 stable 通道：别的程序取普通令牌不会顶掉它",
                        "prefer the stable lane: others who fetch classic tokens cannot end it",
                    ),
                    t(
                        "用换过的令牌重试一次；仍然 40001 就检查令牌种类",
                        "call again once with the replaced token; if it is 40001 again, look at which kind of token it is",
                    ),
                ],
                handled: REPLACES,
            },
            Meaning {
                endpoint: SNS,
                meaning: t(
                    "用户的网页授权令牌无效；多半是把应用的 access_token 用在了 /sns 上。",
                    "The user's web token is not valid; most often the app's access_token was used on /sns.",
                ),
                causes: &[
                    t(
                        "应用令牌与网页授权令牌混用：两者同名，但不是一回事",
                        "the app's token and the user's web token were mixed up: one name, two things",
                    ),
                    t("网页授权令牌已过期", "the user's web token has run out"),
                ],
                cure: &[
                    t(
                        "/sns/userinfo 要用 /sns/oauth2/access_token 换来的令牌",
                        "/sns/userinfo takes the token that /sns/oauth2/access_token gave for that user",
                    ),
                    t(
                        "过期就用 refresh_token 续，或让用户重新授权",
                        "if it ran out, renew it by its refresh_token or let the user authorize again",
                    ),
                ],
                handled: OF_USERS,
            },
        ],
    },
    Explanation {
        code: 40014,
        name: "invalid access_token",
        entries: &[Meaning {
            endpoint: API,
            meaning: t(
                "令牌不合法：微信认不出这个字符串。",
                "The token is malformed: WeChat does not recognise the text.",
            ),
            causes: &[
                t(
                    "令牌被截断、多了空格或换行，或没有做 URL 编码",
                    "the token was cut short, has a space or line break, or was not URL-encoded",
                ),
                t("传的是别种令牌", "a token of another kind was sent"),
                t("令牌已被顶替", "the token has been replaced"),
            ],
            cure: &[
                t(
                    "核对实际发出的 access_token 参数；存放令牌的字段至少留 512 个字符",
                    "look at the access_token parameter as sent; keep at least 512 characters for a token",
                ),
                t(
                    "换新令牌后仍是 40014，说明令牌种类用错",
                    "if a fresh token gives 40014 too, it is the wrong kind of token",
                ),
            ],
            handled: REPLACES,
        }],
    },
    Explanation {
        code: 42001,
        name: "access_token expired",
        entries: &[
            Meaning {
                endpoint: API,
                meaning: t(
                    "这个令牌到期了。",
                    "This token has reached the end of its life.",
                ),
                causes: &[
                    t(
                        "程序缓存令牌的时间超过了 expires_in",
                        "the program kept the token longer than its expires_in",
                    ),
                    t(
                        "本机时钟不准，过期时间算错",
                        "the machine's clock is off, so its end was miscalculated",
                    ),
                ],
                cure: &[
                    t(
                        "每次（或至多缓存 60 秒）向 wxtoken 取令牌",
                        "ask wxtoken for the token each time, or keep it for at most 60 seconds",
                    ),
                    t("换新令牌重试一次", "call again once with the new token"),
                ],
                handled: REPLACES,
            },
            Meaning {
                endpoint: SNS,
                meaning: t(
                    "用户的网页授权令牌到期了。",
                    "The user's web token has run out.",
                ),
                causes: &[t(
                    "网页授权令牌有效期约 2 小时",
                    "a web token lives for about two hours",
                )],
                cure: &[t(
                    "用 refresh_token 续期，或让用户重新授权",
                    "renew it by its refresh_token, or let the user authorize again",
                )],
                handled: super::NOT_OURS,
            },
        ],
    },
    Explanation {
        code: 41001,
        name: "access_token missing",
        entries: &[Meaning {
            endpoint: API,
            meaning: t(
                "请求里没有 access_token 参数，或它是空的。",
                "The request has no access_token parameter, or an empty one.",
            ),
            causes: &[
                t(
                    "令牌放进了请求体或请求头；微信只认 URL 参数，POST 也一样",
                    "the token was put into the body or a header; WeChat reads only the URL parameter, for POST too",
                ),
                t(
                    "取令牌失败后仍用空值去调用",
                    "fetching the token failed and the call was made with an empty value",
                ),
            ],
            cure: &[t(
                "把 access_token 放在 URL 的查询参数里，并检查取令牌的错误处理",
                "put access_token into the URL's query and look at what your program does when it gets no token",
            )],
            handled: t(
                "这是调用方的问题，令牌没有失效；wxtoken 不会因此刷新。",
                "It is the caller's mistake and no token is dead: wxtoken does not refresh for it.",
            ),
        }],
    },
    Explanation {
        code: 42009,
        name: "(not documented)",
        entries: &[Meaning {
            endpoint: API,
            meaning: t(
                "没有官方说明；网上偶有提到，但查不到出处。",
                "WeChat documents no such code; it is mentioned here and there without a source.",
            ),
            causes: &[t("没有可靠的说法", "nobody says reliably why it comes")],
            cure: &[t(
                "记下 rid，用 openapi/rid/get 查这次调用（保留 7 天）",
                "note the rid and look the call up with openapi/rid/get, which remembers it for 7 days",
            )],
            handled: t(
                "按未知的拒绝处理：报警并注明错误码。",
                "Treated as an unknown refusal: an alarm that names the code.",
            ),
        }],
    },
    Explanation {
        code: 48001,
        name: "api unauthorized",
        entries: &[
            Meaning {
                endpoint: API,
                meaning: t(
                    "这个帐号没有该接口的权限。令牌是好的，换令牌没有用。",
                    "The account may not use this API. The token is fine, another one will not help.",
                ),
                causes: &[
                    t(
                        "帐号类型或认证状态不支持该接口",
                        "the account's type, or its missing verification, does not include the API",
                    ),
                    t(
                        "用错了帐号的令牌，或令牌种类不对",
                        "the token is another account's, or of the wrong kind",
                    ),
                ],
                cure: &[t(
                    "在微信后台的接口权限页查看并申请权限",
                    "look at the API permissions in WeChat's console and apply for this one",
                )],
                handled: t(
                    "wxtoken 不刷新令牌；若发生在取票据时，会作为拒绝报警。",
                    "wxtoken refreshes nothing; while fetching a ticket it counts as a refusal and raises an alarm.",
                ),
            },
            Meaning {
                endpoint: SNS,
                meaning: t(
                    "授权范围不够：snsapi_base 的令牌不能取用户信息。",
                    "The scope is too small: a snsapi_base token may not read the user's profile.",
                ),
                causes: &[t(
                    "发起授权时 scope 用的是 snsapi_base",
                    "authorization was asked for with scope snsapi_base",
                )],
                cure: &[t(
                    "改用 snsapi_userinfo 重新授权",
                    "let the user authorize again with snsapi_userinfo",
                )],
                handled: super::NOT_OURS,
            },
        ],
    },
];
