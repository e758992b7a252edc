//! Looking quotas and past calls up, and setting quotas back (`openapi/*`, `clear_quota`).

use super::{Explanation, Meaning, NOT_OURS, Text, t};

const CLEAR: Text = t(
    "清零额度：/cgi-bin/clear_quota、/cgi-bin/clear_quota/v2",
    "setting all quotas back: /cgi-bin/clear_quota and /cgi-bin/clear_quota/v2",
);
const RID: Text = t(
    "查询调用：/cgi-bin/openapi/rid/get",
    "looking a call up: /cgi-bin/openapi/rid/get",
);
const QUOTA: Text = t(
    "查询或重置额度：/cgi-bin/openapi/quota/get、/cgi-bin/openapi/quota/clear",
    "reading or setting back quotas: /cgi-bin/openapi/quota/get and /cgi-bin/openapi/quota/clear",
);

pub(super) const CODES: &[Explanation] = &[
    Explanation {
        code: 48006,
        name: "forbid to clear quota because of reaching the limit",
        entries: &[Meaning {
            endpoint: CLEAR,
            meaning: t(
                "本月的清零次数用完了。",
                "This month's resets of the quota are used up.",
            ),
            causes: &[t(
                "每个帐号每月 10 次，后台按钮与两个接口合计",
                "an account has 10 a month, the console's button and both interfaces together",
            )],
            cure: &[t(
                "等下个月；按接口清零可用 openapi/quota/clear（每月 50 次）",
                "wait for the next month; openapi/quota/clear resets single APIs, 50 a month",
            )],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 76001,
        name: "rid not found",
        entries: &[Meaning {
            endpoint: RID,
            meaning: t("查不到这个 rid。", "No call of this rid is known."),
            causes: &[
                t("超过 7 天", "it is older than 7 days"),
                t(
                    "rid 抄错，或不是这个帐号的调用",
                    "it is mistyped, or the call was another account's",
                ),
            ],
            cure: &[t(
                "在 7 天内查询，并用产生该调用的帐号的令牌",
                "look within 7 days, with a token of the account that made the call",
            )],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 76002,
        name: "rid is error",
        entries: &[Meaning {
            endpoint: RID,
            meaning: t("rid 的格式不对。", "The rid does not have a rid's form."),
            causes: &[t(
                "应为三段各 8 位小写十六进制，用连字符连接",
                "it has three groups of eight lower-case hexadecimal digits, joined by hyphens",
            )],
            cure: &[t(
                "从 errmsg 里原样复制 rid: 后面的内容",
                "copy what stands behind `rid:` in the errmsg exactly",
            )],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 76003,
        name: "could not query this rid, no permission",
        entries: &[
            Meaning {
                endpoint: RID,
                meaning: t("无权查询这个 rid。", "You may not look this rid up."),
                causes: &[t(
                    "调用属于别的帐号或第三方平台",
                    "the call belongs to another account or a third-party platform",
                )],
                cure: &[t(
                    "用发起那次调用的帐号的令牌查询",
                    "use a token of the account that made the call",
                )],
                handled: NOT_OURS,
            },
            Meaning {
                endpoint: QUOTA,
                meaning: t(
                    "cgi_path 的前缀不对（文档提到的另一种含义）。",
                    "The prefix of cgi_path is wrong, as one page of the documentation says.",
                ),
                causes: &[t(
                    "cgi_path 要以 / 开头，不带域名和参数",
                    "cgi_path begins with a slash and has neither host nor query",
                )],
                cure: &[t(
                    "改成如 /cgi-bin/message/custom/send 的形式",
                    "write it like /cgi-bin/message/custom/send",
                )],
                handled: NOT_OURS,
            },
        ],
    },
    Explanation {
        code: 76004,
        name: "rid time is error",
        entries: &[Meaning {
            endpoint: RID,
            meaning: t("rid 里的时间不对。", "The time inside the rid is wrong."),
            causes: &[t(
                "rid 第一段是十六进制的 Unix 时间：抄错，或已超过 7 天",
                "its first group is the Unix time in hexadecimal: mistyped, or more than 7 days ago",
            )],
            cure: &[t(
                "从 errmsg 里原样复制 rid，并在 7 天内查询",
                "copy the rid from the errmsg exactly and look within 7 days",
            )],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 76021,
        name: "cgi_path not found, please check",
        entries: &[Meaning {
            endpoint: QUOTA,
            meaning: t("没有这个 cgi_path。", "There is no such cgi_path."),
            causes: &[t(
                "路径写错，或多带了域名、参数",
                "the path is mistyped, or host or query came along",
            )],
            cure: &[t(
                "写成如 /cgi-bin/token 的路径",
                "write the bare path, like /cgi-bin/token",
            )],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 76022,
        name: "could not use this cgi_path, no permission",
        entries: &[Meaning {
            endpoint: QUOTA,
            meaning: t(
                "这个帐号不能查询该接口的额度。",
                "This account may not ask about that API's quota.",
            ),
            causes: &[
                t("/sns/* 都不能查", "all of /sns/* cannot be asked about"),
                t(
                    "令牌的帐号类型与接口所属的不一致",
                    "the token's kind of account is not the one the API belongs to",
                ),
            ],
            cure: &[t(
                "换用拥有该接口的帐号类型的令牌；第三方平台接口用 component_access_token",
                "use a token of the kind of account that owns the API; for third-party platform APIs the component_access_token",
            )],
            handled: NOT_OURS,
        }],
    },
];
