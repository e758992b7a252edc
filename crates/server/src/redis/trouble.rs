//! What goes wrong with Redis, in plain words and both languages, each with its cure. Never a password, an argument or a value.
//!
//! Must not know: what was asked for, what is done about it.

use wxtoken_core::store::StoreError;

use crate::words::{InChinese, Sentence};

/// Which trouble it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No connection, or it broke.
    #[error("Redis at {at} cannot be reached ({why}); is it running, and is the address right?")]
    Unreachable {
        /// Where.
        at: String,
        /// What the system says.
        why: String,
    },
    /// No answer in time.
    #[error(
        "Redis at {at} does not answer in time; look at its load, at slow commands, and at the network between"
    )]
    Slow {
        /// Where.
        at: String,
    },
    /// User or password.
    #[error(
        "Redis at {at} refuses user or password; look at both in its address, and at the server's ACL LIST"
    )]
    Refused {
        /// Where.
        at: String,
    },
    /// The sentinels' own password.
    #[error(
        "the sentinel at {at} refuses the password; sentinels have one of their own: sentinel_password"
    )]
    SentinelRefused {
        /// Where.
        at: String,
    },
    /// As it was installed: without a password it takes connections from its own machine alone.
    #[error(
        "Redis at {at} is in protected mode and takes connections from its own machine alone; give it a password or an ACL user (requirepass, ACL SETUSER) and name it in the address"
    )]
    Protected {
        /// Where.
        at: String,
    },
    /// `maxclients` is reached.
    #[error(
        "Redis at {at} takes no more connections (maxclients); look with CLIENT LIST who has so many, or raise it"
    )]
    Crowded {
        /// Where.
        at: String,
    },
    /// The user may not do what is needed.
    #[error(
        "the Redis user lacks a permission: it needs ~PREFIX:* &PREFIX:* and +@read +@write +@scripting +@pubsub +@connection -@dangerous +time +info +role in this order, in a cluster +cluster|slots too"
    )]
    NotAllowed,
    /// A replica, or a master that was demoted.
    #[error(
        "Redis at {at} is a read-only replica; name the master, or use redis+sentinel:// so that it is found"
    )]
    ReadOnly {
        /// Where.
        at: String,
    },
    /// `maxmemory` is reached.
    #[error(
        "Redis is out of memory (maxmemory) and takes no writes; give it more, with maxmemory-policy noeviction"
    )]
    Full,
    /// It has just been started.
    #[error("Redis is still loading its data; it goes on by itself")]
    Loading,
    /// Its disk takes nothing.
    #[error(
        "Redis takes no writes because it cannot save to its disk (MISCONF); look at its disk and its log"
    )]
    CannotPersist,
    /// Not enough of the cluster is there, or not enough replicas.
    #[error(
        "the Redis cluster is incomplete: part of the slots is served by nobody, or too few replicas are there"
    )]
    Incomplete,
    /// No sentinel knows the master.
    #[error(
        "no sentinel names a master called {name}; look at the name after the slash, and at the sentinels' addresses"
    )]
    NoMaster {
        /// The name asked for.
        name: String,
    },
    /// The other side cannot prove who it is.
    #[error(
        "TLS with Redis at {at} fails ({why}); give the CA that signed its certificate, and the name in it as host"
    )]
    Tls {
        /// Where.
        at: String,
        /// What is wrong with it.
        why: String,
    },
    /// The certificate it shows is an authority's own.
    #[error(
        "TLS with Redis at {at} fails: its certificate is marked as an authority's own, as `openssl req -x509` does; issue the \
         server one with basicConstraints = CA:FALSE"
    )]
    AuthoritysOwn {
        /// Where.
        at: String,
    },
    /// Another server than the address speaks of, or none of Redis's.
    #[error(
        "what listens at {at} does not answer as its address wants it: redis:// is one Redis, redis+sentinel:// a sentinel \
         (mostly port 26379), redis-cluster:// a node of a cluster"
    )]
    Stranger {
        /// Where.
        at: String,
    },
    /// The number after the slash.
    #[error(
        "Redis at {at} has no database of the number in its address; name a smaller one, or raise databases in its configuration"
    )]
    NoDatabase {
        /// Where.
        at: String,
    },
    /// Sealed under another master key.
    #[error(
        "the records in Redis are sealed under another master key, and were left as they are; give the key they were made \
         with (to change keys, give both, the old one as previous), or another [store] prefix"
    )]
    WrongKey,
    /// A later format.
    #[error(
        "the records in Redis have format {0}, from a newer wxtoken; use that one, or another [store] prefix"
    )]
    Newer(u64),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers; is /dev/urandom there?")]
    NoRandom,
    /// Anything else, by Redis's own code.
    #[error("Redis answers {0}, which was not expected; see its documentation, and its log")]
    Other(String),
}

impl InChinese for Trouble {
    fn in_chinese(&self) -> String {
        match self {
            Self::Unreachable { at, why } => {
                format!("连不上 {at} 的 Redis（{why}）；它在运行吗？地址对吗？")
            }
            Self::Slow { at } => {
                format!("{at} 的 Redis 没有及时应答；检查它的负载、慢命令和中间的网络")
            }
            Self::Refused { at } => {
                format!("{at} 的 Redis 拒绝了用户名或密码；检查地址里的这两项和服务器的 ACL LIST")
            }
            Self::SentinelRefused { at } => {
                format!("{at} 的哨兵拒绝了密码；哨兵有自己的密码：sentinel_password")
            }
            Self::Protected { at } => format!(
                "{at} 的 Redis 处于保护模式，只接受本机连接；给它设密码或 ACL 用户（requirepass、ACL SETUSER），并写进地址"
            ),
            Self::Crowded { at } => format!(
                "{at} 的 Redis 不再接受连接（maxclients）；用 CLIENT LIST 看谁占了这么多，或调大它"
            ),
            Self::NotAllowed => "Redis 用户缺少权限：需要 ~PREFIX:* &PREFIX:* 以及 +@read +@write +@scripting +@pubsub \
                 +@connection -@dangerous +time +info +role（按此顺序），集群还要 +cluster|slots"
                .to_owned(),
            Self::ReadOnly { at } => format!(
                "{at} 的 Redis 是只读副本；写主节点的地址，或用 redis+sentinel:// 让它自己找到"
            ),
            Self::Full => {
                "Redis 内存已满（maxmemory），写不进去；给它更多内存，并设 maxmemory-policy noeviction".to_owned()
            }
            Self::Loading => "Redis 还在载入数据；好了会自己继续".to_owned(),
            Self::CannotPersist => {
                "Redis 存不了盘（MISCONF），因此不接受写入；检查它的磁盘和日志".to_owned()
            }
            Self::Incomplete => "Redis 集群不完整：有的槽没有节点负责，或副本太少".to_owned(),
            Self::NoMaster { name } => {
                format!("没有哨兵认得名为 {name} 的主节点；检查斜杠后的名字和哨兵的地址")
            }
            Self::Tls { at, why } => format!(
                "与 {at} 的 Redis 建不了 TLS（{why}）；给出签发其证书的 CA，并用证书里的名字作主机名"
            ),
            Self::AuthoritysOwn { at } => format!(
                "与 {at} 的 Redis 建不了 TLS：它的证书标记为颁发机构自己的证书，`openssl req -x509` 默认如此；给服务器签发一个 \
                 basicConstraints = CA:FALSE 的"
            ),
            Self::Stranger { at } => format!(
                "{at} 上的服务与地址不符：redis:// 是单个 Redis，redis+sentinel:// 是哨兵（通常端口 26379），redis-cluster:// \
                 是集群节点"
            ),
            Self::NoDatabase { at } => format!(
                "{at} 的 Redis 没有地址里那个编号的数据库；写小一些的编号，或调大它配置里的 databases"
            ),
            Self::WrongKey => "Redis 里的记录是用另一个主密钥加密的，没有动它们；给出当初的主密钥（要换密钥就两个都给，旧的写作 \
                 previous），或换一个 [store] prefix"
                .to_owned(),
            Self::Newer(found) => format!(
                "Redis 里的记录格式是 {found}，出自更新的 wxtoken；用那个版本，或换一个 [store] prefix"
            ),
            Self::NoRandom => "系统给不出随机数；/dev/urandom 在吗？".to_owned(),
            Self::Other(code) => format!("Redis 意外地应答 {code}；查它的文档和日志"),
        }
    }
}

impl Trouble {
    /// A word for metrics and for `/readyz`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Slow { .. } => "slow",
            Self::Refused { .. } => "auth",
            Self::SentinelRefused { .. } => "sentinel_auth",
            Self::Protected { .. } => "protected_mode",
            Self::Crowded { .. } => "max_clients",
            Self::NotAllowed => "permission",
            Self::ReadOnly { .. } => "read_only",
            Self::Full => "out_of_memory",
            Self::Loading => "loading",
            Self::CannotPersist => "cannot_persist",
            Self::Incomplete => "incomplete",
            Self::NoMaster { .. } => "no_master",
            Self::Tls { .. } | Self::AuthoritysOwn { .. } => "tls",
            Self::Stranger { .. } => "not_redis",
            Self::NoDatabase { .. } => "no_database",
            Self::WrongKey => "wrong_key",
            Self::Newer(_) => "newer_format",
            Self::NoRandom => "no_random",
            Self::Other(_) => "other",
        }
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        Self::Unavailable(Sentence::of(&trouble))
    }
}
