//! Hears what other replicas do, reads what they wrote, and tells it on: many at a time, and never more than can be held.
//!
//! Must not know: what a record says, who is told.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use tokio::sync::mpsc::UnboundedReceiver;
use wxtoken_core::app::AppId;
use wxtoken_core::store::Record;

use super::super::redis::Change;
use super::super::serving::{Ears, News};
use super::ReplicaStore;

/// Changes that are dealt with together.
const TOGETHER: usize = 256;

impl ReplicaStore {
    /// Until nothing more can come.
    pub(super) async fn tell(&self, mut changes: UnboundedReceiver<Change>, ears: &Ears) {
        let mut some = Vec::with_capacity(TOGETHER);
        while changes.recv_many(&mut some, TOGETHER).await > 0 {
            let mut changed = BTreeMap::new();
            let (mut learned, mut others) = (Vec::new(), Vec::new());
            for change in some.drain(..) {
                match change {
                    Change::Changed { app, version } => {
                        let newest = changed.entry(app).or_insert(version);
                        *newest = version.max(*newest);
                    }
                    Change::Learned { app, record } => learned.push((app, record)),
                    Change::Freed { app } => others.push(News::Freed(app)),
                    Change::Lost { app, fence } => others.push(News::Lost(app, fence)),
                    Change::Revoked { caller, epoch } => {
                        others.push(News::Revoked(caller, epoch));
                    }
                }
            }
            // Who hears that a lease is free must know before what was done under it.
            for (app, record) in learned {
                self.learned(app, record, ears);
            }
            self.tell_changed(changed, ears).await;
            for news in others {
                self.tell_other(news, ears);
            }
        }
    }

    async fn tell_changed(&self, changed: BTreeMap<AppId, u64>, ears: &Ears) {
        let is_news =
            |(app, version): &(AppId, u64)| (ears.wants)(app) && self.redis.version(app) < *version;
        let apps: Vec<AppId> = changed
            .into_iter()
            .filter(is_news)
            .map(|(app, _)| app)
            .collect();
        let read = join_all(apps.iter().map(|app| self.redis.read(app))).await;
        for (app, read) in apps.into_iter().zip(read) {
            match read {
                Ok(Some(record)) => self.learned(app, record, ears),
                Ok(None) => {}
                // It is still unread, so the next comparison finds it.
                Err(error) => {
                    tracing::debug!(app.id = %app, "what changed of {app} could not be read yet: {error}");
                }
            }
        }
    }

    fn learned(&self, app: AppId, record: Box<Record>, ears: &Ears) {
        if (ears.wants)(&app) {
            self.snapshot.put(&app, record.as_ref().clone());
            (ears.hear)(News::Learned(app, record));
        }
    }

    fn tell_other(&self, news: News, ears: &Ears) {
        match &news {
            News::Learned(app, _) | News::Freed(app) | News::Lost(app, _) => {
                if !(ears.wants)(app) {
                    return;
                }
            }
            News::Revoked(caller, epoch) => self.snapshot.put_revoked(*caller, *epoch),
        }
        (ears.hear)(news);
    }
}
