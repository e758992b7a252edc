//! Reads every record at a start, and seals anew what is under the previous master key.
//!
//! Must not know: which apps are configured.

use std::collections::HashSet;

use futures_util::future::join_all;
use redis::Value;
use wxtoken_core::app::AppId;
use wxtoken_core::store::Loaded;

use super::super::sealed::Label;
use super::identity::{self, Identity};
use super::row::{Body, Row};
use super::rows::{Opened, Rows};
use super::scripts::RESEAL;
use crate::redis::{Scan, Trouble};

/// Records read at a time.
const PORTION: usize = 500;
/// Keys looked at in one step of a scan.
const STEP: u32 = 1000;

/// What a start mends on its way, as long as Redis takes it.
#[derive(Default)]
struct Tidying {
    is_unfinished: bool,
    refused: Option<Trouble>,
}

impl Rows {
    /// Hands every record to `each`. What cannot be read costs only itself, and what cannot be written costs nothing.
    ///
    /// Those that are expected come first: to find the others all keys are looked at, of which users may be millions.
    pub(super) async fn load(&self, each: &mut (dyn FnMut(Loaded) + Send)) -> Result<(), Trouble> {
        let mut tidying = Tidying::default();
        let expected = self.memory.expected();
        self.load_these(&expected, each, &mut tidying).await?;
        let mut others = self.every_app().await?;
        for app in &expected {
            others.remove(app);
        }
        let others: Vec<AppId> = others.into_iter().collect();
        self.load_these(&others, each, &mut tidying).await?;
        if self.sealer.keys().previous.is_some() && !tidying.is_unfinished {
            tidying.go_on(self.check_anew()).await;
        }
        tidying.tell();
        Ok(())
    }

    async fn load_these(
        &self,
        apps: &[AppId],
        each: &mut (dyn FnMut(Loaded) + Send),
        tidying: &mut Tidying,
    ) -> Result<(), Trouble> {
        for portion in apps.chunks(PORTION) {
            let rows = join_all(portion.iter().map(|app| self.fetch(app))).await;
            for (app, row) in portion.iter().zip(rows) {
                match row.and_then(|row| Ok((self.take(app, &row)?, row))) {
                    Ok((Opened::Nothing, _)) => {}
                    Ok((Opened::Record(record), row)) => {
                        self.memory.show(app, row.late);
                        each(Loaded::Record(*app, record));
                        tidying.go_on(self.seal_anew(app, &row)).await;
                    }
                    Ok((Opened::Damaged(reason), row)) => {
                        each(damaged(app, reason));
                        let aside = async { self.set_aside(app, &row).await.map(|()| true) };
                        tidying.go_on(aside).await;
                    }
                    // Somebody may be able to read it, so it stays where it is.
                    Err(trouble) if is_of_one_row(&trouble) => {
                        tidying.is_unfinished |= !trouble.is_of_another_store();
                        each(damaged(app, trouble.to_string()));
                    }
                    Err(trouble) => return Err(trouble),
                }
            }
        }
        Ok(())
    }

    /// The key check goes with the records.
    async fn check_anew(&self) -> Result<bool, Trouble> {
        let identity = Identity {
            key: self.names.identity(),
            sealer: std::sync::Arc::clone(&self.sealer),
        };
        let check = identity::rewrite(&identity)?;
        self.link.ask(&check).await.map(|_| true)
    }

    /// False if it changed meanwhile, and may be under the previous key again.
    async fn seal_anew(&self, app: &AppId, row: &Row) -> Result<bool, Trouble> {
        let Body::Sealed(label, sealed) = &row.body else {
            return Ok(true);
        };
        if !self.sealer.is_under_previous(sealed) {
            return Ok(true);
        }
        let Opened::Record(record) = self.open(app, &row.body)? else {
            return Ok(true);
        };
        let anew = self.seal(&Label::of(*app, &record, label.fence), &record)?;
        let call = RESEAL.on(
            vec![self.names.record(app)],
            vec![row.raw_version.clone(), anew],
        );
        Ok(call.run(&self.link).await? == Value::Int(1))
    }

    /// Every app that has a record. A cursor means nothing to another server, so where the connection breaks it begins anew.
    async fn every_app(&self) -> Result<HashSet<AppId>, Trouble> {
        match self.walk().await {
            Err(trouble) if self.link.is_gone(&trouble) => {
                // This notes what is wrong, and gives the connection up.
                let _ = self.link.ask(&redis::cmd("PING")).await;
                self.link.pause().await;
                self.walk().await
            }
            walked => walked,
        }
    }

    async fn walk(&self) -> Result<HashSet<AppId>, Trouble> {
        let live = self.link.live().await?;
        let pattern = Some(self.names.every_record());
        let mut scan = Scan::begin(live.connection, &live.at, STEP, pattern).await?;
        let mut apps = HashSet::new();
        while let Some(keys) = scan.next().await? {
            apps.extend(keys.iter().filter_map(|key| self.names.app_of(key)));
        }
        Ok(apps)
    }
}

impl Tidying {
    /// Not any more once something was refused: the next start goes on.
    async fn go_on(&mut self, step: impl Future<Output = Result<bool, Trouble>>) {
        if self.refused.is_some() {
            return;
        }
        match step.await {
            Ok(is_done) => self.is_unfinished |= !is_done,
            Err(trouble) => {
                self.is_unfinished = true;
                self.refused = Some(trouble);
            }
        }
    }

    fn tell(self) {
        if let Some(trouble) = self.refused {
            tracing::warn!(
                store.trouble = trouble.name(),
                "records in Redis that are damaged, or sealed under the previous master key, stay as they are until a start \
                 finds that it can be written: {trouble}"
            );
        }
    }
}

fn damaged(app: &AppId, reason: String) -> Loaded {
    let app = Some(*app);
    Loaded::Damaged { app, reason }
}

/// Whether other rows may be read all the same.
fn is_of_one_row(trouble: &Trouble) -> bool {
    matches!(
        trouble,
        Trouble::WrongKey | Trouble::Newer(_) | Trouble::Incomplete | Trouble::Other(_)
    )
}
