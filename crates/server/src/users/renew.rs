//! Renews web tokens: one call to WeChat for all who need the same one, in this process and, as a rule, on all replicas.
//!
//! A second call would do no harm (a refresh token is not used up), so what keeps replicas apart is a note, and no lease.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Wall, millis};
use wxtoken_core::user::{AskAgain, AskAgainReason, Grant, Held, OnceKey, OpenId, UserRecord};

use super::{Happening, UserError, Users};
use crate::wechat::users::Renewed;

/// How long a replica that died while it renewed keeps the others from it, in milliseconds. No call takes longer.
const NOTE: u64 = 15_000;
/// How often whoever waits for another replica looks, and for how long, in milliseconds.
const LOOKS_EVERY: u64 = 100;
const LOOKS_FOR: u64 = 12_000;

type Flight = Shared<BoxFuture<'static, Result<Held, UserError>>>;

/// The renewals under way.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<(AppId, OpenId), Flight>>);

impl Flights {
    fn under_way(&self) -> MutexGuard<'_, HashMap<(AppId, OpenId), Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Users {
    /// The record of a user whose web token was no longer good in version `seen`: as another has left it, or renewed.
    pub(super) async fn renewed(
        self: &Arc<Self>,
        app: &AppId,
        openid: &OpenId,
        seen: u64,
    ) -> Result<Held, UserError> {
        let flight = {
            let key = (*app, openid.clone());
            let mut under_way = self.flights.under_way();
            let start = || self.start(key.clone(), seen);
            under_way.entry(key.clone()).or_insert_with(start).clone()
        };
        flight.await
    }

    /// It goes on though nobody waits for it any more: its answer may be the only one that WeChat gives.
    fn start(self: &Arc<Self>, key: (AppId, OpenId), seen: u64) -> Flight {
        let this = Arc::clone(self);
        let task = tokio::spawn(async move {
            let renewing = AssertUnwindSafe(this.renew_once(&key.0, &key.1, seen));
            let done = renewing.catch_unwind().await;
            this.flights.under_way().remove(&key); // after a panic too, or nobody would ever try again
            done.unwrap_or(Err(UserError::Away))
        });
        let flight = async move { task.await.unwrap_or(Err(UserError::Away)) };
        flight.boxed().shared()
    }

    async fn renew_once(&self, app: &AppId, openid: &OpenId, seen: u64) -> Result<Held, UserError> {
        let (clock, store) = (&self.parts.clock, &self.parts.store);
        let note = note(app, openid, seen);
        let end = clock.now().boot.plus(LOOKS_FOR);
        loop {
            let is_ours = store.put_once(note, &[], self.wall().plus(NOTE)).await?;
            if is_ours {
                // To its end, though the server stops meanwhile.
                let renewing = self.renew_if_still(app, openid, seen);
                let done = self.under_way.track_future(renewing).await;
                // Whoever comes next need not wait for nothing.
                let _ = store.take_once(note).await;
                return done;
            }
            if let Some(held) = self.if_changed(app, openid, seen).await? {
                return Ok(held);
            }
            let now = clock.now().boot;
            if now >= end {
                return Err(UserError::Away);
            }
            clock.sleep_until(now.plus(LOOKS_EVERY)).await;
        }
    }

    /// The record, if it is no longer what was seen.
    async fn if_changed(
        &self,
        app: &AppId,
        openid: &OpenId,
        seen: u64,
    ) -> Result<Option<Held>, UserError> {
        let held = self.read(app, openid).await?.ok_or(UserError::NoGrant)?;
        Ok((held.version != seen).then_some(held))
    }

    async fn renew_if_still(
        &self,
        app: &AppId,
        openid: &OpenId,
        seen: u64,
    ) -> Result<Held, UserError> {
        let held = self.read(app, openid).await?.ok_or(UserError::NoGrant)?;
        if held.version == seen {
            self.renew_now(app, held).await
        } else {
            Ok(held)
        }
    }

    async fn renew_now(&self, app: &AppId, held: Held) -> Result<Held, UserError> {
        let Some(grant) = held.record.grant.clone() else {
            return Err(UserError::NoGrant);
        };
        let sent = self.wall();
        match self.parts.api.renew(app, &grant.refresh_token).await {
            Ok(new) => self.keep(app, held, &grant, &new, sent).await,
            Err(failed) => match failed.ask_again() {
                Some(reason) => self.refused(app, held, &grant, reason).await,
                None => Err(failed.into()),
            },
        }
    }

    /// Keeps what WeChat gave. If the store cannot, it is used all the same: the one before it may be over.
    async fn keep(
        &self,
        app: &AppId,
        held: Held,
        used: &Grant,
        new: &Renewed,
        sent: Wall,
    ) -> Result<Held, UserError> {
        (self.parts.tell)(app, Happening::Renewed);
        let change = |record: Option<&UserRecord>| {
            let mut record = same_grant(record, used)?;
            record.grant = record.grant.map(|grant| extended(grant, new, sent));
            Some(record)
        };
        let seen = Some(held.clone());
        match self.change(app, &used.openid, seen, change).await {
            Ok(kept) => kept.ok_or(UserError::NoGrant),
            Err(error) => {
                tracing::warn!(app.id = %app, "a renewed web token could not be kept: {error}");
                let record = change(Some(&held.record)).unwrap_or(held.record);
                Ok(Held { record, ..held })
            }
        }
    }

    /// WeChat said that a grant is over: that is kept, and is the answer; unless there is a newer one by now, which is given.
    pub(super) async fn refused(
        &self,
        app: &AppId,
        held: Held,
        used: &Grant,
        reason: AskAgainReason,
    ) -> Result<Held, UserError> {
        let since = self.wall();
        let over = AskAgain { reason, since };
        let change = |record: Option<&UserRecord>| {
            let mut record = same_grant(record, used)?;
            record.grant.as_mut()?.refused = Some(over);
            Some(record)
        };
        let kept = self.change(app, &used.openid, Some(held), change).await?;
        let kept = kept.ok_or(UserError::NoGrant)?;
        if kept.record.grant.is_some() && same_grant(Some(&kept.record), used).is_none() {
            return Ok(kept);
        }
        (self.parts.tell)(app, Happening::Refused);
        tracing::info!(app.id = %app, reason = reason.name(), "a user's grant is over; the user has to be asked again");
        Err(UserError::AskUserAgain(over))
    }
}

/// The record to change, if its grant is still the one that was used; a newer consent is left as it is.
fn same_grant(record: Option<&UserRecord>, used: &Grant) -> Option<UserRecord> {
    let grant = record?.grant.as_ref()?;
    (grant.refresh_token == used.refresh_token).then(|| record.cloned())?
}

fn extended(grant: Grant, new: &Renewed, sent: Wall) -> Grant {
    Grant {
        web_token: new.web_token.clone(),
        web_expires: sent.plus(millis(new.expires_in)),
        refresh_token: new.refresh_token.clone().unwrap_or(grant.refresh_token),
        ..grant
    }
}

fn note(app: &AppId, openid: &OpenId, version: u64) -> OnceKey {
    let text = format!("renew {app} {} {version}", openid.as_str());
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let mut key = [0; 32];
    key.copy_from_slice(digest.as_ref());
    OnceKey(key)
}
