//! What is to be answered, before it is dressed.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

use super::raw_json::with_raw_control_characters;
use crate::{
    errcode::{Family, Refusal, errmsg},
    log::Minted,
    rules::{Content, Dress},
};

/// An answer. `errcode` says what it means, for the log.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// `None`: the content type of JSON, by the dress.
    pub(crate) content: Option<HeaderValue>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
    pub(crate) errcode: Option<i64>,
    pub(crate) minted: Option<Minted>,
}

impl Answer {
    /// A success as JSON text.
    pub(crate) fn json_text(body: impl Into<Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            content: None,
            headers: Vec::new(),
            body: body.into(),
            errcode: Some(0),
            minted: None,
        }
    }

    /// A success as a JSON value.
    pub(crate) fn json(value: &Value) -> Self {
        Self::json_text(value.to_string())
    }

    /// A success that tells of people, dressed as the rules want it.
    pub(crate) fn of_people(value: &Value, dress: &Dress) -> Self {
        let text = value.to_string();
        if dress.raw_control_characters {
            Self::json_text(with_raw_control_characters(&text))
        } else {
            Self::json_text(text)
        }
    }

    /// `{"errcode":0,"errmsg":"ok"}`.
    pub(crate) fn ok() -> Self {
        Self::json_text(r#"{"errcode":0,"errmsg":"ok"}"#)
    }

    /// Bytes of another kind.
    pub(crate) fn of(content: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            content: Some(HeaderValue::from_static(content)),
            ..Self::json_text(body)
        }
    }

    /// A business error.
    pub(crate) fn refused(refusal: &Refusal, family: Family, dress: &Dress, rid: &str) -> Self {
        let text = Value::from(errmsg(refusal, family, dress, rid));
        let body = format!(r#"{{"errcode":{},"errmsg":{text}}}"#, refusal.code);
        Self {
            errcode: Some(refusal.code),
            ..Self::json_text(body)
        }
    }

    #[must_use]
    pub(crate) fn minting(mut self, minted: Option<Minted>) -> Self {
        self.minted = minted;
        self
    }

    #[must_use]
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The content type it is sent with.
    pub(crate) fn content_type(&self, family: Family, dress: &Dress) -> HeaderValue {
        self.content.clone().unwrap_or_else(|| {
            HeaderValue::from_static(match (family, dress.content) {
                (Family::Sns, _) | (Family::Cgi, Content::Text) => "text/plain",
                (Family::Cgi, Content::Json) => "application/json; encoding=utf-8",
            })
        })
    }
}

/// `Content-disposition: attachment; filename="…"`, as WeChat's media answers have it.
pub(crate) fn attachment(name: &str) -> (HeaderName, HeaderValue) {
    let safe: String = name
        .chars()
        .filter(|c| c.is_ascii_graphic() && !"\"\\".contains(*c))
        .collect();
    let value = HeaderValue::try_from(format!("attachment; filename=\"{safe}\""));
    (
        header::CONTENT_DISPOSITION,
        value.unwrap_or_else(|_| HeaderValue::from_static("attachment")),
    )
}
