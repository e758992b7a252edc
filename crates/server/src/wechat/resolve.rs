//! Looking host names up, each at most once at a time.
//!
//! A look-up is a blocking call of the system that nobody can stop: when name servers are silent, calls that give up and
//! come again would each leave a thread behind, until none is left for anything else. Must not know: what is connected to.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower::Service;

/// Shares look-ups that are under way. Clones share too.
#[derive(Clone)]
pub(super) struct Resolver<R = GaiResolver> {
    inner: R,
    under_way: Arc<Mutex<HashMap<Name, Lookup>>>,
}

type Lookup = Shared<BoxFuture<'static, Result<Vec<SocketAddr>, LookupFailed>>>;

/// A name has no address now.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the host name cannot be resolved: {0}")]
pub(super) struct LookupFailed(Arc<io::Error>);

impl Resolver {
    /// Asks the system.
    pub(super) fn system() -> Self {
        Self::over(GaiResolver::new())
    }
}

impl<R> Resolver<R> {
    fn over(inner: R) -> Self {
        Self {
            inner,
            under_way: Arc::default(),
        }
    }
}

impl<R> Resolver<R>
where
    R: Service<Name, Error = io::Error>,
    R::Response: Iterator<Item = SocketAddr>,
    R::Future: Send + 'static,
{
    /// The look-up of a name: the one under way, or a new one that runs on even if all who asked have gone.
    fn lookup(&mut self, name: &Name) -> Lookup {
        let all = self.under_way.clone();
        let mut under_way = lock(&all);
        if let Some(lookup) = under_way.get(name) {
            return lookup.clone();
        }
        let asked = self.inner.call(name.clone());
        let (done, after) = (name.clone(), all.clone());
        let lookup = async move {
            let found = asked.await;
            lock(&after).remove(&done);
            found
                .map(Iterator::collect)
                .map_err(|error| LookupFailed(Arc::new(error)))
        };
        let lookup = lookup.boxed().shared();
        under_way.insert(name.clone(), lookup.clone());
        tokio::spawn(lookup.clone());
        lookup
    }
}

fn lock(under_way: &Mutex<HashMap<Name, Lookup>>) -> MutexGuard<'_, HashMap<Name, Lookup>> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<R> Service<Name> for Resolver<R>
where
    R: Service<Name, Error = io::Error>,
    R::Response: Iterator<Item = SocketAddr>,
    R::Future: Send + 'static,
{
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = LookupFailed;
    type Future = BoxFuture<'static, Result<Self::Response, LookupFailed>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), LookupFailed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        self.lookup(&name)
            .map(|found| found.map(Vec::into_iter))
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    /// Answers when it is let; counts how often it was asked.
    #[derive(Clone)]
    struct Slow {
        asked: Arc<AtomicUsize>,
        let_go: Arc<Semaphore>,
    }

    impl Service<Name> for Slow {
        type Response = std::vec::IntoIter<SocketAddr>;
        type Error = io::Error;
        type Future = BoxFuture<'static, Result<Self::Response, io::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, name: Name) -> Self::Future {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let let_go = self.let_go.clone();
            Box::pin(async move {
                let_go.acquire().await.unwrap().forget();
                match name.as_str() {
                    "known" => Ok(vec!["127.0.0.1:0".parse().unwrap()].into_iter()),
                    _ => Err(io::Error::other("no such name")),
                }
            })
        }
    }

    fn slow() -> (Slow, Resolver<Slow>) {
        let slow = Slow {
            asked: Arc::default(),
            let_go: Arc::new(Semaphore::new(0)),
        };
        (slow.clone(), Resolver::over(slow))
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn those_who_ask_at_the_same_time_share_one_look_up() {
        let (slow, mut resolver) = slow();
        let asked: Vec<_> = (0..50).map(|_| resolver.call(name("known"))).collect();
        assert_eq!(slow.asked.load(Ordering::Relaxed), 1);
        slow.let_go.add_permits(1);
        for found in asked {
            assert_eq!(found.await.unwrap().count(), 1);
        }
        let again = resolver.call(name("known"));
        assert_eq!(slow.asked.load(Ordering::Relaxed), 2);
        slow.let_go.add_permits(1);
        again.await.unwrap();
    }

    #[tokio::test]
    async fn a_look_up_nobody_waits_for_any_more_is_still_shared_by_those_who_come_next() {
        let (slow, mut resolver) = slow();
        for _ in 0..1000 {
            drop(resolver.call(name("known")));
        }
        assert_eq!(slow.asked.load(Ordering::Relaxed), 1);
        let waiting = resolver.call(name("known"));
        slow.let_go.add_permits(1);
        waiting.await.unwrap();
        assert!(lock(&resolver.under_way).is_empty());
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_told_to_all_and_asked_anew_the_next_time() {
        let (slow, mut resolver) = slow();
        let (one, two) = (resolver.call(name("?")), resolver.call(name("?")));
        let other = resolver.call(name("known"));
        assert_eq!(slow.asked.load(Ordering::Relaxed), 2);
        slow.let_go.add_permits(2);
        assert!(one.await.unwrap_err().to_string().contains("no such name"));
        assert!(two.await.is_err());
        assert!(other.await.is_ok());
        assert!(lock(&resolver.under_way).is_empty());
    }
}
