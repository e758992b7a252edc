//! Which of upstream's hosts is tried first.
//!
//! Must not know: connections, calls.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::base::Base;

/// How long a host that could not be connected to is tried last, so that not every call waits for it in vain.
const LAST_FOR: Duration = Duration::from_secs(30);

/// The hosts in their configured order, and since when each could not be reached.
pub(crate) struct Hosts {
    hosts: Vec<Host>,
}

struct Host {
    url: Base,
    failed: Mutex<Option<Instant>>,
}

impl Hosts {
    pub(crate) fn new(base: Base, fallbacks: Vec<Base>) -> Self {
        let hosts = std::iter::once(base)
            .chain(fallbacks)
            .map(|url| Host {
                url,
                failed: Mutex::new(None),
            })
            .collect();
        Self { hosts }
    }

    /// As configured, but hosts that failed lately come last.
    pub(crate) fn in_order(&self, now: Instant) -> Vec<&Base> {
        let (good, bad): (Vec<&Host>, Vec<&Host>) =
            self.hosts.iter().partition(|host| host.is_good(now));
        good.into_iter().chain(bad).map(|host| &host.url).collect()
    }

    /// The one that is tried first.
    pub(crate) fn first(&self, now: Instant) -> Option<&Base> {
        let good = self.hosts.iter().find(|host| host.is_good(now));
        good.or(self.hosts.first()).map(|host| &host.url)
    }

    /// Whether none of the others stands in for this one: an app's own has none.
    pub(crate) fn has_no_other(&self, url: &Base) -> bool {
        self.hosts.len() == 1 || self.hosts.iter().all(|host| host.url != *url)
    }

    /// A connection could not be made.
    pub(crate) fn failed(&self, url: &Base, now: Instant) {
        self.set(url, Some(now));
    }

    /// An answer came.
    pub(crate) fn worked(&self, url: &Base) {
        self.set(url, None);
    }

    fn set(&self, url: &Base, failed: Option<Instant>) {
        for host in self.hosts.iter().filter(|host| host.url == *url) {
            *host.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
        }
    }
}

impl Host {
    fn is_good(&self, now: Instant) -> bool {
        self.failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none_or(|failed| now.duration_since(failed) >= LAST_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_failed_is_tried_last_for_half_a_minute_or_until_it_works() {
        let url = |text: &str| Base::of(&text.parse().unwrap()).unwrap();
        let (main, spare) = (url("https://api.example"), url("https://api2.example"));
        let hosts = Hosts::new(main.clone(), vec![spare.clone()]);
        let now = Instant::now();
        assert_eq!(hosts.in_order(now), [&main, &spare]);
        hosts.failed(&main, now);
        assert_eq!(hosts.in_order(now), [&spare, &main]);
        assert_eq!(hosts.first(now), Some(&spare));
        assert!(!hosts.has_no_other(&main) && hosts.has_no_other(&url("https://own.example")));
        hosts.failed(&spare, now);
        assert_eq!(hosts.in_order(now), [&main, &spare]);
        assert_eq!(hosts.first(now), Some(&main));
        hosts.worked(&spare);
        assert_eq!(hosts.in_order(now), [&spare, &main]);
        assert_eq!(hosts.in_order(now + LAST_FOR), [&main, &spare]);
    }
}
