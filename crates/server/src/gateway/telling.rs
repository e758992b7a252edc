//! Tells of a call however it ends: also when its caller goes away before there is an answer.

use std::sync::Arc;

use http::{Method, StatusCode};
use tokio::time::Instant;
use wxtoken_core::app::AppId;

use super::line::Line;
use super::refusal::Refusal;
use crate::http::Reply;
use crate::http::request_id::RequestId;
use crate::http::services::Services;

/// A call's line in the log and in the numbers, written when this is dropped.
pub(crate) struct Telling {
    pub(super) line: Line,
    pub(super) services: Arc<Services>,
    pub(crate) id: RequestId,
    /// Of the answer; none while there is none.
    pub(super) status: Option<StatusCode>,
}

impl Telling {
    pub(super) fn of(services: &Arc<Services>, method: &Method, id: RequestId) -> Self {
        Self::with(services, Line::of(method, Instant::now()), id)
    }

    /// Of a call of which something is known.
    pub(super) fn with(services: &Arc<Services>, line: Line, id: RequestId) -> Self {
        Self {
            line,
            services: Arc::clone(services),
            id,
            status: None,
        }
    }

    /// It did not go out, or no answer came: what its caller is told.
    pub(super) fn refused(&mut self, refusal: &Refusal) -> Reply {
        self.line.refused(refusal);
        refusal.reply(self.id.as_str())
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        let (gateway, keeper) = (&self.services.gateway, &self.services.keeper);
        let (tell, seen) = (&gateway.tell, &gateway.mix_ups);
        let knows = |app: &AppId| keeper.shelf().knows(app);
        let now = || keeper.now().boot;
        self.line
            .write(&self.id, self.status, (tell, seen), knows, now);
    }
}
