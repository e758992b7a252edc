//! The contract of [`RecordStore`], kept with scripts.
//!
//! Must not know: connections, keys' names, how a Redis that has forgotten is filled.

use std::time::Duration;

use async_trait::async_trait;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Wall, millis};
use wxtoken_core::store::{Fence, Lease, Loaded, Record, RecordStore, StoreError};

use super::super::precedence::NO_FENCE;
use super::super::sealed::Label;
use super::RedisStore;
use super::changes::Change;
use super::row::{Row, padded};
use super::rows::Opened;
use super::scripts::{NOTE, Said, WRITE, Word};
use crate::redis::Trouble;

/// Until who has stopped need ask again.
const STOPPED: Duration = Duration::from_secs(60);
/// Until an asker that found damage asks again.
pub(super) const AGAIN: Duration = Duration::from_millis(100);

#[async_trait]
impl RecordStore for RedisStore {
    async fn load_all(&self, each: &mut (dyn FnMut(Loaded) + Send)) -> Result<(), StoreError> {
        Ok(self.rows.load(each).await?)
    }

    /// For no time at all: the record alone, under a fence that writes nothing.
    async fn lease(&self, app: &AppId, holds_for: Duration) -> Result<Lease, StoreError> {
        if self.stop.is_cancelled() && !holds_for.is_zero() {
            // Nobody would keep it alive, or give it back.
            return Ok(Lease::Taken { free_in: STOPPED });
        }
        self.rows.memory.want(app);
        let asked = self.clock.now().boot;
        let lives = self.leases.lives.min(holds_for);
        let holder = &self.leases.holder;
        let said = self.rows.ask_for_lease(app, holder, lives).await?;
        let free_in = Duration::from_millis(said.number);
        match said.word {
            Word::Offers if holds_for.is_zero() => Ok(Lease::Won {
                fence: NO_FENCE,
                holds_for,
                record: self.rows.refill(app, None).await?,
                begins_epoch: false,
            }),
            Word::Offers => {
                if let Some(record) = self.rows.refill(app, None).await? {
                    self.tell(Change::Learned { app: *app, record });
                }
                Ok(Lease::Taken { free_in })
            }
            Word::Look => Ok(Lease::Won {
                fence: NO_FENCE,
                holds_for,
                record: self.shown(app, &said.row).await?,
                begins_epoch: false,
            }),
            Word::Won => {
                let until = asked.plus(millis(holds_for));
                let mut granted = self.granted(app, &said.row, holds_for, until).await;
                if let Ok(Lease::Won { begins_epoch, .. }) = &mut granted {
                    *begins_epoch = said.number > 0;
                }
                if !matches!(granted, Ok(Lease::Won { .. })) {
                    self.leases.release(&self.rows, app, said.row.fence).await;
                }
                Ok(granted?)
            }
            Word::Taken | Word::Done | Word::Stale | Word::Void | Word::Again | Word::Closed => {
                Ok(Lease::Taken { free_in })
            }
        }
    }

    async fn write(&self, app: &AppId, record: &Record, fence: Fence) -> Result<(), StoreError> {
        let label = Label::of(*app, record, fence);
        let shown = self.rows.memory.shown(app).map(|late| padded(late.0));
        let mut arguments = vec![
            padded(self.rows.memory.newest(app)).into_bytes(),
            shown.unwrap_or_default().into_bytes(),
            padded(fence.epoch).into_bytes(),
            padded(fence.number).into_bytes(),
        ];
        arguments.extend(label.generations.map(|g| padded(g).into_bytes()));
        let sealed = self.rows.seal(&label, record)?;
        arguments.push(sealed.clone());
        let keys = vec![self.rows.names.record(app)];
        let call = self.rows.call(&WRITE, app, keys, arguments);
        let said = self.rows.said(app, &call).await?;
        if said.word == Word::Done {
            self.rows.memory.wrote(label, sealed, said.number);
            return Ok(());
        }
        Err(self.refused(app, record, fence, &said).await)
    }

    async fn release(&self, app: &AppId, fence: Fence) {
        self.leases.release(&self.rows, app, fence).await;
    }

    async fn note_late_mint(&self, app: &AppId, sent: Wall) -> Result<(), StoreError> {
        let keys = vec![self.rows.names.record(app)];
        let newest = padded(self.rows.memory.newest(app)).into_bytes();
        let arguments = vec![newest, padded(sent.0).into_bytes()];
        let call = self.rows.call(&NOTE, app, keys, arguments);
        Ok(call.run(&self.rows.link).await.map(drop)?)
    }
}

impl RedisStore {
    /// A lease that Redis has given. Without the record it is of no use: anything else is given back.
    async fn granted(
        &self,
        app: &AppId,
        row: &Row,
        holds_for: Duration,
        until: Boot,
    ) -> Result<Lease, Trouble> {
        let record = match self.rows.take(app, row)? {
            Opened::Nothing => None,
            Opened::Record(record) => Some(record),
            Opened::Damaged(_) => {
                // Another replica may hold it: the next to ask begins an epoch, in which it is offered.
                self.rows.set_aside(app, row).await?;
                return Ok(Lease::Taken { free_in: AGAIN });
            }
        };
        self.rows.memory.show(app, row.late);
        self.leases.won(app, row.fence, until);
        Ok(Lease::Won {
            fence: row.fence,
            holds_for,
            record,
            begins_epoch: false, // for the script to say
        })
    }

    /// The record as a writer sees it; from here on it knows of any late mint. Damage is set aside.
    async fn shown(&self, app: &AppId, row: &Row) -> Result<Option<Box<Record>>, Trouble> {
        match self.rows.take(app, row)? {
            Opened::Nothing => Ok(None),
            Opened::Record(record) => {
                self.rows.memory.show(app, row.late);
                Ok(Some(record))
            }
            Opened::Damaged(_) => {
                self.rows.set_aside(app, row).await?;
                Ok(None)
            }
        }
    }

    /// A write that was refused. What it holds is offered where Redis has forgotten, so that nothing of it is lost.
    async fn refused(&self, app: &AppId, record: &Record, fence: Fence, said: &Said) -> StoreError {
        self.leases.forget(app, fence);
        let held = if said.word == Word::Void || said.row.fence.epoch != fence.epoch {
            self.rows.refill(app, Some(record)).await
        } else {
            self.shown(app, &said.row).await
        };
        held.map_or_else(StoreError::from, StoreError::Stale)
    }
}
