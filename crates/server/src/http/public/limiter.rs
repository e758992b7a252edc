//! How often one address may ask. Bounded: of very many addresses the longest unseen are forgotten.
//!
//! Pure but for its lock; time comes with each question.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use wxtoken_core::clock::Boot;

use crate::config::Rate;

/// Addresses that are remembered: at least so many, at most twice as many.
const REMEMBERED: usize = 32_768;
/// What one customer of a provider has at least, and often alone (RFC 6177).
const V6_BITS: u32 = 64;

/// When an address would have spent nothing, in microseconds of boot time (GCRA: the theoretical arrival time).
type Spent = HashMap<IpAddr, u64, foldhash::fast::RandomState>;

/// The rate of each address.
#[derive(Debug)]
pub(super) struct Limiter {
    each: u64,
    burst: u64,
    room: usize,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    lately: Spent,
    before: Spent,
}

impl Limiter {
    pub(super) fn new(rate: Rate) -> Self {
        Self::with_room(rate, REMEMBERED)
    }

    fn with_room(rate: Rate, room: usize) -> Self {
        let per = u64::try_from(rate.per.as_micros()).unwrap_or(u64::MAX);
        let count = u64::from(rate.count.get());
        Self {
            each: (per / count).max(1),
            burst: per,
            room,
            seen: Mutex::default(),
        }
    }

    /// Takes one request off an address's rate.
    pub(super) fn take(&self, from: IpAddr, now: Boot) -> Result<(), Duration> {
        let from = network(from);
        let now = now.0.saturating_mul(1000);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let spent = seen.of(from).unwrap_or(now).max(now) + self.each;
        let early = spent.saturating_sub(now.saturating_add(self.burst));
        if early > 0 {
            return Err(Duration::from_micros(early));
        }
        seen.note(from, spent, self.room);
        Ok(())
    }
}

impl Seen {
    fn of(&self, from: IpAddr) -> Option<u64> {
        self.lately
            .get(&from)
            .or_else(|| self.before.get(&from))
            .copied()
    }

    fn note(&mut self, from: IpAddr, spent: u64, room: usize) {
        if self.lately.len() >= room && !self.lately.contains_key(&from) {
            self.before = std::mem::take(&mut self.lately);
        }
        self.lately.insert(from, spent);
    }
}

/// What counts as one address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let kept = address.to_bits() >> (128 - V6_BITS) << (128 - V6_BITS);
            IpAddr::V6(kept.into())
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_may_ask_so_often_and_then_waits_until_the_next_is_due() {
        let limiter = Limiter::new("2/s".parse().unwrap());
        let (one, other) = (ip("192.0.2.1"), ip("192.0.2.2"));
        assert_eq!(limiter.take(one, Boot(1000)), Ok(()));
        assert_eq!(limiter.take(one, Boot(1000)), Ok(()));
        let half = Duration::from_millis(500);
        assert_eq!(limiter.take(one, Boot(1000)), Err(half));
        assert_eq!(limiter.take(other, Boot(1000)), Ok(()));
        assert!(limiter.take(one, Boot(1499)).is_err());
        assert_eq!(limiter.take(one, Boot(1500)), Ok(()));
        assert!(limiter.take(one, Boot(1500)).is_err());
        // A long rest gives no more than a full allowance.
        assert_eq!(limiter.take(one, Boot(90_000)), Ok(()));
        assert_eq!(limiter.take(one, Boot(90_000)), Ok(()));
        assert!(limiter.take(one, Boot(90_000)).is_err());
    }

    #[test]
    fn of_ipv6_a_whole_64_is_one_address_and_mapped_ipv4_is_ipv4() {
        let limiter = Limiter::new("1/m".parse().unwrap());
        assert!(limiter.take(ip("2001:db8::1"), Boot(0)).is_ok());
        assert!(limiter.take(ip("2001:db8::ffff:1"), Boot(0)).is_err());
        assert!(limiter.take(ip("2001:db8:0:1::1"), Boot(0)).is_ok());
        assert!(limiter.take(ip("192.0.2.1"), Boot(0)).is_ok());
        assert!(limiter.take(ip("::ffff:192.0.2.1"), Boot(0)).is_err());
    }

    #[test]
    fn of_very_many_addresses_the_longest_unseen_are_forgotten() {
        let limiter = Limiter::with_room("1/h".parse().unwrap(), 4);
        let all: Vec<IpAddr> = (0..9).map(|n| ip(&format!("192.0.2.{n}"))).collect();
        for one in &all {
            assert!(limiter.take(*one, Boot(0)).is_ok());
        }
        assert!(limiter.take(all[8], Boot(0)).is_err());
        assert!(limiter.take(all[4], Boot(0)).is_err());
        assert!(limiter.take(all[0], Boot(0)).is_ok());
        let seen = limiter.seen.lock().unwrap();
        assert!(seen.lately.len() + seen.before.len() <= 8);
    }
}
