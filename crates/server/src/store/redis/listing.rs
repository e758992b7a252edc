//! The list of apps that have a record, kept in a key of its own: a start goes by it, and not through all keys, of which users
//! may be millions.
//!
//! It says of itself whether it was ever whole. In a cluster it lies apart from the records and is written after them, so a start
//! also asks for every app it expects. Must not know: what a record says.

use std::collections::HashSet;

use redis::Value;
use wxtoken_core::app::AppId;

use super::rows::Rows;
use super::scripts::LIST;
use crate::redis::{Scan, Trouble, bytes};

/// Keys looked at in one step of a scan.
const STEP: u32 = 1000;
/// Apps written at a time.
const PORTION: usize = 500;
/// Stands in the list once a walk has seen all records, and is no app's id.
const WHOLE: &[u8] = b"*";

impl Rows {
    /// Every app that has a record. The list is made where there is none; while master keys are changed, every record is looked for.
    pub(super) async fn every_app(&self) -> Result<HashSet<AppId>, Trouble> {
        let listed = if self.sealer.keys().previous.is_none() {
            self.listed().await?
        } else {
            None
        };
        let mut apps = match listed {
            Some(apps) => apps,
            None => {
                let apps = self.walk_through().await?;
                // What keeps the list from being written is noted there, and costs the next start a walk.
                let _ = self.list_all(&apps).await;
                apps
            }
        };
        apps.extend(self.memory.expected());
        Ok(apps)
    }

    /// The list, if it is whole.
    async fn listed(&self) -> Result<Option<HashSet<AppId>>, Trouble> {
        let mut read = redis::cmd("HGETALL");
        read.arg(self.names.list());
        let names: Vec<Value> = match self.link.ask(&read).await {
            Ok(Value::Map(pairs)) => pairs.into_iter().map(|(name, _)| name).collect(),
            Ok(Value::Array(parts)) => parts.into_iter().step_by(2).collect(),
            // A key of another type, perhaps.
            Ok(_) | Err(Trouble::Other(_)) => return Ok(None),
            Err(trouble) => return Err(trouble),
        };
        let (mut apps, mut is_whole) = (HashSet::with_capacity(names.len()), false);
        for name in names.into_iter().filter_map(bytes) {
            is_whole |= name == WHOLE;
            let app = std::str::from_utf8(&name).ok();
            apps.extend(app.and_then(|app| app.parse::<AppId>().ok()));
        }
        Ok(is_whole.then_some(apps))
    }

    /// Adds what is known to have a record and was not added yet.
    pub(super) async fn list_known(&self, apps: &[AppId]) -> Result<(), Trouble> {
        let new = self.memory.unlisted(apps);
        if new.is_empty() {
            return Ok(());
        }
        let names = new.iter().map(|app| app.as_str().as_bytes().to_vec());
        self.list(names.collect()).await?;
        self.memory.set_listed(&new, true);
        Ok(())
    }

    async fn list_all(&self, apps: &HashSet<AppId>) -> Result<(), Trouble> {
        let names = apps.iter().map(|app| app.as_str().as_bytes().to_vec());
        let names: Vec<Vec<u8>> = names.collect();
        for portion in names.chunks(PORTION) {
            self.list(portion.to_vec()).await?;
        }
        self.list(vec![WHOLE.to_vec()]).await
    }

    async fn list(&self, names: Vec<Vec<u8>>) -> Result<(), Trouble> {
        let call = LIST.on(vec![self.names.list()], names);
        call.run(&self.link).await.map(drop)
    }

    /// Its record was dropped.
    pub(super) async fn unlist(&self, app: &AppId) -> Result<(), Trouble> {
        let mut drop_it = redis::cmd("HDEL");
        drop_it.arg(self.names.list()).arg(app.as_str());
        self.link.ask(&drop_it).await.map(drop)
    }

    /// A cursor means nothing to another server, so where the connection breaks the walk begins anew.
    async fn walk_through(&self) -> Result<HashSet<AppId>, Trouble> {
        match self.walk().await {
            Err(trouble) if self.link.is_gone(&trouble) => {
                // This notes what is wrong, and gives the connection up.
                let _ = self.link.ask(&redis::cmd("PING")).await;
                self.link.pause().await;
                self.walk().await
            }
            walked => walked,
        }
    }

    async fn walk(&self) -> Result<HashSet<AppId>, Trouble> {
        let live = self.link.live().await?;
        let pattern = Some(self.names.every_record());
        let mut scan = Scan::begin(live.connection, &live.at, STEP, pattern).await?;
        let mut apps = HashSet::new();
        while let Some(keys) = scan.next().await? {
            apps.extend(keys.iter().filter_map(|key| self.names.app_of(key)));
        }
        Ok(apps)
    }
}
