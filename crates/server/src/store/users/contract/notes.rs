//! Notes that may be taken once.

use std::sync::Arc;

use futures_util::future::join_all;
use wxtoken_core::user::{OnceKey, Purged};

use super::records::full;
use super::{LATER, Subject, look, put};

const KEY: OnceKey = OnceKey([7; 32]);

pub(super) async fn check<F: Future<Output = Box<dyn Subject>>>(fresh: &impl Fn() -> F) {
    a_note_is_left_and_taken_once(fresh().await).await;
    of_any_number_that_leave_a_note_one_does(&*fresh().await).await;
    of_any_number_that_take_a_note_one_has_it(&*fresh().await).await;
    a_note_is_gone_when_its_time_is_over(&*fresh().await).await;
}

async fn a_note_is_left_and_taken_once(subject: Box<dyn Subject>) {
    let (store, until) = (subject.store(), subject.now().await.plus(LATER));
    assert_eq!(store.take_once(KEY).await.unwrap(), None);
    assert!(store.put_once(KEY, b"first", until).await.unwrap());
    assert!(!store.put_once(KEY, b"second", until).await.unwrap());
    let (bare, long) = (OnceKey([8; 32]), OnceKey([9; 32]));
    let whole: Vec<u8> = (0..5000).map(|at| (at % 256) as u8).collect();
    assert!(store.put_once(bare, b"", until).await.unwrap());
    assert!(store.put_once(long, &whole, until).await.unwrap());
    put(&*subject, 1, &full(1)).await;
    drop(store);
    let subject = subject.reopened().await;
    let store = subject.store();
    assert!(!store.put_once(KEY, b"third", until).await.unwrap());
    for (key, wanted) in [(KEY, &b"first"[..]), (bare, b""), (long, &whole)] {
        assert_eq!(store.take_once(key).await.unwrap().as_deref(), Some(wanted));
        assert_eq!(store.take_once(key).await.unwrap(), None);
    }
    assert!(store.put_once(KEY, b"anew", until).await.unwrap());
    assert!(look(&*subject, 1).await.is_some());
}

async fn of_any_number_that_leave_a_note_one_does(subject: &dyn Subject) {
    let (store, until) = (subject.store(), subject.now().await.plus(LATER));
    let all = (0..32_u8).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.put_once(KEY, &[number], until).await.unwrap() })
    });
    let told: Vec<_> = join_all(all)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(told.iter().filter(|left| **left).count(), 1);
    let winner = told.iter().position(|left| *left).unwrap();
    let content = store.take_once(KEY).await.unwrap();
    assert_eq!(content, Some(vec![u8::try_from(winner).unwrap()]));
}

async fn of_any_number_that_take_a_note_one_has_it(subject: &dyn Subject) {
    let (store, until) = (subject.store(), subject.now().await.plus(LATER));
    assert!(store.put_once(KEY, b"one", until).await.unwrap());
    let all = (0..32).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.take_once(KEY).await.unwrap() })
    });
    let taken = join_all(all).await.into_iter().filter_map(Result::unwrap);
    assert_eq!(taken.collect::<Vec<_>>(), [b"one"]);
}

async fn a_note_is_gone_when_its_time_is_over(subject: &dyn Subject) {
    let (store, until) = (subject.store(), subject.now().await.plus(subject.soon()));
    let other = OnceKey([8; 32]);
    for key in [KEY, other] {
        assert!(store.put_once(key, b"early", until).await.unwrap());
    }
    assert!(!store.put_once(KEY, b"late", until).await.unwrap());
    subject.come_to(until).await;
    assert_eq!(store.take_once(other).await.unwrap(), None);
    let later = until.plus(LATER);
    assert!(store.put_once(KEY, b"late", later).await.unwrap());
    assert_eq!(
        store.take_once(KEY).await.unwrap().as_deref(),
        Some(&b"late"[..])
    );
    while store.purge().await.unwrap().more {}
    assert_eq!(store.purge().await.unwrap(), Purged::default());
}
