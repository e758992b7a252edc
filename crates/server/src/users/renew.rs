//! Renews web tokens: one call to WeChat for all who need the same one, in this process and, as a rule, on all replicas.
//!
//! A second call would do no harm (a refresh token is not used up), so what keeps replicas apart is a note, and no lease.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Wall, millis};
use wxtoken_core::user::{AskAgain, AskAgainReason, Grant, Held, OnceKey, OpenId, UserRecord};

use super::{Happening, UserError, Users};
use crate::wechat::users::{Failed, Renewed};

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
            let done = this.renew_once(&key.0, &key.1, seen).await;
            this.flights.under_way().remove(&key);
            done
        });
        let flight = async move { task.await.unwrap_or(Err(UserError::Away)) };
        flight.boxed().shared()
    }

    async fn renew_once(&self, app: &AppId, openid: &OpenId, seen: u64) -> Result<Held, UserError> {
        let held = self.read(app, openid).await?.ok_or(UserError::NoGrant)?;
        if held.version != seen {
            return Ok(held);
        }
        let note = note(app, openid, seen);
        let until = self.wall().plus(NOTE);
        if !self.parts.store.put_once(note, &[], until).await? {
            return self.wait_for_another(app, openid, seen).await;
        }
        let done = self.renew_now(app, held).await;
        if matches!(&done, Err(trouble) if trouble.may_pass()) {
            // Whoever comes next need not wait for nothing.
            let _ = self.parts.store.take_once(note).await;
        }
        done
    }

    async fn renew_now(&self, app: &AppId, held: Held) -> Result<Held, UserError> {
        let Some(grant) = held.record.grant.clone() else {
            return Err(UserError::NoGrant);
        };
        let sent = self.wall();
        match self.parts.api.renew(app, &grant.refresh_token).await {
            Ok(new) => self.keep(app, held, &grant, &new, sent).await,
            Err(Failed::Errcode(code)) => match AskAgainReason::of_errcode(code) {
                Some(reason) => Err(self.refused(app, &held, &grant, reason).await?),
                None => Err(Failed::Errcode(code).into()),
            },
            Err(failed) => Err(failed.into()),
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

    /// WeChat said that a grant is over: that is kept, and is the answer.
    pub(super) async fn refused(
        &self,
        app: &AppId,
        held: &Held,
        used: &Grant,
        reason: AskAgainReason,
    ) -> Result<UserError, UserError> {
        let since = self.wall();
        let over = AskAgain { reason, since };
        (self.parts.tell)(app, Happening::Refused);
        tracing::info!(app.id = %app, reason = reason.name(), "a user's grant is over; the user has to be asked again");
        let change = |record: Option<&UserRecord>| {
            let mut record = same_grant(record, used)?;
            record.grant.as_mut()?.refused = Some(over);
            Some(record)
        };
        self.change(app, &used.openid, Some(held.clone()), change)
            .await?;
        Ok(UserError::AskUserAgain(over))
    }

    async fn wait_for_another(
        &self,
        app: &AppId,
        openid: &OpenId,
        seen: u64,
    ) -> Result<Held, UserError> {
        let clock = &self.parts.clock;
        let end = clock.now().boot.plus(LOOKS_FOR);
        while clock.now().boot < end {
            clock.sleep_until(clock.now().boot.plus(LOOKS_EVERY)).await;
            let held = self.read(app, openid).await?.ok_or(UserError::NoGrant)?;
            if held.version != seen {
                return Ok(held);
            }
        }
        Err(UserError::Away)
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
