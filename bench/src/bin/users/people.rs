//! The users: written and read through the store's own door.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use wxtoken_bench::engine;
use wxtoken_bench::histogram::Histogram;
use wxtoken_bench::report::Finding;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Clock, Wall};
use wxtoken_core::user::{Grant, OpenId, RefreshToken, UserRecord, UserStore, WebToken, Written};
use wxtoken_server::clock::SystemClock;
use wxtoken_server::store::MasterKey;
use wxtoken_server::store::users::EmbeddedUsers;

/// Users written at the same time: they share an fsync.
const TOGETHER: u32 = 512;
const DAY: u64 = 24 * 3_600_000;

/// The users of one app.
pub(crate) struct People {
    runtime: Runtime,
    users: Arc<EmbeddedUsers>,
    file: PathBuf,
    app: AppId,
    count: u32,
    now: Wall,
}

impl People {
    /// Those of a store whose server is stopped.
    pub(crate) fn open(store: &Path, app: &str, count: u32) -> anyhow::Result<Self> {
        let key = MasterKey::read_file(&store.join("master.key"))?;
        let users = EmbeddedUsers::open(store, &key.into(), Arc::new(SystemClock))?;
        Ok(Self {
            runtime: Runtime::new()?,
            users: Arc::new(users),
            file: EmbeddedUsers::file_in(store),
            app: app.parse()?,
            count,
            now: SystemClock.now().wall,
        })
    }

    /// Writes all of them.
    pub(crate) fn fill(&self, found: &mut Vec<Finding>) -> anyhow::Result<()> {
        let begin = Instant::now();
        self.runtime.block_on(async {
            let mut under_way = JoinSet::new();
            for number in 0..self.count {
                if number >= 2 * TOGETHER {
                    under_way
                        .join_next()
                        .await
                        .context("one is under way")???;
                }
                under_way.spawn(write(Arc::clone(&self.users), self.app, number, self.now));
            }
            while let Some(written) = under_way.join_next().await {
                written??;
            }
            anyhow::Ok(())
        })?;
        let seconds = begin.elapsed().as_secs_f64();
        let rate = f64::from(self.count) / seconds;
        let size = std::fs::metadata(&self.file)?.len();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let each = size as f64 / f64::from(self.count);
        found.push(Finding::told(
            &format!("{} grants written, {} at a time", self.count, 2 * TOGETHER),
            format!("{seconds:.1} s, {rate:.0} a second, each on disk when it is told so"),
        ));
        found.push(Finding::told(
            "size of users.db",
            format!("{} MiB, {each:.0} bytes a grant", size >> 20),
        ));
        Ok(())
    }

    /// Reads so many of them, one after the other, in no order.
    pub(crate) fn read(&self, reads: u32, found: &mut Vec<Finding>) -> anyhow::Result<()> {
        let mut latency = Histogram::default();
        self.runtime.block_on(async {
            for turn in 0..reads {
                let any = engine::mix(u64::from(turn)) % u64::from(self.count);
                let openid = openid(u32::try_from(any)?)?;
                let begin = Instant::now();
                let held = self.users.read(&self.app, &openid).await?;
                latency.record(begin.elapsed());
                let grant = held.and_then(|held| held.record.grant);
                anyhow::ensure!(
                    grant.is_some_and(|grant| grant.openid == openid),
                    "another's"
                );
            }
            anyhow::Ok(())
        })?;
        let micros = |share| latency.quantile(share).as_secs_f64() * 1e6;
        let (p50, p99) = (micros(0.5), micros(0.99));
        found.push(Finding::judged(
            &format!("a grant read, one of {}", self.count),
            format!("p50 {p50:.0} µs, p99 {p99:.0} µs"),
            "p99 ≤ 1 ms",
            p99 <= 1_000.0,
        ));
        Ok(())
    }
}

async fn write(
    users: Arc<EmbeddedUsers>,
    app: AppId,
    number: u32,
    now: Wall,
) -> anyhow::Result<()> {
    let openid = openid(number)?;
    let record = UserRecord {
        grant: Some(grant(number, openid.clone(), now)?),
        session: None,
    };
    let until = now.plus(30 * DAY + u64::from(number));
    let written = users.write(&app, &openid, &record, None, until).await?;
    anyhow::ensure!(matches!(written, Written::Yes(_)), "somebody is there");
    Ok(())
}

fn openid(number: u32) -> anyhow::Result<OpenId> {
    Ok(format!("oLVPpj{:016x}{number:06}", engine::mix(number.into())).parse()?)
}

/// With values as long as WeChat's.
fn grant(number: u32, openid: OpenId, now: Wall) -> anyhow::Result<Grant> {
    let value = |seed: u64| -> String {
        let parts = (0..6).map(|part| format!("{:016x}", engine::mix(seed + part)));
        parts.chain([format!("{number:012}")]).collect()
    };
    let seed = u64::from(number) << 8;
    Ok(Grant {
        openid,
        unionid: Some(format!("o6_bmjrP{:020}", number).parse()?),
        scope: "snsapi_userinfo".into(),
        web_token: WebToken::new(value(seed)).context("a web token")?,
        web_expires: now.plus(7_200_000),
        refresh_token: RefreshToken::new(value(seed + 128)).context("a refresh token")?,
        refresh_expires: now.plus(Grant::REFRESH_LIFETIME),
        granted_at: now,
        is_snapshot: false,
        refused: None,
    })
}
