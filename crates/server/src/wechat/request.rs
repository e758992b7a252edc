//! What each question looks like on the wire.
//!
//! Must not know: connections, answers. What it builds holds secrets and is never printed.

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::Full;

use wxtoken_core::app::AppId;
use wxtoken_core::credential::{Ticket, Token};
use wxtoken_core::source::Ask;

use crate::config::Secret;

use super::base::Base;
use super::errcode::Endpoint;
use super::exchange::LONGEST_ANSWER;

/// A request that has no host yet, so that it can go to any of them.
pub(super) struct Call {
    method: Method,
    /// Path and query; the query holds secrets.
    target: String,
    /// JSON, or empty.
    body: Bytes,
    longest_answer: usize,
}

/// Builds the request for a question. The secret is used where the endpoint takes one.
pub(super) fn call(app: &AppId, ask: &Ask, secret: &Secret) -> Call {
    let path = Endpoint::of(ask).path();
    match ask {
        Ask::Classic => Call::get(format!(
            "{path}?grant_type=client_credential&appid={app}&secret={}",
            Percent(secret.expose())
        )),
        Ask::Stable => stable(path, app, secret, false),
        Ask::Forced => stable(path, app, secret, true),
        Ask::Ticket(ticket, token) => {
            let name = match ticket {
                Ticket::Jsapi => "jsapi",
                Ticket::Card => "wx_card",
            };
            Call::get(format!("{path}?access_token={}&type={name}", value(token)))
        }
        Ask::Probe(_, token) => Call::get(format!("{path}?access_token={}", value(token))),
    }
}

fn stable(path: &str, app: &AppId, secret: &Secret, force_refresh: bool) -> Call {
    let body = serde_json::json!({
        "grant_type": "client_credential",
        "appid": app.as_str(),
        "secret": secret.expose(),
        "force_refresh": force_refresh,
    });
    Call::post(path.to_owned(), &body)
}

fn value(token: &Token) -> Percent<'_> {
    Percent(token.expose())
}

impl Call {
    /// A call without a body.
    pub(super) const fn get(target: String) -> Self {
        Self {
            method: Method::GET,
            target,
            body: Bytes::new(),
            longest_answer: LONGEST_ANSWER,
        }
    }

    /// A call with a JSON body.
    pub(super) fn post(target: String, body: &serde_json::Value) -> Self {
        Self {
            method: Method::POST,
            target,
            body: Bytes::from(body.to_string()),
            longest_answer: LONGEST_ANSWER,
        }
    }

    /// Its answer may be this long.
    pub(super) const fn answered_by(mut self, longest_answer: usize) -> Self {
        self.longest_answer = longest_answer;
        self
    }

    /// How long its answer may be.
    pub(super) const fn longest_answer(&self) -> usize {
        self.longest_answer
    }

    /// The request for one host. None if the host's prefix and our path are no URI together.
    pub(super) fn request_to(&self, base: &Base) -> Option<Request<Full<Bytes>>> {
        let uri: Uri = format!("{}{}", base.prefix(), self.target).parse().ok()?;
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(uri)
            .header(HOST, base.host())
            .header(ACCEPT, HeaderValue::from_static("*/*"))
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            .header(
                USER_AGENT,
                HeaderValue::from_static(concat!("wxtoken/", env!("CARGO_PKG_VERSION"))),
            );
        if !self.body.is_empty() {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        request.body(Full::new(self.body.clone())).ok()
    }
}

/// A query value: everything but unreserved characters is percent-encoded.
pub(super) struct Percent<'a>(pub(super) &'a str);

impl std::fmt::Display for Percent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    write!(f, "{}", char::from(byte))?;
                }
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wxtoken_core::credential::Lane;

    use super::*;

    fn built(ask: &Ask) -> Call {
        let secret = Secret::new("s/e&c=r %\"微");
        call(&"wx0123".parse().unwrap(), ask, &secret)
    }

    #[test]
    fn each_question_has_its_path_and_query() {
        assert_eq!(
            built(&Ask::Classic).target,
            "/cgi-bin/token?grant_type=client_credential&appid=wx0123&secret=s%2Fe%26c%3Dr%20%25%22%E5%BE%AE"
        );
        let token = Token::new("68_a-b+c/d=").unwrap();
        assert_eq!(
            built(&Ask::Ticket(Ticket::Jsapi, token.clone())).target,
            "/cgi-bin/ticket/getticket?access_token=68_a-b%2Bc%2Fd%3D&type=jsapi"
        );
        assert_eq!(
            built(&Ask::Ticket(Ticket::Card, token.clone())).target,
            "/cgi-bin/ticket/getticket?access_token=68_a-b%2Bc%2Fd%3D&type=wx_card"
        );
        assert_eq!(
            built(&Ask::Probe(Lane::Stable, token)).target,
            "/cgi-bin/get_api_domain_ip?access_token=68_a-b%2Bc%2Fd%3D"
        );
    }

    #[test]
    fn a_stable_token_is_asked_for_by_a_json_body_and_no_query() {
        for (ask, force) in [(Ask::Stable, false), (Ask::Forced, true)] {
            let call = built(&ask);
            assert_eq!(call.method, Method::POST);
            assert_eq!(call.target, "/cgi-bin/stable_token");
            let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
            assert_eq!(
                body,
                serde_json::json!({
                    "grant_type": "client_credential",
                    "appid": "wx0123",
                    "secret": "s/e&c=r %\"微",
                    "force_refresh": force,
                })
            );
        }
    }

    #[test]
    fn a_request_names_its_host_and_refuses_compression() {
        let base = Base::of(&Uri::from_static("https://gateway.example:8443/wechat")).unwrap();
        let request = built(&Ask::Stable).request_to(&base).unwrap();
        assert_eq!(request.uri(), "/wechat/cgi-bin/stable_token");
        assert_eq!(request.headers()[HOST], "gateway.example:8443");
        assert_eq!(request.headers()[ACCEPT_ENCODING], "identity");
        assert_eq!(request.headers()[CONTENT_TYPE], "application/json");
    }
}
