//! Sentinels: where the master is, and that it is another.
//!
//! Must not know: how a connection is made, what is asked of a master.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::aio::PubSub;
use redis::{RedisConnectionInfo, Value};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use super::address::{Host, Servers};
use super::bytes;
use super::open::Door;
use super::trouble::Trouble;

impl Door {
    /// The sentinels, and the name of the master they watch; none where there are none.
    pub(crate) fn sentinels(&self) -> Option<(&[Host], &str)> {
        match &self.address.servers {
            Servers::Sentinel { hosts, master } => Some((hosts, master)),
            Servers::One(_) | Servers::Cluster(_) => None,
        }
    }

    /// A connection that hears from this sentinel of a new master.
    pub(crate) async fn sentinel_listener_at(&self, host: &Host) -> Result<PubSub, Trouble> {
        let listener = self.listener_at(host, self.sentinel_who()).await;
        let mut listener = listener.map_err(of_sentinel)?;
        let at = host.to_string();
        match timeout(self.answer, listener.subscribe("+switch-master")).await {
            Ok(Ok(())) => Ok(listener),
            Ok(Err(error)) => Err(Trouble::of(&error, &at)),
            Err(_) => Err(Trouble::Slow { at }),
        }
    }

    /// The master, by the first sentinel that says where it is.
    pub(super) async fn named(&self, sentinels: &[Host], master: &str) -> Result<Host, Trouble> {
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
        let connection = self.one(sentinel, self.sentinel_who()).await;
        let connection = connection.map_err(of_sentinel)?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg(master);
        let answer = connection.ask(&question).await;
        let answer =
            answer.map_err(|error| of_sentinel(Trouble::of(&error, &sentinel.to_string())))?;
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

    fn sentinel_who(&self) -> RedisConnectionInfo {
        let who = RedisConnectionInfo::default().set_skip_set_lib_name();
        match &self.sentinel_password {
            Some(password) => who.set_password(password.expose_secret()),
            None => who,
        }
    }
}

/// A sentinel's password is another.
fn of_sentinel(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Refused { at } => Trouble::SentinelRefused { at },
        trouble => trouble,
    }
}
