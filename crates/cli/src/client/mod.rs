//! Talks to a running wxtoken server for the subcommands that need one, and says what to do when that fails.
//!
//! Must not know: what any subcommand asks for.

pub(crate) mod refusal;
pub(crate) mod said;
pub(crate) mod target;
mod trouble;
pub(crate) mod wire;

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use http::{Method, Request, Response};
use http_body_util::Full;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::lang::Lang;
use crate::surroundings;
use crate::term;

pub(crate) use refusal::Refusal;
pub(crate) use target::Target;
pub(crate) use trouble::{Door, Trouble};

/// A running server, and the key to one of its doors.
pub(crate) struct Server {
    door: Door,
    url: String,
    target: Target,
    authorization: HeaderValue,
    ca_file: Option<String>,
}

impl Server {
    /// The server that the environment names, or the default on this machine.
    pub(crate) fn from_environment(door: Door, lang: Lang) -> Result<Self, Failure> {
        let url = surroundings::text(door.url_name()).unwrap_or_else(|| door.default_url().into());
        let key =
            surroundings::secret(door.key_name(), door.question(lang)).map_err(Failure::misuse)?;
        let server = Self::new(door, url, &key).map_err(Failure::misuse)?;
        if server.target.is_readable_on_the_way() {
            let name = door.url_name();
            term::remark(match lang {
                Lang::Zh => format!(
                    "警告：{name} 是到另一台机器的明文 HTTP，密钥和所有回答在路上都能被读到；改用 https:// 或 unix socket"
                ),
                Lang::En => format!(
                    "warning: {name} is plain HTTP to another machine, so the key and all answers can be read on the way; \
                     use https:// or a unix socket"
                ),
            });
        }
        Ok(server)
    }

    /// A server at a known place.
    pub(crate) fn new(door: Door, url: String, key: &str) -> Result<Self, Trouble> {
        let target = url.parse().map_err(|why| Trouble::Address { door, why })?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {key}"))
            .map_err(|_| Trouble::KeyCharacters(door))?;
        authorization.set_sensitive(true);
        Ok(Self {
            door,
            url,
            target,
            authorization,
            ca_file: surroundings::text("WXTOKEN_CA"),
        })
    }

    /// GET, with the JSON body of a 200.
    pub(crate) async fn get(&self, path: &str, within: Duration) -> Result<Bytes, Trouble> {
        self.ask(Method::GET, path, Bytes::new(), within).await
    }

    /// POST of a JSON body, with the JSON body of a 200.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: &serde_json::Value,
        within: Duration,
    ) -> Result<Bytes, Trouble> {
        self.ask(Method::POST, path, Bytes::from(body.to_string()), within)
            .await
    }

    /// Reads an answer's JSON.
    pub(crate) fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Trouble> {
        serde_json::from_slice(body).map_err(|_| {
            let said = Refusal::of_stranger(self.door, &self.url, body);
            Trouble::from(Box::new(said))
        })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        within: Duration,
    ) -> Result<Bytes, Trouble> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().map_err(|_| Trouble::Unaskable)?;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let host =
            HeaderValue::try_from(self.target.host_header()).map_err(|_| Trouble::Unaskable)?;
        headers.insert(HOST, host);
        let answer = wire::send(&self.target, self.ca_file.as_deref(), request, within)
            .await
            .map_err(|source| Trouble::no_answer(self.door, &self.url, source))?;
        self.judge(answer)
    }

    fn judge(&self, answer: Response<Bytes>) -> Result<Bytes, Trouble> {
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        let retry_after = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        Err(Trouble::from(Box::new(Refusal::of(
            self.door,
            &self.url,
            answer.status(),
            retry_after,
            answer.body(),
        ))))
    }
}
