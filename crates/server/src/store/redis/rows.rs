//! Rows and what they mean: reading, opening and setting aside, and filling a Redis that has forgotten from memory.
//!
//! Must not know: leases that are held, who listens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::Value;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Wall, millis};
use wxtoken_core::merge::merged;
use wxtoken_core::store::Record;

use super::super::rekey::rekeyed;
use super::super::sealed::{Label, SealError, Sealer};
use super::super::wire::WireError;
use super::memory::Memory;
use super::revoked::Revoked;
use super::row::{Body, FIELDS, Names, Row, padded};
use super::scripts::{ASIDE, Call, FORGET, LEASE, Lua, OFFER, Said, Word};
use crate::redis::{Link, Trouble};

/// How long a damaged body is kept for a person to look at.
const DAMAGED_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// A removed app's record is kept this long (design section 7).
const FORGOTTEN_KEPT: Duration = Duration::from_secs(24 * 3600);
/// How often an offer is merged anew with what others offered meanwhile.
const OFFERS: usize = 16;

/// Everything that is needed to work on rows.
pub(super) struct Rows {
    pub(super) names: Names,
    pub(super) sealer: Arc<Sealer>,
    pub(super) link: Link,
    pub(super) memory: Memory,
    /// How long replicas may offer what they hold, once an epoch has begun.
    pub(super) offers: Duration,
    /// Whose virtual tokens are over, as far as is known here.
    pub(super) revoked: Revoked,
    /// Records that were put into a Redis that lacked them, since that was last told.
    pub(super) refilled: AtomicUsize,
    /// How long a lease lives in Redis at most.
    pub(super) lives: Duration,
}

/// A row's body, opened.
pub(super) enum Opened {
    Nothing,
    Record(Box<Record>),
    Damaged(String),
}

impl Rows {
    /// A script on the keys of an app; its first arguments are the app and the channel.
    pub(super) fn call(
        &self,
        script: &'static Lua,
        app: &AppId,
        keys: Vec<String>,
        arguments: Vec<Vec<u8>>,
    ) -> Call {
        let mut all = vec![
            app.as_str().as_bytes().to_vec(),
            self.names.channel().into_bytes(),
        ];
        all.extend(arguments);
        script.on(keys, all)
    }

    pub(super) async fn said(&self, app: &AppId, call: &Call) -> Result<Said, Trouble> {
        let answer = call.run(&self.link).await?;
        Said::read(*app, answer).ok_or_else(strange)
    }

    /// Asks for the lease; for no time at all only looks, and begins an epoch where one is due.
    pub(super) async fn ask_for_lease(
        &self,
        app: &AppId,
        holder: &str,
        lives: Duration,
    ) -> Result<Said, Trouble> {
        let keys = vec![self.names.record(app), self.names.lease(app)];
        let arguments = vec![
            holder.as_bytes().to_vec(),
            millis(lives).to_string().into_bytes(),
            padded(self.memory.newest(app)).into_bytes(),
            millis(self.offers).to_string().into_bytes(),
            millis(self.lives).to_string().into_bytes(),
        ];
        self.said(app, &self.call(&LEASE, app, keys, arguments))
            .await
    }

    pub(super) async fn fetch(&self, app: &AppId) -> Result<Row, Trouble> {
        let mut read = redis::cmd("HMGET");
        read.arg(self.names.record(app)).arg(&FIELDS);
        let answer: Value = self.link.ask(&read).await?;
        Row::read(*app, answer).ok_or_else(strange)
    }

    /// The record a row holds, with a late mint that was noted beside it, and with what is kept here and lacks there.
    pub(super) fn take(&self, app: &AppId, row: &Row) -> Result<Opened, Trouble> {
        let mut record = match self.open(app, &row.body)? {
            Opened::Damaged(reason) => return Ok(Opened::Damaged(reason)),
            Opened::Record(record) => Some(record),
            Opened::Nothing => None,
        };
        if let Some((label, sealed)) = self.memory.met(app, row)
            && let Opened::Record(kept) = self.open(app, &Body::Sealed(label, sealed.to_vec()))?
        {
            record = Some(match record {
                Some(held) => Box::new(merged(&held, &kept)),
                None => kept,
            });
        }
        Ok(with_late(record, row.late))
    }

    /// Opens a body as it is.
    pub(super) fn open(&self, app: &AppId, body: &Body) -> Result<Opened, Trouble> {
        let (label, sealed) = match body {
            Body::None => return Ok(Opened::Nothing),
            Body::Odd => return Ok(Opened::Damaged("its fields are damaged".to_owned())),
            Body::Sealed(label, sealed) => (label, sealed),
        };
        match self.sealer.open_record(label, sealed) {
            Ok(record) if self.sealer.is_under_previous(sealed) => {
                let hasher = self.sealer.keys().current.value_hasher();
                Ok(Opened::Record(Box::new(rekeyed(record, &hasher))))
            }
            Ok(record) => Ok(Opened::Record(Box::new(record))),
            // It is whole, and somebody can read it: another replica, ahead of us in changing keys or versions.
            Err(SealError::OtherKey) => Err(Trouble::WrongKey),
            Err(SealError::Content(WireError::Newer(format))) => Err(Trouble::Newer(format.into())),
            Err(error) => {
                tracing::warn!(app.id = %app, "the record of {app} in Redis is damaged: {error}");
                Ok(Opened::Damaged(error.to_string()))
            }
        }
    }

    pub(super) fn seal(&self, label: &Label, record: &Record) -> Result<Vec<u8>, Trouble> {
        self.sealer
            .seal_record(label, record)
            .map_err(|_| Trouble::NoRandom)
    }

    /// An app is configured no more; see the script.
    pub(super) async fn forget(&self, app: &AppId) -> Result<(), Trouble> {
        self.memory.drop(app);
        let names = &self.names;
        let keys = vec![names.record(app), names.lease(app), names.damaged(app)];
        let kept = millis(FORGOTTEN_KEPT).to_string().into_bytes();
        let call = self.call(&FORGET, app, keys, vec![kept]);
        call.run(&self.link).await.map(drop)
    }

    /// It is configured again.
    pub(super) async fn remember(&self, app: &AppId) -> Result<(), Trouble> {
        let mut unmark = redis::cmd("HDEL");
        unmark.arg(self.names.record(app)).arg("gone");
        self.link.ask(&unmark).await.map(drop)
    }

    /// Moves a body that cannot be opened out of the way.
    pub(super) async fn set_aside(&self, app: &AppId, row: &Row) -> Result<(), Trouble> {
        let keys = vec![self.names.record(app), self.names.damaged(app)];
        let kept = millis(DAMAGED_KEPT).to_string().into_bytes();
        let arguments = vec![row.raw_version.clone(), kept];
        let call = self.call(&ASIDE, app, keys, arguments);
        call.run(&self.link).await.map(drop)
    }

    /// Gives Redis what it lacks: what is kept in memory, or `mine`. Only while an epoch begins; otherwise a write must do.
    /// The row's record afterwards.
    pub(super) async fn refill(
        &self,
        app: &AppId,
        mine: Option<&Record>,
    ) -> Result<Option<Box<Record>>, Trouble> {
        let kept = match (mine, self.memory.kept(app)) {
            (Some(mine), _) => Some(mine.clone()),
            (None, Some((label, sealed))) => {
                match self.open(app, &Body::Sealed(label, sealed.to_vec()))? {
                    Opened::Record(record) => Some(*record),
                    Opened::Nothing | Opened::Damaged(_) => None,
                }
            }
            (None, None) => None,
        };
        let mut said = self.ask_for_lease(app, "", Duration::ZERO).await?;
        // Until somebody is given the lease.
        let Some(kept) = kept.filter(|_| said.row.fence.number == 0) else {
            return self.shown(app, &said.row);
        };
        for _ in 0..OFFERS {
            let held = match self.open(app, &said.row.body)? {
                Opened::Record(held) => Some(*held),
                Opened::Nothing | Opened::Damaged(_) => None,
            };
            let both = held
                .as_ref()
                .map_or_else(|| kept.clone(), |held| merged(held, &kept));
            if held.as_ref() == Some(&both) {
                break;
            }
            said = self.offer(app, &both, &said.row).await?;
            match said.word {
                Word::Done => return Ok(Some(Box::new(both))),
                Word::Again => {}
                Word::Closed
                | Word::Won
                | Word::Taken
                | Word::Offers
                | Word::Look
                | Word::Stale => break,
            }
        }
        self.shown(app, &said.row)
    }

    async fn offer(&self, app: &AppId, record: &Record, over: &Row) -> Result<Said, Trouble> {
        let label = Label::of(*app, record, over.fence);
        let mut arguments = vec![
            padded(over.fence.epoch).into_bytes(),
            over.raw_version.clone(),
        ];
        arguments.extend(label.generations.map(|g| padded(g).into_bytes()));
        let sealed = self.seal(&label, record)?;
        arguments.push(sealed.clone());
        let keys = vec![self.names.record(app)];
        let said = self
            .said(app, &self.call(&OFFER, app, keys, arguments))
            .await?;
        if said.word == Word::Done {
            self.memory.wrote(label, sealed, said.number);
            self.refilled.fetch_add(1, Ordering::Relaxed);
        }
        Ok(said)
    }

    fn shown(&self, app: &AppId, row: &Row) -> Result<Option<Box<Record>>, Trouble> {
        Ok(match self.take(app, row)? {
            Opened::Record(record) => Some(record),
            Opened::Nothing | Opened::Damaged(_) => None,
        })
    }
}

fn with_late(record: Option<Box<Record>>, late: Option<Wall>) -> Opened {
    match (record, late) {
        (None, None) => Opened::Nothing,
        (record, late) => {
            let mut record = record.unwrap_or_default();
            record.late_mint = record.late_mint.max(late);
            Opened::Record(record)
        }
    }
}

/// Something other than the scripts answers.
pub(super) fn strange() -> Trouble {
    Trouble::Other("something else than asked for".to_owned())
}
