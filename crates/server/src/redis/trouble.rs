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

/// What each trouble means for the connection it was met on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It is of no more use; another may do at once.
    Reconnect,
    /// It is of no more use, and another is no better right now.
    Drop,
    /// It is as good as it was.
    Keep,
}

impl Trouble {
    pub(crate) fn then(&self) -> Then {
        match self {
            Self::Unreachable { .. } | Self::ReadOnly { .. } => Then::Reconnect,
            Self::Slow { .. }
            | Self::Refused { .. }
            | Self::Tls { .. }
            | Self::NoMaster { .. }
            | Self::Stranger { .. }
            | Self::NoDatabase { .. } => Then::Drop,
            Self::NotAllowed
            | Self::Full
            | Self::Loading
            | Self::CannotPersist
            | Self::Incomplete
            | Self::WrongKey
            | Self::Newer(_)
            | Self::NoRandom
            | Self::Other(_) => Then::Keep,
        }
    }

    /// Whether Redis answers all the while, and only takes nothing that is written, or not from us.
    pub(super) const fn is_of_writing(&self) -> bool {
        match self {
            Self::NotAllowed
            | Self::ReadOnly { .. }
            | Self::Full
            | Self::CannotPersist
            | Self::Incomplete => true,
            Self::Unreachable { .. }
            | Self::Slow { .. }
            | Self::Refused { .. }
            | Self::Loading
            | Self::NoMaster { .. }
            | Self::Tls { .. }
            | Self::Stranger { .. }
            | Self::NoDatabase { .. }
            | Self::WrongKey
            | Self::Newer(_)
            | Self::NoRandom
            | Self::Other(_) => false,
        }
    }

    /// Whether only a person can end it, and the store must not be worked on as it is configured.
    #[must_use]
    pub const fn is_of_another_store(&self) -> bool {
        matches!(self, Self::WrongKey | Self::Newer(_))
    }

    /// A word for metrics and for `/readyz`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Slow { .. } => "slow",
            Self::Refused { .. } => "auth",
            Self::NotAllowed => "permission",
            Self::ReadOnly { .. } => "read_only",
            Self::Full => "out_of_memory",
            Self::Loading => "loading",
            Self::CannotPersist => "cannot_persist",
            Self::Incomplete => "incomplete",
            Self::NoMaster { .. } => "no_master",
            Self::Tls { .. } => "tls",
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
