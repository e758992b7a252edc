//! What every store of users must do, as one suite. A store is done when it passes.
//!
//! Must not know: any store. What only a store can do to itself (open again, be damaged, come to a later time) comes in
//! through [`Subject`].

mod notes;
pub(super) mod records;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Clock, Wall};
use wxtoken_core::user::{Held, OpenId, Purged, UserRecord, UserStore, Written};

use crate::clock::ManualClock;
use records::{app, empty, full, openid, sessions_alone};

const LATER: u64 = 24 * 3_600_000;

/// A store under test.
#[async_trait]
pub(super) trait Subject: Send + Sync {
    fn store(&self) -> Arc<dyn UserStore>;
    /// The same store opened again, as after a restart.
    async fn reopened(self: Box<Self>) -> Box<dyn Subject>;
    /// The time the store goes by.
    async fn now(&self) -> Wall;
    /// Returns when that time has come.
    async fn come_to(&self, then: Wall);
    /// How long is far enough for a test, and near enough where the clock cannot be moved by hand.
    fn soon(&self) -> u64 {
        1500
    }
    /// Whether anything lies under a user's name, be it over; none if nobody can look.
    async fn lies_there(&self, app: &AppId, openid: &OpenId) -> Option<bool>;
    /// Damages what is kept of a user behind the store's back; false if it cannot be done to this store.
    async fn damage(&self, app: &AppId, openid: &OpenId) -> bool;
}

/// Moves a clock to a time.
pub(super) fn set(clock: &ManualClock, then: Wall) {
    let ahead = then.since(clock.now().wall);
    clock.advance(Duration::from_millis(ahead));
}

/// Checks everything, each part on a fresh store.
pub(super) async fn check<F: Future<Output = Box<dyn Subject>>>(fresh: impl Fn() -> F) {
    an_empty_store_knows_nobody(&*fresh().await).await;
    every_field_comes_back(fresh().await).await;
    a_user_of_one_app_is_nobody_to_another(&*fresh().await).await;
    a_deleted_user_is_gone(fresh().await).await;
    a_record_is_gone_when_its_time_is_over(fresh().await).await;
    a_write_moves_the_end_of_a_record(&*fresh().await).await;
    a_damaged_record_costs_only_its_user(fresh().await).await;
    what_is_over_is_cleared_away_in_portions(&*fresh().await).await;
    versions::check(&fresh).await;
    notes::check(&fresh).await;
}

/// Writes a record of the first app's user of that number.
pub(super) async fn write(
    store: &Arc<dyn UserStore>,
    user: u32,
    record: &UserRecord,
    over: Option<u64>,
    until: Wall,
) -> Written {
    let (app, openid) = (app(1), openid(user));
    let written = store.write(&app, &openid, record, over, until).await;
    written.unwrap()
}

/// Writes a user of whom nothing is kept.
pub(super) async fn put(subject: &dyn Subject, number: u32, record: &UserRecord) -> u64 {
    let until = subject.now().await.plus(LATER);
    let store = subject.store();
    let written = write(&store, number, record, None, until).await;
    match written {
        Written::Yes(version) => version,
        Written::Overtaken(there) => panic!("{there:?} is there"),
    }
}

pub(super) async fn look(subject: &dyn Subject, number: u32) -> Option<Held> {
    let store = subject.store();
    store.read(&app(1), &openid(number)).await.unwrap()
}

async fn an_empty_store_knows_nobody(subject: &dyn Subject) {
    assert_eq!(look(subject, 1).await, None);
    let store = subject.store();
    assert!(!store.delete(&app(1), &openid(1)).await.unwrap());
    assert_eq!(store.purge().await.unwrap(), Purged::default());
}

async fn every_field_comes_back(subject: Box<dyn Subject>) {
    let mut expected = Vec::new();
    for (number, record) in (0..).zip(records::all_kinds()) {
        let version = put(&*subject, number, &record).await;
        let held = Held { record, version };
        assert_eq!(look(&*subject, number).await.as_ref(), Some(&held));
        expected.push(held);
    }
    let again = subject.reopened().await;
    for (number, held) in (0..).zip(expected) {
        assert_eq!(look(&*again, number).await, Some(held));
    }
}

async fn a_user_of_one_app_is_nobody_to_another(subject: &dyn Subject) {
    put(subject, 1, &full(1)).await;
    let store = subject.store();
    assert_eq!(store.read(&app(2), &openid(1)).await.unwrap(), None);
    assert!(!store.delete(&app(2), &openid(1)).await.unwrap());
    // Where one name ends and the other begins is no matter of chance.
    let (long, rest) = ("wx12".parse().unwrap(), "3abc".parse().unwrap());
    let (short, whole) = ("wx1".parse().unwrap(), "23abc".parse().unwrap());
    let until = subject.now().await.plus(LATER);
    let record = empty();
    let written = store
        .write(&long, &rest, &record, None, until)
        .await
        .unwrap();
    assert!(matches!(written, Written::Yes(_)));
    assert_eq!(store.read(&short, &whole).await.unwrap(), None);
    assert!(look(subject, 1).await.is_some());
}

async fn a_deleted_user_is_gone(subject: Box<dyn Subject>) {
    put(&*subject, 1, &full(1)).await;
    put(&*subject, 2, &full(2)).await;
    let store = subject.store();
    assert!(store.delete(&app(1), &openid(1)).await.unwrap());
    assert_eq!(look(&*subject, 1).await, None);
    assert!(!store.delete(&app(1), &openid(1)).await.unwrap());
    drop(store);
    let subject = subject.reopened().await;
    assert_eq!(look(&*subject, 1).await, None);
    assert!(look(&*subject, 2).await.is_some());
}

async fn a_record_is_gone_when_its_time_is_over(subject: Box<dyn Subject>) {
    let (store, until) = (subject.store(), subject.now().await.plus(subject.soon()));
    let written = write(&store, 1, &full(1), None, until).await;
    let Written::Yes(version) = written else {
        panic!("somebody is there");
    };
    put(&*subject, 2, &full(2)).await;
    assert!(look(&*subject, 1).await.is_some());
    subject.come_to(until).await;
    assert_eq!(look(&*subject, 1).await, None);
    let later = until.plus(LATER);
    let over = write(&store, 1, &empty(), Some(version), later).await;
    assert_eq!(over, Written::Overtaken(None));
    assert!(!store.delete(&app(1), &openid(1)).await.unwrap());
    drop(store);
    let subject = subject.reopened().await;
    assert_eq!(look(&*subject, 1).await, None);
    put(&*subject, 1, &sessions_alone(1)).await;
    assert!(look(&*subject, 2).await.is_some());
}

async fn a_write_moves_the_end_of_a_record(subject: &dyn Subject) {
    let (store, now) = (subject.store(), subject.now().await);
    let soon = subject.soon();
    for (number, first, second) in [(1, soon, LATER), (2, LATER, soon), (3, soon, u64::MAX)] {
        let begun = write(&store, number, &full(1), None, now.plus(first)).await;
        let Written::Yes(version) = begun else {
            panic!("somebody is there");
        };
        let until = now.plus(second);
        let moved = write(&store, number, &full(2), Some(version), until).await;
        assert!(matches!(moved, Written::Yes(_)));
    }
    subject.come_to(now.plus(soon)).await;
    assert!(look(subject, 1).await.is_some());
    assert_eq!(look(subject, 2).await, None);
    assert!(look(subject, 3).await.is_some());
}

async fn a_damaged_record_costs_only_its_user(subject: Box<dyn Subject>) {
    put(&*subject, 1, &full(1)).await;
    put(&*subject, 2, &full(2)).await;
    if !subject.damage(&app(1), &openid(1)).await {
        return;
    }
    let subject = subject.reopened().await;
    assert_eq!(look(&*subject, 1).await, None);
    assert!(look(&*subject, 2).await.is_some());
    put(&*subject, 1, &full(3)).await;
    assert_eq!(look(&*subject, 1).await.unwrap().record, full(3));
    // What nobody has looked at is deleted as anything else.
    assert!(subject.damage(&app(1), &openid(2)).await);
    let store = subject.store();
    store.delete(&app(1), &openid(2)).await.unwrap();
    assert_eq!(look(&*subject, 2).await, None);
    put(&*subject, 2, &full(4)).await;
}

async fn what_is_over_is_cleared_away_in_portions(subject: &dyn Subject) {
    let (store, until) = (subject.store(), subject.now().await.plus(subject.soon()));
    let everybody = (0..1200).map(|number| {
        let store = Arc::clone(&store);
        async move {
            let written = write(&store, number, &empty(), None, until).await;
            assert!(matches!(written, Written::Yes(_)));
        }
    });
    futures_util::future::join_all(everybody).await;
    put(subject, 2000, &full(1)).await;
    subject.come_to(until).await;
    let first = store.purge().await.unwrap();
    assert!(first.purged <= 1000, "{first:?}");
    let mut last = first;
    for _ in 0..3 {
        if !last.more {
            break;
        }
        last = store.purge().await.unwrap();
    }
    assert!(!last.more);
    assert_eq!(store.purge().await.unwrap(), Purged::default());
    assert_eq!(look(subject, 1199).await, None);
    for number in 0..1200 {
        let lies = subject.lies_there(&app(1), &openid(number)).await;
        assert_ne!(lies, Some(true), "{number}");
    }
    let lies = subject.lies_there(&app(1), &openid(2000)).await;
    assert_ne!(lies, Some(false));
    assert!(look(subject, 2000).await.is_some());
}
