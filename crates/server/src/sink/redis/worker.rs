//! Runs a loop for each Redis, with one who listens beside it.
//!
//! Must not know: which sinks there are.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use wxtoken_core::clock::Clock;

use super::desk::RedisDesk;
use super::keeping::Keeping;
use super::listen::Ear;
use super::room::Room;
use super::shadow::Watch;
use super::tell::Teller;
use super::{AskAbout, Start, TIMES};
use crate::config::RedisServer;
use crate::keeper::Keeper;
use crate::redis::Door;
use crate::telemetry::Metrics;

/// The loops' end, to be run once the keeper is there.
pub struct RedisWorker {
    pub(super) started: mpsc::UnboundedReceiver<Start>,
    pub(super) metrics: Arc<Metrics>,
}

impl RedisWorker {
    /// Runs a loop for each Redis, until every handle is gone.
    pub async fn run(mut self, keeper: Keeper, clock: Arc<dyn Clock>, ask_about: AskAbout) {
        let ground = Ground {
            keeper,
            clock,
            metrics: self.metrics,
            ask_about,
        };
        let mut loops = JoinSet::new();
        loop {
            tokio::select! {
                start = self.started.recv() => match start {
                    Some(start) => begin(&mut loops, start, &ground),
                    None => return,
                },
                Some(_) = loops.join_next(), if !loops.is_empty() => {}
            }
        }
    }
}

/// What every loop stands on.
struct Ground {
    keeper: Keeper,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    ask_about: AskAbout,
}

/// The way to a Redis that copies are kept in.
pub(super) fn door_of(server: RedisServer) -> Door {
    let RedisServer {
        address,
        ca,
        sentinel_password,
    } = server;
    let ca = ca.map(|ca| ca.to_vec());
    Door::new(address, ca, sentinel_password, TIMES.0, TIMES.1)
}

fn begin(loops: &mut JoinSet<()>, start: Start, ground: &Ground) {
    let Ground { keeper, clock, .. } = ground;
    let door = door_of(start.server);
    let teller = Teller {
        keeper: keeper.clone(),
        metrics: Arc::clone(&ground.metrics),
        at: door.shown(),
        standing: start.standing,
    };
    let desk = Arc::new(RedisDesk::new(door, Arc::clone(clock)));
    let (keys, listened) = watch::channel(Vec::new());
    let (heard, hearing) = mpsc::unbounded_channel();
    let ear = Ear {
        link: Arc::clone(&desk.link),
        keys: listened,
        heard,
        events: start.events,
        clock: Arc::clone(clock),
    };
    let keeping = Keeping {
        room: Room::new(clock.now().boot),
        shadow: Watch::new(clock.now().boot),
        desk,
        keeper: keeper.clone(),
        clock: Arc::clone(clock),
        teller,
        ask_about: Arc::clone(&ground.ask_about),
        messages: start.messages,
        heard: hearing,
        keys,
        reports: JoinSet::new(),
        connection: 0,
    };
    loops.spawn(ear.run());
    loops.spawn(keeping.run());
}
