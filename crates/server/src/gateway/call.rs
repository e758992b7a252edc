//! A call that is let in: out with a live token, looked at, and once more if the token was bad.
//!
//! Must not know: how a caller is known, what its answer is made into.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, Response};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep};
use wxtoken_core::app::AppId;
use wxtoken_core::credential::{Credential, CredentialKey, Kind};

use super::Gateway;
use super::body::{Playing, Tape};
use super::family::Family;
use super::line::Line;
use super::look::{BrokeOff, Looked, look};
use super::presented::Presented;
use super::refusal::Refusal;
use super::relay::First;
use super::replacement::{newer, replacement};
use super::upstream::{Failure, Outgoing};
use super::verdict::Verdict;
use crate::http::services::Services;

/// A call that is let in.
pub(super) struct Call<'c> {
    pub(super) gateway: &'c Gateway,
    pub(super) services: &'c Services,
    pub(super) app: Option<AppId>,
    pub(super) family: Family,
    pub(super) own: Option<&'c crate::wechat::Base>,
    pub(super) method: Method,
    pub(super) path: &'c str,
    pub(super) query: Option<&'c str>,
    pub(super) presented: &'c Presented,
    pub(super) headers: HeaderMap,
    pub(super) tape: Tape,
}

/// A call that was answered.
pub(super) struct Done {
    pub(super) looked: Looked,
    pub(super) used: Option<Arc<Credential>>,
    pub(super) replayed: bool,
}

/// Why there is nothing to pass on.
enum NoAnswer {
    Failed(Failure),
    BrokeOff(BrokeOff),
}

impl NoAnswer {
    const fn may_pass(&self) -> bool {
        match self {
            Self::Failed(failure) => failure.may_pass(),
            Self::BrokeOff(BrokeOff) => true,
        }
    }
}

impl Call<'_> {
    /// Sends it, if that has not been done, and once more if need be.
    pub(super) async fn run(&self, sent: Option<First>, line: &mut Line) -> Result<Done, Refusal> {
        let is_there = sent.as_ref().is_some_and(|sent| sent.whole);
        let (used, first) = match sent {
            // What has gone up is answered, whatever room is left by now.
            Some(first) => self.resumed(first, line).await,
            None if !self.tape.has_room() => return Err(Refusal::FULL),
            None => {
                let used = self.credential().await?;
                let first = self.attempt(used.as_deref(), self.tape.play(), line).await;
                (used, first)
            }
        };
        let again = match &first {
            Ok(looked) => match looked.verdict {
                Verdict::BadToken(_) => self.replacement(used.as_ref()).await.map(Some),
                Verdict::Busy => self.patience().await.then(|| used.clone()),
                Verdict::Fine | Verdict::Errcode(_) => None,
            },
            Err(why) if why.may_pass() => self.patience().await.then(|| used.clone()),
            Err(_) => None,
        };
        if let Some(next) = again
            && let Some(playing) = self.tape.replay().await
        {
            line.replayed = true;
            let looked = self.attempt(next.as_deref(), playing, line).await;
            let looked = looked.map_err(|why| self.no_answer(why))?;
            self.note_stubborn(used.as_deref(), next.as_deref(), looked.verdict);
            return Ok(Done {
                looked,
                used: next,
                replayed: true,
            });
        }
        if is_there {
            // Its connection goes on behind it.
            self.tape.play().pass_over().await;
        }
        Ok(Done {
            looked: first.map_err(|why| self.no_answer(why))?,
            used,
            replayed: false,
        })
    }

    /// What came of the first sending, which the relay has done. The body stays where the relay has put it until it is wanted.
    async fn resumed(
        &self,
        first: First,
        line: &mut Line,
    ) -> (Option<Arc<Credential>>, Result<Looked, NoAnswer>) {
        self.tape.was_played(first.room);
        if first.lost {
            self.tape.forget();
        }
        let sent = Instant::now();
        let answer = first.answer.come().await;
        line.upstream += sent.elapsed();
        (first.used, self.looked_at(answer, line).await)
    }

    /// The app's token, for calls that take it.
    async fn credential(&self) -> Result<Option<Arc<Credential>>, Refusal> {
        let Some(app) = self
            .app
            .filter(|_| self.presented.takes_app_token(self.family))
        else {
            return Ok(None);
        };
        let wait = self.services.limits.first_token_wait;
        Ok(Some(self.services.get(&key(app), wait).await?))
    }

    async fn attempt(
        &self,
        credential: Option<&Credential>,
        playing: Playing,
        line: &mut Line,
    ) -> Result<Looked, NoAnswer> {
        let query = match credential {
            Some(credential) => self
                .presented
                .with_token(self.query, credential.token.expose()),
            None => self.query.map(str::to_owned),
        };
        let outgoing = Outgoing {
            method: self.method.clone(),
            target: query.map_or_else(
                || self.path.to_owned(),
                |query| format!("{}?{query}", self.path),
            ),
            headers: self.headers.clone(),
        };
        let sent = Instant::now();
        let send = |playing| {
            let upstream = &self.gateway.upstream;
            upstream.send(self.own, &outgoing, &self.tape, Some(playing))
        };
        let mut answer = send(playing).await;
        if matches!(answer, Err(Failure::Untouched))
            && self.family.may_repeat(self.path)
            && let Some(playing) = self.tape.rewind().await
        {
            // The same call still: nothing of it has been done.
            answer = send(playing).await;
        }
        line.upstream += sent.elapsed();
        self.looked_at(answer, line).await
    }

    async fn looked_at(
        &self,
        answer: Result<Response<Incoming>, Failure>,
        line: &mut Line,
    ) -> Result<Looked, NoAnswer> {
        // Nobody's portion: whoever has many bodies under way shall not miss that a token is bad.
        let share = self.gateway.buffers.share(None);
        let looked = look(answer.map_err(NoAnswer::Failed)?, share)
            .await
            .map_err(NoAnswer::BrokeOff)?;
        line.errcode = looked.verdict.errcode();
        line.rid = looked.rid.as_ref().map(ToString::to_string);
        Ok(looked)
    }

    fn no_answer(&self, why: NoAnswer) -> Refusal {
        match why {
            // Not WeChat's doing.
            _ if self.tape.broke_off() => Refusal::Gone,
            NoAnswer::Failed(failure) => Refusal::Failed(failure),
            NoAnswer::BrokeOff(BrokeOff) => Refusal::Failed(Failure::Broken),
        }
    }

    /// A token that differs from the one that failed; or the same, if it was so young that it may work a moment later.
    async fn replacement(&self, failed: Option<&Arc<Credential>>) -> Option<Arc<Credential>> {
        let (Some(failed), Some(app)) = (failed, self.app) else {
            return None;
        };
        let keeper = &self.services.keeper;
        if let Some(newer) = newer(keeper, app, failed) {
            return Some(newer);
        }
        // Beside a platform's own token it may be that one which was bad: no word against ours.
        if self.presented.component {
            return None;
        }
        replacement(keeper, &self.gateway.quiet, app, self.path, failed).await
    }

    /// A living token that failed twice on a path: the path wants another kind.
    fn note_stubborn(
        &self,
        used: Option<&Credential>,
        next: Option<&Credential>,
        verdict: Verdict,
    ) {
        let same = used.map(|used| used.id) == next.map(|next| next.id);
        if let (true, Verdict::BadToken(_), Some(app)) = (same, verdict, self.app) {
            let now = self.services.keeper.now().boot;
            self.gateway.quiet.silence(&app, self.path, now);
        }
    }

    /// Whether the same request may be sent again after trouble that says nothing of its token; waits a little if so.
    async fn patience(&self) -> bool {
        let harmless =
            matches!(self.method, Method::GET | Method::HEAD) && self.family.may_repeat(self.path);
        if harmless {
            sleep(Duration::from_millis(50 + fastrand::u64(0..250))).await;
        }
        harmless
    }
}

pub(super) const fn key(app: AppId) -> CredentialKey {
    CredentialKey {
        app,
        kind: Kind::AccessToken,
    }
}
