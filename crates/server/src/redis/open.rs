//! Opens connections: to one server, to the master that sentinels name, to a cluster; and to listen on.
//!
//! Must not know: what is asked over them, when they are opened again.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
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
    address: Address,
    certificates: Option<TlsCertificates>,
    sentinel_password: Option<SecretString>,
    connect: Duration,
    answer: Duration,
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

    /// Connections that hear of a new master, and its name; none where there are no sentinels.
    pub(crate) async fn sentinel_listener(&self) -> Option<Result<(PubSub, &str), Trouble>> {
        let Servers::Sentinel { hosts, master } = &self.address.servers else {
            return None;
        };
        let mut trouble = None;
        for host in hosts {
            match self.sentinel_listener_at(host).await {
                Ok(listener) => return Some(Ok((listener, master))),
                Err(why) => trouble = Some(why),
            }
        }
        Some(Err(trouble.unwrap_or(Trouble::Incomplete)))
    }

    async fn sentinel_listener_at(&self, host: &Host) -> Result<PubSub, Trouble> {
        let mut listener = self.listener_at(host, self.sentinel_who()).await?;
        let at = host.to_string();
        match timeout(self.answer, listener.subscribe("+switch-master")).await {
            Ok(Ok(())) => Ok(listener),
            Ok(Err(error)) => Err(Trouble::of(&error, &at)),
            Err(_) => Err(Trouble::Slow { at }),
        }
    }

    async fn listener_at(&self, host: &Host, who: RedisConnectionInfo) -> Result<PubSub, Trouble> {
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

    /// The master, by the first sentinel that says where it is.
    async fn named(&self, sentinels: &[Host], master: &str) -> Result<Host, Trouble> {
        let unknown = || Trouble::NoMaster {
            name: master.to_owned(),
        };
        // All at once: with the old master often one of them is gone, and waiting for it takes longer than is left.
        let mut asked: FuturesUnordered<_> = sentinels
            .iter()
            .map(|sentinel| self.ask_sentinel(sentinel, master))
            .collect();
        let mut trouble = None;
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(Some(host)) => return Ok(host),
                // One that answers says more than those that do not.
                Ok(None) => trouble = Some(unknown()),
                Err(why) => trouble = trouble.or(Some(why)),
            }
        }
        Err(trouble.unwrap_or_else(unknown))
    }

    async fn ask_sentinel(&self, sentinel: &Host, master: &str) -> Result<Option<Host>, Trouble> {
        let connection = self.one(sentinel, self.sentinel_who()).await?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg(master);
        let answer = connection.ask(&question).await;
        let answer = answer.map_err(|error| Trouble::of(&error, &sentinel.to_string()))?;
        let Value::Array(parts) = answer else {
            return Ok(None);
        };
        let texts: Vec<String> = parts
            .into_iter()
            .filter_map(bytes)
            .filter_map(|text| String::from_utf8(text).ok())
            .collect();
        Ok(match texts.as_slice() {
            [name, port] => port.parse().ok().map(|port| Host {
                name: name.clone(),
                port,
            }),
            _ => None,
        })
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

    async fn one(&self, host: &Host, who: RedisConnectionInfo) -> Result<Connection, Trouble> {
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
        match timeout(self.connect * 2, open).await {
            Ok(Ok(connection)) => Ok((Connection::Cluster(connection), at)),
            Ok(Err(error)) => Err(Trouble::of(&error, &at)),
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

    fn who(&self) -> RedisConnectionInfo {
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

    fn sentinel_who(&self) -> RedisConnectionInfo {
        let who = RedisConnectionInfo::default().set_skip_set_lib_name();
        match &self.sentinel_password {
            Some(password) => who.set_password(password.expose_secret()),
            None => who,
        }
    }
}
