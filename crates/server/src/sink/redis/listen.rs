//! Listens for what happens to the keys, where the server tells: its configuration is never changed for it.
//!
//! Must not know: what a key holds, what is done about it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use redis::Value;
use redis::aio::PubSub;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use wxtoken_core::clock::Clock;

use super::desk::RedisDesk;
use super::worker::door_of;
use crate::config::RedisServer;
use crate::redis::{Link, Trouble, bytes};

/// How long a quiet connection is believed in.
const BELIEVED: u64 = 10_000;
/// How long its answer may take.
const ANSWER: Duration = Duration::from_secs(2);
/// When listening is tried again.
const AGAIN: u64 = 2_000;
/// When the server is asked again whether it tells.
const ASK_AGAIN: u64 = 60_000;
/// So many keys in one subscription command.
const TOGETHER: usize = 500;

/// Whether a server tells what happens to keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Events {
    /// It was not asked yet, or cannot be.
    #[default]
    Unknown,
    /// It tells: changes are noticed at once.
    On,
    /// It does not: changes are noticed within seconds.
    Off,
    /// It is a cluster, of which each node tells its own alone: changes are noticed within seconds.
    Cluster,
}

impl Events {
    /// A word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::On => "on",
            Self::Off => "off",
            Self::Cluster => "cluster",
        }
    }
}

/// How to switch the events on that tell of a text or hash that is written, deleted, ended or evicted.
pub const SWITCH_ON: &str = "notify-keyspace-events Kg$hxe";

/// Whether a Redis that copies are to be kept in tells what happens to keys, as far as it lets itself be asked.
///
/// # Errors
/// It cannot be reached, or not as its address says.
pub async fn events_at(server: &RedisServer, clock: Arc<dyn Clock>) -> Result<Events, Trouble> {
    let link = RedisDesk::new(door_of(server.clone()), clock).link;
    if link.door.database().is_none() {
        link.ask(&redis::cmd("PING")).await?;
        return Ok(Events::Cluster);
    }
    ask(&link).await
}

/// One who listens.
pub(super) struct Ear {
    pub(super) link: Arc<Link>,
    pub(super) keys: watch::Receiver<Vec<Vec<u8>>>,
    pub(super) heard: mpsc::UnboundedSender<Vec<u8>>,
    pub(super) events: Arc<Mutex<Events>>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Ear {
    /// Listens until nobody gives keys any more.
    pub(super) async fn run(mut self) {
        let Some(database) = self.link.door.database() else {
            self.note(Events::Cluster);
            return;
        };
        while self.keys.has_changed().is_ok() {
            let pause = match self.listen(database).await {
                Ok(pause) => pause,
                Err(Trouble::NotAllowed) => {
                    self.note(Events::Off);
                    ASK_AGAIN
                }
                Err(_) => AGAIN, // what is wrong is told by who writes
            };
            let again = self.clock.now().boot.plus(pause);
            tokio::select! {
                () = self.clock.sleep_until(again) => {}
                changed = self.keys.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Listens on one connection; how long to wait before the next.
    async fn listen(&mut self, database: u16) -> Result<u64, Trouble> {
        let keys = self.keys.borrow_and_update().clone();
        if keys.is_empty() {
            return Ok(ASK_AGAIN);
        }
        let events = ask(&self.link).await?;
        if events == Events::Off {
            self.note(events);
            return Ok(ASK_AGAIN);
        }
        let mut opened = self.link.opened();
        opened.mark_unchanged();
        let prefix = format!("__keyspace@{database}__:");
        let mut pubsub = self.link.door.listener().await?;
        for some in keys.chunks(TOGETHER) {
            let channels: Vec<Vec<u8>> = some
                .iter()
                .map(|key| [prefix.as_bytes(), key].concat())
                .collect();
            let subscribed = timeout(ANSWER, pubsub.subscribe(channels)).await;
            match subscribed {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(Trouble::of(&error, &self.link.door.shown())),
                Err(_) => return Ok(AGAIN),
            }
        }
        self.note(events);
        loop {
            let believed = self.clock.now().boot.plus(BELIEVED);
            let mut messages = pubsub.on_message();
            let message = tokio::select! {
                message = messages.next() => Some(message),
                () = self.clock.sleep_until(believed) => None,
                _ = opened.changed() => return Ok(0),
                changed = self.keys.changed() => {
                    return Ok(if changed.is_ok() { 0 } else { AGAIN });
                }
            };
            drop(messages);
            match message {
                Some(None) => return Ok(AGAIN),
                Some(Some(message)) => {
                    let channel = message.get_channel_name().as_bytes();
                    if let Some(key) = channel.strip_prefix(prefix.as_bytes()) {
                        let _ = self.heard.send(key.to_vec());
                    }
                }
                None if is_alive(&mut pubsub).await => {}
                None => return Ok(AGAIN),
            }
        }
    }

    fn note(&self, events: Events) {
        let mut noted = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *noted, events) != events && events == Events::Off {
            tracing::info!(
                "Redis at {} does not tell what happens to keys: changes by others are noticed within 5 s; to notice them \
                 at once, switch it on there ({SWITCH_ON}), and let the user have +subscribe and &__keyspace@*",
                self.link.door.shown()
            );
        }
    }
}

/// Whether the server tells, as far as it lets itself be asked.
async fn ask(link: &Link) -> Result<Events, Trouble> {
    let mut question = redis::cmd("CONFIG");
    question.arg("GET").arg("notify-keyspace-events");
    match link.ask(&question).await {
        Ok(answer) => Ok(flags(answer).map_or(Events::Unknown, |flags| told_by(&flags))),
        Err(Trouble::NotAllowed | Trouble::Other(_)) => Ok(Events::Unknown),
        Err(trouble) => Err(trouble),
    }
}

/// A refusal is an answer, too.
async fn is_alive(pubsub: &mut PubSub) -> bool {
    match timeout(ANSWER, pubsub.ping::<Value>()).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => Trouble::of(&error, "") == Trouble::NotAllowed,
        Err(_) => false,
    }
}

fn flags(answer: Value) -> Option<String> {
    let value = match answer {
        Value::Array(pair) => pair.into_iter().nth(1)?,
        Value::Map(pairs) => pairs.into_iter().next()?.1,
        _ => return None,
    };
    String::from_utf8(bytes(value)?).ok()
}

/// What these flags of the server tell: K events by key; A stands for every sort.
fn told_by(flags: &str) -> Events {
    let sorts = |wanted: &str| wanted.chars().all(|flag| flags.contains(flag));
    if sorts("K") && (sorts("A") || sorts("g$hx")) {
        Events::On
    } else {
        Events::Off
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_on_where_keys_are_told_of_and_all_that_may_happen_to_a_value() {
        for flags in ["AK", "AKE", "Kg$hxe", "g$lshzxeK"] {
            assert_eq!(told_by(flags), Events::On, "{flags}");
        }
        for flags in ["", "AE", "K", "Kg$", "Kx", "Ex"] {
            assert_eq!(told_by(flags), Events::Off, "{flags}");
        }
    }
}
