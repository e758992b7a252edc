//! Quotas and rates.

use super::{API, Explanation, Meaning, SNS, TOKEN_ENDPOINTS, t};

pub(super) const CODES: &[Explanation] = &[
    Explanation {
        code: 45009,
        name: "reach max api daily quota limit",
        entries: &[
            Meaning {
                endpoint: TOKEN_ENDPOINTS,
                meaning: t(
                    "今天取令牌的次数用完了。",
                    "The day's number of token fetches is used up.",
                ),
                causes: &[
                    t(
                        "有程序绕过 wxtoken 反复取普通令牌（新帐号每天 2000 次，测试号 200 次）",
                        "a program fetches classic tokens again and again past wxtoken (new accounts have 2000 a day, test accounts 200)",
                    ),
                    t(
                        "强制刷新稳定版令牌超过每天 20 次",
                        "the stable token was forced more than 20 times that day",
                    ),
                ],
                cure: &[
                    t(
                        "找出还在自行取令牌的程序，改为从 wxtoken 取",
                        "find the program that still fetches tokens itself and let it ask wxtoken",
                    ),
                    t(
                        "改用 stable 通道，它有单独的、大得多的额度",
                        "use the stable lane: it has a quota of its own, and a far larger one",
                    ),
                    t(
                        "急用时可调用 clear_quota 清零（每月 10 次）",
                        "if it cannot wait, clear_quota sets it back (10 times a month)",
                    ),
                ],
                handled: t(
                    "有另一条通道就换用它；每小时及北京时间零点后重试。wxtoken 自己的预算保证不会由它用完额度。",
                    "wxtoken takes the other lane if there is one, and tries hourly and after midnight in Beijing. Its own budgets keep it from using the quota up.",
                ),
            },
            Meaning {
                endpoint: API,
                meaning: t(
                    "这个接口今天的调用次数用完了。",
                    "The day's number of calls of this API is used up.",
                ),
                causes: &[
                    t(
                        "调用量超过帐号的每日上限",
                        "more calls than the account's daily limit",
                    ),
                    t(
                        "程序出错后无限重试",
                        "a program repeats a failing call without end",
                    ),
                ],
                cure: &[
                    t(
                        "用 openapi/quota/get 查额度与用量",
                        "look at limit and use with openapi/quota/get",
                    ),
                    t(
                        "第二天自动恢复；急用可 clear_quota（每月 10 次）或 openapi/quota/clear（每月 50 次）",
                        "it comes back the next day; if it cannot wait, clear_quota (10 a month) or openapi/quota/clear (50 a month)",
                    ),
                ],
                handled: t(
                    "令牌是好的，wxtoken 不刷新；取票据时会等待后重试并报警。",
                    "The token is fine and wxtoken refreshes nothing; while fetching a ticket it waits, tries again and raises an alarm.",
                ),
            },
        ],
    },
    Explanation {
        code: 45011,
        name: "api minute-quota reach limit, must slower, retry next minute",
        entries: &[
            Meaning {
                endpoint: TOKEN_ENDPOINTS,
                meaning: t("一分钟内调用太多次。", "Too many calls within a minute."),
                causes: &[t(
                    "许多程序同时各自取令牌",
                    "many programs fetch tokens of their own at the same time",
                )],
                cure: &[t(
                    "等一分钟；让程序从 wxtoken 取令牌",
                    "wait a minute; let programs ask wxtoken",
                )],
                handled: t(
                    "wxtoken 自己处理：退避后重试，期间继续发放仍有效的令牌。",
                    "wxtoken deals with it: it backs off and tries again, handing out the token still alive.",
                ),
            },
            Meaning {
                endpoint: API,
                meaning: t(
                    "这个接口每分钟的调用次数超限。",
                    "More calls of this API than are allowed within a minute.",
                ),
                causes: &[t(
                    "瞬时并发太高，或出错后立即重试",
                    "too many calls at once, or repeated at once when they failed",
                )],
                cure: &[t(
                    "放慢速度，下一分钟再试",
                    "slow down and try again in the next minute",
                )],
                handled: super::NOT_OURS,
            },
            Meaning {
                endpoint: SNS,
                meaning: t(
                    "登录或取手机号太频繁（例如同一用户每分钟 100 次）。",
                    "Logins or phone numbers were asked for too often (100 a minute for one user, for example).",
                ),
                causes: &[t(
                    "前端重复调用 wx.login，或有人刷接口",
                    "the page calls wx.login again and again, or someone attacks it",
                )],
                cure: &[t(
                    "对前端请求限流，缓存登录态",
                    "limit requests from the front end and keep the login state",
                )],
                handled: super::NOT_OURS,
            },
        ],
    },
];
