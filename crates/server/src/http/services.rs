//! What the handlers work with, built once and shared by every connection. No logic.

use std::sync::Arc;
use std::time::Duration;

use wxtoken_core::app::AppId;
use wxtoken_core::credential::{Credential, CredentialKey};

use super::callers::Callers;
use super::compat::memory::Memory;
use super::condition::Condition;
use super::counters::Counters;
use super::error::ApiError;
use super::stop::Stop;
use crate::config::Server;
use crate::gateway::Gateway;
use crate::keeper::{Absent, Keeper};
use crate::relay::RelayKeys;
use crate::users::Users;

/// Whether a text is an app's AppSecret, now or before its last change; compares in constant time.
pub type IsAppSecret = Arc<dyn Fn(&AppId, &str) -> bool + Send + Sync>;

/// Limits of a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestLimits {
    /// How long a reader waits for a first token.
    pub first_token_wait: Duration,
    /// How long whoever waits when the server is told to stop may go on waiting.
    pub last_wait: Duration,
    /// How long a client may take to send a body.
    pub body_timeout: Duration,
    /// The largest body that is read.
    pub body_limit: usize,
}

impl From<&Server> for RequestLimits {
    fn from(server: &Server) -> Self {
        Self {
            first_token_wait: server.first_token_wait,
            // The other half of the grace is for telling them.
            last_wait: server.first_token_wait.min(server.shutdown_grace / 2),
            body_timeout: server.body_timeout,
            body_limit: server.body_limit,
        }
    }
}

/// What stands behind the handlers besides the keeper.
pub struct Behind {
    /// Forwards what is WeChat's.
    pub gateway: Arc<Gateway>,
    /// Looks after apps' users.
    pub users: Arc<Users>,
    /// For codes that callers redeem, and the pages before them.
    pub relay: RelayKeys,
}

/// What the API's handlers work with.
pub struct Services {
    /// Answers for every credential.
    pub keeper: Keeper,
    /// Who may ask.
    pub callers: Callers,
    /// Limits of a request.
    pub limits: RequestLimits,
    /// For callers with `accept_app_secret`.
    pub is_app_secret: IsAppSecret,
    /// For `/readyz`.
    pub condition: Condition,
    /// How many answers were given.
    pub counters: Counters,
    /// Told when the server stops.
    pub stop: Stop,
    /// Forwards what is WeChat's.
    pub gateway: Arc<Gateway>,
    /// Looks after apps' users.
    pub users: Arc<Users>,
    /// For codes that callers redeem, and the pages before them.
    pub relay: RelayKeys,
    pub(super) memory: Memory,
}

impl Services {
    /// Joins the parts.
    #[must_use]
    pub fn new(
        keeper: Keeper,
        callers: Callers,
        limits: RequestLimits,
        is_app_secret: IsAppSecret,
        condition: Condition,
        stop: Stop,
        behind: Behind,
    ) -> Arc<Self> {
        let Behind {
            gateway,
            users,
            relay,
        } = behind;
        Arc::new(Self {
            keeper,
            callers,
            limits,
            is_app_secret,
            condition,
            counters: Counters::default(),
            stop,
            gateway,
            users,
            relay,
            memory: Memory::new(),
        })
    }

    /// What is handed out for a credential, waited for no longer than this; when the server stops, what there is once time
    /// is up.
    pub(crate) async fn get(
        &self,
        key: &CredentialKey,
        wait: Duration,
    ) -> Result<Arc<Credential>, ApiError> {
        tokio::select! {
            value = self.keeper.get(key, wait) => {
                value.map_err(|absent| ApiError::absent(absent, self.keeper.now().wall))
            }
            () = self.time_is_up() => self.peek(key),
        }
    }

    /// What is handed out for a credential now.
    pub(super) fn peek(&self, key: &CredentialKey) -> Result<Arc<Credential>, ApiError> {
        self.keeper.peek(key).map_err(|absent| match absent {
            Absent::NoLive(_) if self.stop.is_told() => ApiError::Stopping,
            other => ApiError::absent(other, self.keeper.now().wall),
        })
    }

    /// Resolves when whoever waits for WeChat's answer must be told something else: the server stops, and either the last
    /// wait is over or nobody is left to hear the answer.
    pub(super) async fn time_is_up(&self) {
        self.stop.wait().await;
        tokio::select! {
            () = tokio::time::sleep(self.limits.last_wait) => {}
            () = self.keeper.gone() => {}
        }
    }
}
