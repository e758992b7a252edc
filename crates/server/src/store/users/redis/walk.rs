//! Everybody, a step of a scan at a time.
//!
//! Must not know: who takes them.

use std::collections::HashSet;

use async_trait::async_trait;
use redis::{Cmd, Value};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::store::StoreError;
use wxtoken_core::user::OpenId;

use super::super::everyone::{Everyone, Met};
use super::super::seal::Name;
use super::names::Key;
use super::{RedisUsers, unpacked};
use crate::redis::{Scan, Trouble, bytes};

/// Keys looked at in one step.
const STEP: u32 = 1000;

impl RedisUsers {
    pub(super) async fn begin(&self) -> Result<Scan, Trouble> {
        let live = self.link.live().await?;
        let pattern = Some(self.keys.every_user());
        Scan::begin(live.connection, &live.at, STEP, pattern).await
    }

    /// Asks the same of each key, in one trip; what ended meanwhile, or is no text, is left out.
    pub(super) async fn ask_each(
        &self,
        keys: Vec<Key>,
        ask: impl Fn(&Key) -> Cmd,
    ) -> Result<Vec<(Key, Vec<u8>)>, Trouble> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let groups: Vec<Vec<Cmd>> = keys.iter().map(|key| vec![ask(key)]).collect();
        let answers = self.link.ask_together(&groups).await?;
        let mut found = Vec::with_capacity(keys.len());
        for (key, answer) in keys.into_iter().zip(answers) {
            let value: Option<Value> = answer?.into_iter().next();
            if let Some(value) = value.and_then(bytes) {
                found.push((key, value));
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl Everyone for RedisUsers {
    async fn each(&self, each: &mut (dyn FnMut(Met) -> bool + Send)) -> Result<(), StoreError> {
        let mut scan = self.begin().await?;
        // A key may be met more than once.
        let mut seen: HashSet<Name> = HashSet::new();
        while let Some(keys) = scan.next().await? {
            let keys = keys.iter().filter_map(|key| self.keys.user_of(key));
            let keys = keys.filter(|key| seen.insert(key.name)).collect();
            let get = |key: &Key| {
                let mut get = redis::cmd("GET");
                get.arg(&key.text);
                get
            };
            for (key, value) in self.ask_each(keys, get).await? {
                let sealed = unpacked(&key, &value);
                let opened = sealed.and_then(|sealed| self.seal.open(&sealed).ok());
                let met = opened.map_or(Met::Damaged, |user| Met::User(Box::new(user)));
                if !each(met) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
    async fn kept_until(&self, app: &AppId, openid: &OpenId) -> Result<Option<Wall>, StoreError> {
        let keys = self.keys_of(app, openid);
        let found = self.find(&keys).await?;
        let user = found.and_then(|value| self.opened(&keys, app, openid, &value));
        Ok(user.map(|(user, _)| user.until))
    }
}
