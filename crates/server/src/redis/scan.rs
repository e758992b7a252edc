//! Goes through the keys of a database in small steps, in a cluster through every master's. Never KEYS.
//!
//! Must not know: what is looked for.

use std::collections::VecDeque;

use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, Value};

use super::bytes;
use super::open::Connection;
use super::trouble::Trouble;

/// A walk through all keys. One that is there from beginning to end is met at least once, and maybe more often.
pub(crate) struct Scan {
    connection: Connection,
    at: String,
    step: u32,
    matching: Option<String>,
    ready: VecDeque<Vec<Vec<u8>>>,
    open: VecDeque<Cursor>,
}

/// Where a walk goes on.
struct Cursor {
    /// In a cluster, on which node.
    node: Option<(String, u16)>,
    cursor: Vec<u8>,
}

impl Scan {
    /// Begins a walk that looks at about `step` keys at a time and meets those that match, where something is to be matched.
    pub(crate) async fn begin(
        connection: Connection,
        at: &str,
        step: u32,
        matching: Option<String>,
    ) -> Result<Self, Trouble> {
        let mut scan = Self {
            connection,
            at: at.to_owned(),
            step,
            matching,
            ready: VecDeque::new(),
            open: VecDeque::new(),
        };
        match scan.connection.clone() {
            Connection::One(_) => {
                let answer = scan.connection.ask(&scan.command(b"0")).await;
                let answer = answer.map_err(|error| Trouble::of(&error, at))?;
                scan.take(None, answer)?;
            }
            Connection::Cluster(cluster) => scan.begin_everywhere(cluster).await?,
        }
        Ok(scan)
    }

    async fn begin_everywhere(&mut self, mut cluster: ClusterConnection) -> Result<(), Trouble> {
        let everywhere = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        let answers = cluster.route_command(self.command(b"0"), everywhere).await;
        let answers = answers.map_err(|error| Trouble::of(&error, &self.at))?;
        let Value::Map(answers) = answers else {
            return Err(strange());
        };
        for (node, answer) in answers {
            let node = bytes(node).and_then(|node| String::from_utf8(node).ok());
            let at = node.as_deref().and_then(|node| node.rsplit_once(':'));
            let (host, port) = at.ok_or_else(strange)?;
            let port = port.parse().map_err(|_| strange())?;
            self.take(Some((host.to_owned(), port)), answer)?;
        }
        Ok(())
    }

    /// The next keys; none once all have been met.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Vec<u8>>>, Trouble> {
        if let Some(keys) = self.ready.pop_front() {
            return Ok(Some(keys));
        }
        let Some(Cursor { node, cursor }) = self.open.pop_front() else {
            return Ok(None);
        };
        let command = self.command(&cursor);
        let answer = match (self.connection.clone(), &node) {
            (Connection::Cluster(mut cluster), Some((host, port))) => {
                let there = RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress {
                    host: host.clone(),
                    port: *port,
                });
                cluster.route_command(command, there).await
            }
            (connection, _) => connection.ask(&command).await,
        };
        let answer = answer.map_err(|error| Trouble::of(&error, &self.at))?;
        self.take(node, answer)?;
        Ok(self.ready.pop_front())
    }

    fn command(&self, cursor: &[u8]) -> Cmd {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("COUNT").arg(self.step);
        if let Some(pattern) = &self.matching {
            scan.arg("MATCH").arg(pattern);
        }
        scan
    }

    /// Takes the keys of one step, and where it goes on.
    fn take(&mut self, node: Option<(String, u16)>, answer: Value) -> Result<(), Trouble> {
        let Value::Array(parts) = answer else {
            return Err(strange());
        };
        let [cursor, found] = <[Value; 2]>::try_from(parts).map_err(|_| strange())?;
        let Value::Array(found) = found else {
            return Err(strange());
        };
        let cursor = bytes(cursor).ok_or_else(strange)?;
        self.ready
            .push_back(found.into_iter().filter_map(bytes).collect());
        if cursor != b"0" {
            self.open.push_back(Cursor { node, cursor });
        }
        Ok(())
    }
}

fn strange() -> Trouble {
    Trouble::Other("something else than keys to SCAN".to_owned())
}
