//! Answers to plain reads, written as complete HTTP into the connection's buffer.
//!
//! What is at hand is written at once, without asking for memory; all else is answered by the functions behind the
//! routes, and only put into HTTP here. Byte for byte the same as hyper's: a test compares them.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};
use wxtoken_core::clock::Now;
use wxtoken_core::credential::{Credential, CredentialKey, Kind};

use super::super::callers::{Book, Caller};
use super::super::compat::memory::Given;
use super::super::compat::{Visit, token, told_expires_in};
use super::super::counters::{Outcome, Surface};
use super::super::date::DateText;
use super::super::error::ApiError;
use super::super::native::{batch, credential};
use super::super::peer::Peer;
use super::super::request_id::{self, RequestId, RequestIds};
use super::super::services::Services;
use super::super::{Reply, door, etag, number, render};
use super::KEPT;
use super::parse::{HotRequest, HotRoute};

/// Answers for one connection after the other.
pub(super) struct Answers<'s> {
    services: &'s Services,
    ids: RequestIds,
    date: DateText,
    /// A body or an ETag before its length or its worth is known.
    scratch: Vec<u8>,
    /// What is to be sent.
    pub(super) out: Vec<u8>,
}

impl<'s> Answers<'s> {
    pub(super) fn new(services: &'s Services, seed: u64) -> Self {
        Self {
            services,
            ids: RequestIds::new(seed),
            date: DateText::at(services.keeper.now().wall),
            scratch: Vec::new(),
            out: Vec::new(),
        }
    }

    /// The time that answers tell.
    pub(super) fn now(&self) -> Now {
        self.services.keeper.now()
    }

    /// Whether a request's body is one the routes would read.
    pub(super) fn takes(&self, request: &HotRequest<'_>) -> bool {
        match request.route {
            HotRoute::Batch { body, .. } => body.len() <= self.services.limits.body_limit,
            HotRoute::Native { .. } | HotRoute::Compat { .. } => true,
        }
    }

    /// Answers if the value is at hand and nothing is wrong. Otherwise nothing has happened.
    pub(super) fn at_hand(&mut self, request: &HotRequest<'_>, peer: Peer, now: Now) -> bool {
        let services = self.services;
        let (app, kind, key) = match request.route {
            HotRoute::Native { app, kind, key } => (app, kind, key),
            HotRoute::Compat { app, key } => (app, Kind::AccessToken.name(), key.as_bytes()),
            HotRoute::Batch { key, body } => return self.batch(request, key, body, peer, now),
        };
        let book = services.callers.now();
        let Some(caller) = let_in(&book, key, peer) else {
            return false;
        };
        let Ok(key) = door::may_read(caller, app, kind) else {
            return false;
        };
        services.keeper.shelf().with(&key, |value| match value {
            Some(value) if value.live_at(now) => match request.route {
                HotRoute::Native { .. } => self.native(request, caller, &key, value, now),
                HotRoute::Compat { .. } => self.compat(request, caller, &key, value, now),
                HotRoute::Batch { .. } => false,
            },
            _ => false,
        })
    }

    fn native(
        &mut self,
        request: &HotRequest<'_>,
        caller: &Caller,
        key: &CredentialKey,
        value: &Credential,
        now: Now,
    ) -> bool {
        if caller.take(now).is_err() {
            return false;
        }
        self.scratch.clear();
        etag::push(&mut self.scratch, value);
        let unchanged = request
            .if_none_match
            .is_some_and(|known| etag::is_named(known, &self.scratch));
        self.out.extend_from_slice(if unchanged {
            b"HTTP/1.1 304 Not Modified\r\ncache-control: "
        } else {
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: "
        });
        render::cache_control(&mut self.out, value, now);
        self.out.extend_from_slice(b"\r\netag: ");
        self.out.extend_from_slice(&self.scratch);
        self.out.extend_from_slice(b"\r\n");
        self.scratch.clear();
        if unchanged {
            self.finish(request, now);
            self.services
                .counters
                .count(Surface::Native, Outcome::Unchanged);
        } else {
            render::credential(&mut self.scratch, &key.app, value, now);
            self.length(self.scratch.len());
            self.finish(request, now);
            self.body(request);
            self.services.counters.count(Surface::Native, Outcome::Ok);
        }
        true
    }

    fn compat(
        &mut self,
        request: &HotRequest<'_>,
        caller: &Caller,
        key: &CredentialKey,
        value: &Credential,
        now: Now,
    ) -> bool {
        let memory = &self.services.memory;
        let given = Given {
            app: &key.app,
            kind: key.kind,
            id: value.id,
        };
        if memory.is_hearsay(caller.name(), given, false, now) || caller.take(now).is_err() {
            return false;
        }
        memory.gave(caller.name(), given, now);
        self.scratch.clear();
        let told = told_expires_in(caller.config().compat_expires_in, value, now);
        render::wechat_token(&mut self.scratch, value.token.expose(), told);
        self.out.extend_from_slice(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: no-store\r\n",
        );
        self.length(self.scratch.len());
        self.finish(request, now);
        self.body(request);
        self.services.counters.count(Surface::Compat, Outcome::Ok);
        true
    }

    fn batch(
        &mut self,
        request: &HotRequest<'_>,
        key: &[u8],
        body: &[u8],
        peer: Peer,
        now: Now,
    ) -> bool {
        let services = self.services;
        let book = services.callers.now();
        let Some(caller) = let_in(&book, key, peer) else {
            return false;
        };
        self.scratch.clear();
        let complete = batch::at_hand(services, caller, body, now, &mut self.scratch);
        if !complete || caller.take(now).is_err() {
            return false;
        }
        self.out.extend_from_slice(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: no-store\r\n",
        );
        self.length(self.scratch.len());
        self.finish(request, now);
        self.body(request);
        self.scratch.clear();
        self.scratch.shrink_to(KEPT);
        services.counters.count(Surface::Native, Outcome::Ok);
        true
    }

    /// Answers what is not at hand, or not to be given, by way of the functions behind the routes.
    pub(super) async fn with_patience(&mut self, request: &HotRequest<'_>, peer: Peer) {
        let id = self.id(request);
        let (surface, reply) = match request.route {
            HotRoute::Native { app, kind, key } => {
                let known = request.if_none_match.unwrap_or_default();
                let reply = self.read(app, kind, key, known, peer).await;
                (Surface::Native, reply.unwrap_or_else(|error| error.reply()))
            }
            HotRoute::Batch { key, body } => {
                let reply = self.read_many(key, body, peer).await;
                (Surface::Native, reply.unwrap_or_else(|error| error.reply()))
            }
            HotRoute::Compat { app, key } => {
                let visit = Visit {
                    peer,
                    id: id.clone(),
                    path_key: None,
                };
                let asked = token::TokenRequest::plain(app, key);
                (
                    Surface::Compat,
                    token::answer(self.services, &visit, &asked).await,
                )
            }
        };
        self.services.counters.count(surface, Outcome::of(&reply));
        self.reply(request, &reply, &id);
    }

    async fn read(
        &self,
        app: &str,
        kind: &str,
        key: &[u8],
        known: &[u8],
        peer: Peer,
    ) -> Result<Reply, ApiError> {
        let open = door::admit(self.services, key, peer)?;
        let key = door::may_read(open.caller(), app, kind)?;
        credential::read(self.services, &key, known, Duration::ZERO).await
    }

    async fn read_many(&self, key: &[u8], body: &[u8], peer: Peer) -> Result<Reply, ApiError> {
        let open = door::admit(self.services, key, peer)?;
        batch::answer(self.services, open.caller(), body).await
    }

    fn id(&self, request: &HotRequest<'_>) -> RequestId {
        let mut headers = HeaderMap::new();
        if let Some(Ok(sent)) = request.request_id.map(HeaderValue::from_bytes) {
            headers.insert(request_id::HEADER, sent);
        }
        RequestId::of(&headers, &self.ids, self.services.keeper.now().wall)
    }

    fn reply(&mut self, request: &HotRequest<'_>, reply: &Reply, id: &RequestId) {
        let out = &mut self.out;
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(reply.status().as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(reply.status().canonical_reason().unwrap_or("").as_bytes());
        out.extend_from_slice(b"\r\n");
        for (name, value) in reply.headers() {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        if reply.status() != StatusCode::NOT_MODIFIED {
            self.length(reply.body().len());
        }
        let date = self.services.keeper.now();
        self.named_and_dated(id.as_str().as_bytes(), date);
        if !request.head_only {
            self.out.extend_from_slice(reply.body());
        }
    }

    fn length(&mut self, length: usize) {
        self.out.extend_from_slice(b"content-length: ");
        number::push(&mut self.out, length as u64);
        self.out.extend_from_slice(b"\r\n");
    }

    /// The end of a head.
    fn finish(&mut self, request: &HotRequest<'_>, now: Now) {
        match request.request_id {
            Some(sent) => self.named_and_dated(sent, now),
            None => {
                let id = self.ids.next(now.wall);
                self.named_and_dated(&id, now);
            }
        }
    }

    fn named_and_dated(&mut self, id: &[u8], now: Now) {
        self.out.extend_from_slice(b"x-request-id: ");
        self.out.extend_from_slice(id);
        self.out.extend_from_slice(b"\r\ndate: ");
        self.out.extend_from_slice(self.date.of(now.wall));
        self.out.extend_from_slice(b"\r\n\r\n");
    }

    fn body(&mut self, request: &HotRequest<'_>) {
        if !request.head_only {
            self.out.extend_from_slice(&self.scratch);
        }
    }
}

/// The caller that has this key, if it may ask from there and now.
fn let_in<'b>(book: &'b Book, key: &[u8], peer: Peer) -> Option<&'b Caller> {
    let caller = book.by_key(key)?;
    (caller.may_come_from(peer) && caller.has_room()).then_some(caller)
}
