//! Web authorization and login: codes, web tokens and refresh tokens of users.

use super::{API, Explanation, Meaning, NOT_OURS, OF_CODES, OF_USERS, SNS, Text, t};

const CODE_EXCHANGE: Text = t(
    "用 code 换用户身份：/sns/oauth2/access_token、/sns/jscode2session、getuserphonenumber",
    "a user's code is exchanged: /sns/oauth2/access_token, /sns/jscode2session, getuserphonenumber",
);
const REFRESH: Text = t(
    "续用户令牌：/sns/oauth2/refresh_token",
    "renewing a user's token: /sns/oauth2/refresh_token",
);
const AUTHORIZE_AGAIN: Text = t("让用户重新走一遍授权", "let the user authorize again");

pub(super) const CODES: &[Explanation] = &[
    Explanation {
        code: 40003,
        name: "invalid openid",
        entries: &[
            Meaning {
                endpoint: API,
                meaning: t(
                    "openid 不对，或不属于这个 AppID。",
                    "The openid is wrong or not one of this AppID's.",
                ),
                causes: &[
                    t(
                        "每个 AppID 下用户的 openid 都不同，用了别的帐号的",
                        "a user has another openid under every AppID, and another account's was used",
                    ),
                    t(
                        "用户已取消关注",
                        "the user does not follow the account any more",
                    ),
                ],
                cure: &[t(
                    "核对 openid 与 AppID 是否配对；跨应用识别用户请用 unionid",
                    "see that openid and AppID belong together; to know a user across apps use the unionid",
                )],
                handled: NOT_OURS,
            },
            Meaning {
                endpoint: SNS,
                meaning: t(
                    "openid 与网页授权令牌不是同一个用户。",
                    "The openid is not the user's whose web token this is.",
                ),
                causes: &[t(
                    "令牌和 openid 来自两次不同的授权",
                    "token and openid come from two different authorizations",
                )],
                cure: &[t(
                    "令牌与 openid 成对保存、成对使用",
                    "keep token and openid as a pair, and use them as one",
                )],
                handled: NOT_OURS,
            },
        ],
    },
    Explanation {
        code: 40029,
        name: "invalid code",
        entries: &[Meaning {
            endpoint: CODE_EXCHANGE,
            meaning: t("code 无效。", "The code is not valid."),
            causes: &[
                t(
                    "已过期：公众号、小程序 5 分钟，网站与移动应用 10 分钟",
                    "it has run out: 5 minutes for official accounts and mini programs, 10 for website and mobile apps",
                ),
                t(
                    "code 属于另一个 AppID，或登录 code 与手机号 code 混用",
                    "it is another AppID's, or a login code was used where a phone code belongs",
                ),
            ],
            cure: &[t(
                "拿到 code 立即换取；失败就让用户重新授权或重新 wx.login",
                "exchange it at once; if that fails, let the user authorize or call wx.login again",
            )],
            handled: OF_CODES,
        }],
    },
    Explanation {
        code: 40163,
        name: "code been used",
        entries: &[Meaning {
            endpoint: CODE_EXCHANGE,
            meaning: t("code 已经用过一次。", "The code has been used already."),
            causes: &[
                t(
                    "页面被刷新或回调被重复请求",
                    "the page was reloaded or the callback was called twice",
                ),
                t(
                    "超时后自动重试：第一次其实成功了",
                    "a call was repeated after a timeout although the first had succeeded",
                ),
            ],
            cure: &[t(
                "code 只换一次，绝不自动重试；需要时重新授权",
                "exchange a code once and never repeat it; authorize again where needed",
            )],
            handled: t(
                "wxtoken 从不重复这类调用。",
                "wxtoken never repeats calls of this sort.",
            ),
        }],
    },
    Explanation {
        code: 41008,
        name: "missing code",
        entries: &[Meaning {
            endpoint: CODE_EXCHANGE,
            meaning: t("请求里没有 code。", "The request holds no code."),
            causes: &[
                t(
                    "用户拒绝了授权，回调里没有 code",
                    "the user refused, so the callback came without a code",
                ),
                t(
                    "参数名写错：小程序登录用 js_code",
                    "the parameter's name is wrong: mini-program login takes js_code",
                ),
            ],
            cure: &[t(
                "先检查回调里有没有 code，再去换取",
                "see whether the callback holds a code before exchanging it",
            )],
            handled: OF_CODES,
        }],
    },
    Explanation {
        code: 40030,
        name: "invalid refresh_token",
        entries: &[Meaning {
            endpoint: REFRESH,
            meaning: t("refresh_token 无效。", "The refresh_token is not valid."),
            causes: &[
                t(
                    "用户又授权过一次，旧的作废",
                    "the user authorized again and the older one ended",
                ),
                t(
                    "它属于另一个 AppID，或保存时被截断",
                    "it is another AppID's, or was cut short when stored",
                ),
            ],
            cure: &[AUTHORIZE_AGAIN],
            handled: OF_USERS,
        }],
    },
    Explanation {
        code: 42002,
        name: "refresh_token expired",
        entries: &[Meaning {
            endpoint: REFRESH,
            meaning: t(
                "refresh_token 到期了（通常 30 天）。",
                "The refresh_token has run out, usually after 30 days.",
            ),
            causes: &[t(
                "用户太久没有重新授权；它自身不能续期",
                "the user has not authorized for long; it cannot be renewed itself",
            )],
            cure: &[AUTHORIZE_AGAIN],
            handled: OF_USERS,
        }],
    },
    Explanation {
        code: 42003,
        name: "oauth code expired",
        entries: &[Meaning {
            endpoint: SNS,
            meaning: t("授权 code 到期了。", "The authorization code has run out."),
            causes: &[t(
                "拿到 code 后太久才去换取",
                "too much time passed before the code was exchanged",
            )],
            cure: &[
                AUTHORIZE_AGAIN,
                t(
                    "拿到 code 立即换取",
                    "exchange a code as soon as it arrives",
                ),
            ],
            handled: OF_CODES,
        }],
    },
    Explanation {
        code: 42007,
        name: "access_token and refresh_token exception: user changed password",
        entries: &[Meaning {
            endpoint: SNS,
            meaning: t(
                "用户改了微信密码或撤销了授权，他的网页授权令牌全部作废。应用的令牌没有问题。",
                "The user changed the WeChat password or withdrew the authorization: that user's web tokens have all ended. The app's token is fine.",
            ),
            causes: &[t("用户一侧的操作", "something the user did")],
            cure: &[AUTHORIZE_AGAIN],
            handled: t(
                "只影响这一个用户；wxtoken 不会因此刷新应用的令牌。",
                "It concerns one user alone: wxtoken does not refresh the app's token for it.",
            ),
        }],
    },
];
