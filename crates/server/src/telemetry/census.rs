//! How many credentials are in which state, and which apps are in trouble: counted at each scrape, nothing kept between.
//!
//! Apps that are well have no series of their own, and those in trouble at most a hundred: a scrape stays small with
//! a hundred thousand apps. Must not know: where the states come from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use wxtoken_core::app::AppId;
use wxtoken_core::credential::Kind;

/// Apps in trouble that are named in one scrape.
const NAMED_MOST: usize = 100;

/// The state of one credential, as far as an alert needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// A live value, and nothing is wrong.
    Live,
    /// A live value, but renewing it fails or its life is in doubt.
    AtRisk,
    /// No live value.
    Absent,
}

impl State {
    const ALL: [Self; 3] = [Self::Live, Self::AtRisk, Self::Absent];

    const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::AtRisk => "at_risk",
            Self::Absent => "absent",
        }
    }
}

/// The counts of one scrape.
#[derive(Debug, Default)]
pub struct Census {
    counts: BTreeMap<(Kind, State), u64>,
    soonest: BTreeMap<Kind, Duration>,
    troubled: Vec<Troubled>,
    unnamed: u64,
}

#[derive(Debug)]
struct Troubled {
    app: AppId,
    kind: Kind,
    trouble: &'static str,
}

impl Census {
    /// Counts a credential and the life its value has left.
    pub fn count(&mut self, kind: Kind, state: State, left: Option<Duration>) {
        *self.counts.entry((kind, state)).or_default() += 1;
        if let Some(left) = left {
            let soonest = self.soonest.entry(kind).or_insert(left);
            *soonest = left.min(*soonest);
        }
    }

    /// Names an app in trouble, by the trouble's stable name.
    pub fn trouble(&mut self, app: AppId, kind: Kind, trouble: &'static str) {
        if self.troubled.len() < NAMED_MOST {
            self.troubled.push(Troubled { app, kind, trouble });
        } else {
            self.unnamed += 1;
        }
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Credentials by kind and state";
        let mut family = encoder.encode_descriptor("credentials", help, None, MetricType::Gauge)?;
        for kind in Kind::ALL {
            for state in State::ALL {
                let count = self.counts.get(&(kind, state)).copied().unwrap_or(0);
                let labels = [("kind", kind.name()), ("state", state.name())];
                ConstGauge::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "The shortest life left to any live credential of a kind";
        let name = "credential_soonest_expiry_seconds";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (kind, left) in &self.soonest {
            let labels = [("kind", kind.name())];
            ConstGauge::new(left.as_secs()).encode(family.encode_family(&labels)?)?;
        }
        let help = "Credentials in trouble, by app; at most a hundred are named";
        let name = "credential_trouble";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for troubled in &self.troubled {
            ConstGauge::new(1_u64).encode(family.encode_family(troubled)?)?;
        }
        let help = "Credentials in trouble beyond those named";
        let name = "credential_trouble_unnamed";
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(self.unnamed).encode(metric)
    }
}

impl EncodeLabelSet for Troubled {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelSetEncoder<'_>,
    ) -> fmt::Result {
        let labels = [
            ("appid", self.app.as_str()),
            ("kind", self.kind.name()),
            ("trouble", self.trouble),
        ];
        EncodeLabelSet::encode(&labels, encoder)
    }
}

type Count = Box<dyn Fn(&mut Census) + Send + Sync>;

/// Asks for a census at each scrape, once someone offers one.
#[derive(Default)]
pub(super) struct CensusTaker(OnceLock<Count>);

impl CensusTaker {
    /// The first one offered stays.
    pub(super) fn ask(&self, count: Count) {
        let _ = self.0.set(count);
    }
}

impl Collector for CensusTaker {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(count) = self.0.get() else {
            return Ok(());
        };
        let mut census = Census::default();
        count(&mut census);
        census.encode(&mut encoder)
    }
}

impl fmt::Debug for CensusTaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CensusTaker")
    }
}
