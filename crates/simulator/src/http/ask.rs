//! A request that has arrived whole.

use std::{cell::OnceCell, net::IpAddr};

use bytes::Bytes;
use http::{HeaderMap, Method, request::Parts};
use serde_json::Value;

use super::{body::ReadBody, params::Params};

/// A request, read to its end. Of a long body only the beginning is kept.
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a Method,
    /// With doubled slashes collapsed.
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) params: Params<'a>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) from: IpAddr,
    pub(crate) body: &'a Bytes,
    pub(crate) body_len: u64,
    pub(crate) body_sha256: &'a str,
    json: OnceCell<Option<Value>>,
}

impl<'a> Ask<'a> {
    pub(super) fn new(head: &'a Parts, path: &'a str, from: IpAddr, body: &'a ReadBody) -> Self {
        let query = head.uri.query().unwrap_or_default();
        Self {
            method: &head.method,
            path,
            query,
            params: Params::parse(query),
            headers: &head.headers,
            from,
            body: &body.kept,
            body_len: body.len,
            body_sha256: &body.sha256,
            json: OnceCell::new(),
        }
    }

    /// The body as JSON, if it is.
    pub(crate) fn json(&self) -> Option<&Value> {
        self.json
            .get_or_init(|| serde_json::from_slice(self.body).ok())
            .as_ref()
    }

    /// A text field of the JSON body.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.json()?.get(name)?.as_str()
    }

    /// Whether the body asks for `force_refresh`.
    pub(crate) fn forces(&self) -> bool {
        self.path == "/cgi-bin/stable_token"
            && self
                .json()
                .is_some_and(|json| json["force_refresh"] == true)
    }

    /// The headers, one a line.
    pub(crate) fn header_lines(&self) -> String {
        let mut lines = String::with_capacity(128);
        for (name, value) in self.headers {
            lines.push_str(name.as_str());
            lines.push_str(": ");
            lines.push_str(&String::from_utf8_lossy(value.as_bytes()));
            lines.push('\n');
        }
        lines
    }
}
