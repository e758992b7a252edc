//! How the store is that replicas share: asked for at each scrape; nothing where there is none.
//!
//! Must not know: which store that is.

use std::fmt;
use std::sync::OnceLock;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// How it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sharing {
    /// The name of what is wrong.
    pub trouble: Option<&'static str>,
    /// Connections opened after the first.
    pub reconnects: u64,
    /// Records put back into a store that had lost them.
    pub refilled: u64,
}

type Look = Box<dyn Fn() -> Sharing + Send + Sync>;

/// Looks at each scrape, once someone says where.
#[derive(Default)]
pub(super) struct SharingWatch(OnceLock<Look>);

impl SharingWatch {
    /// The first one given stays.
    pub(super) fn at(&self, look: Look) {
        let _ = self.0.set(look);
    }
}

impl Collector for SharingWatch {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(look) = self.0.get() else {
            return Ok(());
        };
        let now = look();
        let help = "Whether the shared store can be reached and written";
        let up = encoder.encode_descriptor("store_up", help, None, MetricType::Gauge)?;
        ConstGauge::new(u64::from(now.trouble.is_none())).encode(up)?;
        let help = "What is wrong with the shared store, by name; none while all is well";
        let name = "store_trouble";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        if let Some(trouble) = now.trouble {
            let labels = [("trouble", trouble)];
            ConstGauge::new(1_u64).encode(family.encode_family(&labels)?)?;
        }
        let help = "Connections to the shared store opened after the first";
        let name = "store_reconnects";
        let counter = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(now.reconnects).encode(counter)?;
        let help = "Records put back from memory into a shared store that had lost them";
        let counter =
            encoder.encode_descriptor("store_refilled", help, None, MetricType::Counter)?;
        ConstCounter::new(now.refilled).encode(counter)
    }
}

impl fmt::Debug for SharingWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharingWatch")
    }
}
