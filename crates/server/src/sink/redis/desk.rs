//! Reads and writes entries in Redis: as many as there are in one trip.
//!
//! Must not know: when, and whose values they are.

use async_trait::async_trait;
use redis::{Cmd, Value};
use wxtoken_core::clock::Clock;

use std::sync::Arc;
use std::time::Duration;

use super::kept::{Sink, Writing};
use crate::redis::{Connection, Door, Guest, Link, Trouble, bytes};
use crate::sdk::{Body, Content, Entry, Found, Key, Ttl};

/// Where entries are read and written.
#[async_trait]
pub(super) trait Desk: Send + Sync {
    /// Writes all, in this order; each whole or not at all.
    async fn write(&self, all: &[Writing]) -> Result<Vec<Result<(), Trouble>>, Trouble>;
    /// What lies at the keys of each.
    async fn read(&self, all: &[Arc<Sink>]) -> Result<Vec<Result<Vec<Found>, Trouble>>, Trouble>;
    /// Changes with every connection that is opened.
    fn connection(&self) -> u64;
}

/// A real one.
pub(super) struct RedisDesk {
    pub(super) link: Arc<Link>,
}

impl RedisDesk {
    pub(super) fn new(door: Door, clock: Arc<dyn Clock>) -> Self {
        Self {
            link: Arc::new(Link::new(door, Box::new(Quiet), clock)),
        }
    }
}

/// Nothing is looked for when a connection is opened, and what is wrong is told where it is met.
struct Quiet;

#[async_trait]
impl Guest for Quiet {
    async fn look(&self, _: &Connection, _: &str) -> Result<(), Trouble> {
        Ok(())
    }
    fn turned_away(&self, _: &Trouble) {}
    fn back(&self, _: &str, _: &Trouble, _: Duration) {}
}

#[async_trait]
impl Desk for RedisDesk {
    async fn write(&self, all: &[Writing]) -> Result<Vec<Result<(), Trouble>>, Trouble> {
        let groups: Vec<Vec<Cmd>> = all
            .iter()
            .map(|one| one.entries.iter().flat_map(commands).collect())
            .collect();
        let answers = self.link.ask_together(&groups).await?;
        Ok(answers
            .into_iter()
            .map(|answer| match answer?.into_iter().find_map(refusal) {
                Some(code) => Err(Trouble::Other(code)),
                None => Ok(()),
            })
            .collect())
    }

    async fn read(&self, all: &[Arc<Sink>]) -> Result<Vec<Result<Vec<Found>, Trouble>>, Trouble> {
        let keys = |sink: &Sink| sink.place.keys().to_vec();
        let groups: Vec<Vec<Cmd>> = all
            .iter()
            .map(|sink| {
                keys(sink)
                    .iter()
                    .flat_map(|key| look_at(key, "GET"))
                    .collect()
            })
            .collect();
        let mut found = Vec::with_capacity(all.len());
        for (sink, answer) in all.iter().zip(self.link.ask_together(&groups).await?) {
            found.push(match answer {
                Ok(values) => self.found(&keys(sink), values).await,
                Err(Trouble::Other(code)) if code == WRONG_TYPE => {
                    self.found(&keys(sink), Vec::new()).await
                }
                Err(trouble) => Err(trouble),
            });
        }
        Ok(found)
    }

    fn connection(&self) -> u64 {
        *self.link.opened().borrow()
    }
}

/// What Redis says of a key that holds another sort of thing.
const WRONG_TYPE: &str = "WRONGTYPE";

impl RedisDesk {
    /// Texts as they were answered; what is no text is asked for as a hash.
    async fn found(&self, keys: &[Key], values: Vec<Value>) -> Result<Vec<Found>, Trouble> {
        let mut values = values.into_iter();
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            let (value, ttl) = (values.next(), values.next());
            found.push(match value {
                Some(Value::Nil) => Found::Absent,
                Some(Value::BulkString(text)) => Found::Text(Content::new(text), ttl_of(ttl)),
                _ => self.fields(key).await?,
            });
        }
        Ok(found)
    }

    async fn fields(&self, key: &Key) -> Result<Found, Trouble> {
        let group = look_at(key, "HGETALL").to_vec();
        let answer = self.link.ask_together(&[group]).await?.pop();
        let mut values = match answer {
            Some(Ok(values)) => values.into_iter(),
            Some(Err(Trouble::Other(_))) | None => return Ok(Found::Other),
            Some(Err(trouble)) => return Err(trouble),
        };
        let pairs = match values.next() {
            Some(Value::Array(flat)) => flat,
            Some(Value::Map(pairs)) => pairs.into_iter().flat_map(|(k, v)| [k, v]).collect(),
            _ => return Ok(Found::Other),
        };
        let mut texts = pairs.into_iter().filter_map(bytes);
        let mut fields = Vec::new();
        while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
            fields.push((name, Content::new(value)));
        }
        Ok(if fields.is_empty() {
            Found::Absent
        } else {
            Found::Fields(fields, ttl_of(values.next()))
        })
    }
}

fn look_at(key: &Key, how: &str) -> [Cmd; 2] {
    [how, "PTTL"].map(|word| {
        let mut command = redis::cmd(word);
        command.arg(key.as_bytes());
        command
    })
}

fn ttl_of(answer: Option<Value>) -> Ttl {
    match answer {
        Some(Value::Int(left)) => u64::try_from(left).map_or(Ttl::Unset, Ttl::Left),
        _ => Ttl::Unset,
    }
}

/// What writes an entry: one command, or a few that stand together in a MULTI.
fn commands(entry: &Entry) -> Vec<Cmd> {
    let key = entry.key.as_bytes();
    let on = |word: &str| {
        let mut command = redis::cmd(word);
        command.arg(key);
        command
    };
    match &entry.body {
        Body::Text(text) => {
            let mut set = on("SET");
            set.arg(text.expose());
            if let Some(ttl) = entry.ttl {
                set.arg("PX").arg(ttl.get());
            }
            vec![set]
        }
        Body::Fields(fields) => {
            let mut all = vec![on("DEL")];
            let mut set = on("HSET");
            for (name, value) in fields {
                set.arg(name.as_bytes()).arg(value.expose());
            }
            all.push(set);
            if let Some(ttl) = entry.ttl {
                let mut expire = on("PEXPIRE");
                expire.arg(ttl.get());
                all.push(expire);
            }
            all
        }
    }
}

/// What stands before an error's first blank; what follows it may quote arguments.
fn refusal(value: Value) -> Option<String> {
    match value {
        Value::ServerError(error) => Some(error.code().to_owned()),
        _ => None,
    }
}
