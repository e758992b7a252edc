//! Seals users anew under a new master key, once in the life of a process, a step of a scan at a time.
//!
//! The replica that is started last with the new key walks last, and after it nobody writes under the old one.

use redis::Value;

use super::names::Key;
use super::{REPLACE, RedisUsers, ends, packed, unpacked};
use crate::redis::{Scan, Trouble};

/// How far it has come.
pub(super) enum Resealing {
    Due,
    At(Box<Scan>),
    Done,
}

impl Resealing {
    pub(super) fn new(is_due: bool) -> Self {
        if is_due { Self::Due } else { Self::Done }
    }
}

impl RedisUsers {
    /// The next step; whether there is more.
    pub(super) async fn reseal(&self) -> Result<bool, Trouble> {
        let mut resealing = self.resealing.lock().await;
        let mut scan = match std::mem::replace(&mut *resealing, Resealing::Due) {
            Resealing::Done => {
                *resealing = Resealing::Done;
                return Ok(false);
            }
            Resealing::Due => Box::new(self.begin().await?),
            Resealing::At(scan) => scan,
        };
        // Where a step fails, all begins anew: a cursor means nothing to another server.
        let Some(keys) = scan.next().await? else {
            *resealing = Resealing::Done;
            tracing::info!("what is kept of users in Redis is sealed under the present master key");
            return Ok(false);
        };
        let keys = keys.iter().filter_map(|key| self.keys.user_of(key));
        self.reseal_some(keys.collect()).await?;
        *resealing = Resealing::At(scan);
        Ok(true)
    }

    async fn reseal_some(&self, keys: Vec<Key>) -> Result<(), Trouble> {
        let get = |key: &Key| {
            let mut get = redis::cmd("GET");
            get.arg(&key.text);
            get
        };
        for (key, value) in self.ask_each(keys, get).await? {
            self.reseal_one(&key, value).await?;
        }
        Ok(())
    }

    async fn reseal_one(&self, key: &Key, value: Vec<u8>) -> Result<(), Trouble> {
        let Some(sealed) = unpacked(key, &value) else {
            return Ok(());
        };
        if !self.seal.is_under_previous(&sealed.bytes) {
            return Ok(());
        }
        let Ok(user) = self.seal.open(&sealed) else {
            return Ok(()); // whoever asks for it is told
        };
        let anew = self
            .seal
            .seal(
                &user.app,
                &user.openid,
                &user.record,
                user.until,
                sealed.version,
            )
            .map_err(|_| Trouble::NoRandom)?;
        let to = self.keys.user(&user.app, &user.openid, anew.name);
        let names = vec![key.text.clone(), to.text];
        let arguments = vec![value, packed(&anew), ends(user.until)];
        let moved = REPLACE.on(names, arguments).run(&self.link).await?;
        if moved == Value::Int(1) {
            self.link.written();
        }
        Ok(())
    }
}
