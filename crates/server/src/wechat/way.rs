//! The way to WeChat: its hosts in their order, connections to them, and what an app has to show there. All that ask share it.
//!
//! Must not know: what is asked, what an answer means, when to ask again.

use std::sync::atomic::AtomicBool;

use tokio::time::Instant;

use super::base::Base;
use super::connect::{BuildError, Dialer};
use super::exchange::{Answered, Broken, Exchange};
use super::hosts::Hosts;
use super::notes::Notes;
use super::options::{Directory, Options};
use super::request::Call;
use super::two_secrets::TwoSecrets;

/// How WeChat is reached, and as whom.
pub(super) struct Way {
    exchange: Exchange,
    hosts: Hosts,
    pub(super) directory: Box<dyn Directory>,
    pub(super) secrets: TwoSecrets,
}

impl Way {
    /// A way nobody has gone yet.
    pub(super) fn new(options: Options, directory: Box<dyn Directory>) -> Result<Self, BuildError> {
        let dialer = Dialer::new(&options.roots, options.proxy.as_ref())?;
        Ok(Self {
            exchange: Exchange::new(dialer, options.connect_timeout),
            hosts: Hosts::new(options.base_url, options.fallback_urls),
            directory,
            secrets: TwoSecrets::default(),
        })
    }

    /// One call, to the first host that can be connected to; an app's own has no others. `sent` becomes true before the first
    /// byte can leave, and from then on no other host is tried.
    pub(super) async fn send(
        &self,
        own: Option<&Base>,
        call: &Call,
        sent: &AtomicBool,
        notes: &mut Notes,
    ) -> Result<Answered, Broken> {
        let hosts = own.map_or_else(|| self.hosts.in_order(Instant::now()), |own| vec![own]);
        let mut unreachable = Broken::Unreachable("there is no host".into());
        for base in hosts {
            notes.host = Some(base.clone());
            match self.exchange.run(base, call, sent).await {
                Ok(answered) => {
                    self.hosts.worked(base);
                    notes.unreachable = None;
                    return Ok(answered);
                }
                Err(Broken::Unreachable(error)) => {
                    self.hosts.failed(base, Instant::now());
                    notes.unreachable = Some(chain(error.as_ref()));
                    unreachable = Broken::Unreachable(error);
                }
                Err(broken @ (Broken::Cut(_) | Broken::Nonsense(_))) => return Err(broken),
            }
        }
        Err(unreachable)
    }
}

/// An error and what caused it, in one line. Connection errors name hosts and reasons, never a request.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}
