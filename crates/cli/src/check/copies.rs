//! Looks at every Redis that copies are kept in: whether it answers, and tells what others do to them.
//!
//! Must not know: in which words a person is told, what a copy looks like.

use std::sync::Arc;

use wxtoken_server::clock::SystemClock;
use wxtoken_server::config::{Config, RedisServer};
use wxtoken_server::sink::{Events, events_at};
use wxtoken_server::words::Sentence;

use super::of_redis::{Copies, HowTold};

/// What there is to say of each, in the order of the configuration.
pub(super) async fn look(config: &Config) -> Vec<Copies> {
    let mut servers: Vec<(&RedisServer, usize)> = Vec::new();
    for copy in config.apps.iter().flat_map(|app| app.redis()) {
        match servers.iter_mut().find(|(one, _)| **one == copy.server) {
            Some((_, copies)) => *copies += 1,
            None => servers.push((&copy.server, 1)),
        }
    }
    let mut found = Vec::with_capacity(servers.len());
    for (server, copies) in servers {
        let told = match events_at(server, Arc::new(SystemClock)).await {
            Ok(Events::On) => HowTold::AtOnce,
            Ok(Events::Off) => HowTold::Not,
            Ok(Events::Cluster) => HowTold::Cluster,
            Ok(Events::Unknown) => HowTold::NotToBeAsked,
            Err(trouble) => HowTold::Unusable(Sentence::of(&trouble)),
        };
        let at = server.address.shown();
        found.push(Copies { at, copies, told });
    }
    found
}
