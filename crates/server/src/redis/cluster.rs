//! A cluster as its nodes tell of it: whether every master answers, and why it lets nobody in.
//!
//! Must not know: what is asked of it, when another connection is opened.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use redis::Value;
use tokio::time::timeout;

use super::address::{Host, Servers};
use super::bytes;
use super::open::{Connection, Door};
use super::trouble::Trouble;

impl Door {
    /// Whether many nodes are behind it, each of which may fail by itself.
    pub(crate) fn is_of_cluster(&self) -> bool {
        matches!(self.address.servers, Servers::Cluster(_))
    }

    /// Whether every master of the cluster answers who comes anew.
    pub(super) async fn is_whole(&self) -> bool {
        let Servers::Cluster(hosts) = &self.address.servers else {
            return false;
        };
        let mut asked: FuturesUnordered<_> = hosts.iter().map(|host| self.masters(host)).collect();
        while let Some(masters) = asked.next().await {
            let Ok(masters) = masters else { continue };
            let each = masters.iter().map(async |master| {
                let connection = self.one(master, self.who()).await.ok()?;
                connection.ask(&redis::cmd("PING")).await.ok()
            });
            return join_all(each).await.iter().all(Option::is_some);
        }
        false
    }

    /// The masters, as that node knows them.
    async fn masters(&self, host: &Host) -> Result<Vec<Host>, Trouble> {
        let Connection::One(mut node) = self.one(host, self.who()).await? else {
            return Err(Trouble::Incomplete);
        };
        let answer: Value = redis::cmd("CLUSTER")
            .arg("SLOTS")
            .query_async(&mut node)
            .await
            .map_err(|error| Trouble::of(&error, &host.to_string()))?;
        let Value::Array(ranges) = answer else {
            return Err(Trouble::Incomplete);
        };
        // Many ranges may be one master's.
        let masters: Option<BTreeMap<String, Host>> = ranges
            .into_iter()
            .map(|range| master_of(range, host).map(|host| (host.to_string(), host)))
            .collect();
        masters
            .filter(|masters| !masters.is_empty())
            .map(|masters| masters.into_values().collect())
            .ok_or(Trouble::Incomplete)
    }

    /// What the nodes themselves say where the library does not tell: one that is asked alone does.
    pub(super) async fn why_not(&self, hosts: &[Host], unknown: Trouble) -> Trouble {
        let each = join_all(hosts.iter().map(|host| self.masters(host)));
        let Ok(answers) = timeout(self.connect * 2, each).await else {
            let at = hosts.first().map(Host::to_string).unwrap_or_default();
            return Trouble::Slow { at };
        };
        let told = answers.into_iter().filter_map(Result::err);
        let mut told = told.filter(|trouble| !matches!(trouble, Trouble::Unreachable { .. }));
        told.next().unwrap_or(unknown)
    }
}

/// `[first slot, last slot, [address, port, …], replicas …]`; a node that does not know its own address leaves it out.
fn master_of(range: Value, asked: &Host) -> Option<Host> {
    let Value::Array(parts) = range else {
        return None;
    };
    let Some(Value::Array(node)) = parts.into_iter().nth(2) else {
        return None;
    };
    let mut node = node.into_iter();
    let name = node
        .next()
        .and_then(bytes)
        .and_then(|name| String::from_utf8(name).ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| asked.name.clone());
    let Some(Value::Int(port)) = node.next() else {
        return None;
    };
    Some(Host {
        name,
        port: u16::try_from(port).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_is_where_its_range_says_or_where_it_was_asked() {
        let asked = Host {
            name: "here".to_owned(),
            port: 1,
        };
        let range = |name: Value| {
            let node = vec![name, Value::Int(7000), Value::Nil];
            Value::Array(vec![Value::Int(0), Value::Int(5460), Value::Array(node)])
        };
        for (name, wanted) in [
            (Value::BulkString(b"10.0.0.1".to_vec()), "10.0.0.1:7000"),
            (Value::BulkString(Vec::new()), "here:7000"),
            (Value::Nil, "here:7000"),
        ] {
            let master = master_of(range(name), &asked);
            assert_eq!(master.map(|host| host.to_string()).as_deref(), Some(wanted));
        }
        assert_eq!(master_of(Value::Array(Vec::new()), &asked), None);
    }
}
