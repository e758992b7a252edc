//! What all parts share: upstream, our server in front of it, and rounds of rival, ours, rival.

use std::cell::Cell;
use std::time::Duration;

use wxtoken_bench::engine::{Asking, Pace, Plan};
use wxtoken_bench::exchange::Exchange;
use wxtoken_bench::host::Cores;
use wxtoken_bench::hub::{Hub, Settings, World};
use wxtoken_bench::process::Server;
use wxtoken_bench::report::{self, Goal, Line, Sample};
use wxtoken_bench::rivals::proxies::Behind;
use wxtoken_bench::tls::Certificate;
use wxtoken_bench::upstream;
use wxtoken_bench::wire::Protocol;

use crate::Arguments;

/// One upstream and our server in front of it.
pub(crate) struct Scene<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) cores: Cores,
    pub(crate) world: &'a World,
    pub(crate) behind: Behind,
    hub: Hub,
    turn: Cell<usize>,
}

/// A proxy and what to send it.
pub(crate) struct Side<'a> {
    pub(crate) server: &'a Server,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) exchanges: &'a [Exchange],
    pub(crate) asking: Asking<'a>,
}

impl<'a> Scene<'a> {
    pub(crate) fn start(
        arguments: &'a Arguments,
        cores: Cores,
        world: &'a World,
        tls: Option<&Certificate>,
    ) -> anyhow::Result<Self> {
        let address = upstream::start(cores.load, tls)?;
        let name = if tls.is_some() { "hub-https" } else { "hub" };
        let mut settings = Settings::new(name, address, world.apps.len());
        settings.upstream_tls = tls.cloned();
        if arguments.no_access_log {
            settings.log = "warn";
        }
        let mut hub = Hub::start(world, &settings, cores.server)?;
        let tokens = hub.tokens(&world.apps, Duration::from_secs(60))?;
        anyhow::ensure!(
            tokens.values().all(|token| token == upstream::TOKEN),
            "our server holds another token than upstream gave"
        );
        Ok(Self {
            arguments,
            cores,
            world,
            behind: Behind {
                address,
                tls: tls.cloned(),
            },
            hub,
            turn: Cell::new(0),
        })
    }

    pub(crate) fn ours<'s>(&'s self, exchanges: &'s [Exchange]) -> Side<'s> {
        Side {
            server: &self.hub.server,
            address: self.hub.api.address,
            exchanges,
            asking: Asking::AtRandom(&self.world.keys),
        }
    }

    pub(crate) const fn way(&self) -> &'static str {
        if self.behind.tls.is_some() {
            "HTTPS upstream"
        } else {
            "plain upstream"
        }
    }

    fn sample(&self, side: &Side<'_>, connections: usize) -> anyhow::Result<Sample> {
        let measure = Duration::from_secs_f64(self.arguments.seconds);
        let plan = Plan {
            address: side.address,
            tls: None,
            protocol: Protocol::Http,
            connections,
            pace: Pace::Closed,
            gentle: false,
            warm_up: measure / 4,
            measure,
            exchanges: side.exchanges,
            asking: side.asking,
            first: self.turn.get(),
        };
        let sample = report::measure(&plan, side.server)?;
        self.turn.set(sample.next);
        Ok(sample)
    }

    /// Rounds of rival, ours, rival.
    pub(crate) fn triples(
        &self,
        what: &str,
        rival: &str,
        [ours, theirs]: [&Side<'_>; 2],
        connections: usize,
        goals: Vec<Goal>,
    ) -> anyhow::Result<Line> {
        let mut line = Line {
            what: format!("{what}, {}", self.way()),
            rival: rival.to_owned(),
            connections,
            ours: Vec::new(),
            theirs: Vec::new(),
            goals,
        };
        for _ in 0..self.arguments.rounds {
            let before = self.sample(theirs, connections)?;
            line.ours.push(self.sample(ours, connections)?);
            let after = self.sample(theirs, connections)?;
            line.theirs.push(vec![before, after]);
        }
        Ok(line)
    }
}
