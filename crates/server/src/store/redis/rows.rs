//! Rows and what they mean: reading, opening and setting aside.
//!
//! Must not know: leases that are held, who listens.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Wall, millis};
use wxtoken_core::merge::merged;
use wxtoken_core::store::Record;

use super::super::rekey::rekeyed;
use super::super::sealed::{Label, SealError, Sealer};
use super::super::wire::WireError;
use super::memory::{Kept, Memory};
use super::refilled::Refilled;
use super::revoked::Revoked;
use super::row::{Body, FIELDS, Names, Row, padded};
use super::scripts::{ASIDE, Call, FORGET, LEASE, Lua, Said};
use crate::redis::{Link, Trouble};

/// How long a damaged body is kept for a person to look at.
const DAMAGED_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// A removed app's record is kept this long (design section 7).
const FORGOTTEN_KEPT: Duration = Duration::from_secs(24 * 3600);
/// What Redis says of a key that somebody else has put where a record belongs.
const WRONG_TYPE: &str = "WRONGTYPE";

/// Everything that is needed to work on rows.
pub(super) struct Rows {
    pub(super) names: Names,
    pub(super) sealer: Arc<Sealer>,
    pub(super) link: Arc<Link>,
    pub(super) memory: Memory,
    /// So many offer at a time: of a Redis that was emptied, every app is told at once.
    pub(super) refills: Semaphore,
    /// How long replicas may offer what they hold, once an epoch has begun.
    pub(super) offers: Duration,
    /// Whose virtual tokens are over, as far as is known here.
    pub(super) revoked: Revoked,
    /// Records that were put into a Redis that lacked them.
    pub(super) refilled: Refilled,
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
        let call = self.call(&LEASE, app, keys, arguments);
        match self.said(app, &call).await {
            // A key of another type, perhaps.
            Err(Trouble::Other(_)) => {
                self.set_aside(app, &Row::default()).await?;
                self.said(app, &call).await
            }
            said => said,
        }
    }

    pub(super) async fn fetch(&self, app: &AppId) -> Result<Row, Trouble> {
        let mut read = redis::cmd("HMGET");
        read.arg(self.names.record(app)).arg(&FIELDS);
        match self.link.ask(&read).await {
            Ok(answer) => Row::read(*app, answer).ok_or_else(strange),
            Err(Trouble::Other(code)) if code == WRONG_TYPE => Ok(Row {
                body: Body::Odd,
                ..Row::default()
            }),
            Err(trouble) => Err(trouble),
        }
    }

    /// The record a row holds, with a late mint that was noted beside it, and with what is kept here and lacks there.
    pub(super) fn take(&self, app: &AppId, row: &Row) -> Result<Opened, Trouble> {
        let mut record = match self.open(app, &row.body)? {
            Opened::Damaged(reason) => return Ok(Opened::Damaged(reason)),
            Opened::Record(record) => Some(record),
            Opened::Nothing => None,
        };
        if let Some(known) = self.memory.met(app, row)
            && let Opened::Record(kept) =
                self.open(app, &Body::Sealed(known.0, known.1.to_vec()))?
        {
            record = Some(match record {
                Some(held) => self.joined(app, &held, &kept, &known),
                None => kept,
            });
        }
        Ok(with_late(record, row.late))
    }

    /// What a row holds and what is kept that it lacks, which is what is kept from here on.
    fn joined(&self, app: &AppId, held: &Record, kept: &Record, known: &Kept) -> Box<Record> {
        let both = merged(held, kept);
        let label = Label::of(*app, &both, known.0.fence);
        if both != *kept
            && let Ok(sealed) = self.seal(&label, &both)
        {
            self.memory.join(known, label, sealed);
        }
        Box::new(both)
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
        self.memory.want(app);
        let mut unmark = redis::cmd("HDEL");
        unmark.arg(self.names.record(app)).arg("gone");
        self.link.ask(&unmark).await.map(drop)
    }

    /// Moves a body that cannot be opened out of the way.
    pub(super) async fn set_aside(&self, app: &AppId, row: &Row) -> Result<(), Trouble> {
        let names = &self.names;
        let keys = vec![names.record(app), names.damaged(app), names.lease(app)];
        let kept = millis(DAMAGED_KEPT).to_string().into_bytes();
        let arguments = vec![row.raw_version.clone(), kept];
        let call = self.call(&ASIDE, app, keys, arguments);
        call.run(&self.link).await.map(drop)
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
