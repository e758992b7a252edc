//! What all parts share: the servers that are up, what to ask them, and rounds of rival, ours, rival.

use std::cell::Cell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use wxtoken_bench::ask::{Peer, Reply};
use wxtoken_bench::engine::{Asking, Pace, Plan};
use wxtoken_bench::exchange::Exchange;
use wxtoken_bench::host::Cores;
use wxtoken_bench::hub::{Hub, World};
use wxtoken_bench::process::Server;
use wxtoken_bench::report::{self, Goal, Line, Sample};
use wxtoken_bench::rivals::nginx::{self, Constant};
use wxtoken_bench::targets::{self, Target};
use wxtoken_bench::tls::Certificate;
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
    /// How many requests have been sent: each run goes on with other pairs of app and caller.
    pub(crate) turn: Cell<usize>,
}

/// A server and what to send it.
pub(crate) struct Side<'a> {
    pub(crate) server: &'a Server,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) protocol: Protocol,
    pub(crate) exchanges: &'a [Exchange],
    pub(crate) asking: Asking<'a>,
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

    /// What to send, with the place of the caller's key marked.
    pub(crate) fn asked(&self, list: &[Target]) -> Vec<Exchange> {
        let keys = self.world.keys.iter().cycle();
        targets::http(list)
            .into_iter()
            .zip(keys)
            .map(|(exchange, key)| exchange.with_key(key))
            .collect()
    }

    /// As real clients ask: a connection belongs to one caller, who asks for any app at any time.
    pub(crate) fn side<'a>(
        &'a self,
        server: &'a Server,
        address: SocketAddr,
        exchanges: &'a [Exchange],
    ) -> Side<'a> {
        Side {
            server,
            address,
            tls: None,
            protocol: Protocol::Http,
            exchanges,
            asking: Asking::AtRandom(&self.world.keys),
        }
    }

    pub(crate) fn our_side<'a>(&'a self, exchanges: &'a [Exchange]) -> Side<'a> {
        self.side(&self.hub.server, self.hub.api.address, exchanges)
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

    /// What ours answers to the first target.
    pub(crate) fn sample_reply(&self, list: &[Target]) -> anyhow::Result<Reply> {
        let target = &list[0];
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
        Ok(reply)
    }

    /// nginx answering to everything what ours answers to the first target, in as many bytes; and the requests that ours
    /// is sent, of which it answers the first one right.
    pub(crate) fn nginx(
        &self,
        list: &[Target],
        tls: Option<&Certificate>,
    ) -> anyhow::Result<(Server, SocketAddr, Vec<Exchange>)> {
        let (folder, core) = (&self.world.folder, self.cores.server);
        let reply = self.sample_reply(list)?;
        let constant = Constant::as_long_as(&reply, folder, core)?;
        let (server, address) = nginx::start(folder, core, &constant, tls)?;
        if tls.is_none() {
            let size = Peer::plain(address, None).ask("/", None)?.size;
            println!(
                "- {}: our answers have {} bytes, nginx's {size} with these headers added: {}",
                list[0].path.split('?').next().unwrap_or(""),
                reply.size,
                constant.added()
            );
        }
        Ok((server, address, self.asked(&constant_answers(list))))
    }
}

/// The same requests, all answered as the first.
pub(crate) fn constant_answers(list: &[Target]) -> Vec<Target> {
    let expect = list.first().map(|target| &target.expect);
    let each = list.iter().cloned().zip(expect.into_iter().cycle());
    each.map(|(target, expect)| Target {
        expect: expect.clone(),
        ..target
    })
    .collect()
}
