//! The faults in words, for people: what `GET /_sim/faults` lists.

use serde::Serialize;

/// One fault in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FaultInfo {
    /// Its name.
    pub name: &'static str,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
    /// Its parameters with their defaults.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub parameters: &'static str,
}

const fn plain(name: &'static str, zh: &'static str, en: &'static str) -> FaultInfo {
    FaultInfo {
        name,
        zh,
        en,
        parameters: "",
    }
}

const fn with(
    name: &'static str,
    parameters: &'static str,
    zh: &'static str,
    en: &'static str,
) -> FaultInfo {
    FaultInfo {
        name,
        zh,
        en,
        parameters,
    }
}

/// Every fault, in the order a person would read them.
pub fn fault_catalog() -> &'static [FaultInfo] {
    CATALOG
}

static CATALOG: &[FaultInfo] = &[
    plain(
        "foreign-fetch",
        "另一个程序刚取过普通 token，先前的全部失效",
        "another program just fetched: every classic token held so far is dead",
    ),
    plain(
        "foreign-force",
        "另一个程序刚强制刷新过稳定版 token，先前的全部失效",
        "another program just forced: every stable token held so far is dead",
    ),
    plain(
        "busy",
        "系统繁忙 -1，什么都没做",
        "busy, -1; nothing is done",
    ),
    with(
        "errcode",
        "code=-1",
        "返回任意错误码，什么都没做",
        "any errcode; nothing is done",
    ),
    with(
        "delay",
        "ms=1000, before=false",
        "应答推迟（真实时间）；before 表示连处理也推迟",
        "the answer comes late, by real time; with before the call is decided late too",
    ),
    with(
        "hold",
        "before=false",
        "应答被扣住，直到放行或清除故障",
        "the answer is held until released or the faults are cleared",
    ),
    with(
        "reorder",
        "ms=5000",
        "两个并发请求，后到的先得到应答",
        "of two calls under way together the second is answered first",
    ),
    plain(
        "lost-answer",
        "已生成 token，但应答一个字节都没发出连接就断了",
        "carried out, then the connection is cut before any byte of the answer",
    ),
    plain(
        "torn-json",
        "JSON 只有前一半，HTTP 本身完整",
        "the JSON ends in the middle, as correct HTTP",
    ),
    plain(
        "cut-body",
        "应答体发到一半连接断开",
        "the connection is cut in the middle of the answer's body",
    ),
    plain(
        "html-200",
        "状态 200 的 HTML 页面，什么都没做",
        "an HTML page with status 200; nothing is done",
    ),
    with(
        "bad-gateway",
        "status=502",
        "网关错误页，什么都没做",
        "a gateway's error page; nothing is done",
    ),
    plain(
        "drop",
        "刚收到请求头连接就断了，什么都没做",
        "cut when the head of the call has arrived; nothing is done",
    ),
    plain(
        "drop-before-mint",
        "收完请求后连接断了，什么都没做",
        "cut when the whole call has arrived; nothing is done",
    ),
    plain("quota", "日配额用完 45009", "daily quota used up, 45009"),
    plain(
        "rate",
        "每分钟频率超限 45011",
        "too many in a minute, 45011",
    ),
    plain(
        "not-whitelisted",
        "IP 不在白名单 40164",
        "address not in the whitelist, 40164",
    ),
    plain(
        "confirm-ip",
        "此 IP 需管理员确认 89503",
        "the address needs the administrator's confirmation, 89503",
    ),
    plain(
        "secret-frozen",
        "AppSecret 已冻结 40243",
        "AppSecret frozen, 40243",
    ),
    plain(
        "secret-changed",
        "AppSecret 已重置 40125",
        "AppSecret changed, 40125",
    ),
    plain(
        "all-tokens-bad",
        "任何 token 都是 40001，探测接口也是",
        "every token is 40001, on the probe too",
    ),
    plain(
        "path-always-40001",
        "除探测接口外总是 40001：是接口坏了，不是 token",
        "always 40001 but on the probe: the path is broken, not the token",
    ),
    with(
        "clock-offset",
        "seconds=3600",
        "微信的时钟偏移：Date、有效期、日期",
        "WeChat's clock is off: Date, lifetimes, days",
    ),
    with(
        "echo",
        "code=-1",
        "错误应答里回显整个请求，包括密钥",
        "an error that tells the whole request back, secrets and all",
    ),
    plain(
        "huge-answer",
        "应答体没有尽头",
        "the answer's body never ends",
    ),
    with(
        "slow-body",
        "ms=100",
        "应答体一次只来一个字节",
        "the answer's body comes a byte at a time",
    ),
    plain("empty-token", "token 为空", "an empty token or ticket"),
    plain(
        "long-token",
        "token 有 600 个字符",
        "a token or ticket of 600 characters",
    ),
    plain(
        "control-token",
        "token 里有控制字符",
        "a token or ticket with control characters inside",
    ),
    plain("expires-zero", "expires_in 为 0", "expires_in 0"),
    plain("expires-negative", "expires_in 为 -5", "expires_in -5"),
    plain(
        "expires-ten-years",
        "expires_in 为十年",
        "expires_in of ten years",
    ),
    plain(
        "expires-string",
        "expires_in 是字符串",
        "expires_in as a string",
    ),
    plain(
        "gzip",
        "不管要没要，应答都被压缩",
        "the answer is compressed, asked for or not",
    ),
    plain(
        "wrong-content-type",
        "JSON 却自称是图片",
        "JSON that says it is an image",
    ),
    plain(
        "duplicate-keys",
        "每个键出现两次，第一次是错的值",
        "every key comes twice, the first time with a wrong value",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crate::Fault;

    use super::*;

    #[test]
    fn every_name_in_the_catalogue_is_a_fault_whose_parameters_all_have_defaults() {
        for info in fault_catalog() {
            let fault: Fault =
                serde_json::from_value(serde_json::json!({"name": info.name})).unwrap();
            assert_eq!(fault.name(), info.name);
            let json = serde_json::to_value(&fault).unwrap();
            for (name, value) in json
                .as_object()
                .unwrap()
                .iter()
                .filter(|(name, _)| *name != "name")
            {
                assert!(
                    info.parameters.contains(&format!("{name}={value}")),
                    "{}: {name}",
                    info.name
                );
            }
        }
    }

    #[test]
    fn every_fault_is_in_the_catalogue_once() {
        let names: HashSet<&str> = fault_catalog().iter().map(|info| info.name).collect();
        assert_eq!(names.len(), fault_catalog().len());
        // What serde accepts is what it lists when it refuses.
        let refusal = serde_json::from_str::<Fault>(r#"{"name":"no-such"}"#)
            .unwrap_err()
            .to_string();
        let known: HashSet<&str> = refusal.split('`').skip(3).step_by(2).collect();
        assert_eq!(known, names);
    }

    #[test]
    fn unknown_parameters_are_refused() {
        assert!(serde_json::from_str::<Fault>(r#"{"name":"delay","msec":5}"#).is_err());
    }
}
