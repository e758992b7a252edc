//! Opens connections: to one server, to the master that sentinels name, to a cluster; and to listen on.
//!
//! Must not know: what is asked over them, when they are opened again.

use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, Value,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use super::address::{Address, Host, Servers};
use super::bytes;
use super::trouble::Trouble;

/// A connection that many may ask on at once.
#[derive(Clone)]
pub(crate) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    pub(crate) async fn ask(&self, command: &Cmd) -> RedisResult<Value> {
        match self.clone() {
            Self::One(mut connection) => command.query_async(&mut connection).await,
            Self::Cluster(mut connection) => command.query_async(&mut connection).await,
        }
    }
}

/// Everything that is needed to connect.
pub(crate) struct Door {
    pub(super) address: Address,
    certificates: Option<TlsCertificates>,
    pub(super) sentinel_password: Option<SecretString>,
    pub(super) connect: Duration,
    pub(super) answer: Duration,
}

impl Door {
    pub(crate) fn new(
        address: Address,
        ca: Option<Vec<u8>>,
        sentinel_password: Option<SecretString>,
        connect: Duration,
        answer: Duration,
    ) -> Self {
        let certificates = address.tls.then_some(TlsCertificates {
            client_tls: None,
            root_cert: ca,
        });
        Self {
            address,
            certificates,
            sentinel_password,
            connect,
            answer,
        }
    }

    /// A connection to write on, and where it leads.
    pub(crate) async fn open(&self) -> Result<(Connection, String), Trouble> {
        match &self.address.servers {
            Servers::One(host) => Ok((self.master(host).await?, host.to_string())),
            Servers::Sentinel { hosts, master } => self.by_sentinel(hosts, master).await,
            Servers::Cluster(hosts) => self.cluster(hosts).await,
        }
    }

    /// The master, where sentinels have named that one, if it is one.
    pub(super) async fn open_at(&self, master: &Host) -> Option<(Connection, String)> {
        let connection = self.master(master).await.ok()?;
        Some((connection, master.to_string()))
    }

    /// The database, where what happens to its keys can be listened to by a connection to one server: not in a cluster.
    pub(crate) fn database(&self) -> Option<u16> {
        match self.address.servers {
            Servers::One(_) | Servers::Sentinel { .. } => Some(self.address.db),
            Servers::Cluster(_) => None,
        }
    }

    /// Where it leads, for people.
    pub(crate) fn shown(&self) -> String {
        self.address.shown()
    }

    /// A connection to read on, to a replica as well, and where it leads.
    pub(crate) async fn open_to_read(&self) -> Result<(Connection, String), Trouble> {
        match &self.address.servers {
            Servers::One(host) => Ok((self.one(host, self.who()).await?, host.to_string())),
            Servers::Sentinel { .. } | Servers::Cluster(_) => self.open().await,
        }
    }

    /// A connection that only listens.
    pub(crate) async fn listener(&self) -> Result<PubSub, Trouble> {
        let hosts = match &self.address.servers {
            Servers::One(host) => vec![host.clone()],
            Servers::Sentinel { hosts, master } => vec![self.named(hosts, master).await?],
            Servers::Cluster(hosts) => hosts.clone(), // any node hears what is published on any other
        };
        let mut trouble = None;
        for host in hosts {
            match self.listener_at(&host, self.who()).await {
                Ok(listener) => return Ok(listener),
                Err(why) => trouble = Some(why),
            }
        }
        Err(trouble.unwrap_or(Trouble::Incomplete))
    }

    pub(super) async fn listener_at(
        &self,
        host: &Host,
        who: RedisConnectionInfo,
    ) -> Result<PubSub, Trouble> {
        let at = host.to_string();
        let client = self.client(host, who)?;
        match timeout(self.connect, client.get_async_pubsub()).await {
            Ok(listener) => listener.map_err(|error| Trouble::of(&error, &at)),
            Err(_) => Err(Trouble::Slow { at }),
        }
    }

    async fn by_sentinel(
        &self,
        sentinels: &[Host],
        master: &str,
    ) -> Result<(Connection, String), Trouble> {
        let host = self.named(sentinels, master).await?;
        Ok((self.master(&host).await?, host.to_string()))
    }

    /// A connection to a server that says it is a master.
    async fn master(&self, host: &Host) -> Result<Connection, Trouble> {
        let connection = self.one(host, self.who()).await?;
        let at = host.to_string();
        match connection.ask(&redis::cmd("ROLE")).await {
            Ok(Value::Array(role)) => match role.into_iter().next().and_then(bytes).as_deref() {
                Some(b"master") => Ok(connection),
                Some(b"sentinel") => Err(Trouble::Stranger { at }),
                _ => Err(Trouble::ReadOnly { at }),
            },
            Ok(_) => Ok(connection),
            Err(error) => match Trouble::of(&error, &at) {
                // Who may not ask learns it from the first write.
                Trouble::NotAllowed => Ok(connection),
                trouble => Err(trouble),
            },
        }
    }

    pub(super) async fn one(
        &self,
        host: &Host,
        who: RedisConnectionInfo,
    ) -> Result<Connection, Trouble> {
        let client = self.client(host, who)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect))
            .set_response_timeout(Some(self.answer));
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map(Connection::One)
            .map_err(|error| Trouble::of(&error, &host.to_string()))
    }

    async fn cluster(&self, hosts: &[Host]) -> Result<(Connection, String), Trouble> {
        let at = hosts.first().map(Host::to_string).unwrap_or_default();
        let open = async {
            let client = self.cluster_client(hosts)?;
            client.get_async_connection().await
        };
        // A node that says nothing is waited for twice: among those named, and among those of the cluster.
        match timeout(self.connect * 3, open).await {
            Ok(Ok(connection)) => Ok((Connection::Cluster(connection), at)),
            Ok(Err(error)) => Err(self.why_not(hosts, Trouble::of(&error, &at)).await),
            Err(_) => Err(Trouble::Slow { at }),
        }
    }

    fn cluster_client(&self, hosts: &[Host]) -> RedisResult<ClusterClient> {
        let nodes = hosts
            .iter()
            .map(|host| self.info(host, self.who()))
            .collect::<RedisResult<Vec<_>>>()?;
        let mut builder: ClusterClientBuilder = ClusterClient::builder(nodes)
            .retries(3)
            .max_retry_wait(300)
            .connection_timeout(self.connect)
            .response_timeout(self.answer)
            .overall_response_timeout(Some(self.answer * 2));
        if let Some(certificates) = &self.certificates {
            builder = builder.certs(certificates.clone());
        }
        builder.build()
    }

    fn client(&self, host: &Host, who: RedisConnectionInfo) -> Result<Client, Trouble> {
        let wrong = |error: RedisError| Trouble::of(&error, &host.to_string());
        let info = self.info(host, who).map_err(wrong)?;
        match &self.certificates {
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
            None => Client::open(info),
        }
        .map_err(wrong)
    }

    fn info(&self, host: &Host, who: RedisConnectionInfo) -> RedisResult<ConnectionInfo> {
        let (name, port) = (host.name.clone(), host.port);
        let address = if self.certificates.is_some() {
            ConnectionAddr::TcpTls {
                host: name,
                port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(name, port)
        };
        Ok(address.into_connection_info()?.set_redis_settings(who))
    }

    pub(super) fn who(&self) -> RedisConnectionInfo {
        let mut who = RedisConnectionInfo::default()
            .set_skip_set_lib_name()
            .set_db(i64::from(self.address.db));
        if let Some(user) = &self.address.user {
            who = who.set_username(user);
        }
        if let Some(password) = &self.address.password {
            who = who.set_password(password.expose_secret());
        }
        who
    }
}
