//! Questions about users in numbers. Nothing personal: apps, calls and how they ended.
//!
//! Must not know: what a call is.

use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// So many apps times calls, or ends of sign-ins, have series of their own; beyond them apps are counted together.
const SERIES: usize = 2000;

type Labels = Vec<(&'static str, String)>;

/// The numbers.
#[derive(Debug, Default)]
pub(super) struct Users {
    calls: ByApp,
    sign_ins: ByApp,
    grants: Family<[(&'static str, &'static str); 1], Counter>,
}

/// Counters of which each names an app.
#[derive(Debug, Default)]
struct ByApp {
    family: Family<Labels, Counter>,
    series: AtomicUsize,
}

impl ByApp {
    /// Counts; the first label is the app.
    fn count(&self, mut labels: Labels) {
        if self.family.get(&labels).is_none()
            && self.series.fetch_add(1, Ordering::Relaxed) >= SERIES
        {
            "other".clone_into(&mut labels[0].1);
        }
        self.family.get_or_create(&labels).inc();
    }
}

impl Users {
    #[rustfmt::skip]
    pub(super) fn register(&self, own: &mut Registry) {
        own.register("user_calls", "Questions about users, by app, what was asked and how it ended", self.calls.family.clone());
        own.register("oauth", "Steps of sign-ins through the relay, by app and how they ended", self.sign_ins.family.clone());
        own.register("grants", "Users' grants, by what became of them: renewed, refused", self.grants.clone());
    }

    pub(super) fn call(&self, app: &str, call: &'static str, outcome: &'static str) {
        self.calls.count(vec![
            ("appid", app.to_owned()),
            ("call", call.to_owned()),
            ("outcome", outcome.to_owned()),
        ]);
    }

    pub(super) fn sign_in(&self, app: &str, outcome: &'static str) {
        self.sign_ins.count(vec![
            ("appid", app.to_owned()),
            ("outcome", outcome.to_owned()),
        ]);
    }

    pub(super) fn grant(&self, became: &'static str) {
        self.grants.get_or_create(&[("became", became)]).inc();
    }
}
