//! What all parts share: the servers that are up, what to ask them, and rounds of rival, ours, rival.

use std::cell::Cell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use wxtoken_bench::engine::{Pace, Plan};
use wxtoken_bench::exchange::Exchange;
use wxtoken_bench::host::Cores;
use wxtoken_bench::hub::{Hub, World};
use wxtoken_bench::process::Server;
use wxtoken_bench::report::{self, Goal, Line, Sample};
use wxtoken_bench::targets::{self, Target};
use wxtoken_bench::wire::Protocol;

use crate::Arguments;

/// Everything a part needs.
pub(crate) struct Bench {
    pub(crate) arguments: Arguments,
    pub(crate) cores: Cores,
    pub(crate) world: World,
    pub(crate) tokens: HashMap<String, String>,
    pub(crate) upstream: SocketAddr,
    pub(crate) hub: Hub,
    /// How many of our reads have been sent: each run goes on with other pairs of app and caller.
    pub(crate) turn: Cell<usize>,
}

/// A server and what to send it.
pub(crate) struct Side<'a> {
    pub(crate) server: &'a Server,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) protocol: Protocol,
    pub(crate) exchanges: &'a [Exchange],
}

impl Bench {
    pub(crate) fn connections(&self) -> &'static [usize] {
        if self.arguments.quick {
            &[64]
        } else {
            &[1, 16, 64, 256]
        }
    }

    pub(crate) fn native(&self) -> Vec<Target> {
        self.each_app(|appid, key, token| Target {
            path: format!("/v1/apps/{appid}/access_token"),
            key: Some(key.to_owned()),
            body: None,
            expect: vec![token.to_owned()],
        })
    }

    pub(crate) fn compat(&self) -> Vec<Target> {
        self.each_app(|appid, key, token| Target {
            path: format!("/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={key}"),
            key: None,
            body: None,
            expect: vec![token.to_owned()],
        })
    }

    pub(crate) fn each_app(&self, target: impl Fn(&str, &str, &str) -> Target) -> Vec<Target> {
        let keys = self.world.keys.iter().cycle();
        self.world
            .apps
            .iter()
            .zip(keys)
            .map(|((appid, _), key)| target(appid, key, &self.tokens[appid]))
            .collect()
    }

    /// What to send for each app in turn, with the callers' keys taking turns: an app is asked for by the same caller
    /// again only after all other callers did. Compatible reads need that: asking again within seconds would mean “my
    /// token has failed”.
    pub(crate) fn asked(&self, list: &[Target]) -> Vec<Exchange> {
        let keys = self.world.keys.iter().cycle();
        targets::http(list)
            .into_iter()
            .zip(keys)
            .map(|(exchange, key)| exchange.with_key(key))
            .collect()
    }

    pub(crate) fn our_side<'a>(&'a self, exchanges: &'a [Exchange]) -> Side<'a> {
        Side {
            server: &self.hub.server,
            address: self.hub.api.address,
            tls: None,
            protocol: Protocol::Http,
            exchanges,
        }
    }

    pub(crate) fn sample(
        &self,
        side: &Side<'_>,
        connections: usize,
        pace: Pace,
    ) -> anyhow::Result<Sample> {
        let measure = Duration::from_secs_f64(self.arguments.seconds);
        let plan = Plan {
            address: side.address,
            tls: side.tls.clone(),
            protocol: side.protocol,
            connections,
            pace,
            gentle: false,
            warm_up: measure / 4,
            measure,
            exchanges: side.exchanges,
            keys: &self.world.keys,
            first: self.turn.get(),
        };
        let sample = report::measure(&plan, side.server)?;
        // The rivals have no keys, so only our reads go on to the next ones.
        if side
            .exchanges
            .iter()
            .any(|exchange| exchange.key_at.is_some())
        {
            self.turn.set(sample.next);
        }
        Ok(sample)
    }

    /// Rounds of rival, ours, rival.
    pub(crate) fn triples(
        &self,
        what: &str,
        rival: &str,
        sides: [&Side<'_>; 2],
        connections: usize,
        pace: Pace,
        goals: Vec<Goal>,
    ) -> anyhow::Result<Line> {
        let [ours, theirs] = sides;
        let mut line = Line {
            what: what.to_owned(),
            rival: rival.to_owned(),
            connections,
            ours: Vec::new(),
            theirs: Vec::new(),
            goals,
        };
        for _ in 0..self.arguments.rounds {
            let before = self.sample(theirs, connections, pace)?;
            line.ours.push(self.sample(ours, connections, pace)?);
            line.theirs
                .push(vec![before, self.sample(theirs, connections, pace)?]);
        }
        Ok(line)
    }

    /// What ours answers to the first target: the constant for the rival, so that both send as many bytes of body.
    pub(crate) fn sample_body(&self, target: &Target) -> anyhow::Result<String> {
        let mut peer = self.hub.api.clone();
        peer.key.clone_from(&target.key);
        let reply = peer.ask(&target.path, target.body.as_deref())?;
        anyhow::ensure!(
            reply.status == 200,
            "{}: status {}: {}",
            target.path,
            reply.status,
            reply.body
        );
        println!(
            "- {}: our answers have {} bytes of body, {} with the head",
            target.path.split('?').next().unwrap_or(""),
            reply.body.len(),
            reply.size
        );
        Ok(reply.body)
    }

    pub(crate) fn constant_target(body: &str) -> Vec<Exchange> {
        vec![Exchange::http(
            "/",
            None,
            None,
            vec![body.as_bytes().to_vec()],
        )]
    }
}
