//! What is not at hand, or not to be given: answered by the functions behind the routes, and only put into HTTP here.

use std::time::Duration;

use http::StatusCode;

use super::super::compat::{Visit, token};
use super::super::counters::{Outcome, Surface};
use super::super::error::ApiError;
use super::super::native::{batch, credential};
use super::super::peer::Peer;
use super::super::request_id::RequestId;
use super::super::{Reply, door};
use super::answer::Answers;
use super::parse::{HotRequest, HotRoute};

impl Answers<'_> {
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
                    // A secret is what names callers there.
                    certified: None,
                    id: id.clone(),
                    path_key: None,
                    path_app: None,
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
        credential::read(self.services, open.caller(), &key, known, Duration::ZERO).await
    }

    async fn read_many(&self, key: &[u8], body: &[u8], peer: Peer) -> Result<Reply, ApiError> {
        let open = door::admit(self.services, key, peer)?;
        batch::answer(self.services, open.caller(), body).await
    }

    fn id(&self, request: &HotRequest<'_>) -> RequestId {
        let now = self.services.keeper.now().wall;
        RequestId::sent(request.request_id, &self.ids, now)
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
}
