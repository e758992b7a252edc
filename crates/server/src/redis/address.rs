//! Where Redis is, as `[store] url` says it.
//!
//! `redis://[user:password@]host[:port][/db]`, `rediss://` with TLS, `redis+sentinel://host1,host2/master[/db]` and
//! `redis-cluster://host1,host2`, both with `rediss` for TLS.
//! Must not know: the client library, how connections are made. User and password never show.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};

use crate::words::InChinese;

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name or address.
    pub name: String,
    /// Its port.
    pub port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        if name.contains(':') {
            return write!(f, "[{name}]:{port}");
        }
        write!(f, "{name}:{port}")
    }
}

/// How the servers stand to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Servers {
    /// One.
    One(Host),
    /// Sentinels, which know where the master of that name is.
    Sentinel {
        /// The sentinels.
        hosts: Vec<Host>,
        /// The master's name.
        master: String,
    },
    /// Some nodes of a cluster; they know the others.
    Cluster(Vec<Host>),
}

/// Where Redis is, and who we are there.
#[derive(Clone)]
pub struct Address {
    /// The servers.
    pub servers: Servers,
    /// Whether connections are encrypted.
    pub tls: bool,
    /// Which database; a cluster has only 0.
    pub db: u16,
    /// The user, if one is named.
    pub user: Option<String>,
    /// The password, if there is one.
    pub password: Option<SecretString>,
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        let passwords = [self, other].map(|address| {
            let password = address.password.as_ref();
            password.map(ExposeSecret::expose_secret)
        });
        self.servers == other.servers
            && self.tls == other.tls
            && self.db == other.db
            && self.user == other.user
            && passwords[0] == passwords[1]
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("servers", &self.servers)
            .field("tls", &self.tls)
            .field("db", &self.db)
            .finish_non_exhaustive()
    }
}

impl Address {
    /// The servers, for people: without user and password.
    #[must_use]
    pub fn shown(&self) -> String {
        let (hosts, master) = match &self.servers {
            Servers::One(host) => (std::slice::from_ref(host), None),
            Servers::Sentinel { hosts, master } => (hosts.as_slice(), Some(master)),
            Servers::Cluster(hosts) => (hosts.as_slice(), None),
        };
        let hosts: Vec<String> = hosts.iter().map(Host::to_string).collect();
        let master = master.map(|master| format!("/{master}"));
        format!(
            "{}{}/{}",
            hosts.join(","),
            master.unwrap_or_default(),
            self.db
        )
    }
}

/// Why a text is no address. Says nothing of what stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// Another beginning.
    #[error(
        "a Redis address begins with redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis-cluster:// or rediss-cluster://"
    )]
    Scheme,
    /// No host, several where one belongs, or a port that is none.
    #[error(
        "the host of this Redis address is wrong: host or host:port, [::1]:port for IPv6; sentinels and cluster nodes apart by commas"
    )]
    Host,
    /// What follows the slash.
    #[error(
        "what follows the slash of this Redis address is wrong: a database number (0 only in a cluster); for sentinels the master's name first"
    )]
    Path,
    /// Broken percent-encoding in user or password.
    #[error(
        "user or password of this Redis address is not percent-encoded rightly (% is %25, @ is %40, / is %2F)"
    )]
    Encoding,
}

impl InChinese for InvalidAddress {
    fn in_chinese(&self) -> String {
        match self {
            Self::Scheme => {
                "Redis 地址以 redis://、rediss://、redis+sentinel://、rediss+sentinel://、redis-cluster:// 或 rediss-cluster:// 开头"
            }
            Self::Host => "Redis 地址里的主机不对：写 host 或 host:port，IPv6 写 [::1]:port；多个哨兵或集群节点用逗号分开",
            Self::Path => "Redis 地址斜杠后面不对：写数据库编号（集群只能是 0）；哨兵要先写主节点的名字",
            Self::Encoding => "Redis 地址里的用户名或密码没有正确地百分号编码（% 写 %25，@ 写 %40，/ 写 %2F）",
        }
        .to_owned()
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidAddress::Scheme)?;
        let (kind, tls) = match scheme {
            "redis" => (Kind::One, false),
            "rediss" => (Kind::One, true),
            "redis+sentinel" => (Kind::Sentinel, false),
            "rediss+sentinel" => (Kind::Sentinel, true),
            "redis-cluster" => (Kind::Cluster, false),
            "rediss-cluster" => (Kind::Cluster, true),
            _ => return Err(InvalidAddress::Scheme),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (who, hosts) = match authority.rsplit_once('@') {
            Some((who, hosts)) => (Some(who), hosts),
            None => (None, authority),
        };
        let port = if kind == Kind::Sentinel { 26379 } else { 6379 };
        let hosts: Vec<Host> = hosts
            .split(',')
            .map(|host| Host::read(host, port))
            .collect::<Option<_>>()
            .ok_or(InvalidAddress::Host)?;
        let (servers, db) = kind.servers(hosts, path)?;
        let (user, password) = credentials(who.unwrap_or_default())?;
        Ok(Self {
            servers,
            tls,
            db,
            user,
            password,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    One,
    Sentinel,
    Cluster,
}

impl Kind {
    fn servers(self, mut hosts: Vec<Host>, path: &str) -> Result<(Servers, u16), InvalidAddress> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let db = |text: &str| match text {
            "" => Ok(0),
            number => number.parse().map_err(|_| InvalidAddress::Path),
        };
        match self {
            Self::One => match hosts.pop() {
                Some(host) if hosts.is_empty() => Ok((Servers::One(host), db(path)?)),
                _ => Err(InvalidAddress::Host),
            },
            Self::Sentinel => {
                let (master, number) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    return Err(InvalidAddress::Path);
                }
                let master = master.to_owned();
                Ok((Servers::Sentinel { hosts, master }, db(number)?))
            }
            Self::Cluster => match db(path)? {
                0 => Ok((Servers::Cluster(hosts), 0)),
                _ => Err(InvalidAddress::Path),
            },
        }
    }
}

impl Host {
    fn read(text: &str, default_port: u16) -> Option<Self> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (name, after) = rest.split_once(']')?;
                (
                    name,
                    after.strip_prefix(':').or(after.is_empty().then_some(""))?,
                )
            }
            None => text.split_once(':').unwrap_or((text, "")),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
        let port = match port {
            "" => default_port,
            port => port.parse().ok().filter(|port| *port > 0)?,
        };
        (!name.is_empty() && name.chars().all(fits)).then(|| Self {
            name: name.to_owned(),
            port,
        })
    }
}

type Credentials = (Option<String>, Option<SecretString>);

fn credentials(who: &str) -> Result<Credentials, InvalidAddress> {
    let (user, password) = who.split_once(':').unwrap_or((who, ""));
    let given = |text: &str| match text {
        "" => Ok(None),
        text => decoded(text).map(Some).ok_or(InvalidAddress::Encoding),
    };
    Ok((given(user)?, given(password)?.map(SecretString::from)))
}

/// Percent-decoding as in a URL's user and password: a plus stays a plus.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |b: Option<u8>| char::from(b?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high << 4 | low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn host(name: &str, port: u16) -> Host {
        Host {
            name: name.to_owned(),
            port,
        }
    }

    #[test]
    fn every_form_is_understood() {
        let read = |text: &str| text.parse::<Address>().unwrap();
        let plain = read("redis://cache.example");
        assert_eq!(plain.servers, Servers::One(host("cache.example", 6379)));
        assert!(!plain.tls && plain.db == 0 && plain.user.is_none() && plain.password.is_none());
        let full = read("rediss://me:p%40ss+%2F@[::1]:7000/3");
        assert_eq!(full.servers, Servers::One(host("::1", 7000)));
        assert_eq!((full.tls, full.db), (true, 3));
        assert_eq!(full.user.as_deref(), Some("me"));
        assert_eq!(full.password.unwrap().expose_secret(), "p@ss+/");
        let only_password = read("redis://:secret@h");
        assert!(only_password.user.is_none() && only_password.password.is_some());
        let sentinel = read("redis+sentinel://a,b:1/main/2");
        let hosts = vec![host("a", 26379), host("b", 1)];
        let master = "main".to_owned();
        assert_eq!(sentinel.servers, Servers::Sentinel { hosts, master });
        assert_eq!(sentinel.db, 2);
        let cluster = read("rediss-cluster://a:1,b:2");
        assert_eq!(
            cluster.servers,
            Servers::Cluster(vec![host("a", 1), host("b", 2)])
        );
        assert!(cluster.tls);
    }

    #[test]
    fn servers_are_shown_as_they_are_written_and_differ_by_their_passwords() {
        let read = |text: &str| text.parse::<Address>().unwrap();
        for (text, shown) in [
            ("redis://me:secret@[fe80::1]:7000/3", "[fe80::1]:7000/3"),
            ("redis://cache.example", "cache.example:6379/0"),
            ("redis+sentinel://[::1],b:1/main", "[::1]:26379,b:1/main/0"),
        ] {
            assert_eq!(read(text).shown(), shown);
        }
        assert_eq!(read("redis://:one@h"), read("redis://:one@h:6379"));
        assert_ne!(read("redis://:one@h"), read("redis://:other@h"));
        assert_ne!(read("redis://:one@h"), read("redis://h"));
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_shows() {
        use InvalidAddress::{Encoding, Host, Path, Scheme};
        for (text, why) in [
            ("http://h", Scheme),
            ("redis", Scheme),
            ("redis://", Host),
            ("redis://a,b", Host),
            ("redis://h:0", Host),
            ("redis://h:x", Host),
            ("redis://h h", Host),
            ("redis://[::1", Host),
            ("redis://h/x", Path),
            ("redis+sentinel://h", Path),
            ("redis-cluster://h/1", Path),
            ("redis://u:%zz@h", Encoding),
        ] {
            assert_eq!(text.parse::<Address>().unwrap_err(), why, "{text}");
        }
        let address: Address = "redis://u53r:hunter2@h".parse().unwrap();
        let shown = format!("{address:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("u53r"),
            "{shown}"
        );
    }
}
