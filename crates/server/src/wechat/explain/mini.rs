//! Mini programs: login, session keys, signed and encrypted calls.

use super::{Explanation, Meaning, NOT_OURS, Text, t};

const SESSION: Text = t(
    "登录态接口：/wxa/checksession、/wxa/resetusersessionkey",
    "session interfaces: /wxa/checksession and /wxa/resetusersessionkey",
);
const SIGNED: Text = t(
    "开启了“服务端 API 签名与加密”的小程序接口",
    "mini-program calls with API signature and encryption switched on",
);

pub(super) const CODES: &[Explanation] = &[
    Explanation {
        code: 40226,
        name: "high-risk user",
        entries: &[Meaning {
            endpoint: t(
                "小程序登录：/sns/jscode2session",
                "mini-program login: /sns/jscode2session",
            ),
            meaning: t(
                "微信判定这是高风险用户，拦截了登录。",
                "WeChat takes this user for a risk and blocks the login.",
            ),
            causes: &[t(
                "用户帐号被微信风控",
                "WeChat's risk control has marked the user's account",
            )],
            cure: &[t(
                "请用户稍后再试，或联系微信客服；不要自动重试",
                "let the user try later or turn to WeChat's support; do not repeat it automatically",
            )],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 87008,
        name: "invalid sig_method",
        entries: &[Meaning {
            endpoint: SESSION,
            meaning: t("签名方法不对。", "The way of signing is not a known one."),
            causes: &[t(
                "sig_method 只支持 hmac_sha256",
                "sig_method takes only hmac_sha256",
            )],
            cure: &[t(
                "在查询参数里写 sig_method=hmac_sha256",
                "send sig_method=hmac_sha256 in the query",
            )],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 87009,
        name: "invalid signature",
        entries: &[Meaning {
            endpoint: SESSION,
            meaning: t(
                "用户态签名不对。",
                "The signature made with the session key is wrong.",
            ),
            causes: &[
                t(
                    "session_key 已经换过",
                    "the session_key has changed meanwhile",
                ),
                t(
                    "签名时把 session_key 做了 base64 解码；应直接用它的文本作密钥",
                    "the session_key was decoded first; its base64 text itself is the key",
                ),
                t(
                    "被签的内容应为空串",
                    "what is signed here is the empty text",
                ),
            ],
            cure: &[t(
                "以 session_key 文本为密钥，对空串做 HMAC-SHA256，输出小写十六进制；不行就重新 wx.login",
                "take HMAC-SHA256 of the empty text under the session_key's text, in lower-case hexadecimal; else let the user call wx.login again",
            )],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 40234,
        name: "invalid signature",
        entries: &[Meaning {
            endpoint: SIGNED,
            meaning: t(
                "API 签名校验不通过。",
                "The signature of the request does not hold.",
            ),
            causes: &[
                t(
                    "签名串的路径、AppID、时间戳或正文与实际请求不一致",
                    "path, AppID, time or body in the signed text differ from the request",
                ),
                t(
                    "用错了私钥或编号",
                    "the wrong private key or serial number was used",
                ),
            ],
            cure: &[t(
                "按文档重新拼签名串，核对后台登记的公钥与编号",
                "build the signed text again as documented and compare key and serial number in the console",
            )],
            handled: NOT_OURS,
        }],
    },
    Explanation {
        code: 40235,
        name: "invalid encrypt",
        entries: &[Meaning {
            endpoint: SIGNED,
            meaning: t(
                "请求的加密内容解不开。",
                "The encrypted request cannot be opened.",
            ),
            causes: &[
                t(
                    "对称密钥或编号不对",
                    "the symmetric key or its serial number is wrong",
                ),
                t(
                    "AAD、iv 或 authtag 拼错",
                    "additional data, iv or authtag are put together wrongly",
                ),
            ],
            cure: &[t(
                "核对后台的对称密钥编号，AAD 为 urlpath|appid|timestamp|sn",
                "compare the key's serial number in the console; the additional data are urlpath|appid|timestamp|sn",
            )],
            handled: NOT_OURS,
        }],
    },
];
