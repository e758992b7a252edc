//! One plain call from its request to its answer, in bytes: asks the rules that every call asks, and writes.
//!
//! Whatever needs waiting, a second sending or a closer look goes on behind hyper, from where it stands.

use std::path::PathBuf;
use std::sync::Arc;

use http::StatusCode;
use memchr::memmem;
use tokio::time::Instant;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Now;
use wxtoken_core::credential::Credential;

use super::answer::{self, Answered, Head};
use super::{Answer, First, Stage, Started, push_line};
use crate::config::{HandsOut, Secret};
use crate::gateway::body::Share;
use crate::gateway::headers::goes_down;
use crate::gateway::identify::Identity;
use crate::gateway::look::HELD;
use crate::gateway::telling::Telling;
use crate::gateway::verdict::{Verdict, is_worth_a_look, judge};
use crate::http::callers::OpenRequest;
use crate::http::counters::{Outcome, Surface};
use crate::http::date::DateText;
use crate::http::number;
use crate::wechat::{Base, Rid};

/// A plain call that is let in.
pub(crate) struct Errand {
    /// Until there is an answer.
    telling: Option<Telling>,
    /// From then on.
    told: Option<Telling>,
    open: OpenRequest,
    app: Option<AppId>,
    used: Option<Arc<Credential>>,
    /// Neither token nor AppSecret may be seen by the caller.
    hides: bool,
    secret: Option<Secret>,
    surface: Surface,
    base: Base,
    path: Box<str>,
    /// For the body.
    share: Share,
    /// The body is kept nowhere.
    lost: bool,
    /// For an answer that is held back.
    held: Option<Share>,
}

impl Errand {
    /// A call that is let in, with what it is sent with.
    pub(super) fn new(
        telling: Telling,
        identity: Identity,
        used: Option<Arc<Credential>>,
        secret: Option<Secret>,
        share: Share,
        (base, path, surface): (Base, &str, Surface),
    ) -> Self {
        let Identity { open, app, .. } = identity;
        let hides = used.is_some() && open.caller().config().hands_out == HandsOut::Virtual;
        Self {
            surface,
            telling: Some(telling),
            told: None,
            open,
            app,
            used,
            hides,
            secret,
            base,
            path: path.into(),
            share,
            lost: false,
            held: None,
        }
    }

    /// Where it goes.
    pub(crate) const fn base(&self) -> &Base {
        &self.base
    }

    /// Where files of it are made.
    pub(crate) fn folder(&self) -> PathBuf {
        self.share.folder().to_owned()
    }

    /// Sets room aside for so much more of the body, if there is any.
    pub(crate) fn keeps(&mut self, bytes: usize) -> bool {
        self.share.grow(bytes).is_ok()
    }

    /// The body cannot be sent again.
    pub(crate) fn is_lost(&mut self) {
        self.share.clear();
        self.lost = true;
    }

    /// So much of the body has gone on without being read, in all.
    pub(crate) fn went_unread(&mut self, bytes: u64) {
        if let Some(telling) = &mut self.telling {
            telling.line.unread = bytes;
        }
    }

    /// It is on its way up from now on.
    pub(crate) fn goes_up(&mut self, now: Instant) {
        if let Some(telling) = &mut self.telling {
            telling.line.goes_up(now);
        }
    }

    /// Reads what there is of the answer; what goes to the caller is written to `out`.
    pub(crate) fn answered(
        &mut self,
        bytes: &[u8],
        (now, clock): (Now, Instant),
        date: &mut DateText,
        out: &mut Vec<u8>,
    ) -> Answered {
        let mut room = answer::empty();
        let head = match answer::read(bytes, &mut room) {
            Ok(Some(head)) => head,
            Ok(None) => return Answered::More,
            Err(answer::Odd) => return self.odd_path(),
        };
        if head.coded {
            return self.odd_path();
        }
        let length = usize::try_from(head.length).unwrap_or(usize::MAX);
        let body = &bytes[head.len..];
        let whole = body.get(..length).filter(|_| length <= HELD);
        if whole.is_none() && length <= HELD && self.is_held_back(&head, body, length) {
            return Answered::More;
        }
        if whole.is_some_and(|whole| self.says_more(&head, whole))
            || self.shows(bytes, &head, whole)
        {
            return Answered::Odd;
        }
        self.write(&head, now, date, out);
        self.has_come(head.status, clock);
        let there = body.len().min(length);
        out.extend_from_slice(&body[..there]);
        Answered::Passes {
            taken: head.len + there,
            left: head.length - there as u64,
            stays: head.stays,
        }
    }

    /// A path that answers in another way is likely to do so again: its connections are better kept by hyper for a while.
    fn odd_path(&self) -> Answered {
        if let (Some(telling), Some(app)) = (&self.telling, &self.app) {
            let (gateway, now) = (&telling.services.gateway, telling.services.keeper.now());
            gateway.odd.silence(app, &self.path, now.boot);
        }
        Answered::Odd
    }

    /// Whether more of a short answer is waited for: all of one that may say how the call went, of others the first byte.
    fn is_held_back(&mut self, head: &Head<'_, '_>, body: &[u8], length: usize) -> bool {
        let first = body.trim_ascii_start().first();
        let may_say = is_worth_a_look(head.kind) || matches!(first, None | Some(b'{'));
        if may_say && self.held.is_none() {
            let mut share = self.share.beside();
            self.held = share.grow(length).is_ok().then_some(share);
        }
        // Where there is no room, it passes unread.
        may_say && self.held.is_some()
    }

    /// Whether anything follows from a whole answer, or it cannot be read here.
    fn says_more(&mut self, head: &Head<'_, '_>, whole: &[u8]) -> bool {
        let is_word = head.status == StatusCode::OK;
        let verdict = if is_word { judge(whole) } else { Verdict::Fine };
        if let (Some(telling), Some(errcode)) = (&mut self.telling, verdict.errcode()) {
            telling.line.errcode = Some(errcode);
            telling.line.rid = Rid::find(whole).map(|rid| rid.to_string());
        }
        matches!(verdict, Verdict::BadToken(_) | Verdict::Busy)
    }

    /// Whether an answer holds what its caller must not see.
    fn shows(&self, bytes: &[u8], head: &Head<'_, '_>, whole: Option<&[u8]>) -> bool {
        if !self.hides {
            return false;
        }
        let token = self.used.as_ref().map(|used| used.token.expose());
        let secret = self.secret.as_ref().map(|secret| secret.expose());
        let hidden = [token, secret];
        let seen = |part: &[u8]| {
            let mut hidden = hidden.iter().flatten().filter(|text| !text.is_empty());
            hidden.any(|text| memmem::find(part, text.as_bytes()).is_some())
        };
        seen(&bytes[..head.len]) || whole.is_some_and(seen)
    }

    /// Its answer has come: no replay can follow, and others need the room.
    fn has_come(&mut self, status: StatusCode, now: Instant) {
        self.share.clear();
        self.held = None;
        if let Some(mut telling) = self.telling.take() {
            telling.line.waits_no_more(now);
            telling.status = Some(status);
            let outcome = Outcome::of_status(status);
            telling.services.counters.count(self.surface, outcome);
            self.told = Some(telling);
        }
    }

    /// Its answer goes down from now on.
    pub(crate) fn goes_down(&mut self, now: Instant) {
        if let Some(told) = &mut self.told {
            told.line.ends(now);
        }
    }

    /// What is to be told of it once its answer is sent: who waits for an answer does not wait for that.
    pub(crate) fn told(&mut self) -> Option<Telling> {
        self.told.take()
    }

    /// Writes the head of the answer.
    fn write(&self, head: &Head<'_, '_>, now: Now, date: &mut DateText, out: &mut Vec<u8>) {
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(head.status.as_str().as_bytes());
        out.push(b' ');
        let reason = head.status.canonical_reason().unwrap_or("<none>");
        out.extend_from_slice(reason.as_bytes());
        out.extend_from_slice(b"\r\n");
        for line in head.lines {
            let passes = |name: &[u8]| goes_down(name) && name != b"x-request-id";
            push_line(out, line.name, line.value, passes);
        }
        if let Some(used) = &self.used {
            out.extend_from_slice(b"wxtoken-generation: ");
            number::push(out, used.generation.0);
            out.extend_from_slice(b"\r\n");
        }
        if self.lost {
            push_line(out, "wxtoken-replay", b"off", |_| true);
        }
        if !head.dated {
            push_line(out, "date", date.of(now.wall), |_| true);
        }
        if let Some(telling) = &self.telling {
            push_line(out, "x-request-id", telling.id.as_bytes(), |_| true);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// It goes on behind hyper; nothing of it has been sent. None if it has its answer.
    pub(crate) fn unsent(self) -> Option<Started> {
        let (mut telling, open, app) = (self.telling?, self.open, self.app);
        // For a connection that could not be made.
        telling.line.waits_no_more(Instant::now());
        let stage = Stage::LetIn {
            open,
            app,
            first: None,
        };
        Some(Started { telling, stage })
    }

    /// It goes on behind hyper with this, and with all of its request or not. None if it has its answer.
    pub(crate) fn goes_on(self, answer: Answer, whole: bool) -> Option<Started> {
        let mut telling = self.telling?;
        telling.line.waits_no_more(Instant::now());
        let (open, app, used) = (self.open, self.app, self.used);
        let first = Some(First {
            used,
            answer,
            whole,
            lost: self.lost,
            room: self.share,
        });
        let stage = Stage::LetIn { open, app, first };
        Some(Started { telling, stage })
    }
}
