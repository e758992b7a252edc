//! Reads and writes entries in Redis: as many as there are in one trip.
//!
//! Must not know: when, and whose values they are.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, Value};
use wxtoken_core::clock::Clock;

use super::kept::{Sink, Writing};
use crate::redis::{Connection, Door, Guest, Link, Trouble, bytes};
use crate::sdk::{Body, Content, Entry, Format, Found, Key, Ttl};

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
            link: Link::new(door, Box::new(Quiet), clock),
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
        let looks = |sink: &Arc<Sink>| {
            let hash = sink.place.format() == Format::Hash;
            let how = if hash { "HGETALL" } else { "GET" };
            let keys = sink.place.keys().iter();
            keys.flat_map(|key| look_at(key, how)).collect()
        };
        let groups: Vec<Vec<Cmd>> = all.iter().map(looks).collect();
        let answers = self.link.ask_together(&groups).await?;
        let found = |(sink, answer): (&Arc<Sink>, _)| match answer {
            Ok(values) => Ok(found(values)),
            // Of another sort than it should be: nobody can read it, whatever it is.
            Err(Trouble::Other(code)) if code == WRONG_TYPE => {
                Ok(sink.place.keys().iter().map(|_| Found::Other).collect())
            }
            Err(trouble) => Err(trouble),
        };
        Ok(all.iter().zip(answers).map(found).collect())
    }

    fn connection(&self) -> u64 {
        self.link.connection()
    }
}

/// What Redis says of a key that holds another sort of thing.
const WRONG_TYPE: &str = "WRONGTYPE";

/// What was answered for each key: its content, and its time to live.
fn found(values: Vec<Value>) -> Vec<Found> {
    let mut values = values.into_iter();
    let mut found = Vec::new();
    while let Some(value) = values.next() {
        let ttl = ttl_of(values.next());
        found.push(match value {
            Value::Nil => Found::Absent,
            Value::BulkString(text) => Found::Text(Content::new(text), ttl),
            Value::Array(flat) => fields(flat, ttl),
            Value::Map(pairs) => {
                let flat = pairs.into_iter().flat_map(|(name, value)| [name, value]);
                fields(flat.collect(), ttl)
            }
            _ => Found::Other,
        });
    }
    found
}

fn fields(flat: Vec<Value>, ttl: Ttl) -> Found {
    let mut texts = flat.into_iter().filter_map(bytes);
    let mut fields = Vec::new();
    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
        fields.push((name, Content::new(value)));
    }
    if fields.is_empty() {
        Found::Absent
    } else {
        Found::Fields(fields, ttl)
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
