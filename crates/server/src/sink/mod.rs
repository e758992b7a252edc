//! Copies of credentials kept elsewhere, for programs that cannot ask: files, and entries in Redis.
//!
//! Must not know: where values come from.

mod content;
mod fare;
mod file;
mod file_error;
mod redis;
mod upkeep;

use std::sync::Arc;

use tokio::join;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Clock;
use wxtoken_core::credential::Kind;

use crate::config::Config;
use crate::keeper::{Copies, Keeper};
use crate::telemetry::Metrics;

pub use file::{FileSink, FileState};
pub use file_error::FileSinkError;
pub use redis::{AskAbout, Events, RedisSinks, RedisStatus, RedisWorker, SWITCH_ON, events_at};
pub use upkeep::{Upkeep, Worker};

/// Every copy, wherever it is kept. Cheap to clone.
#[derive(Clone)]
pub struct Sinks {
    files: Upkeep,
    redis: RedisSinks,
}

/// What keeps them true, to be run once the keeper is there.
pub struct Workers {
    files: Worker,
    redis: RedisWorker,
}

impl Sinks {
    /// The handle, and the workers to run.
    #[must_use]
    pub fn new(config: &Config, metrics: &Arc<Metrics>) -> (Self, Workers) {
        let (files, file_worker) = Upkeep::new(config, Arc::clone(metrics));
        let (redis, redis_worker) = RedisSinks::new(config, Arc::clone(metrics));
        let workers = Workers {
            files: file_worker,
            redis: redis_worker,
        };
        (Self { files, redis }, workers)
    }

    /// Which copies there are now. Those that stay go on; the others are left as they are.
    pub fn configure(&self, config: &Config) {
        self.files.configure(config);
        self.redis.configure(config);
    }

    /// How every Redis fares.
    #[must_use]
    pub fn redis(&self) -> Vec<RedisStatus> {
        self.redis.status()
    }
}

impl Copies for Sinks {
    fn changed(&self, app: &AppId, kind: Kind) {
        self.files.changed(app, kind);
        self.redis.changed(app, kind);
    }

    fn put_back(&self, app: &AppId, kind: Kind) {
        self.files.put_back(app, kind);
        self.redis.put_back(app, kind);
    }
}

impl Workers {
    /// Runs until every handle is gone.
    pub async fn run(self, keeper: Keeper, clock: Arc<dyn Clock>, ask_about: AskAbout) {
        join!(
            self.files.run(keeper.clone(), Arc::clone(&clock)),
            self.redis.run(keeper, clock, ask_about)
        );
    }
}
