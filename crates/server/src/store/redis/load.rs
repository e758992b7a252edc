//! Reads every record at a start, and seals anew what is under the previous master key.
//!
//! Must not know: which apps are configured.

use std::collections::HashSet;

use futures_util::future::join_all;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, Value};
use wxtoken_core::app::AppId;
use wxtoken_core::store::Loaded;

use super::super::sealed::Label;
use super::identity::{self, Identity};
use super::row::{Body, Row, number};
use super::rows::{Opened, Rows, strange};
use super::scripts::RESEAL;
use crate::redis::{Connection, Trouble, bytes};

/// Records read at a time.
const PORTION: usize = 500;
/// Keys looked at in one step of a scan.
const STEP: usize = 1000;

impl Rows {
    /// Hands every record to `each`.
    pub(super) async fn load(&self, each: &mut (dyn FnMut(Loaded) + Send)) -> Result<(), Trouble> {
        let apps = self.every_app().await?;
        let mut all_sealed_anew = true;
        for portion in apps.chunks(PORTION) {
            let rows = join_all(portion.iter().map(|app| self.fetch(app))).await;
            for (app, row) in portion.iter().zip(rows) {
                let row = row?;
                let taken = match self.take(app, &row) {
                    // Somebody can read it, so it stays where it is.
                    Err(trouble @ (Trouble::WrongKey | Trouble::Newer(_))) => {
                        let (app, reason) = (Some(*app), trouble.to_string());
                        each(Loaded::Damaged { app, reason });
                        continue;
                    }
                    taken => taken?,
                };
                match taken {
                    Opened::Nothing => {}
                    Opened::Record(record) => {
                        self.memory.show(app, row.late);
                        all_sealed_anew &= self.seal_anew(app, &row).await?;
                        each(Loaded::Record(*app, record));
                    }
                    Opened::Damaged(reason) => {
                        self.set_aside(app, &row).await?;
                        let app = Some(*app);
                        each(Loaded::Damaged { app, reason });
                    }
                }
            }
        }
        if all_sealed_anew && self.sealer.keys().previous.is_some() {
            let identity = Identity {
                key: self.names.identity(),
                sealer: std::sync::Arc::clone(&self.sealer),
            };
            self.link.ask(&identity::rewrite(&identity)?).await?;
        }
        Ok(())
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

    async fn every_app(&self) -> Result<Vec<AppId>, Trouble> {
        let live = self.link.live().await?;
        let wrong = |error| Trouble::of(&error, &live.at);
        let mut keys = HashSet::new();
        match live.connection.clone() {
            Connection::One(_) => {
                let mut cursor = b"0".to_vec();
                loop {
                    let answer = self.link.ask(&self.scan(&cursor)).await?;
                    cursor = taken(answer, &mut keys)?;
                    if number(&cursor) == Some(0) {
                        break;
                    }
                }
            }
            Connection::Cluster(mut cluster) => {
                let everywhere =
                    RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                let answers = cluster
                    .route_command(self.scan(b"0"), everywhere)
                    .await
                    .map_err(wrong)?;
                let Value::Map(answers) = answers else {
                    return Err(strange());
                };
                for (node, answer) in answers {
                    let mut cursor = taken(answer, &mut keys)?;
                    let node = bytes(node).and_then(|node| String::from_utf8(node).ok());
                    let at = node.as_deref().and_then(|node| node.rsplit_once(':'));
                    let (host, port) = at.ok_or_else(strange)?;
                    while number(&cursor) != Some(0) {
                        let there = RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress {
                            host: host.to_owned(),
                            port: port.parse().map_err(|_| strange())?,
                        });
                        let answer = cluster.route_command(self.scan(&cursor), there).await;
                        cursor = taken(answer.map_err(wrong)?, &mut keys)?;
                    }
                }
            }
        }
        Ok(keys
            .iter()
            .filter_map(|key| self.names.app_of(key))
            .collect())
    }

    fn scan(&self, cursor: &[u8]) -> Cmd {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor)
            .arg("MATCH")
            .arg(self.names.every_record())
            .arg("COUNT")
            .arg(STEP);
        scan
    }
}

/// Takes the keys of one step and gives the next cursor.
fn taken(answer: Value, keys: &mut HashSet<Vec<u8>>) -> Result<Vec<u8>, Trouble> {
    let Value::Array(parts) = answer else {
        return Err(strange());
    };
    let [cursor, found] = <[Value; 2]>::try_from(parts).map_err(|_| strange())?;
    let Value::Array(found) = found else {
        return Err(strange());
    };
    keys.extend(found.into_iter().filter_map(bytes));
    bytes(cursor).ok_or_else(strange)
}
