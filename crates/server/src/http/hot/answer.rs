//! Answers to plain reads, written as complete HTTP into the connection's buffer.
//!
//! What is at hand is written at once, without asking for memory; all else is for `patient`. Byte for byte the same as
//! hyper's: a test compares them.

use std::sync::Arc;

use wxtoken_core::clock::Now;
use wxtoken_core::credential::{Credential, CredentialKey, Kind};

use super::super::callers::Caller;
use super::super::compat::memory::Given;
use super::super::compat::told_expires_in;
use super::super::counters::{Outcome, Surface};
use super::super::date::DateText;
use super::super::native::batch;
use super::super::peer::Peer;
use super::super::request_id::RequestIds;
use super::super::services::Services;
use super::super::{door, etag, handout, number, render};
use super::memo::Memo;
use super::parse::{HotRequest, HotRoute};
use super::wire::KEPT;

/// Answers for one connection after the other.
pub(super) struct Answers<'s> {
    pub(super) services: &'s Arc<Services>,
    pub(super) ids: RequestIds,
    date: DateText,
    /// A body or an ETag before its length or its worth is known.
    scratch: Vec<u8>,
    /// What is to be sent.
    pub(super) out: Vec<u8>,
}

impl<'s> Answers<'s> {
    pub(super) fn new(services: &'s Arc<Services>, seed: u64) -> Self {
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
    pub(super) fn at_hand(
        &mut self,
        request: &HotRequest<'_>,
        memo: &mut Memo,
        peer: Peer,
        now: Now,
    ) -> bool {
        let services = self.services;
        let book = services.callers.now();
        let caller = match request.route {
            HotRoute::Native { key, .. } | HotRoute::Batch { key, .. } => memo.caller(&book, key),
            HotRoute::Compat { key, .. } => memo.caller_shown(&book, key.as_bytes()),
        };
        let open = |caller: &&Caller| caller.may_come_from(peer) && caller.has_room();
        let Some(caller) = caller.filter(open) else {
            return false;
        };
        let (app, kind) = match request.route {
            HotRoute::Native { app, kind, .. } => (app, kind),
            HotRoute::Compat { app, .. } => (app, Kind::AccessToken.name()),
            HotRoute::Batch { body, .. } => return self.batch(request, caller, body, now),
        };
        let Ok(key) = door::may_read(caller, app, kind) else {
            return false;
        };
        if handout::is_virtual(caller, key.kind) {
            return false;
        }
        services
            .keeper
            .shelf()
            .look()
            .with(&key, |value| match value {
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

    fn batch(&mut self, request: &HotRequest<'_>, caller: &Caller, body: &[u8], now: Now) -> bool {
        let services = self.services;
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

    pub(super) fn length(&mut self, length: usize) {
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

    pub(super) fn named_and_dated(&mut self, id: &[u8], now: Now) {
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
