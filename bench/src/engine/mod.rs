//! The load generator: one thread, one epoll, one write and one read for each exchange.
//!
//! Closed loop: every connection sends its next request when the last one is answered. Open loop: requests are due at a
//! fixed rate whatever happens, and a latency counts from the moment its request was *due*, so that a stall is charged
//! to every request it delayed.

mod check;
mod connection;
mod driver;
mod schedule;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use rustls::ClientConfig;

use crate::exchange::Exchange;
use crate::histogram::Histogram;
use crate::wire::Protocol;

/// How fast requests leave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As fast as answers come.
    Closed,
    /// This many a second, come what may.
    PerSecond(f64),
}

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    /// The server.
    pub address: SocketAddr,
    /// For HTTPS.
    pub tls: Option<Arc<ClientConfig>>,
    /// HTTP or Redis.
    pub protocol: Protocol,
    /// Connections kept open.
    pub connections: usize,
    /// Closed or open loop.
    pub pace: Pace,
    /// Time before counting starts.
    pub warm_up: Duration,
    /// Time that is counted.
    pub measure: Duration,
    /// In open loop: sleep between requests instead of watching the clock, which leaves the core to others and costs
    /// each latency up to a tenth of a millisecond.
    pub gentle: bool,
    /// What to send.
    pub exchanges: &'a [Exchange],
    /// Who sends which of them.
    pub asking: Asking<'a>,
    /// Which turn is the first; [`Outcome::next`] of the run before.
    pub first: usize,
}

/// Who sends which exchange. Keys have one length and stand in the marked place of an exchange, if it has one.
#[derive(Debug, Clone, Copy)]
pub enum Asking<'a> {
    /// All exchanges in turn, as they are, by whichever connection is free.
    InTurn,
    /// All exchanges in turn, with keys that take turns so that each exchange meets each key before any of them again.
    KeysInTurn(&'a [String]),
    /// Connection i belongs to the caller with key i mod n and asks for any exchange, by chance but the same in every run.
    AtRandom(&'a [String]),
}

impl Asking<'_> {
    /// The exchange and the key of a turn that a connection takes.
    fn of(&self, turn: usize, connection: usize, exchanges: usize) -> (usize, Option<&str>) {
        match self {
            Self::InTurn => (turn % exchanges, None),
            Self::KeysInTurn(keys) => (turn % exchanges, nth(keys, turn / exchanges + turn)),
            Self::AtRandom(keys) => (mix(turn as u64) as usize % exchanges, nth(keys, connection)),
        }
    }
}

fn nth(keys: &[String], at: usize) -> Option<&str> {
    let at = at.checked_rem(keys.len())?;
    keys.get(at).map(String::as_str)
}

/// `SplitMix64`: neighbours become strangers. Good enough for loads and for keys that guard nothing.
#[must_use]
pub const fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The two moments at which a watcher may read the server's clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Counting starts.
    Start,
    /// Counting has ended.
    End,
}

/// What came of it. Everything but `first_complaint` is about the counted time alone.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Reads answered and found right.
    pub reads: u64,
    /// Answers that were refused, garbled or held something else, at any time during the run.
    pub wrong: u64,
    /// Connections that broke, at any time during the run.
    pub broken: u64,
    /// Requests that were due but never left, in open loop.
    pub unsent: u64,
    /// The number of the exchange that would have come next.
    pub next: usize,
    /// The first thing that went wrong, for people.
    pub first_complaint: Option<String>,
    /// Seconds counted.
    pub seconds: f64,
    /// CPU seconds that the generator's own thread used.
    pub own_cpu: f64,
    /// From sending (closed loop) or being due (open loop) to the whole answer.
    pub latency: Histogram,
}

impl Outcome {
    /// Reads a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let reads = self.reads as f64;
        reads / self.seconds.max(f64::MIN_POSITIVE)
    }
}

/// Carries out `plan`; `watch` is called as counting starts and ends.
///
/// # Errors
/// When a connection cannot be made, or nothing is answered for ten seconds.
pub fn run(plan: &Plan<'_>, watch: &mut dyn FnMut(Moment)) -> anyhow::Result<Outcome> {
    if plan.exchanges.is_empty() || plan.connections == 0 {
        bail!("nothing to send: give at least one target and one connection");
    }
    if let Asking::KeysInTurn(keys) | Asking::AtRandom(keys) = plan.asking
        && keys.iter().any(|key| key.len() != keys[0].len())
    {
        bail!("keys that stand in one place must have the same length");
    }
    let mut driver = driver::Driver::connect(plan)?;
    driver.drive(watch)?;
    Ok(driver.outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    /// Answers `answer` to every 'G' (one for each request), pausing once before request number `slow`.
    fn server(answer: &'static [u8], slow: Option<(usize, Duration)>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let (mut buffer, mut served) = ([0; 4096], 0);
                    while let Ok(got) = stream.read(&mut buffer) {
                        let asked = buffer[..got].iter().filter(|byte| **byte == b'G').count();
                        served += asked;
                        if let Some((at, pause)) =
                            slow.filter(|(at, _)| (served - asked..served).contains(at))
                        {
                            assert!(at < served);
                            thread::sleep(pause);
                        }
                        if got == 0 || stream.write_all(&answer.repeat(asked)).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    fn plan(address: SocketAddr, exchanges: &[Exchange]) -> Plan<'_> {
        Plan {
            address,
            tls: None,
            protocol: Protocol::Http,
            connections: 4,
            pace: Pace::Closed,
            gentle: false,
            warm_up: Duration::from_millis(20),
            measure: Duration::from_millis(200),
            exchanges,
            asking: Asking::InTurn,
            first: 0,
        }
    }

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde";

    #[test]
    fn every_answer_is_counted_and_checked() {
        let good = [Exchange::http("/", None, None, vec![b"bcd".to_vec()])];
        let mut moments = Vec::new();
        let outcome = run(&plan(server(ANSWER, None), &good), &mut |moment| {
            moments.push(moment)
        })
        .unwrap();
        assert!(outcome.reads > 100, "{outcome:?}");
        assert_eq!((outcome.wrong, outcome.broken), (0, 0));
        assert_eq!(outcome.latency.total(), outcome.reads);
        assert_eq!(moments, [Moment::Start, Moment::End]);
    }

    #[test]
    fn a_wrong_answer_is_not_a_fast_answer() {
        let bad = [Exchange::http("/", None, None, vec![b"xyz".to_vec()])];
        let outcome = run(&plan(server(ANSWER, None), &bad), &mut |_| ()).unwrap();
        assert!(outcome.wrong > 100);
        assert!(outcome.first_complaint.unwrap().contains("abcde"));
    }

    #[test]
    fn keys_take_turns_and_the_next_run_goes_on_where_the_last_ended() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = thread::spawn(move || {
            let mut seen = Vec::new();
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                let mut buffer = [0; 4096];
                while let Ok(got @ 1..) = stream.read(&mut buffer) {
                    let text = String::from_utf8_lossy(&buffer[..got]).into_owned();
                    let words = text
                        .split_once(' ')
                        .and_then(|(_, rest)| rest.split_once(' '));
                    seen.push(words.unwrap().0.to_owned());
                    stream.write_all(ANSWER).unwrap();
                }
            }
            seen
        });
        let exchanges =
            ["/1?k0", "/2?k0"].map(|path| Exchange::http(path, None, None, vec![]).with_key("k0"));
        let keys = ["k0".to_owned(), "k1".to_owned()];
        let mut turns = plan(address, &exchanges);
        (turns.connections, turns.asking) = (1, Asking::KeysInTurn(&keys));
        turns.measure = Duration::from_millis(20);
        turns.first = run(&turns, &mut |_| ()).unwrap().next;
        let end = run(&turns, &mut |_| ()).unwrap().next;
        let seen = seen.join().unwrap();
        let expected = ["/1?k0", "/2?k1", "/1?k1", "/2?k0"]
            .into_iter()
            .cycle()
            .take(end);
        assert!(end > 4);
        assert_eq!(seen, expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_connection_keeps_its_key_and_chance_reaches_every_exchange_evenly() {
        let keys = ["k0".to_owned(), "k1".to_owned(), "k2".to_owned()];
        let asking = Asking::AtRandom(&keys);
        let mut met = [0; 10];
        for turn in 0..10_000 {
            let (exchange, key) = asking.of(turn, 4, met.len());
            assert_eq!(key, Some("k1"));
            met[exchange] += 1;
        }
        assert!(
            met.iter().all(|times| (800..1_200).contains(times)),
            "{met:?}"
        );
        assert_eq!(Asking::AtRandom(&[]).of(7, 1, 1), (0, None));
    }

    #[test]
    fn a_stall_is_charged_to_every_request_it_delayed() {
        let good = [Exchange::http("/", None, None, vec![b"abcde".to_vec()])];
        let mut open = plan(
            server(ANSWER, Some((20, Duration::from_millis(150)))),
            &good,
        );
        open.connections = 1;
        open.pace = Pace::PerSecond(1_000.0);
        open.warm_up = Duration::ZERO;
        open.measure = Duration::from_millis(500);
        let outcome = run(&open, &mut |_| ()).unwrap();
        // One slow answer among 500; a closed loop would call p90 fast. Here about 150 requests were due meanwhile.
        assert!(
            outcome.latency.quantile(0.90) > Duration::from_millis(40),
            "{:?}",
            outcome.latency.quantile(0.90)
        );
    }

    #[test]
    fn pipelined_redis_answers_count_one_read_each() {
        let gets = [Exchange::redis(&[("k1", "hey"), ("k2", "hey")])];
        let mut redis = plan(server(b"$3\r\nhey\r\n", None), &gets);
        redis.protocol = Protocol::Redis;
        let outcome = run(&redis, &mut |_| ()).unwrap();
        assert_eq!(
            (outcome.wrong, outcome.broken),
            (0, 0),
            "{:?}",
            outcome.first_complaint
        );
        assert_eq!(outcome.reads, 2 * outcome.latency.total());
    }

    #[test]
    fn an_answer_that_nobody_asked_for_breaks_the_connection() {
        // The fake server answers once for each 'G', and this request holds two.
        let two = [Exchange::http("/G", None, None, vec![b"abcde".to_vec()])];
        let outcome = run(&plan(server(ANSWER, None), &two), &mut |_| ());
        assert!(outcome.is_err() || outcome.unwrap().broken > 0);
    }
}
