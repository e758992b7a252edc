//! Redis in groups: watched by sentinels, or sharing the slots of a cluster. Real processes each time.
//!
//! Must not know: who uses them.

use crate::place::free_port;
use crate::replicas::{Redis, Shared};
use crate::server::until;

/// A master, a copy of it, and three sentinels that put the copy in its place.
pub(crate) struct Watched {
    pub(crate) master: Redis,
    pub(crate) copy: Redis,
    sentinels: Vec<Redis>,
}

impl Watched {
    pub(crate) async fn start() -> Self {
        let master = Redis::start(&["--repl-diskless-sync-delay", "0"]).await;
        let at = master.port;
        let copy = Redis::start(&["--replicaof", &format!("127.0.0.1 {at}")]).await;
        let lines = format!(
            "sentinel monitor main 127.0.0.1 {at} 2\nsentinel down-after-milliseconds main 1000\n\
             sentinel failover-timeout main 3000\n"
        );
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(Redis::sentinel(&lines).await);
        }
        let watched = Self {
            master,
            copy,
            sentinels,
        };
        until("all know of each other", || {
            let knows = |sentinel: &Redis| {
                sentinel
                    .ask(&["INFO", "sentinel"])
                    .contains("slaves=1,sentinels=3")
            };
            watched.sentinels.iter().all(knows)
        })
        .await;
        watched
    }

    /// Waits until the copy is the master.
    pub(crate) async fn moved(&self) {
        until("the copy is the master", || {
            self.copy.ask(&["ROLE"]).starts_with("master")
        })
        .await;
    }
}

impl Shared for Watched {
    fn url(&self, _at: usize) -> String {
        let ports = self.sentinels.iter().map(|sentinel| sentinel.port);
        let hosts: Vec<_> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis+sentinel://{}/main", hosts.join(","))
    }
}

/// Three masters that share all slots, and three copies of them.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Redis>,
}

const MASTERS: usize = 3;

impl Cluster {
    pub(crate) async fn start() -> Self {
        let options =
            "--cluster-enabled yes --cluster-node-timeout 2000 --repl-diskless-sync-delay 0";
        let options: Vec<&str> = options.split(' ').collect();
        let (mut nodes, mut buses) = (Vec::new(), Vec::new());
        for _ in 0..2 * MASTERS {
            let bus = free_port().to_string();
            nodes.push(Redis::start(&[&options[..], &["--cluster-port", &bus]].concat()).await);
            buses.push(bus);
        }
        let slots = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
        for (at, (first, last)) in slots.into_iter().enumerate() {
            nodes[at].ask(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
            nodes[at].ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
        }
        for (node, bus) in nodes.iter().zip(&buses).skip(1) {
            let port = node.port.to_string();
            nodes[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]);
        }
        let cluster = Self { nodes };
        cluster.whole("cluster_known_nodes:6").await;
        for at in 0..MASTERS {
            let master = cluster.nodes[at].ask(&["CLUSTER", "MYID"]);
            let copy = &cluster.nodes[MASTERS + at];
            until("it copies", || {
                copy.ask(&["CLUSTER", "REPLICATE", &master]) == "OK"
            })
            .await;
            until("it has copied", || {
                copy.ask(&["INFO", "replication"])
                    .contains("master_link_status:up")
            })
            .await;
        }
        cluster.whole("cluster_known_nodes:6").await;
        cluster
    }

    /// Waits until all nodes say so, and that all is well.
    async fn whole(&self, what: &str) {
        until("the cluster is whole", || {
            self.nodes.iter().all(|node| {
                let info = node.ask(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains(what)
            })
        })
        .await;
    }

    /// Which master has a key, by its place.
    pub(crate) fn master_of(&self, key: &str) -> usize {
        let masters = &self.nodes[..MASTERS];
        let has = |node: &Redis| node.ask(&["HEXISTS", key, "b"]) == "1";
        masters.iter().position(has).expect("one of them has it")
    }

    /// Waits until the copy of a master has taken its place.
    pub(crate) async fn moved(&self, master: usize) {
        let copy = &self.nodes[MASTERS + master];
        until("the copy is the master", || {
            copy.ask(&["ROLE"]).starts_with("master")
        })
        .await;
    }
}

impl Shared for Cluster {
    fn url(&self, _at: usize) -> String {
        let ports = self.nodes.iter().map(|node| node.port);
        let hosts: Vec<_> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis-cluster://{}", hosts.join(","))
    }
}
