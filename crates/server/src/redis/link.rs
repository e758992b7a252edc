//! The one connection to Redis that everything is asked on: opened when it is needed, dropped when it is of no more use,
//! opened again with growing pauses.
//!
//! Owns: back-off, what the trouble is right now. Must not know: what is asked, and by whom.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value};
use tokio::sync::{Mutex, watch};
use wxtoken_core::clock::{Boot, Clock, millis};

use super::health::Watch;
use super::open::{Connection, Door};
use super::trouble::{Then, Trouble};

/// The shortest and the longest pause between two tries, milliseconds. Who is back later than offers are taken (two seconds)
/// could not give a Redis that has forgotten what it holds.
const PAUSE: (u64, u64) = (500, 1500);

/// Who uses a connection.
#[async_trait]
pub(crate) trait Guest: Send + Sync {
    /// Looks at a server before anything is asked of it, and may refuse it.
    async fn look(&self, connection: &Connection, at: &str) -> Result<(), Trouble>;
    /// Something is wrong, and it is not what was wrong before.
    fn turned_away(&self, trouble: &Trouble);
    /// All is well after that trouble, or one that turned into it, has lasted so long.
    fn back(&self, at: &str, over: &Trouble, lasted: Duration);
}

/// The connection.
pub(crate) struct Link {
    pub(crate) door: Door,
    guest: Box<dyn Guest>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    pub(crate) health: Watch,
    /// How many connections were opened so far.
    opened: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    live: Option<Live>,
    failures: u32,
    not_before: Boot,
}

#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) connection: Connection,
    /// Where it leads.
    pub(crate) at: String,
    number: u64,
}

impl Link {
    pub(crate) fn new(door: Door, guest: Box<dyn Guest>, clock: Arc<dyn Clock>) -> Self {
        Self {
            door,
            guest,
            health: Watch::new(Arc::clone(&clock)),
            clock,
            state: Mutex::default(),
            opened: watch::Sender::new(0),
        }
    }

    /// What keeps Redis from being asked or written, as of the last time it was.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.health.trouble()
    }

    /// Changes with every connection that is opened.
    pub(crate) fn opened(&self) -> watch::Receiver<u64> {
        self.opened.subscribe()
    }

    /// Asks one thing. Once more on a new connection where the old one turned out to be broken or to lead to a replica: all
    /// that is asked here may be asked twice.
    pub(crate) async fn ask(&self, command: &Cmd) -> Result<Value, Trouble> {
        let first = self.try_ask(command).await;
        match first {
            Err(trouble) if trouble.then() == Then::Reconnect => self.try_ask(command).await,
            done => done,
        }
    }

    /// Runs a script: the short command names it, for a Redis that knows it; the whole one holds it.
    pub(crate) async fn run(
        &self,
        short: &Cmd,
        whole: impl FnOnce() -> Cmd,
    ) -> Result<Value, Trouble> {
        match self.ask(short).await {
            Err(Trouble::Other(code)) if code == UNKNOWN_SCRIPT => self.ask(&whole()).await,
            done => done,
        }
    }

    /// Something was surely written: whatever was wrong is over.
    pub(crate) async fn written(&self) {
        let at = self
            .state
            .lock()
            .await
            .live
            .as_ref()
            .map(|live| live.at.clone());
        self.well(&at.unwrap_or_default(), |_| true);
    }

    fn note(&self, trouble: &Trouble) {
        if self.health.failed(trouble) {
            self.guest.turned_away(trouble);
        }
    }

    fn well(&self, at: &str, is_over: impl FnOnce(&Trouble) -> bool) {
        if let Some((over, lasted)) = self.health.over(is_over) {
            self.guest.back(at, &over, lasted);
        }
    }

    async fn try_ask(&self, command: &Cmd) -> Result<Value, Trouble> {
        let live = self.live().await?;
        match live.connection.ask(command).await {
            Ok(answer) => {
                self.well(&live.at, |trouble| !trouble.is_of_writing());
                Ok(answer)
            }
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                Err(Trouble::Other(UNKNOWN_SCRIPT.to_owned()))
            }
            Err(error) => Err(self.failed(&live, &error).await),
        }
    }

    /// All that was asked was done, writes among it: whatever was wrong is over.
    pub(super) fn fine(&self, live: &Live) {
        self.well(&live.at, |_| true);
    }

    /// Something was not. The connection is dropped where it is of no more use.
    pub(super) async fn failed(&self, live: &Live, error: &RedisError) -> Trouble {
        let trouble = Trouble::of(error, &live.at);
        if trouble.then() != Then::Keep {
            self.drop(Some(live.number)).await;
        }
        self.note(&trouble);
        trouble
    }

    /// The connection, opened if there is none and the pause is over.
    pub(crate) async fn live(&self) -> Result<Live, Trouble> {
        let mut state = self.state.lock().await;
        if let Some(live) = &state.live {
            return Ok(live.clone());
        }
        let now = self.clock.now().boot;
        if now < state.not_before
            && let Some(trouble) = self.trouble()
        {
            return Err(trouble);
        }
        match self.open().await {
            Ok((connection, at)) => {
                let mut number = 0;
                self.opened.send_modify(|opened| {
                    *opened += 1;
                    number = *opened;
                });
                let live = Live {
                    connection,
                    at,
                    number,
                };
                state.live = Some(live.clone());
                state.failures = 0;
                self.health.opened();
                self.well(&live.at, |trouble| !trouble.is_of_writing());
                Ok(live)
            }
            Err(trouble) => {
                let pause = pause(state.failures);
                state.failures = state.failures.saturating_add(1);
                state.not_before = self.clock.now().boot.plus(millis(pause));
                self.note(&trouble);
                Err(trouble)
            }
        }
    }

    async fn open(&self) -> Result<(Connection, String), Trouble> {
        let (connection, at) = self.door.open().await?;
        self.guest.look(&connection, &at).await?;
        Ok((connection, at))
    }

    /// Drops the connection; the one of that number, if one is named.
    pub(crate) async fn drop(&self, number: Option<u64>) {
        let mut state = self.state.lock().await;
        state
            .live
            .take_if(|live| number.is_none_or(|number| live.number == number));
    }

    /// Waits as long as the next try has to, and a little longer.
    pub(crate) async fn pause(&self) {
        let not_before = self.state.lock().await.not_before;
        let least = self.clock.now().boot.plus(100);
        self.clock.sleep_until(not_before.max(least)).await;
    }
}

/// What Redis says of a script it has not seen.
const UNKNOWN_SCRIPT: &str = "NOSCRIPT";

/// How long to wait after so many failures: longer each time, and never in step with others.
fn pause(failures: u32) -> Duration {
    let most = (PAUSE.0 << failures.min(2)).clamp(PAUSE.0 + 1, PAUSE.1);
    Duration::from_millis(fastrand::u64(PAUSE.0..=most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_failures_and_stay_within_their_bounds() {
        for failures in [0, 1, 3, 4, 100, u32::MAX] {
            for _ in 0..100 {
                let pause = millis(pause(failures));
                assert!((PAUSE.0..=PAUSE.1).contains(&pause));
                assert!(failures > 0 || pause <= PAUSE.0 + 1);
            }
        }
        let longest = (0..200).map(|_| millis(pause(9))).max().unwrap();
        assert!(longest > 1200, "{longest}");
    }
}
