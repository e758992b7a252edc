//! Filling a Redis that has forgotten from memory: offers, taken while an epoch is young (`docs/decisions/0015`).
//!
//! Must not know: who listens, when it is to be done.

use std::time::Duration;

use wxtoken_core::app::AppId;
use wxtoken_core::merge::merged;
use wxtoken_core::store::Record;

use super::super::sealed::Label;
use super::row::{Body, Row, padded};
use super::rows::{Opened, Rows};
use super::scripts::{OFFER, Said, Word};
use crate::redis::Trouble;

/// How often an offer is merged anew with what others offered meanwhile.
const OFFERS: usize = 16;

impl Rows {
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
            if self.memory.is_gone(app) {
                break;
            }
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
                | Word::Stale
                | Word::Void => break,
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
            self.refilled.one_more();
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
