//! A store that forgets with the process: for tests, and for running without a disk.
//!
//! Must not know: sealing, files. Same contract as every other store, durability aside.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::store::{Fence, Lease, Loaded, Record, RecordStore, StoreError};

use super::precedence::{NO_FENCE, is_stale, with_note};
use super::sealed::Label;

/// Records in a map.
#[derive(Debug)]
pub struct MemoryStore {
    held: Arc<Mutex<Held>>,
    fence: Fence,
}

#[derive(Debug, Default)]
struct Held {
    rows: HashMap<AppId, Row>,
    openings: u64,
}

#[derive(Debug)]
struct Row {
    label: Label,
    record: Record,
    /// A late mint that no writer has been shown yet.
    unseen: Option<Wall>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::opened(Arc::default())
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same records, opened again as after a restart: under a newer fence, before which this one's writes are stale.
    #[must_use]
    pub fn reopened(&self) -> Self {
        Self::opened(Arc::clone(&self.held))
    }

    fn opened(held: Arc<Mutex<Held>>) -> Self {
        let number = {
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            held.openings += 1;
            held.openings
        };
        Self {
            held,
            fence: Fence { epoch: 1, number },
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    /// The record as a writer sees it; from here on it knows of the note.
    fn shown(&mut self) -> Box<Record> {
        self.unseen = None;
        Box::new(self.record.clone())
    }
}

#[async_trait]
impl RecordStore for MemoryStore {
    async fn load_all(&self, each: &mut (dyn FnMut(Loaded) + Send)) -> Result<(), StoreError> {
        let apps: Vec<AppId> = self.held().rows.keys().copied().collect();
        for app in apps {
            let record = self.held().rows.get_mut(&app).map(Row::shown);
            if let Some(record) = record {
                each(Loaded::Record(app, record));
            }
        }
        Ok(())
    }

    async fn lease(&self, app: &AppId, _holds_for: Duration) -> Result<Lease, StoreError> {
        let mut held = self.held();
        let record = held.rows.get_mut(app).map(Row::shown);
        Ok(Lease::Won {
            fence: self.fence,
            holds_for: Duration::MAX,
            record,
            begins_epoch: false,
        })
    }

    async fn write(&self, app: &AppId, record: &Record, fence: Fence) -> Result<(), StoreError> {
        let label = Label::of(*app, record, fence);
        let mut held = self.held();
        let newest = held.openings;
        let row = held.rows.get_mut(app);
        if fence.number < newest || row.as_ref().is_some_and(|row| is_stale(&row.label, &label)) {
            return Err(StoreError::Stale(row.map(Row::shown)));
        }
        let unseen = row.and_then(|row| row.unseen);
        let record = with_note(record, unseen);
        let row = Row {
            label,
            record,
            unseen,
        };
        held.rows.insert(*app, row);
        Ok(())
    }

    async fn release(&self, _app: &AppId, _fence: Fence) {}

    async fn note_late_mint(&self, app: &AppId, sent: Wall) -> Result<(), StoreError> {
        let mut held = self.held();
        let row = held.rows.entry(*app).or_insert_with(|| Row {
            label: Label::of(*app, &Record::default(), NO_FENCE),
            record: Record::default(),
            unseen: None,
        });
        row.record.late_mint = row.record.late_mint.max(Some(sent));
        row.unseen = row.unseen.max(Some(sent));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract::{self, Subject};
    use super::*;

    #[async_trait]
    impl Subject for MemoryStore {
        fn store(&self) -> &dyn RecordStore {
            self
        }
        async fn reopened(self: Box<Self>) -> Box<dyn Subject> {
            Box::new(MemoryStore::reopened(&self))
        }
        async fn damage(&mut self, _app: &AppId) -> bool {
            false
        }
    }

    #[tokio::test]
    async fn the_memory_store_keeps_the_contract() {
        contract::check(async || Box::new(MemoryStore::new()) as Box<dyn Subject>).await;
    }
}
