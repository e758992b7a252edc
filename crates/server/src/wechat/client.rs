//! The client: asks WeChat one question in one call, over the hosts and with a secret an app has.
//!
//! Owns: the order of hosts and secrets, the time limit, what a failure is called.
//! Must not know: when to ask, what is done with an answer, budgets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::source::{
    Answer, Ask, CredentialSource, Failure, Minted, Passing, Reply, Trouble,
};

use crate::config::Secret;
use crate::keeper::HashValue;

use super::base::Base;
use super::connect::BuildError;
use super::errcode::{Endpoint, Verdict, is_wrong_secret, judge};
use super::exchange::{Answered, Broken};
use super::notes::{Notes, SecretUsed, Told};
use super::options::{AppUpstream, Directory, Options};
use super::request::call;
use super::two_secrets::Pair;
use super::users::UserApi;
use super::way::Way;
use super::wire::{self, Hints, Said};

/// WeChat, as a [`CredentialSource`].
pub struct WeChat {
    way: Arc<Way>,
    hash: HashValue,
}

/// What one question gathers on its way.
#[derive(Default)]
struct Progress {
    sent: AtomicBool,
    upstream_time: Option<Wall>,
    notes: Notes,
}

impl Progress {
    fn failure(&self, trouble: Trouble) -> Failure {
        Failure {
            trouble,
            sent: self.sent.load(Ordering::Relaxed),
            upstream_time: self.upstream_time,
        }
    }
}

impl WeChat {
    /// A client that has made no connection yet.
    ///
    /// # Errors
    /// If the trust roots or the proxy's login are unusable.
    pub fn new(
        options: Options,
        directory: impl Directory + 'static,
        hash: HashValue,
    ) -> Result<Self, BuildError> {
        let way = Arc::new(Way::new(options, Box::new(directory))?);
        Ok(Self { way, hash })
    }

    /// The calls about users, made the same way: to the same hosts, on the same connections, with the same secrets.
    #[must_use]
    pub fn users(&self) -> UserApi {
        UserApi::new(Arc::clone(&self.way))
    }

    /// Asks one question and also tells what people may want to know of the answer. Resolves within `timeout`; if the
    /// future is dropped, its connection is closed. One request leaves at most: if its AppSecret was called wrong and the
    /// app has another, [`Passing::OtherSecret`] says so, and the same question asked again shows that one.
    pub async fn ask_in_detail(&self, app: &AppId, ask: &Ask, timeout: Duration) -> Told {
        let mut progress = Progress::default();
        let asked = tokio::time::timeout(timeout, self.converse(app, ask, &mut progress)).await;
        let result = match asked {
            Ok(Ok(reply)) => Ok(Answer {
                reply,
                upstream_time: progress.upstream_time,
            }),
            Ok(Err(trouble)) => Err(progress.failure(trouble)),
            Err(_) if progress.sent.load(Ordering::Relaxed) => {
                Err(progress.failure(Trouble::Passing(Passing::Cut)))
            }
            Err(_) => Err(progress.failure(Trouble::Passing(Passing::Unreachable))),
        };
        Told {
            result,
            notes: progress.notes,
        }
    }

    /// Whether WeChat accepted this app's `previous_secret` last.
    #[must_use]
    pub fn runs_on_previous_secret(&self, app: &AppId) -> bool {
        self.way.secrets.runs_on_previous(app)
    }

    async fn converse(
        &self,
        app: &AppId,
        ask: &Ask,
        progress: &mut Progress,
    ) -> Result<Reply, Trouble> {
        let Some(upstream) = self.way.directory.upstream(app) else {
            progress.notes.unreachable = Some("the app is not configured (any more)".to_owned());
            return Err(Trouble::Passing(Passing::Unreachable));
        };
        let AppUpstream {
            base_url,
            secret,
            previous_secret,
        } = upstream;
        let (base, endpoint) = (base_url.as_ref(), Endpoint::of(ask));
        let takes_secret = matches!(ask, Ask::Classic | Ask::Stable | Ask::Forced);
        let Some(previous) = previous_secret.filter(|_| takes_secret) else {
            return self.once(app, ask, base, &secret, progress).await;
        };
        let pair = Pair {
            current: &secret,
            previous: &previous,
        };
        let used = self.way.secrets.choose(app, endpoint, &pair);
        let answer = self.once(app, ask, base, pair.get(used), progress).await;
        match answer {
            Ok(_) => {
                self.way.secrets.accepted(app, endpoint, used);
                progress.notes.secret = Some(used);
                answer
            }
            Err(Trouble::Refused(code))
                if is_wrong_secret(code)
                    && self.way.secrets.refused(app, endpoint, used, &pair) =>
            {
                Err(Trouble::Passing(Passing::OtherSecret))
            }
            Err(_) => answer,
        }
    }

    /// One call with one secret, to the first host that can be connected to.
    async fn once(
        &self,
        app: &AppId,
        ask: &Ask,
        own_base: Option<&Base>,
        secret: &Secret,
        progress: &mut Progress,
    ) -> Result<Reply, Trouble> {
        let call = call(app, ask, secret);
        let Progress {
            sent,
            upstream_time,
            notes,
        } = progress;
        let passing = match self.way.send(own_base, &call, sent, notes).await {
            Ok(answered) => {
                *upstream_time = answered.upstream_time.or(*upstream_time);
                return self.understand(Endpoint::of(ask), &answered, notes);
            }
            Err(Broken::Unreachable(_)) => Passing::Unreachable,
            Err(Broken::Cut(time)) => {
                *upstream_time = time.or(*upstream_time);
                Passing::Cut
            }
            Err(Broken::Nonsense(time)) => {
                *upstream_time = time.or(*upstream_time);
                Passing::Nonsense
            }
        };
        Err(Trouble::Passing(passing))
    }

    fn understand(
        &self,
        endpoint: Endpoint,
        answered: &Answered,
        notes: &mut Notes,
    ) -> Result<Reply, Trouble> {
        if answered.status != http::StatusCode::OK {
            let status = answered.status.as_u16();
            return Err(Trouble::Passing(Passing::Status(status)));
        }
        match wire::read(endpoint, &answered.body) {
            Ok(Said::Minted(token, expires_in)) => Ok(Reply::Minted(Minted {
                id: (self.hash)(token.expose()),
                token,
                expires_in,
            })),
            Ok(Said::Alive) => Ok(Reply::Alive),
            Ok(Said::Errcode(errcode, Hints { rid, seen_ip })) => {
                notes.errcode = Some(errcode);
                notes.rid = rid;
                notes.seen_ip = seen_ip;
                match judge(endpoint, errcode) {
                    Verdict::Dead(errcode) => Ok(Reply::Dead(errcode)),
                    Verdict::Trouble(trouble) => Err(trouble),
                    Verdict::Fine => Err(Trouble::Passing(Passing::Nonsense)),
                }
            }
            Err(wire::Nonsense) => Err(Trouble::Passing(Passing::Nonsense)),
        }
    }
}

#[async_trait]
impl CredentialSource for WeChat {
    async fn ask(&self, app: &AppId, ask: Ask, timeout: Duration) -> Result<Answer, Failure> {
        let endpoint = Endpoint::of(&ask);
        let Told { result, notes } = self.ask_in_detail(app, &ask, timeout).await;
        if let Some(errcode) = notes.errcode {
            tracing::info!(
                app.id = %app,
                endpoint = endpoint.name(),
                errcode,
                rid = notes.rid.map(tracing::field::display),
                seen_ip = notes.seen_ip.map(tracing::field::display),
                "WeChat answered {endpoint} of {app} with errcode {errcode}",
                endpoint = endpoint.name(),
            );
        }
        if let Some(why) = &notes.unreachable {
            let host = notes.host.as_ref().map(tracing::field::display);
            tracing::info!(app.id = %app, endpoint = endpoint.name(), host, "no connection to WeChat: {why}");
        }
        if notes.secret == Some(SecretUsed::Previous) {
            tracing::info!(app.id = %app, "WeChat still takes the previous AppSecret of {app}, not the current one");
        }
        result
    }
}
