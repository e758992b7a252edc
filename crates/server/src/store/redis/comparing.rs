//! Looks in Redis for what was missed: messages get lost, and so do records.
//!
//! Must not know: what a record says, who wants to hear.

use futures_util::future::join_all;
use redis::Value;
use wxtoken_core::app::AppId;

use super::changes::{Listener, hear_revoked, refill};
use super::row::counted;
use super::rows::strange;
use crate::redis::{Trouble, bytes};

/// How many apps are compared at a time.
const PORTION: usize = 500;

impl Listener {
    /// Looks for everything that may have been missed; and whether Redis takes what is written, before that is needed. What one
    /// question comes to keeps nothing else from being looked for, unless nothing more can be asked.
    pub(super) async fn compare_all(&self) -> Result<(), Trouble> {
        self.unless_gone(self.rows.link.look_again().await)?;
        let revoked = hear_revoked(&self.rows, &self.changes, self.clock.now().wall).await;
        self.unless_gone(revoked)?;
        let compared = self.compare().await;
        self.tell_refilled();
        compared?;
        // What this finds is noted there, and read on.
        let _ = self.rows.prove().await;
        Ok(())
    }

    fn unless_gone(&self, done: Result<(), Trouble>) -> Result<(), Trouble> {
        match done {
            Err(trouble) if !self.rows.link.is_gone(&trouble) => {
                tracing::debug!("something could not be compared: {trouble}");
                Ok(())
            }
            done => done,
        }
    }

    fn tell_refilled(&self) {
        let apps = self.rows.refilled.untold();
        if apps > 0 {
            tracing::warn!(
                apps,
                "Redis had lost records, or begun a new life; those of {apps} apps were put back from memory"
            );
        }
    }

    /// Compares the versions of all apps that are known here with those in Redis.
    async fn compare(&self) -> Result<(), Trouble> {
        for portion in self.rows.memory.apps().chunks(PORTION) {
            let compared = join_all(portion.iter().map(|app| self.compare_one(app))).await;
            for one in compared {
                self.unless_gone(one)?;
            }
        }
        Ok(())
    }

    async fn compare_one(&self, app: &AppId) -> Result<(), Trouble> {
        let mut read = redis::cmd("HMGET");
        read.arg(self.rows.names.record(app)).arg(&["v", "e", "n"]);
        let Value::Array(fields) = self.rows.link.ask(&read).await? else {
            return Err(strange());
        };
        let mut numbers = fields
            .into_iter()
            .map(|field| bytes(field).as_deref().and_then(counted));
        let mut next = || numbers.next().flatten();
        let (version, epoch, granted) = (next(), next(), next());
        let (known, memory) = (self.rows.memory.version(app), &self.rows.memory);
        // It has forgotten, lost the last writes, or begun an epoch of which nobody has the record yet.
        let has_forgotten = epoch.is_none() || version.is_none_or(|version| version < known);
        let begins = granted == Some(0) && epoch.is_some_and(|epoch| epoch > memory.epoch(app));
        if (has_forgotten || begins) && memory.kept(app).is_some() {
            refill(&self.rows, &self.changes, app).await;
        } else if let Some(version) = version {
            self.changed(*app, version);
        }
        Ok(())
    }
}
