//! Everybody, one portion after the other.
//!
//! Must not know: who takes them.

use std::path::Path;

use async_trait::async_trait;
use tokio::sync::mpsc;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::store::StoreError;
use wxtoken_core::user::OpenId;

use super::super::super::embedded::Trouble;
use super::super::everyone::{Everyone, Met};
use super::super::seal::Sealed;
use super::{EmbeddedUsers, open, table};
use crate::words::Sentence;

/// Records read at a time, and portions that may wait for whoever takes them.
const PORTION: i64 = 256;
const PORTIONS: usize = 4;

#[async_trait]
impl Everyone for EmbeddedUsers {
    async fn each(&self, each: &mut (dyn FnMut(Met) -> bool + Send)) -> Result<(), StoreError> {
        let (portions, mut inbox) = mpsc::channel(PORTIONS);
        let (path, now) = (self.path.clone(), self.clock.now().wall);
        let reading = tokio::task::spawn_blocking(move || {
            walk(&path, &mut |portion| {
                portions.blocking_send(portion).is_ok()
            })
        });
        'all: while let Some(portion) = inbox.recv().await {
            for sealed in portion {
                let met = match self.seal.open(&sealed) {
                    Ok(user) if user.until <= now => continue,
                    Ok(user) => Met::User(Box::new(user)),
                    Err(_) => Met::Damaged,
                };
                if !each(met) {
                    break 'all;
                }
            }
        }
        drop(inbox);
        let walked = reading.await.map_err(|_| interrupted())?;
        walked.map_err(|error| Trouble::from(error).into_store_error())
    }

    async fn kept_until(&self, app: &AppId, openid: &OpenId) -> Result<Option<Wall>, StoreError> {
        let found = self.look(app, openid).await?;
        let user = found.and_then(|sealed| self.seal.user(app, openid, &sealed));
        Ok(user.map(|user| user.until))
    }
}

/// Hands over everything until whoever takes it has gone.
fn walk(path: &Path, take: &mut dyn FnMut(Vec<Sealed>) -> bool) -> rusqlite::Result<()> {
    let connection = open::connect_reader(path)?;
    let mut after = Vec::new();
    loop {
        let portion = table::after(&connection, &after, PORTION)?;
        let Some(last) = portion.last() else {
            return Ok(());
        };
        after = last.sealed.name.to_vec();
        let sealed = portion.into_iter().map(|stored| stored.sealed).collect();
        if !take(sealed) {
            return Ok(());
        }
    }
}

fn interrupted() -> StoreError {
    StoreError::Unavailable(Sentence::new(
        "读取用户时被打断；再试一次",
        "interrupted while reading the users; try again",
    ))
}
