//! Every metric there is, as typed handles, and the page that shows them.
//!
//! Nothing here is on the read path: its counters belong to whoever serves reads, and are only added up at a scrape.
//! Must not know: what the numbers mean.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use wxtoken_core::clock::Clock;

use super::calls::{Calls, Forwarded};
use super::census::{Census, CensusTaker};
use super::process::Process;
use super::sharing::{Sharing, SharingWatch};
use super::users::Users;

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One label; its values are a closed set of names.
type One = [(&'static str, &'static str); 1];
/// Two labels.
type Two = [(&'static str, &'static str); 2];

/// The metrics of the process. Clone the `Arc` around it.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    census: Arc<CensusTaker>,
    sharing: Arc<SharingWatch>,
    reads: Arc<Reads>,
    upstream_calls: Family<Two, Counter>,
    upstream_seconds: Family<One, Histogram, fn() -> Histogram>,
    refusals: Family<Vec<(&'static str, String)>, Counter>,
    alarms: Family<One, Counter>,
    store_writes: Family<One, Counter>,
    store_seconds: Histogram,
    sink_writes: Family<Two, Counter>,
    calls: Calls,
    users: Users,
}

impl Metrics {
    /// All metrics at zero. The clock tells how long the process is up.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            census: Arc::default(),
            sharing: Arc::default(),
            reads: Arc::default(),
            upstream_calls: Family::default(),
            upstream_seconds: Family::new_with_constructor(upstream_seconds),
            refusals: Family::default(),
            alarms: Family::default(),
            store_writes: Family::default(),
            store_seconds: Histogram::new(STORE_SECONDS),
            sink_writes: Family::default(),
            calls: Calls::default(),
            users: Users::default(),
        };
        metrics.register(clock);
        metrics
    }

    #[rustfmt::skip]
    fn register(&mut self, clock: Arc<dyn Clock>) {
        self.registry.register_collector(Box::new(Process::new(clock)));
        let own = self.registry.sub_registry_with_prefix("wxtoken");
        own.register("build", "The version that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        own.register("upstream_calls", "Calls to WeChat by what was asked and how it ended", self.upstream_calls.clone());
        own.register_with_unit("upstream_call", "How long calls to WeChat took", Unit::Seconds, self.upstream_seconds.clone());
        own.register("upstream_refusals", "Refusals by WeChat, by what was asked and errcode", self.refusals.clone());
        own.register("alarms", "Alarms raised, by name", self.alarms.clone());
        own.register("store_writes", "Records written, by how it ended", self.store_writes.clone());
        own.register_with_unit("store_write", "How long writing a record took", Unit::Seconds, self.store_seconds.clone());
        own.register("sink_writes", "Writes to sinks, by sort of sink and how they ended", self.sink_writes.clone());
        self.calls.register(own);
        self.users.register(own);
        own.register_collector(Box::new(self.census.clone()));
        own.register_collector(Box::new(self.sharing.clone()));
        own.register_collector(Box::new(self.reads.clone()));
    }

    /// Takes a census of the credentials at each scrape. The first one given stays.
    pub fn count_credentials(&self, count: impl Fn(&mut Census) + Send + Sync + 'static) {
        self.census.ask(Box::new(count));
    }

    /// Looks at the shared store at each scrape. The first one given stays.
    pub fn watch_store(&self, look: impl Fn() -> Sharing + Send + Sync + 'static) {
        self.sharing.at(Box::new(look));
    }

    /// Adds the counters of the read path up at each scrape: calls its argument with surface, outcome and total. The
    /// first one given stays.
    pub fn count_reads(
        &self,
        tell: impl Fn(&mut dyn FnMut(&'static str, &'static str, u64)) + Send + Sync + 'static,
    ) {
        let _ = self.reads.0.set(Box::new(tell));
    }

    /// A call to WeChat ended.
    pub fn upstream_call(&self, ask: &'static str, outcome: &'static str, took: Duration) {
        let labels = [("ask", ask), ("outcome", outcome)];
        self.upstream_calls.get_or_create(&labels).inc();
        let seconds = self.upstream_seconds.get_or_create(&[("ask", ask)]);
        seconds.observe(took.as_secs_f64());
    }

    /// WeChat refused with this errcode. Codes that no page of WeChat's names are counted together.
    pub fn refusal(&self, ask: &'static str, errcode: i64) {
        let errcode = if crate::wechat::explain::explain(errcode).is_some() {
            errcode.to_string()
        } else {
            "other".to_owned()
        };
        let labels = vec![("ask", ask.to_owned()), ("errcode", errcode)];
        self.refusals.get_or_create(&labels).inc();
    }

    /// An alarm of this stable name was raised.
    pub fn alarm(&self, name: &'static str) {
        self.alarms.get_or_create(&[("alarm", name)]).inc();
    }

    /// A record was written, or not.
    pub fn store_write(&self, outcome: &'static str, took: Duration) {
        let labels = [("outcome", outcome)];
        self.store_writes.get_or_create(&labels).inc();
        self.store_seconds.observe(took.as_secs_f64());
    }

    /// A sink of this sort (`file`, `redis`) was written, or not.
    pub fn sink_write(&self, sink: &'static str, outcome: &'static str) {
        let labels = [("sink", sink), ("outcome", outcome)];
        self.sink_writes.get_or_create(&labels).inc();
    }

    /// A call was forwarded, or refused.
    pub fn forwarded(&self, call: &Forwarded<'_>) {
        self.calls.count(call);
    }

    /// A question about an app's users was answered, or not.
    pub fn user_call(&self, app: &str, call: &'static str, outcome: &'static str) {
        self.users.call(app, call, outcome);
    }

    /// A step of a sign-in through the relay ended; the app is empty if it is none of ours.
    pub fn sign_in(&self, app: &str, outcome: &'static str) {
        self.users.sign_in(app, outcome);
    }

    /// A user's grant was `renewed`, or `refused` by WeChat.
    pub fn grant(&self, became: &'static str) {
        self.users.grant(became);
    }

    /// The page, as OpenMetrics text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut page = String::with_capacity(16 * 1024);
        // Writing to a String fails only if a collector does, and then what was written so far is still true.
        let _ = text::encode(&mut page, &self.registry);
        page
    }
}

/// From a local stand-in to the longest timeout.
fn upstream_seconds() -> Histogram {
    Histogram::new([0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0])
}

/// From one fsync on a good disk to a disk in trouble.
const STORE_SECONDS: [f64; 8] = [0.0005, 0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0];

type TellReads = Box<dyn Fn(&mut dyn FnMut(&'static str, &'static str, u64)) + Send + Sync>;

/// The read path's counters, once someone offers them.
#[derive(Default)]
struct Reads(OnceLock<TellReads>);

impl Collector for Reads {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(tell) = self.0.get() else {
            return Ok(());
        };
        let help = "Answers to callers, by surface and outcome";
        let mut family = encoder.encode_descriptor("reads", help, None, MetricType::Counter)?;
        let mut written = Ok(());
        tell(&mut |surface, outcome, total| {
            let labels: Two = [("surface", surface), ("outcome", outcome)];
            let encoded = family
                .encode_family(&labels)
                .and_then(|metric| ConstCounter::new(total).encode(metric));
            written = written.and(encoded);
        });
        written
    }
}

impl fmt::Debug for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reads")
    }
}

#[cfg(test)]
mod tests {
    use wxtoken_core::clock::{Boot, Now, Wall};
    use wxtoken_core::credential::Kind;

    use super::super::State;
    use super::*;
    use crate::clock::ManualClock;

    fn metrics() -> (Arc<ManualClock>, Metrics) {
        let clock = Arc::new(ManualClock::new(Now {
            wall: Wall(1_795_000_000_000),
            boot: Boot(5_000),
        }));
        (clock.clone(), Metrics::new(clock))
    }

    /// The page's lines that begin so, without the prefix.
    fn lines(metrics: &Metrics, start: &str) -> Vec<String> {
        let page = metrics.render();
        page.lines()
            .filter_map(|line| line.strip_prefix(start))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_page_tells_version_age_and_memory_of_the_process() {
        let (clock, metrics) = metrics();
        clock.advance(Duration::from_secs(61));
        assert_eq!(lines(&metrics, "wxtoken_uptime_seconds "), ["61"]);
        assert_eq!(
            lines(&metrics, "process_start_time_seconds "),
            ["1795000000"]
        );
        assert_eq!(
            lines(&metrics, "wxtoken_build_info{version=\""),
            [concat!(env!("CARGO_PKG_VERSION"), "\"} 1")]
        );
        let memory: u64 = lines(&metrics, "process_resident_memory_bytes ")[0]
            .parse()
            .unwrap();
        assert!(memory > 1024 * 1024);
        assert_eq!(lines(&metrics, "process_cpu_seconds_total ").len(), 1);
        assert!(metrics.render().ends_with("# EOF\n"));
    }

    #[test]
    fn calls_refusals_alarms_and_writes_are_counted_by_name() {
        let (_, metrics) = metrics();
        metrics.upstream_call("stable", "minted", Duration::from_millis(30));
        metrics.upstream_call("stable", "minted", Duration::from_millis(30));
        metrics.refusal("stable", 40164);
        metrics.refusal("stable", 123_456_789);
        metrics.refusal("stable", -987_654);
        metrics.alarm("foreign-fetcher");
        metrics.store_write("ok", Duration::from_millis(3));
        metrics.sink_write("file", "failed");
        assert_eq!(
            lines(&metrics, "wxtoken_upstream_calls_total"),
            ["{ask=\"stable\",outcome=\"minted\"} 2"]
        );
        assert_eq!(
            lines(&metrics, "wxtoken_upstream_call_seconds_count"),
            ["{ask=\"stable\"} 2"]
        );
        let mut refusals = lines(&metrics, "wxtoken_upstream_refusals_total");
        refusals.sort();
        assert_eq!(
            refusals,
            [
                "{ask=\"stable\",errcode=\"40164\"} 1",
                "{ask=\"stable\",errcode=\"other\"} 2"
            ]
        );
        assert_eq!(
            lines(&metrics, "wxtoken_alarms_total"),
            ["{alarm=\"foreign-fetcher\"} 1"]
        );
        assert_eq!(
            lines(&metrics, "wxtoken_store_writes_total"),
            ["{outcome=\"ok\"} 1"]
        );
        assert_eq!(
            lines(&metrics, "wxtoken_sink_writes_total"),
            ["{sink=\"file\",outcome=\"failed\"} 1"]
        );
    }

    #[test]
    fn forwarded_calls_are_counted_by_who_and_how_and_their_series_are_bounded() {
        let (_, metrics) = metrics();
        let mut call = Forwarded {
            app: "wx1",
            caller: "shop",
            family: "cgi-bin",
            outcome: "ok",
            replayed: true,
            added: Duration::from_millis(2),
            mix_up: Some("app_token_at_sns"),
            unread: 7,
        };
        metrics.forwarded(&call);
        metrics.forwarded(&call);
        assert_eq!(
            lines(&metrics, "wxtoken_calls_total"),
            [
                "{appid=\"wx1\",caller=\"shop\",family=\"cgi-bin\",outcome=\"ok\",replayed=\"true\"} 2"
            ]
        );
        assert_eq!(
            lines(&metrics, "wxtoken_token_mix_ups_total"),
            ["{caller=\"shop\",mix_up=\"app_token_at_sns\"} 2"]
        );
        assert_eq!(lines(&metrics, "wxtoken_call_added_seconds_count "), ["2"]);
        assert_eq!(lines(&metrics, "wxtoken_call_unread_bytes_total"), [" 14"]);
        let apps: Vec<String> = (0..5000).map(|number| format!("wx{number}")).collect();
        for app in &apps {
            call.app = app;
            metrics.forwarded(&call);
        }
        assert!(lines(&metrics, "wxtoken_calls_total").len() <= 2001);
    }

    #[test]
    fn questions_about_users_are_counted_by_app_and_their_series_are_bounded() {
        let (_, metrics) = metrics();
        metrics.user_call("wx1", "profile", "ok");
        metrics.user_call("wx1", "profile", "ok");
        metrics.grant("renewed");
        assert_eq!(
            lines(&metrics, "wxtoken_user_calls_total"),
            ["{appid=\"wx1\",call=\"profile\",outcome=\"ok\"} 2"]
        );
        assert_eq!(
            lines(&metrics, "wxtoken_grants_total"),
            ["{became=\"renewed\"} 1"]
        );
        metrics.sign_in("wx1", "signed_in");
        assert_eq!(
            lines(&metrics, "wxtoken_oauth_total"),
            ["{appid=\"wx1\",outcome=\"signed_in\"} 1"]
        );
        for number in 0..5000 {
            metrics.user_call(&format!("wx{number}"), "login", "ok");
            metrics.sign_in(&format!("wx{number}"), "authorize");
        }
        assert!(lines(&metrics, "wxtoken_oauth_total").len() <= 2001);
        assert!(lines(&metrics, "wxtoken_user_calls_total").len() <= 2001);
    }

    #[test]
    fn the_read_paths_counters_are_added_up_at_each_scrape() {
        let (_, metrics) = metrics();
        assert!(lines(&metrics, "wxtoken_reads_total").is_empty());
        metrics.count_reads(|tell| {
            tell("native", "ok", 7);
            tell("compat", "refused", 1);
        });
        assert_eq!(
            lines(&metrics, "wxtoken_reads_total"),
            [
                "{surface=\"native\",outcome=\"ok\"} 7",
                "{surface=\"compat\",outcome=\"refused\"} 1"
            ]
        );
    }

    #[test]
    fn the_census_counts_states_and_names_at_most_a_hundred_apps_in_trouble() {
        let (_, metrics) = metrics();
        metrics.count_credentials(|census| {
            for number in 0..100_000 {
                let left = Duration::from_secs(7200 - number % 100);
                census.count(Kind::AccessToken, State::Live, Some(left));
            }
            for number in 0..150 {
                let app = format!("wx{number:03}").parse().unwrap();
                census.count(Kind::JsapiTicket, State::Absent, None);
                census.trouble(app, Kind::JsapiTicket, "refused");
            }
        });
        let counts = lines(&metrics, "wxtoken_credentials");
        assert_eq!(counts.len(), 9);
        assert!(counts.contains(&"{kind=\"access_token\",state=\"live\"} 100000".to_owned()));
        assert!(counts.contains(&"{kind=\"jsapi_ticket\",state=\"absent\"} 150".to_owned()));
        assert_eq!(
            lines(&metrics, "wxtoken_credential_soonest_expiry_seconds"),
            ["{kind=\"access_token\"} 7101"]
        );
        let named = lines(&metrics, "wxtoken_credential_trouble{");
        assert_eq!(named.len(), 100);
        assert_eq!(
            named[0],
            "appid=\"wx000\",kind=\"jsapi_ticket\",trouble=\"refused\"} 1"
        );
        assert_eq!(
            lines(&metrics, "wxtoken_credential_trouble_unnamed "),
            ["50"]
        );
        assert!(metrics.render().len() < 20_000);
    }
}
