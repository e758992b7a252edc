//! Three replicas for a while, by chance: work, stalls, crashes, and a Redis that is emptied under them. What was acknowledged
//! is never forgotten as long as somebody lives who knows of it.

use super::*;

/// Long enough for everybody to hear of an epoch.
const STORMY: Timing = Timing {
    offers: Duration::from_millis(500),
    ..QUICK
};
const STEPS: u32 = 150;

struct Storm {
    server: Server,
    stores: Vec<RedisStore>,
    random: fastrand::Rng,
    /// Who has the lease: which store, under which fence.
    holder: Option<(usize, Fence)>,
    /// Fences that somebody once had and that are over.
    over: Vec<(usize, Fence)>,
    newest: Fence,
    /// Calls counted in writes that were acknowledged.
    counted: u16,
    generation: u64,
}

impl Storm {
    async fn begin(seed: u64) -> Self {
        let server = Server::start().await;
        let stores = [(); 3].map(|()| store(&server.url(), STORMY)).into();
        Self {
            server,
            stores,
            random: fastrand::Rng::with_seed(seed),
            holder: None,
            over: Vec::new(),
            newest: NO_FENCE,
            counted: 0,
            generation: 1_900_000_000_000,
        }
    }

    async fn step(&mut self) {
        let who = self.random.usize(..self.stores.len());
        match self.random.u32(..100) {
            0..60 => self.work(who).await,
            60..80 => self.give_back().await,
            80..90 => self.write_late().await,
            90..96 => self.crash(who).await,
            _ => self.empty().await,
        }
    }

    /// Takes the lease if it is free, and makes a call that is counted.
    async fn work(&mut self, who: usize) {
        if self.holder.is_some_and(|(holder, _)| holder != who) {
            assert!(
                is_taken(&self.stores[who], &app(1)).await,
                "one holder at a time"
            );
            return;
        }
        let (fence, record) = won_at_last(&self.stores[who], &app(1)).await;
        assert!(fence > self.newest, "{fence:?} after {:?}", self.newest);
        self.newest = fence;
        let mut record = record.unwrap_or_else(full_record);
        if self.counted > 0 {
            assert!(
                record.budgets.counts[0].slots[0] >= self.counted,
                "no call is forgotten"
            );
            assert_eq!(record.handed_out[0].generation.0, self.generation);
        }
        self.generation += 1;
        record.handed_out[0].generation.0 = self.generation;
        record.budgets.counts[0].slots[0] += 1;
        let written = self.stores[who].write(&app(1), &record, fence).await;
        written.expect("nobody else may write");
        self.counted = record.budgets.counts[0].slots[0];
        self.over.extend(self.holder.replace((who, fence)));
    }

    async fn give_back(&mut self) {
        if let Some((who, fence)) = self.holder.take() {
            self.stores[who].release(&app(1), fence).await;
            // Nobody has it, and until somebody does its last holder may still write.
            self.over.retain(|(_, old)| *old != fence);
        }
    }

    /// One that stalled wakes up.
    async fn write_late(&mut self) {
        let Some((who, fence)) = self.random.choice(self.over.clone()) else {
            return;
        };
        let record = generation(full_record(), 0, self.generation + 1000);
        let refused = self.stores[who].write(&app(1), &record, fence).await;
        assert!(
            matches!(refused, Err(StoreError::Stale(Some(_)))),
            "{fence:?}: {refused:?}"
        );
    }

    /// Dies without a word, and is replaced by a process that knows nothing. What it held ends as if by itself.
    async fn crash(&mut self, who: usize) {
        let fresh = store(&self.server.url(), STORMY);
        super::crash(std::mem::replace(&mut self.stores[who], fresh)).await;
        self.over.retain(|(holder, _)| *holder != who);
        if self.holder.take_if(|(holder, _)| *holder == who).is_some() {
            let _: i64 = self
                .server
                .ask(&["DEL", "wxtoken:{wx0000000000000001}:lease"])
                .await;
        }
    }

    /// Everybody has heard of the last write, and then Redis forgets it.
    async fn empty(&mut self) {
        for store in &self.stores {
            store.read(&app(1)).await.unwrap();
        }
        let _: String = self.server.ask(&["FLUSHALL"]).await;
        self.holder = None;
        self.over.clear();
    }
}

#[tokio::test]
async fn no_call_is_forgotten_and_no_two_write_whatever_happens() {
    for seed in [1, 2] {
        let mut storm = Storm::begin(seed).await;
        for _ in 0..STEPS {
            storm.step().await;
        }
        assert!(storm.counted > 20, "it worked between the storms");
    }
}
