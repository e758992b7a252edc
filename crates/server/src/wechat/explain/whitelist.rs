//! Who may call from where: the IP whitelist and WeChat's confirmation of risky calls.

use super::{ANYWHERE, API, Explanation, Meaning, REFUSAL, TOKEN_ENDPOINTS, Text, t};

/// The confirmation flow's remedy.
const WHITELIST: Text = t(
    "把本机出口 IP 加进 IP 白名单，就不再需要确认",
    "put the address this machine calls from on the IP whitelist: then nothing needs confirming",
);
const RISKY: Text = t(
    "微信认为从这个 IP 发起的调用有风险",
    "WeChat thinks calls from this address are risky",
);

pub(super) const CODES: &[Explanation] = &[
    Explanation {
        code: 40164,
        name: "invalid ip, not in whitelist",
        entries: &[Meaning {
            endpoint: ANYWHERE,
            meaning: t(
                "发起调用的出口 IP 不在帐号的 IP 白名单里。错误信息里写着微信看到的 IP。",
                "The address the call came from is not on the account's IP whitelist. The message names the address WeChat saw.",
            ),
            causes: &[
                t(
                    "服务器换了出口 IP（换机房、NAT、代理）",
                    "the server's outgoing address changed (another site, NAT, proxy)",
                ),
                t(
                    "有多个出口，只登记了其中一个",
                    "there are several ways out and only one is listed",
                ),
                t(
                    "公众号必须设白名单，新帐号还没设",
                    "an official account must have a whitelist and this one has none yet",
                ),
            ],
            cure: &[
                t(
                    "运行 wxtoken check，它会给出要登记的 IP",
                    "run `wxtoken check`: it prints the exact address to add",
                ),
                t(
                    "微信后台 → 开发设置 → IP 白名单里加上它；最长约 10 分钟生效",
                    "add it in WeChat's console under development settings, IP whitelist; it takes up to about 10 minutes",
                ),
                t(
                    "出口 IP 不固定时，用 upstream.proxy 走一个固定 IP 的代理",
                    "if the address is not fixed, send calls through a proxy that has a fixed one (upstream.proxy)",
                ),
            ],
            handled: REFUSAL,
        }],
    },
    Explanation {
        code: 61004,
        name: "access clientip is not registered",
        entries: &[Meaning {
            endpoint: ANYWHERE,
            meaning: t(
                "调用方 IP 没有登记。多见于第三方平台接口。",
                "The caller's address is not registered. Mostly seen on the interfaces for third-party platforms.",
            ),
            causes: &[t(
                "IP 不在第三方平台的白名单里；指引里说公众号也可能返回它，但实际见到的都是 40164",
                "the address is not on the third-party platform's whitelist; one guide names it for official accounts too, where 40164 is what is seen",
            )],
            cure: &[t(
                "在开放平台（或公众平台）后台的白名单里加上错误信息中的 IP",
                "add the address in the message to the whitelist in the open platform's (or the account's) console",
            )],
            handled: REFUSAL,
        }],
    },
    Explanation {
        code: 45035,
        name: "client ip not in whitelist",
        entries: &[Meaning {
            endpoint: API,
            meaning: t(
                "IP 不在白名单：微信小店一类接口用的是这个码。",
                "The address is not on the whitelist: WeChat shops use this code for it.",
            ),
            causes: &[t(
                "小店后台的白名单里没有这个 IP",
                "the shop's whitelist does not hold this address",
            )],
            cure: &[t(
                "在小店后台加上错误信息中的 IP",
                "add the address in the message in the shop's console",
            )],
            handled: REFUSAL,
        }],
    },
    Explanation {
        code: 89501,
        name: "this ip is waiting for the administrator's confirmation",
        entries: &[Meaning {
            endpoint: TOKEN_ENDPOINTS,
            meaning: t(
                "这个 IP 正等待管理员确认。",
                "This address is waiting for the administrator to confirm it.",
            ),
            causes: &[RISKY],
            cure: &[
                t(
                    "请管理员在微信里确认收到的模板消息",
                    "have the account's administrator confirm the message in WeChat",
                ),
                WHITELIST,
            ],
            handled: REFUSAL,
        }],
    },
    Explanation {
        code: 89503,
        name: "this ip's call needs the administrator's confirmation",
        entries: &[Meaning {
            endpoint: TOKEN_ENDPOINTS,
            meaning: t(
                "这次调用被判为有风险，已向管理员发送确认消息；确认后同一 IP 再调用即可。",
                "The call was judged risky and the administrator was sent a message; once confirmed, calls from the same address succeed.",
            ),
            causes: &[RISKY],
            cure: &[
                t(
                    "请管理员在微信里点“确认”",
                    "have the account's administrator confirm it in WeChat",
                ),
                WHITELIST,
            ],
            handled: REFUSAL,
        }],
    },
    Explanation {
        code: 89506,
        name: "the administrator refused twice: 24 hours",
        entries: &[Meaning {
            endpoint: TOKEN_ENDPOINTS,
            meaning: t(
                "24 小时内管理员拒绝了两次，这个 IP 24 小时内不能再调用。",
                "The administrator refused twice within 24 hours: this address may not call for 24 hours.",
            ),
            causes: &[t(
                "管理员在确认消息里点了“拒绝”",
                "the administrator chose to refuse in the confirmation message",
            )],
            cure: &[
                t(
                    "与管理员沟通，24 小时后再试",
                    "talk to the administrator and wait the 24 hours",
                ),
                WHITELIST,
            ],
            handled: t(
                "wxtoken 报警，24 小时后才重试，期间继续发放仍有效的令牌。",
                "wxtoken raises an alarm and waits 24 hours before it tries again; the token still alive is handed out meanwhile.",
            ),
        }],
    },
    Explanation {
        code: 89507,
        name: "the administrator refused: 1 hour",
        entries: &[Meaning {
            endpoint: TOKEN_ENDPOINTS,
            meaning: t(
                "1 小时内管理员拒绝了一次，这个 IP 1 小时内不能再调用。",
                "The administrator refused once within the hour: this address may not call for 1 hour.",
            ),
            causes: &[t(
                "管理员在确认消息里点了“拒绝”",
                "the administrator chose to refuse in the confirmation message",
            )],
            cure: &[
                t(
                    "与管理员沟通，1 小时后再试；再被拒绝会变成 24 小时",
                    "talk to the administrator and wait the hour; another refusal makes it 24 hours",
                ),
                WHITELIST,
            ],
            handled: t(
                "wxtoken 报警，1 小时后重试，期间继续发放仍有效的令牌。",
                "wxtoken raises an alarm and tries again after an hour; the token still alive is handed out meanwhile.",
            ),
        }],
    },
];
