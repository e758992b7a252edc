//! Sends a call about users, once or, where that changes nothing, once more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wxtoken_core::app::AppId;

use crate::config::Secret;

use super::super::errcode::is_wrong_secret;
use super::super::exchange::Broken;
use super::super::notes::{Notes, SecretUsed};
use super::super::options::AppUpstream;
use super::super::request::Call;
use super::super::two_secrets::other;
use super::object::{NoObject, Object};
use super::{Failed, UserApi};

/// How long a call may take, all in all.
const WITHIN: Duration = Duration::from_secs(10);

/// Whether a call may leave twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// It uses something up: once a byte may have left, it is neither repeated nor sent to another host.
    UsesUp,
    /// It only looks, or does the same again: after a broken answer or -1 it is made once more.
    Repeatable,
}

/// A call's name and what may be done with it.
pub(super) struct Manner {
    pub(super) name: &'static str,
    pub(super) care: Care,
}

impl UserApi {
    /// A call that shows no secret.
    pub(super) async fn plain(
        &self,
        app: &AppId,
        manner: &Manner,
        call: Call,
    ) -> Result<Object, Failed> {
        let upstream = self.way.directory.upstream(app).ok_or(Failed::UnknownApp)?;
        self.ask(app, manner, &upstream, &call).await
    }

    /// A call that shows the app's secret, or the one before it.
    ///
    /// The other one is tried after 40125 (40001 in the old wording) alone: these say that the secret is wrong, and WeChat
    /// looks at the secret before it looks at the code. So the code has not been spent, and this is no repetition of an
    /// exchange. After any other answer, and after none, it may be spent, and nothing is sent again.
    pub(super) async fn with_secret(
        &self,
        app: &AppId,
        manner: &Manner,
        call: impl Fn(&Secret) -> Call + Send + Sync,
    ) -> Result<Object, Failed> {
        let upstream = self.way.directory.upstream(app).ok_or(Failed::UnknownApp)?;
        let secrets = &self.way.secrets;
        let Some(previous) = &upstream.previous_secret else {
            return self
                .ask(app, manner, &upstream, &call(&upstream.secret))
                .await;
        };
        let get = |used| match used {
            SecretUsed::Current => &upstream.secret,
            SecretUsed::Previous => previous,
        };
        let mut used = secrets.first(app);
        let mut answer = self.ask(app, manner, &upstream, &call(get(used))).await;
        if matches!(answer, Err(Failed::Errcode(code)) if is_wrong_secret(code)) {
            used = other(used);
            answer = self.ask(app, manner, &upstream, &call(get(used))).await;
        }
        if answer.is_ok() {
            secrets.took(app, used);
        }
        answer
    }

    async fn ask(
        &self,
        app: &AppId,
        manner: &Manner,
        upstream: &AppUpstream,
        call: &Call,
    ) -> Result<Object, Failed> {
        let sent = AtomicBool::new(false);
        let asked = async {
            let first = self.once(app, manner.name, upstream, call, &sent).await;
            match (manner.care, &first) {
                (Care::Repeatable, Err(Failed::Unclear | Failed::Errcode(-1))) => {
                    let a_little = Duration::from_millis(50 + fastrand::u64(0..250));
                    tokio::time::sleep(a_little).await;
                    self.once(app, manner.name, upstream, call, &sent).await
                }
                (Care::Repeatable | Care::UsesUp, _) => first,
            }
        };
        match tokio::time::timeout(WITHIN, asked).await {
            Ok(answer) => answer,
            Err(_) if sent.load(Ordering::Relaxed) => Err(Failed::Unclear),
            Err(_) => Err(Failed::Unreachable),
        }
    }

    async fn once(
        &self,
        app: &AppId,
        name: &'static str,
        upstream: &AppUpstream,
        call: &Call,
        sent: &AtomicBool,
    ) -> Result<Object, Failed> {
        let mut notes = Notes::default();
        let own = upstream.base_url.as_ref();
        let answered = match self.way.send(own, call, sent, &mut notes).await {
            Ok(answered) => answered,
            Err(Broken::Unreachable(_)) => {
                let why = notes.unreachable.unwrap_or_default();
                let host = notes.host.map(tracing::field::display);
                tracing::info!(app.id = %app, endpoint = name, host, "no connection to WeChat: {why}");
                return Err(Failed::Unreachable);
            }
            Err(Broken::Cut(_) | Broken::Nonsense(_)) => return Err(Failed::Unclear),
        };
        if answered.status != http::StatusCode::OK {
            return Err(Failed::Unclear);
        }
        Object::read(&answered.body).map_err(|why| match why {
            NoObject::Nonsense => Failed::Unclear,
            NoObject::Errcode(errcode, rid) => {
                let rid = rid.map(tracing::field::display);
                tracing::info!(app.id = %app, endpoint = name, errcode, rid, "WeChat answered {name} of {app} with errcode {errcode}");
                Failed::Errcode(errcode)
            }
        })
    }
}
