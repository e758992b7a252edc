//! What it means that a running server did not do what it was asked, and what to do about it.

use http::StatusCode;
use wxtoken_server::words::InChinese;

use super::said::Said;
use super::trouble::Door;
use crate::lang::Lang;

/// Why a server refused. Its text is shown to people and holds no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// 401.
    #[error("the server at {url} does not know this key (401): {} must hold {}", .door.key_name(), .door.whose_key(Lang::En))]
    Unauthorized {
        /// Which door.
        door: Door,
        /// Where.
        url: String,
    },
    /// 403.
    #[error("the server does not allow that (403): {0}")]
    Forbidden(Said),
    /// 404.
    #[error("not found (404): {0}. `wxtoken status` lists the apps and kinds the server has")]
    NotFound(Said),
    /// No such route, though every server of this version has it at that door.
    #[error(
        "{url} has no such path: is that the right one of its two addresses? {} must name the {}",
        .door.url_name(), .door.place(Lang::En)
    )]
    OtherDoor {
        /// Which door was meant.
        door: Door,
        /// Where.
        url: String,
    },
    /// 429.
    #[error("too many requests with this key (429); try again in {0} s")]
    TooMany(u64),
    /// 503.
    #[error("there is no live value now: {0}")]
    NoLive(Said),
    /// Any other refusal.
    #[error("the server answered {status}: {said}")]
    Other {
        /// The HTTP status.
        status: u16,
        /// What it said.
        said: Said,
    },
    /// Something else listens there.
    #[error(
        "what answers at {url} (HTTP {status}) is not a wxtoken server of this version; is the address right?"
    )]
    NotOurs {
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
    },
}

impl Refusal {
    /// Reads an answer that is no success.
    pub(crate) fn of(
        door: Door,
        url: &str,
        status: StatusCode,
        retry_after: Option<u64>,
        body: &[u8],
    ) -> Self {
        let url = url.to_owned();
        let Some(said) = Said::read(body) else {
            let status = status.as_u16();
            return Self::NotOurs { url, status };
        };
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthorized { door, url },
            StatusCode::FORBIDDEN => Self::Forbidden(said),
            StatusCode::NOT_FOUND if said.name() == "no-such-path" => Self::OtherDoor { door, url },
            StatusCode::NOT_FOUND => Self::NotFound(said),
            StatusCode::TOO_MANY_REQUESTS => Self::TooMany(retry_after.unwrap_or(1)),
            StatusCode::SERVICE_UNAVAILABLE if said.is_no_live() => Self::NoLive(said),
            _ => Self::Other {
                status: status.as_u16(),
                said,
            },
        }
    }

    /// A success that is none of ours. The API answers in WeChat's form where it has no path of its own.
    pub(crate) fn of_stranger(door: Door, url: &str, body: &[u8]) -> Self {
        let url = url.to_owned();
        let said: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        if said.is_some_and(|said| said["errcode"].is_i64()) {
            Self::OtherDoor { door, url }
        } else {
            Self::NotOurs { url, status: 200 }
        }
    }
}

impl InChinese for Refusal {
    fn in_chinese(&self) -> String {
        match self {
            Self::Unauthorized { door, url } => format!(
                "{url} 的服务器不认识这个密钥（401）：{} 里要放{}",
                door.key_name(),
                door.whose_key(Lang::Zh)
            ),
            Self::Forbidden(said) => format!("服务器不允许（403）：{}", said.in_chinese()),
            Self::NotFound(said) => format!(
                "没有找到（404）：{}。`wxtoken status` 列出服务器有的应用和凭据",
                said.in_chinese()
            ),
            Self::OtherDoor { door, url } => format!(
                "{url} 没有这个路径：它有两个地址，写的是对的那个吗？{} 要写{}",
                door.url_name(),
                door.place(Lang::Zh)
            ),
            Self::TooMany(seconds) => {
                format!("这个密钥请求得太频繁（429）；{seconds} 秒后再试")
            }
            Self::NoLive(said) => format!("现在没有有效的值：{}", said.in_chinese()),
            Self::Other { status, said } => {
                format!("服务器回答了 {status}：{}", said.in_chinese())
            }
            Self::NotOurs { url, status } => {
                format!("在 {url} 应答的（HTTP {status}）不是这个版本的 wxtoken 服务器；地址对吗？")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: StatusCode, body: &str) -> String {
        Refusal::of(Door::Api, "http://x", status, None, body.as_bytes()).to_string()
    }

    #[test]
    fn every_refusal_names_its_cure() {
        let body = r#"{"type":"about:blank","title":"no","detail":"app wx1 is not yours"}"#;
        assert!(refused(StatusCode::UNAUTHORIZED, body).contains("WXTOKEN_KEY must hold"));
        assert!(refused(StatusCode::FORBIDDEN, body).contains("wx1 is not yours"));
        assert!(refused(StatusCode::NOT_FOUND, body).contains("wxtoken status"));
        assert!(refused(StatusCode::TOO_MANY_REQUESTS, body).contains("in 1 s"));
        assert!(refused(StatusCode::BAD_REQUEST, body).contains("400"));
    }

    #[test]
    fn a_path_that_is_not_there_means_the_other_address() {
        let body = r#"{"type":"urn:wxtoken:problem:no-such-path","title":"No such path"}"#;
        let said = refused(StatusCode::NOT_FOUND, body);
        assert!(said.contains("WXTOKEN_URL must name the API"), "{said}");
    }

    #[test]
    fn an_answer_in_wechats_form_means_the_other_address_and_any_other_a_stranger() {
        let told = |body: &str| Refusal::of_stranger(Door::Admin, "http://x", body.as_bytes());
        let wechats = told(r#"{"errcode":40001,"errmsg":"no token"}"#).to_string();
        assert!(wechats.contains("WXTOKEN_ADMIN_URL must name"), "{wechats}");
        assert!(told("hello").to_string().contains("not a wxtoken server"));
    }

    #[test]
    fn an_answer_that_is_no_problem_document_is_not_ours() {
        assert!(refused(StatusCode::BAD_GATEWAY, "<html>").contains("not a wxtoken server"));
    }
}
