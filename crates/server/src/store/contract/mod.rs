//! What every store must do, as one suite. A store is done when it passes.
//!
//! Must not know: any store. What only a store can do to itself (open again, be damaged) comes in through [`Subject`].

pub(crate) mod records;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::Generation;
use wxtoken_core::store::{Fence, Lease, Loaded, Record, RecordStore, StoreError};

use records::{any_record, app, full_record};

const HOLDS: Duration = Duration::from_secs(30);

/// A store under test.
#[async_trait]
pub(crate) trait Subject: Send + Sync {
    fn store(&self) -> &dyn RecordStore;
    /// The same store opened again, as after a restart.
    async fn reopened(self: Box<Self>) -> Box<dyn Subject>;
    /// Damages one stored record behind the store's back; false if it cannot be done to this store.
    async fn damage(&mut self, app: &AppId) -> bool;
}

/// Checks everything, each part on a fresh store.
pub(crate) async fn check<F: Future<Output = Box<dyn Subject>>>(fresh: impl Fn() -> F) {
    an_empty_store_holds_nothing(&*fresh().await).await;
    every_field_comes_back(fresh().await).await;
    an_older_fence_is_refused(fresh().await).await;
    no_generation_goes_back(&*fresh().await).await;
    writers_at_the_same_time_all_come_through(&*fresh().await).await;
    a_write_is_whole_or_not_at_all(&*fresh().await).await;
    a_lease_can_be_given_back_and_taken_again(&*fresh().await).await;
    a_late_mint_is_not_wiped_by_a_writer_who_has_not_seen_it(fresh().await).await;
    a_late_mint_can_be_noted_for_an_app_without_a_record(fresh().await).await;
    a_damaged_record_costs_only_itself(fresh().await).await;
}

/// Takes a lease that nobody else has.
pub(crate) async fn won(store: &dyn RecordStore, app: &AppId) -> (Fence, Option<Record>) {
    match store.lease(app, HOLDS).await.unwrap() {
        Lease::Won { fence, record, .. } => (fence, record.map(|record| *record)),
        Lease::Taken { free_in } => panic!("{app} is taken for {free_in:?}"),
    }
}

/// Everything a store holds, and the apps of what was damaged with the reasons.
pub(crate) async fn load(
    store: &dyn RecordStore,
) -> (BTreeMap<AppId, Record>, Vec<(Option<AppId>, String)>) {
    let (mut records, mut damaged) = (BTreeMap::new(), Vec::new());
    let mut each = |loaded| match loaded {
        Loaded::Record(app, record) => assert!(records.insert(app, *record).is_none()),
        Loaded::Damaged { app, reason } => damaged.push((app, reason)),
    };
    store.load_all(&mut each).await.unwrap();
    (records, damaged)
}

pub(crate) fn generation(mut record: Record, kind: usize, generation: u64) -> Record {
    record.handed_out[kind].generation = Generation(generation);
    record
}

async fn an_empty_store_holds_nothing(subject: &dyn Subject) {
    assert_eq!(load(subject.store()).await, (BTreeMap::new(), vec![]));
    assert_eq!(won(subject.store(), &app(1)).await.1, None);
}

async fn every_field_comes_back(subject: Box<dyn Subject>) {
    let mut runner = TestRunner::deterministic();
    let mut expected = BTreeMap::new();
    for number in 0..40 {
        let record = match number {
            0 => full_record(),
            1 => Record::default(),
            _ => any_record().new_tree(&mut runner).unwrap().current(),
        };
        // Every length an AppID can have.
        let app: AppId = format!("{}{}", number, "x".repeat(21))[..number % 23 + 1]
            .parse()
            .unwrap();
        let (fence, _) = won(subject.store(), &app).await;
        let written = subject.store().write(&app, &record, fence).await;
        match written {
            Ok(()) => assert!(expected.insert(app, record).is_none_or(|_| true)),
            Err(StoreError::Stale(held)) => {
                assert_eq!(held.as_deref(), expected.get(&app), "only over a newer one");
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        assert_eq!(
            won(subject.store(), &app).await.1.as_ref(),
            expected.get(&app)
        );
    }
    assert_eq!(load(subject.store()).await, (expected.clone(), vec![]));
    let again = subject.reopened().await;
    assert_eq!(load(again.store()).await, (expected, vec![]));
}

async fn an_older_fence_is_refused(subject: Box<dyn Subject>) {
    let (old, _) = won(subject.store(), &app(1)).await;
    let (first, later) = (full_record(), generation(full_record(), 0, u64::MAX));
    subject.store().write(&app(1), &first, old).await.unwrap();
    subject.store().release(&app(1), old).await;
    let subject = subject.reopened().await;
    let (new, held) = won(subject.store(), &app(1)).await;
    assert!(new > old, "a later lease has a larger fence");
    assert_eq!(held.as_ref(), Some(&first));
    let refused = subject.store().write(&app(1), &later, old).await;
    assert!(
        matches!(&refused, Err(StoreError::Stale(Some(held))) if **held == first),
        "{refused:?}"
    );
    subject.store().write(&app(1), &first, new).await.unwrap();
    let refused = subject.store().write(&app(1), &later, old).await;
    assert!(matches!(refused, Err(StoreError::Stale(Some(_)))));
    assert_eq!(load(subject.store()).await.0[&app(1)], first);
}

async fn no_generation_goes_back(subject: &dyn Subject) {
    let store = subject.store();
    let (fence, _) = won(store, &app(1)).await;
    let held = full_record();
    store.write(&app(1), &held, fence).await.unwrap();
    for kind in 0..3 {
        let older = generation(held.clone(), kind, held.handed_out[kind].generation.0 - 1);
        let refused = store.write(&app(1), &older, fence).await;
        assert!(
            matches!(&refused, Err(StoreError::Stale(Some(now))) if **now == held),
            "{refused:?}"
        );
    }
    assert_eq!(load(store).await.0[&app(1)], held);
    store.write(&app(1), &held, fence).await.unwrap();
    let mut next = held;
    for out in &mut next.handed_out {
        out.generation.0 += 1;
    }
    store.write(&app(1), &next, fence).await.unwrap();
    assert_eq!(load(store).await.0[&app(1)], next);
}

async fn writers_at_the_same_time_all_come_through(subject: &dyn Subject) {
    let store = subject.store();
    let write_some = async |number: u32| {
        let (fence, _) = won(store, &app(number)).await;
        for step in 1..=10 {
            let record = generation(full_record(), 0, 2_000_000_000_000 + step);
            store.write(&app(number), &record, fence).await.unwrap();
        }
    };
    join_all((0..64).map(write_some)).await;
    let (records, damaged) = load(store).await;
    assert_eq!((records.len(), damaged), (64, vec![]));
    for record in records.values() {
        assert_eq!(record.handed_out[0].generation.0, 2_000_000_000_010);
    }
}

async fn a_write_is_whole_or_not_at_all(subject: &dyn Subject) {
    let store = subject.store();
    let (fence, _) = won(store, &app(1)).await;
    let version = |n: u64| {
        let mut record = full_record();
        record.saved_at = Wall(n);
        record.handed_out = record.handed_out.map(|mut out| {
            out.generation.0 = 3_000_000_000_000 + n;
            out
        });
        record.contest.leave_until = Wall(n);
        record
    };
    let writes = (0..200).map(|n| {
        let record = version(n);
        async move {
            let done = store.write(&app(1), &record, fence).await;
            assert!(matches!(done, Ok(()) | Err(StoreError::Stale(Some(_)))));
        }
    });
    join_all(writes).await;
    assert_eq!(
        load(store).await.0[&app(1)],
        version(199),
        "the newest, whole"
    );
}

async fn a_lease_can_be_given_back_and_taken_again(subject: &dyn Subject) {
    let store = subject.store();
    let (first, _) = won(store, &app(1)).await;
    store.release(&app(1), first).await;
    let (second, _) = won(store, &app(1)).await;
    assert!(second >= first);
    let record = full_record();
    store.write(&app(1), &record, second).await.unwrap();
}

async fn a_late_mint_is_not_wiped_by_a_writer_who_has_not_seen_it(subject: Box<dyn Subject>) {
    let store = subject.store();
    let mut record = full_record();
    record.late_mint = None;
    let (fence, _) = won(store, &app(1)).await;
    store.write(&app(1), &record, fence).await.unwrap();
    store.note_late_mint(&app(1), Wall(500)).await.unwrap();
    store.note_late_mint(&app(1), Wall(400)).await.unwrap();
    // The writer has not been told, so its silence about the note is no answer to it.
    store.write(&app(1), &record, fence).await.unwrap();
    let subject = subject.reopened().await;
    let (fence, seen) = won(subject.store(), &app(1)).await;
    assert_eq!(seen.unwrap().late_mint, Some(Wall(500)));
    // Now it has been told, and says it is settled.
    let store = subject.store();
    store.write(&app(1), &record, fence).await.unwrap();
    assert_eq!(load(store).await.0[&app(1)], record);
}

async fn a_late_mint_can_be_noted_for_an_app_without_a_record(subject: Box<dyn Subject>) {
    let noted = subject.store().note_late_mint(&app(1), Wall(9)).await;
    noted.unwrap();
    let subject = subject.reopened().await;
    let (records, damaged) = load(subject.store()).await;
    assert_eq!(damaged, vec![]);
    assert_eq!(records[&app(1)].late_mint, Some(Wall(9)));
    let (fence, _) = won(subject.store(), &app(1)).await;
    let record = full_record();
    let written = subject.store().write(&app(1), &record, fence).await;
    written.unwrap();
}

async fn a_damaged_record_costs_only_itself(mut subject: Box<dyn Subject>) {
    for number in 0..30 {
        let (fence, _) = won(subject.store(), &app(number)).await;
        let (app, record) = (app(number), full_record());
        subject.store().write(&app, &record, fence).await.unwrap();
    }
    if !subject.damage(&app(7)).await {
        return;
    }
    let subject = subject.reopened().await;
    let (records, damaged) = load(subject.store()).await;
    assert_eq!(records.len(), 29);
    assert!(records.values().all(|record| *record == full_record()));
    assert_eq!(damaged.len(), 1, "{damaged:?}");
    assert_eq!(damaged[0].0, Some(app(7)));
    // It is fetched anew, and the damage is not reported again.
    let (fence, held) = won(subject.store(), &app(7)).await;
    assert_eq!(held, None);
    let written = subject.store().write(&app(7), &full_record(), fence).await;
    written.unwrap();
    let subject = subject.reopened().await;
    let (records, damaged) = load(subject.store()).await;
    assert_eq!((records.len(), damaged), (30, vec![]));
}
