//! Refusals of the endpoints that give out tokens: a person has to act.

use super::{ANYWHERE, API, Explanation, Meaning, REFUSAL, SNS, TOKEN_ENDPOINTS, t};

pub(super) const CODES: &[Explanation] = &[
    Explanation {
        code: 40002,
        name: "invalid grant_type",
        entries: &[Meaning {
            endpoint: TOKEN_ENDPOINTS,
            meaning: t("grant_type 的值不对。", "The value of grant_type is wrong."),
            causes: &[
                t(
                    "取令牌要写 client_credential",
                    "fetching a token takes client_credential",
                ),
                t(
                    "中间的代理改写了请求",
                    "a proxy in between changed the request",
                ),
            ],
            cure: &[t(
                "自己写的请求改用 client_credential；若是 wxtoken 得到它，检查 upstream.base_url 与代理",
                "use client_credential in a request of your own; if wxtoken gets this, look at upstream.base_url and the proxy",
            )],
            handled: REFUSAL,
        }],
    },
    Explanation {
        code: 40013,
        name: "invalid appid",
        entries: &[Meaning {
            endpoint: ANYWHERE,
            meaning: t(
                "AppID 不存在，或与令牌所属的帐号不符。",
                "The AppID does not exist, or is not the one the token belongs to.",
            ),
            causes: &[
                t(
                    "AppID 抄错（应为 wx 开头共 18 个字符，区分大小写）",
                    "the AppID is mistyped: it begins with wx and has 18 characters, upper and lower case differ",
                ),
                t(
                    "把原始 ID（gh_ 开头）当成了 AppID",
                    "the original id (gh_…) was taken for the AppID",
                ),
                t("帐号已注销", "the account has been closed"),
            ],
            cure: &[t(
                "在微信后台“开发设置”核对 AppID",
                "compare the AppID in WeChat's console under development settings",
            )],
            handled: REFUSAL,
        }],
    },
    Explanation {
        code: 40125,
        name: "invalid appsecret",
        entries: &[
            Meaning {
                endpoint: TOKEN_ENDPOINTS,
                meaning: t(
                    "AppSecret 不对，或已被重置。",
                    "The AppSecret is wrong or has been reset.",
                ),
                causes: &[
                    t(
                        "后台重置过 AppSecret，配置没有跟上",
                        "the AppSecret was reset in the console and the configuration did not follow",
                    ),
                    t(
                        "抄错或多了空格换行",
                        "it is mistyped, or a space or line break came along",
                    ),
                    t(
                        "是另一个帐号的 AppSecret",
                        "it is another account's AppSecret",
                    ),
                ],
                cure: &[
                    t(
                        "把后台当前的 AppSecret 写进配置，然后重载（SIGHUP）",
                        "put the console's present AppSecret into the configuration and reload (SIGHUP)",
                    ),
                    t(
                        "更换期间新值放 secret、旧值放 previous_secret，可不中断",
                        "while changing it, put the new one into secret and the old one into previous_secret: nothing is interrupted",
                    ),
                ],
                handled: t(
                    "配了 previous_secret 时 wxtoken 会自动改用另一个再试一次；否则报警，继续发放仍有效的令牌并定时重试。",
                    "With a previous_secret wxtoken tries the other one at once; without, it raises an alarm, goes on handing out the token still alive and tries again.",
                ),
            },
            Meaning {
                endpoint: SNS,
                meaning: t(
                    "换取用户令牌或登录时带的 AppSecret 不对。",
                    "The AppSecret sent along with a user's code is wrong.",
                ),
                causes: &[t(
                    "同上；网站应用、小程序各有自己的 AppSecret",
                    "as above; a website app and a mini program each have an AppSecret of their own",
                )],
                cure: &[t(
                    "核对发起调用的程序里的 AppSecret",
                    "look at the AppSecret in the program that makes the call",
                )],
                handled: super::NOT_OURS,
            },
        ],
    },
    Explanation {
        code: 40243,
        name: "appsecret frozen",
        entries: &[Meaning {
            endpoint: TOKEN_ENDPOINTS,
            meaning: t(
                "AppSecret 被管理员冻结。",
                "An administrator has frozen the AppSecret.",
            ),
            causes: &[t(
                "有人在微信后台点了“冻结”",
                "someone chose to freeze it in WeChat's console",
            )],
            cure: &[t(
                "在后台解冻；约 10 分钟后生效",
                "unfreeze it in the console; that takes about 10 minutes to have effect",
            )],
            handled: REFUSAL,
        }],
    },
    Explanation {
        code: 41002,
        name: "appid missing",
        entries: &[Meaning {
            endpoint: TOKEN_ENDPOINTS,
            meaning: t("请求里没有 AppID。", "The request holds no AppID."),
            causes: &[
                t("程序的配置里 AppID 为空", "the program's AppID is empty"),
                t(
                    "stable_token 的参数放在了查询串里；它要放在 JSON 请求体里",
                    "stable_token's parameters were put into the query; they belong into the JSON body",
                ),
            ],
            cure: &[t(
                "补上 appid；若是 wxtoken 得到它，检查中间的代理是否丢了参数",
                "send appid; if wxtoken gets this, see whether a proxy in between drops parameters",
            )],
            handled: REFUSAL,
        }],
    },
    Explanation {
        code: 41004,
        name: "appsecret missing",
        entries: &[Meaning {
            endpoint: TOKEN_ENDPOINTS,
            meaning: t("请求里没有 AppSecret。", "The request holds no AppSecret."),
            causes: &[
                t(
                    "程序的配置里 AppSecret 为空，环境变量没有设上",
                    "the program's AppSecret is empty, or its environment variable was not set",
                ),
                t(
                    "参数名写错：取令牌用 secret，clear_quota/v2 用 appsecret",
                    "the parameter's name is wrong: tokens take secret, clear_quota/v2 takes appsecret",
                ),
            ],
            cure: &[t(
                "补上 AppSecret；若是 wxtoken 得到它，检查中间的代理",
                "send the AppSecret; if wxtoken gets this, look at the proxy in between",
            )],
            handled: REFUSAL,
        }],
    },
    Explanation {
        code: 48004,
        name: "api forbidden for irregularities",
        entries: &[Meaning {
            endpoint: ANYWHERE,
            meaning: t(
                "该接口因违规被封禁。",
                "The API has been banned for this account because rules were broken.",
            ),
            causes: &[t(
                "帐号受到处罚；详情见 mp.weixin.qq.com 的站内信",
                "the account was punished; the message centre of mp.weixin.qq.com says why",
            )],
            cure: &[t(
                "登录 mp.weixin.qq.com 查看通知并申诉，或等待期满",
                "read the notice at mp.weixin.qq.com, appeal, or wait until it is lifted",
            )],
            handled: REFUSAL,
        }],
    },
    Explanation {
        code: 50002,
        name: "user limited",
        entries: &[
            Meaning {
                endpoint: TOKEN_ENDPOINTS,
                meaning: t(
                    "帐号被限制或状态异常，不能取令牌。",
                    "The account is restricted or in an abnormal state and gets no token.",
                ),
                causes: &[t(
                    "帐号被处罚、冻结或正在迁移、注销",
                    "the account was punished or frozen, or is being moved or closed",
                )],
                cure: &[t(
                    "登录微信后台查看帐号状态并按提示处理",
                    "look at the account's state in WeChat's console and follow what it says",
                )],
                handled: REFUSAL,
            },
            Meaning {
                endpoint: API,
                meaning: t(
                    "该用户或帐号被限制使用此接口；令牌是好的。",
                    "This user or account may not use the API now; the token is fine.",
                ),
                causes: &[t(
                    "帐号或用户受到限制",
                    "the account or the user is restricted",
                )],
                cure: &[t(
                    "查看后台通知；换令牌没有用",
                    "read the notices in the console; another token will not help",
                )],
                handled: super::NOT_OURS,
            },
        ],
    },
    Explanation {
        code: 50004,
        name: "user not allow to use accesstoken, maybe for punishment",
        entries: &[Meaning {
            endpoint: TOKEN_ENDPOINTS,
            meaning: t(
                "该帐号被禁止使用取令牌的接口，通常是处罚。",
                "The account may not use the token endpoints, usually as a punishment.",
            ),
            causes: &[t(
                "帐号违规受罚",
                "the account broke rules and was punished",
            )],
            cure: &[t(
                "登录微信后台查看处罚通知并申诉",
                "read the notice in WeChat's console and appeal",
            )],
            handled: REFUSAL,
        }],
    },
    Explanation {
        code: 50007,
        name: "account frozen",
        entries: &[Meaning {
            endpoint: TOKEN_ENDPOINTS,
            meaning: t("帐号已被冻结，不能取令牌。", "The whole account is frozen."),
            causes: &[t(
                "帐号违规，或长期未使用、未年审",
                "rules were broken, or the account was unused or not verified again for long",
            )],
            cure: &[t(
                "登录微信后台按提示解冻",
                "follow the steps in WeChat's console to unfreeze it",
            )],
            handled: REFUSAL,
        }],
    },
];
