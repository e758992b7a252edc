//! Which writing of a record wins.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;
use wxtoken_core::user::{Held, Written};

use super::records::{app, empty, full, openid, sessions_alone};
use super::{LATER, Subject, look, put, write};

pub(super) async fn check<F: Future<Output = Box<dyn Subject>>>(fresh: &impl Fn() -> F) {
    an_overtaken_writer_is_shown_what_is_there(&*fresh().await).await;
    a_version_never_comes_again(fresh().await).await;
    of_writers_at_the_same_time_one_wins(&*fresh().await).await;
    nothing_is_lost_by_writers_that_try_again(&*fresh().await).await;
}

async fn an_overtaken_writer_is_shown_what_is_there(subject: &dyn Subject) {
    let (store, until) = (subject.store(), subject.now().await.plus(LATER));
    let first = put(subject, 1, &full(1)).await;
    let attempt = async |record, over| write(&store, 1, &record, over, until).await;
    let there = |record, version| Written::Overtaken(Some(Held { record, version }));
    assert_eq!(attempt(full(2), None).await, there(full(1), first));
    let Written::Yes(second) = attempt(full(2), Some(first)).await else {
        panic!("nobody wrote in between");
    };
    for over in [None, Some(first), Some(second ^ 1), Some(0), Some(u64::MAX)] {
        let overtaken = attempt(empty(), over).await;
        assert_eq!(overtaken, there(full(2), second), "over {over:?}");
    }
    assert!(store.delete(&app(1), &openid(1)).await.unwrap());
    assert_eq!(
        attempt(full(3), Some(second)).await,
        Written::Overtaken(None)
    );
    assert_eq!(look(subject, 1).await, None, "nothing was written");
}

async fn a_version_never_comes_again(subject: Box<dyn Subject>) {
    let mut seen = HashSet::new();
    let mut subject = subject;
    for round in 0..3 {
        for number in [1, 2] {
            let version = put(&*subject, number, &full(1)).await;
            assert!(seen.insert(version), "{version} in round {round}");
            let (store, until) = (subject.store(), subject.now().await.plus(LATER));
            let written = write(&store, number, &full(1), Some(version), until).await;
            let Written::Yes(next) = written else {
                panic!("nobody wrote in between");
            };
            assert!(seen.insert(next), "the same record, written again");
            assert!(store.delete(&app(1), &openid(number)).await.unwrap());
        }
        subject = subject.reopened().await;
    }
}

async fn of_writers_at_the_same_time_one_wins(subject: &dyn Subject) {
    let (store, until) = (subject.store(), subject.now().await.plus(LATER));
    for over in [None, Some(())] {
        let over = match over {
            Some(()) => look(subject, 1).await.map(|held| held.version),
            None => None,
        };
        let all = (0..32).map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let record = full(number);
                let written = write(&store, 1, &record, over, until).await;
                (number, written)
            })
        });
        let all: Vec<_> = join_all(all)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let won: Vec<_> = all
            .iter()
            .filter(|(_, written)| matches!(written, Written::Yes(_)))
            .collect();
        let [(winner, Written::Yes(version))] = *won.as_slice() else {
            panic!("{} won", won.len());
        };
        let (record, version) = (full(*winner), *version);
        let there = Some(Held { record, version });
        assert_eq!(look(subject, 1).await, there);
        for (number, written) in &all {
            if number != winner {
                assert_eq!(*written, Written::Overtaken(there.clone()));
            }
        }
    }
}

/// As who keeps grants and sessions does it: each knows of one part, and leaves the other as it is.
async fn nothing_is_lost_by_writers_that_try_again(subject: &dyn Subject) {
    let (store, until) = (subject.store(), subject.now().await.plus(LATER));
    let all = (0..8).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut held: Option<Held> = None;
            for _ in 0..100 {
                let over = held.as_ref().map(|held| held.version);
                let mut record = held.map(|held| held.record).unwrap_or_default();
                if number % 2 == 0 {
                    record.grant = full(number).grant;
                } else {
                    record.session = sessions_alone(number).session;
                }
                let written = write(&store, 1, &record, over, until).await;
                match written {
                    Written::Yes(_) => return,
                    Written::Overtaken(there) => held = there,
                }
            }
            panic!("always overtaken");
        })
    });
    for done in join_all(all).await {
        done.unwrap();
    }
    let record = look(subject, 1).await.unwrap().record;
    assert!(record.grant.is_some() && record.session.is_some());
}
