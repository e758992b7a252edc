//! Sees keys of a Redis change: by keyspace events on one connection, and by reading them on another.
//!
//! Redis tells of a command at the end of the turn it was carried out in, which is when other clients can read what it wrote. A
//! change counts from when the telling was read here, so it is never timed too early, and too late by one wake-up of a thread.
//! Must not know: what the keys are for.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::exchange;

/// What has Redis tell of every text that is written; `e`, `g`, `h` and `x` let a server of ours listen as it is advised to.
const EVENTS: &str = "Kg$hxe";
/// So many keys are read in one command.
const TOGETHER: usize = 500;

/// One answer of Redis.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Text(Vec<u8>),
    Number(i64),
    Nothing,
    Refused(String),
    List(Vec<Self>),
}

/// One who watches.
#[derive(Debug)]
pub struct Witness {
    asking: BufReader<TcpStream>,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// When each key was last written.
    sets: Mutex<HashMap<String, Instant>>,
    more: Condvar,
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Witness {
    /// Switches the events on at `address`, and watches every key that starts with `prefix` from here on.
    ///
    /// # Errors
    /// When Redis does not let us.
    pub fn start(address: SocketAddr, prefix: &str) -> anyhow::Result<Self> {
        let mut asking = connect(address)?;
        ask(
            &mut asking,
            &["CONFIG", "SET", "notify-keyspace-events", EVENTS],
        )?;
        let mut listening = connect(address)?;
        let channel = "__keyspace@0__:";
        ask(
            &mut listening,
            &["PSUBSCRIBE", &format!("{channel}{prefix}*")],
        )?;
        let seen = Arc::new(Seen::default());
        let told = Arc::clone(&seen);
        // Ends with its connection, when Redis does.
        thread::spawn(move || {
            while let Ok(reply) = read(&mut listening) {
                let at = Instant::now();
                if let Some(key) = written(&reply, channel) {
                    told.lock().insert(key, at);
                    told.more.notify_all();
                }
            }
        });
        Ok(Self { asking, seen })
    }

    /// Forgets what it saw.
    pub fn forget(&self) {
        self.seen.lock().clear();
    }

    /// Waits until so many keys were written since it last forgot; when each was, the last time.
    ///
    /// # Errors
    /// When that takes longer than `limit`.
    pub fn wait_for(
        &self,
        keys: usize,
        limit: Duration,
    ) -> anyhow::Result<HashMap<String, Instant>> {
        let waited = self
            .seen
            .more
            .wait_timeout_while(self.seen.lock(), limit, |sets| sets.len() < keys);
        let (sets, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if sets.len() < keys {
            bail!("{} of {keys} keys were written in {limit:?}", sets.len());
        }
        Ok(sets.clone())
    }

    /// What lies at each key, which must be a text.
    ///
    /// # Errors
    /// When one is not there.
    pub fn read_all(&mut self, keys: &[&str]) -> anyhow::Result<Vec<String>> {
        let mut all = Vec::with_capacity(keys.len());
        for some in keys.chunks(TOGETHER) {
            let command = [&["MGET"], some].concat();
            let Reply::List(values) = ask(&mut self.asking, &command)? else {
                bail!("Redis answers MGET with no list");
            };
            for (key, value) in some.iter().zip(values) {
                match value {
                    Reply::Text(text) => all.push(String::from_utf8(text)?),
                    other => bail!("{key}: {other:?} lies there"),
                }
            }
        }
        Ok(all)
    }
}

fn connect(address: SocketAddr) -> anyhow::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(BufReader::with_capacity(64 * 1024, stream))
}

fn ask(redis: &mut BufReader<TcpStream>, words: &[&str]) -> anyhow::Result<Reply> {
    redis.get_mut().write_all(&exchange::command(words))?;
    match read(redis)? {
        Reply::Refused(why) => bail!("Redis refuses {}: {why}", words[0]),
        reply => Ok(reply),
    }
}

/// The key that a message tells was written.
fn written(message: &Reply, channel: &str) -> Option<String> {
    let Reply::List(parts) = message else {
        return None;
    };
    let [_, _, Reply::Text(name), Reply::Text(what)] = parts.as_slice() else {
        return None;
    };
    let key = std::str::from_utf8(name).ok()?.strip_prefix(channel)?;
    (what == b"set").then(|| key.to_owned())
}

fn read(from: &mut impl BufRead) -> anyhow::Result<Reply> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let line = line
        .strip_suffix("\r\n")
        .context("Redis closed the connection")?;
    let (sort, rest) = line.split_at_checked(1).context("an empty answer")?;
    let count = || rest.parse::<i64>().context("an odd answer of Redis");
    Ok(match sort {
        "+" => Reply::Text(rest.as_bytes().to_vec()),
        "-" => Reply::Refused(rest.to_owned()),
        ":" => Reply::Number(count()?),
        "$" => match usize::try_from(count()?) {
            Err(_) => Reply::Nothing,
            Ok(length) => {
                let mut text = vec![0; length + 2];
                from.read_exact(&mut text)?;
                text.truncate(length);
                Reply::Text(text)
            }
        },
        "*" => {
            let each = (0..count()?).map(|_| read(from));
            Reply::List(each.collect::<anyhow::Result<_>>()?)
        }
        _ => bail!("an answer of Redis that begins with {sort}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_key_that_was_written_and_other_events_name_none() {
        let told = |what: &str| {
            let pattern = "__keyspace@0__:sink-*";
            let name = "__keyspace@0__:sink-1:access_token:wx1";
            let words = ["pmessage", pattern, name, what];
            let message = read(&mut exchange::command(&words).as_slice()).unwrap();
            written(&message, "__keyspace@0__:")
        };
        assert_eq!(told("set").as_deref(), Some("sink-1:access_token:wx1"));
        for what in ["del", "expire", "expired"] {
            assert_eq!(told(what), None, "{what}");
        }
    }

    #[test]
    fn answers_of_every_sort_are_read_to_their_end() {
        let mut bytes = &b"+OK\r\n:-2\r\n$-1\r\n*2\r\n$4\r\na\r\nb\r\n-ERR no\r\n"[..];
        let mut next = || read(&mut bytes).unwrap();
        assert_eq!(next(), Reply::Text(b"OK".to_vec()));
        assert_eq!(next(), Reply::Number(-2));
        assert_eq!(next(), Reply::Nothing);
        assert_eq!(
            next(),
            Reply::List(vec![
                Reply::Text(b"a\r\nb".to_vec()),
                Reply::Refused("ERR no".to_owned())
            ])
        );
        assert!(read(&mut bytes).is_err());
    }
}
