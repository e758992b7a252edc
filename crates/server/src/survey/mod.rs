//! Looks through an existing Redis for what WeChat SDKs keep there, and says what it found.
//!
//! Reads only, in small steps and for a bounded time. Must not know: how that is told to people.

mod look;
mod sort;

#[cfg(test)]
mod tests;

use std::time::Duration;

use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Clock, millis};
use wxtoken_core::credential::Kind;

use crate::config::RedisServer;
use crate::redis::{Door, Scan, Trouble};
use crate::sdk::Candidate;
use sort::Sorted;

/// Keys looked at in one step: Redis answers nobody else meanwhile, so they are few.
const STEP: u32 = 200;
/// How long a connection, and an answer, may take.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(5);

/// What a Redis user may do who may look: the commands, beside the keys. Where the address names a database, `+select` too; in
/// a cluster `+cluster|slots`.
pub const COMMANDS: &str = "+scan +type +pttl +getrange +hlen +hgetall";

/// What was found.
#[derive(Debug)]
pub struct Survey {
    /// How many keys were looked at.
    pub keys: u64,
    /// All of them were; else the time was over first.
    pub whole: bool,
    /// What SDKs keep, by app, kind and key.
    pub finds: Vec<Find>,
    /// Apps of which two entries hold different live values.
    pub clashes: Vec<Clash>,
    /// Keys that look as if they had to do with it, but are nobody's that is known; what may be a secret in them is masked.
    pub unnamed: Vec<String>,
    /// How many keys that look so could not be read: the user may not.
    pub unreadable: usize,
}

/// One key that an SDK writes.
#[derive(Debug)]
pub struct Find {
    /// Whose; where the key does not tell, by its value, which lies under another key too.
    pub app: Option<AppId>,
    /// Who may have written it, the likeliest first; never empty.
    pub candidates: Vec<Candidate>,
}

/// Entries of one app that hold different values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// Whose.
    pub app: AppId,
    /// Of which credential.
    pub kind: Kind,
    /// Which of the finds.
    pub finds: Vec<usize>,
}

impl Find {
    /// The likeliest writer.
    #[must_use]
    pub fn likeliest(&self) -> Option<&Candidate> {
        self.candidates.first()
    }
}

/// Goes through a Redis for at most `patience`; `progress` is told now and then how many keys were looked at and found.
///
/// # Errors
/// Redis cannot be reached, or does not answer.
pub async fn survey(
    server: &RedisServer,
    clock: &dyn Clock,
    patience: Duration,
    progress: &mut (dyn FnMut(u64, usize) + Send),
) -> Result<Survey, Trouble> {
    let until = clock.now().boot.plus(millis(patience));
    let door = Door::new(
        server.address.clone(),
        server.ca.as_deref().map(<[u8]>::to_vec),
        server.sentinel_password.clone(),
        CONNECT,
        ANSWER,
    );
    let (connection, at) = door.open_to_read().await?;
    let mut scan = Scan::begin(connection.clone(), &at, STEP, None).await?;
    let mut sorted = Sorted::default();
    let (mut keys, mut whole) = (0, false);
    loop {
        let Some(portion) = scan.next().await? else {
            whole = true;
            break;
        };
        keys += u64::try_from(portion.len()).unwrap_or(u64::MAX);
        let looked = look::at(&connection, &at, portion).await?;
        let now = clock.now();
        for (key, found) in looked {
            match found {
                Some(found) => sorted.add(key, &found, now.wall),
                None => sorted.add_unreadable(key),
            }
        }
        progress(keys, sorted.count());
        if now.boot >= until {
            break;
        }
    }
    Ok(sorted.into_survey(keys, whole))
}
