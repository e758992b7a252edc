//! Forwarded calls in numbers.
//!
//! A series per app and caller would be too many for a hundred thousand apps: beyond a bound, apps are counted together.
//! Must not know: what a call is.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use foldhash::fast::RandomState;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// So many apps times callers have series of their own.
const SERIES: usize = 2000;

type Labels = Vec<(&'static str, String)>;

/// The numbers of forwarded calls.
#[derive(Debug)]
pub(super) struct Calls {
    calls: Family<Labels, Counter>,
    series: AtomicUsize,
    /// The counters of calls seen before, by what they have in common: found without writing labels.
    seen: RwLock<HashMap<u64, Counter, RandomState>>,
    hasher: RandomState,
    added: Histogram,
    mix_ups: Family<Labels, Counter>,
    unread: Counter,
}

/// One call, as it is counted.
#[derive(Debug, Clone, Copy)]
pub struct Forwarded<'f> {
    /// For which app; empty if that was not known.
    pub app: &'f str,
    /// Whose call; empty if that was not known.
    pub caller: &'f str,
    /// The family of its path: one of a few.
    pub family: &'static str,
    /// How it ended: one of a few.
    pub outcome: &'static str,
    /// Whether it was made again.
    pub replayed: bool,
    /// What we added to the time upstream took.
    pub added: Duration,
    /// Which kind of token was taken for the other, if one was.
    pub mix_up: Option<&'static str>,
    /// How many bytes of its body went on inside the kernel.
    pub unread: u64,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            calls: Family::default(),
            series: AtomicUsize::new(0),
            seen: RwLock::default(),
            hasher: RandomState::default(),
            // From a relay on an idle machine to a probe and a fetch in between.
            added: Histogram::new([0.0001, 0.0003, 0.001, 0.003, 0.01, 0.05, 0.2, 1.0, 5.0]),
            mix_ups: Family::default(),
            unread: Counter::default(),
        }
    }
}

impl Calls {
    #[rustfmt::skip]
    pub(super) fn register(&self, own: &mut Registry) {
        own.register("calls", "Calls sent through the gateway, by app, caller, family of path and how they ended", self.calls.clone());
        own.register_with_unit("call_added", "What the gateway added to the time WeChat took", Unit::Seconds, self.added.clone());
        own.register("token_mix_ups", "Calls with one kind of access_token where the other belongs, by caller", self.mix_ups.clone());
        own.register_with_unit("call_unread", "What of calls' bodies went on inside the kernel, without being read", Unit::Bytes, self.unread.clone());
    }

    pub(super) fn count(&self, call: &Forwarded<'_>) {
        let Forwarded {
            app,
            caller,
            family,
            outcome,
            replayed,
            ..
        } = *call;
        let common = (app, caller, family, outcome, replayed);
        let which = self.hasher.hash_one(common);
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = seen.get(&which) {
            counter.inc();
        } else {
            drop(seen);
            self.count_anew(which, call);
        }
        self.unread.inc_by(call.unread);
        self.added.observe(call.added.as_secs_f64());
        if let Some(mix_up) = call.mix_up {
            let labels = vec![
                ("caller", call.caller.to_owned()),
                ("mix_up", mix_up.to_owned()),
            ];
            self.mix_ups.get_or_create(&labels).inc();
        }
    }

    fn count_anew(&self, which: u64, call: &Forwarded<'_>) {
        let mut labels = vec![
            ("appid", call.app.to_owned()),
            ("caller", call.caller.to_owned()),
            ("family", call.family.to_owned()),
            ("outcome", call.outcome.to_owned()),
            ("replayed", call.replayed.to_string()),
        ];
        if self.calls.get(&labels).is_none()
            && self.series.fetch_add(1, Ordering::Relaxed) >= SERIES
        {
            "other".clone_into(&mut labels[0].1);
        }
        let counter = self.calls.get_or_create(&labels).clone();
        counter.inc();
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= 4 * SERIES {
            seen.clear();
        }
        seen.insert(which, counter);
    }
}
