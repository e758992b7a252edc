//! What is to be known of a Redis before one relies on it: what it drops when it is full, what a restart of it leaves, how old
//! it is, whether its clock is ours.
//!
//! Must not know: what is found good or bad.

use redis::Value;

use super::RedisStore;
use super::row::number;
use crate::redis::{Trouble, bytes};

/// What was seen; what may not be asked is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Where it is.
    pub at: String,
    /// Its version, of Redis or Valkey.
    pub version: Option<String>,
    /// What it does when it is full.
    pub policy: Option<String>,
    /// Whether a restart leaves anything: it writes a log, or saves now and then.
    pub persists: Option<bool>,
    /// Seconds our clock is ahead of its.
    pub ahead: Option<i64>,
}

impl RedisStore {
    /// Looks at it.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn survey(&self) -> Result<Survey, Trouble> {
        let at = self.rows.link.live().await?.at;
        let (server, memory) = (self.info("server").await, self.info("memory").await);
        let persistence = self.info("persistence").await;
        let logs = field(&persistence, "aof_enabled").map(|on| on == "1");
        let persists = match (logs, self.save_points().await) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            (_, None) | (None, Some(false)) => None,
        };
        Ok(Survey {
            at,
            version: field(&server, "valkey_version")
                .or_else(|| field(&server, "redis_version"))
                .map(str::to_owned),
            policy: field(&memory, "maxmemory_policy").map(str::to_owned),
            persists,
            ahead: self.ahead().await,
        })
    }

    /// A section of INFO; nothing where it may not be asked. Of a cluster, one node's.
    async fn info(&self, section: &str) -> String {
        let mut ask = redis::cmd("INFO");
        ask.arg(section);
        let answer = self.rows.link.ask(&ask).await.ok();
        answer.and_then(text).unwrap_or_default()
    }

    async fn save_points(&self) -> Option<bool> {
        let mut ask = redis::cmd("CONFIG");
        ask.arg("GET").arg("save");
        let points = match self.rows.link.ask(&ask).await.ok()? {
            Value::Map(pairs) => pairs.into_iter().next()?.1,
            Value::Array(parts) => parts.into_iter().nth(1)?,
            _ => return None,
        };
        Some(!text(points)?.is_empty())
    }

    async fn ahead(&self) -> Option<i64> {
        let answer = self.rows.link.ask(&redis::cmd("TIME")).await.ok()?;
        let now = self.clock.now().wall.unix_seconds();
        let Value::Array(parts) = answer else {
            return None;
        };
        let theirs = number(&bytes(parts.into_iter().next()?)?)?;
        Some(now.cast_signed().wrapping_sub(theirs.cast_signed()))
    }
}

fn text(answer: Value) -> Option<String> {
    let answer = match answer {
        Value::Map(nodes) => nodes.into_iter().next()?.1,
        Value::VerbatimString { text, .. } => return Some(text),
        other => other,
    };
    String::from_utf8(bytes(answer)?).ok()
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let lines = info.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value.trim())
        .next()
}
