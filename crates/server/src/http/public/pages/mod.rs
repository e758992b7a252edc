//! Pages for people: what happened in one sentence, what to do in another, a button. In Chinese and in English, whichever
//! first; for a phone; without scripts.
//!
//! Must not know: requests. No secret, no code and no part of a user is ever on one.

mod html;
mod language;

use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::digest;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use wxtoken_core::clock::millis;

use crate::words::Sentence;
pub(crate) use language::Language;

const STYLE: &str = include_str!("style.css");

/// A page.
#[derive(Debug)]
pub(crate) struct Page {
    /// What it is about, for the log and the numbers.
    name: &'static str,
    status: StatusCode,
    /// A few words.
    title: Sentence,
    /// What happened.
    what: Sentence,
    /// What to do.
    cure: Sentence,
    button: Option<Button>,
    also: Option<Button>,
    retry_after: Option<u64>,
}

/// A link that looks like a button. It leads to an address of ours, or to one that a caller's table lists.
#[derive(Debug)]
pub(crate) struct Button {
    pub(crate) to: String,
    pub(crate) label: Sentence,
}

impl Page {
    /// A page without a button.
    pub(crate) fn new(status: StatusCode, title: Sentence, what: Sentence, cure: Sentence) -> Self {
        Self {
            name: "page",
            status,
            title,
            what,
            cure,
            button: None,
            also: None,
            retry_after: None,
        }
    }

    /// With a name.
    pub(crate) fn called(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// What it is about, for the log and the numbers.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// With a button.
    pub(crate) fn with(mut self, button: Button) -> Self {
        self.button = Some(button);
        self
    }

    /// With another way to go on, less prominent.
    pub(crate) fn or(mut self, other: Option<Button>) -> Self {
        self.also = other;
        self
    }

    /// There is no such page.
    pub(crate) fn not_here() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            Sentence::new("没有这个页面", "No such page"),
            Sentence::new(
                "这个地址下没有任何内容。",
                "There is nothing at this address.",
            ),
            Sentence::new(
                "请检查链接是否完整，或回到刚才的网站重新进入。",
                "Check that the link is whole, or go back to the site you came from.",
            ),
        )
    }

    /// The address asks too often.
    pub(crate) fn too_often(wait: Duration) -> Self {
        let page = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            Sentence::new("请稍候", "One moment, please"),
            Sentence::new(
                "同一网络的访问过于频繁。",
                "Too many requests came from your network.",
            ),
            Sentence::new(
                "请等几秒钟，然后刷新本页。",
                "Wait a few seconds, then load this page again.",
            ),
        );
        Self {
            retry_after: Some(millis(wait).div_ceil(1000).max(1)),
            ..page
        }
    }

    /// A fault of ours.
    pub(crate) fn broken() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Sentence::new("出错了", "Something went wrong"),
            Sentence::new("服务器内部出错。", "The server made a mistake."),
            Sentence::new(
                "请回到刚才的网站，再试一次。",
                "Go back to the site you came from and try again.",
            ),
        )
        .called("broken")
    }

    /// The answer, with one language first.
    pub(crate) fn answer(&self, first: Language) -> Response<Body> {
        let mut response = Response::new(Body::from(html::write(self, first)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// What a browser may do with any answer of the public listener: show our style, follow links.
pub(crate) fn policy() -> HeaderValue {
    static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
        let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
    });
    POLICY.clone()
}
