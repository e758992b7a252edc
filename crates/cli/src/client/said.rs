//! What a server says when it refuses (RFC 9457), put into words for a person.
//!
//! The server says most things in Chinese, too. Why there is no live value is known by stable names, which have theirs here as well.

use std::fmt;

use serde::Deserialize;
use wxtoken_server::wechat::explain::{self, Text};

use crate::when;

/// A refusal as the server words it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Said {
    #[serde(rename = "type")]
    kind: Option<String>,
    title: Option<String>,
    detail: Option<String>,
    detail_zh: Option<String>,
    reason: Option<String>,
    errcode: Option<i64>,
    next_try: Option<u64>,
}

impl Said {
    /// Reads an answer's body; none if it is not a refusal of ours.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let said: Self = serde_json::from_slice(body).ok()?;
        (said.detail.is_some() || said.title.is_some()).then_some(said)
    }

    /// The stable name of what went wrong, `no-such-path`; empty if there is none.
    pub(super) fn name(&self) -> &str {
        let kind = self.kind.as_deref().unwrap_or_default();
        kind.rsplit(':').next().unwrap_or_default()
    }

    /// Whether it says why there is no live value.
    pub(super) fn is_no_live(&self) -> bool {
        self.reason.is_some()
    }

    fn detail(&self) -> &str {
        let detail = self.detail.as_deref().or(self.title.as_deref());
        detail.unwrap_or_default()
    }

    /// All of it in Chinese; in the server's own words what has no other.
    pub(super) fn in_chinese(&self) -> String {
        let detail = self.detail();
        let known = self.reason.as_deref().and_then(why_none);
        let mut text = match &self.detail_zh {
            Some(own) => own.clone(),
            None => known.map_or_else(|| detail.to_owned(), str::to_owned),
        };
        if let Some(code) = self.errcode {
            let meaning = meaning(code).map_or_else(String::new, |text| {
                format!("：{}", text.zh.trim_end_matches('。'))
            });
            text = format!("{text}；微信的错误码是 {code}{meaning}；见 `wxtoken explain {code}`");
        }
        if let Some(at) = self.next_try {
            text = format!("{text}；下次尝试在 {}", when::clock_time(at));
        }
        text
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail())?;
        if let Some(reason) = self.reason.as_deref()
            && !self.detail().contains(reason)
        {
            write!(f, " ({reason})")?;
        }
        if let Some(code) = self.errcode {
            if let Some(text) = meaning(code) {
                write!(f, "; {code} means: {}", text.en.trim_end_matches('.'))?;
            }
            write!(f, "; see `wxtoken explain {code}`")?;
        }
        if let Some(at) = self.next_try {
            write!(f, "; next try at {}", when::clock_time(at))?;
        }
        Ok(())
    }
}

/// What a code means where tokens are fetched.
fn meaning(code: i64) -> Option<Text> {
    let found = explain::explain(code)?;
    Some(found.entries.first()?.meaning)
}

/// Why there is no live value.
fn why_none(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "starting" => "服务器刚刚启动，正在获取第一个令牌",
        "ended" => "令牌刚刚到期，还没能换成新的",
        "refused" => "微信拒绝了这个应用",
        "quota-used-up" => "微信今天的配额用完了",
        "upstream-trouble" => "微信那边暂时有问题",
        "over-budget" => "每日调用预算用完了，一天之内会逐渐恢复",
        "store-refuses" => "存储写不进去，所以不获取会让现有令牌失效的新令牌；检查它的磁盘",
        "replacing" => "微信说令牌已失效，正在获取新的",
        "needs-take-over" => {
            "第一次获取普通令牌之前，应用的配置里要写 take_over = true，或给出现有的令牌"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> Said {
        Said::read(body.as_bytes()).unwrap()
    }

    #[test]
    fn no_live_token_is_told_with_the_reason_wechats_code_and_the_next_try() {
        let said = said(
            r#"{"detail":"WeChat refuses","reason":"refused","errcode":40164,"next_try":1795000000}"#,
        );
        let (en, zh) = (said.to_string(), said.in_chinese());
        for part in [
            "WeChat refuses",
            "refused",
            "wxtoken explain 40164",
            "2026-11-18",
        ] {
            assert!(en.contains(part), "{part} is missing: {en}");
        }
        for part in ["微信拒绝了这个应用", "wxtoken explain 40164", "2026-11-18"] {
            assert!(zh.contains(part), "{part} is missing: {zh}");
        }
    }

    #[test]
    fn what_a_later_server_says_is_passed_on_in_its_own_words() {
        let said = said(r#"{"type":"urn:wxtoken:problem:new","title":"New","detail":"it is new"}"#);
        assert_eq!(said.in_chinese(), "it is new");
        assert!(Said::read(b"<html>").is_none() && Said::read(b"{}").is_none());
    }
}
