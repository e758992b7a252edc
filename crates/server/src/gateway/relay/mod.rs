//! The relay of plain calls: short requests and answers over HTTP/1.1, on threads that do nothing else.
//!
//! Owns: how such a call is written up and down, connections to upstream for it, and how it goes on behind hyper when it
//! turns out not to be plain. No rule of its own: who may call what, what passes and what an answer means is asked where
//! every call asks. Must not know: the callers' connections.

mod answer;
mod begin;
mod dial;
mod errand;
mod header;
mod link;
mod onward;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Response};
use hyper::body::Incoming;
use wxtoken_core::app::AppId;
use wxtoken_core::credential::Credential;

use super::body::Share;
use super::family::Family;
use super::identify::Identity;
use super::introduction::{Introduction, Sent};
use super::refusal::Refusal;
use super::target::Target;
use super::upstream::Failure;
use crate::http::callers::OpenRequest;
use crate::http::door;
use crate::http::request_id::RequestId;

pub(crate) use answer::{Answered, is_to_come};
pub(crate) use begin::{Begun, Known, begin};
pub(crate) use dial::Dialled;
pub(super) use dial::{Dialling, Spare};
pub(crate) use errand::Errand;
pub(crate) use header::push_line;
pub(crate) use link::{Link, Said};
pub(crate) use onward::Onward;

pub(crate) use super::telling::Telling;

/// So much of a body is kept in memory until there is an answer; of longer ones the rest is kept in a file, and they go
/// only to an upstream on plain TCP.
pub(crate) const LONGEST_BODY: usize = 256 * 1024;

/// A request that is nothing special.
pub(crate) struct Plain<'b> {
    pub(crate) method: Method,
    pub(crate) target: Target<'b>,
    /// What says who asks, and for which app.
    pub(crate) said: Introduction<'b>,
    /// What the caller calls it.
    pub(crate) id: Option<&'b [u8]>,
    /// The headers that go up, as they are sent.
    pub(crate) lines: Vec<u8>,
    /// How many bytes its head takes.
    pub(crate) head: usize,
    /// How many its body does.
    pub(crate) length: usize,
}

impl<'b> Plain<'b> {
    /// The Bearer key it shows.
    pub(crate) fn key(&self) -> Option<&'b [u8]> {
        match self.said.authorization {
            Sent::Once(value) => door::bearer_in(value).ok(),
            Sent::Never | Sent::Often => None,
        }
    }
}

/// A call that the relay began, and that goes on behind hyper.
pub(crate) struct Started {
    pub(super) telling: Telling,
    pub(super) stage: Stage,
}

impl Started {
    /// What the request is called.
    pub(crate) const fn id(&self) -> &RequestId {
        &self.telling.id
    }
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Started")
    }
}

/// How far it has come.
pub(super) enum Stage {
    /// It is not let in.
    Refused(Refusal),
    /// It is let in; perhaps it has been sent, too.
    LetIn {
        open: OpenRequest,
        app: Option<AppId>,
        first: Option<First>,
    },
}

impl Stage {
    pub(super) fn identity(self, family: Family) -> Result<(Identity, Option<First>), Refusal> {
        match self {
            Self::Refused(refusal) => Err(refusal),
            Self::LetIn { open, app, first } => Ok((Identity { open, app, family }, first)),
        }
    }
}

/// A call that has been sent once.
pub(super) struct First {
    pub(super) used: Option<Arc<Credential>>,
    pub(super) answer: Answer,
    /// All of the request is there, to be read without waiting.
    pub(super) whole: bool,
    /// What is there of its body is not what was sent: it is kept nowhere.
    pub(super) lost: bool,
    /// For what is there of its body.
    pub(super) room: Share,
}

/// What came of it.
pub(crate) enum Answer {
    /// An answer that has begun, or is about to.
    Coming(Onward),
    /// None.
    Failed(Failure),
}

impl Answer {
    pub(super) async fn come(self) -> Result<Response<Incoming>, Failure> {
        match self {
            Self::Coming(onward) => onward.answer().await,
            Self::Failed(failure) => Err(failure),
        }
    }
}

/// Carries a started call through hyper and the routes to where it goes on.
#[derive(Clone)]
pub(crate) struct Resumed(Arc<Mutex<Option<Box<Started>>>>);

impl Resumed {
    pub(crate) fn new(started: Box<Started>) -> Self {
        Self(Arc::new(Mutex::new(Some(started))))
    }

    /// It goes on once.
    pub(super) fn take(self) -> Option<Box<Started>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
