//! Wrappers that count what passes; what is wrapped does not know.
//!
//! Must not know: what is asked or stored.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::source::{Answer, Ask, CredentialSource, Failure, Passing, Reply, Trouble};
use wxtoken_core::store::{Fence, Lease, Loaded, Record, RecordStore, StoreError};

use super::metrics::Metrics;

/// Counts and times the calls of a source.
#[derive(Debug)]
pub struct MeteredSource<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl<S> MeteredSource<S> {
    /// Wraps a source.
    #[must_use]
    pub fn new(inner: S, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics }
    }

    /// What is wrapped.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

#[async_trait]
impl<S: CredentialSource> CredentialSource for MeteredSource<S> {
    async fn ask(&self, app: &AppId, ask: Ask, timeout: Duration) -> Result<Answer, Failure> {
        let mut call = Call {
            metrics: &self.metrics,
            ask: name(&ask),
            outcome: "given_up",
            since: Instant::now(),
        };
        let result = self.inner.ask(app, ask, timeout).await;
        call.outcome = match &result {
            Ok(answer) => ended_well(&answer.reply),
            Err(failure) => ended_badly(failure.trouble),
        };
        if let Err(Failure {
            trouble: Trouble::Refused(errcode),
            ..
        }) = result
        {
            self.metrics.refusal(call.ask, errcode);
        }
        result
    }
}

/// A call under way; counted when it ends, also if its future is dropped.
struct Call<'a> {
    metrics: &'a Metrics,
    ask: &'static str,
    outcome: &'static str,
    since: Instant,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.metrics
            .upstream_call(self.ask, self.outcome, self.since.elapsed());
    }
}

const fn name(ask: &Ask) -> &'static str {
    match ask {
        Ask::Classic => "classic",
        Ask::Stable => "stable",
        Ask::Forced => "forced",
        Ask::Ticket(ticket, _) => ticket.kind().name(),
        Ask::Probe(..) => "probe",
    }
}

const fn ended_well(reply: &Reply) -> &'static str {
    match reply {
        Reply::Minted(_) => "minted",
        Reply::Alive => "alive",
        Reply::Dead(_) => "dead",
    }
}

const fn ended_badly(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Passing(Passing::Unreachable) => "unreachable",
        Trouble::Passing(Passing::Cut) => "cut",
        Trouble::Passing(Passing::Status(_)) => "status",
        Trouble::Passing(Passing::Nonsense) => "nonsense",
        Trouble::Passing(Passing::Busy) => "busy",
        Trouble::Passing(Passing::TooFast) => "too_fast",
        Trouble::Passing(Passing::OtherSecret) => "other_secret",
        Trouble::Refused(_) => "refused",
        Trouble::QuotaUsedUp => "quota_used_up",
        Trouble::TokenBad(_) => "token_bad",
    }
}

/// Counts and times the writes of a store that others hold too.
#[derive(Debug)]
pub struct MeteredStore<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl<S> MeteredStore<S> {
    /// Wraps a store.
    #[must_use]
    pub fn new(inner: S, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics }
    }

    /// What is wrapped.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

#[async_trait]
impl<S: Deref<Target: RecordStore> + Send + Sync> RecordStore for MeteredStore<S> {
    async fn load_all(&self, each: &mut (dyn FnMut(Loaded) + Send)) -> Result<(), StoreError> {
        self.inner.load_all(each).await
    }

    async fn lease(&self, app: &AppId, holds_for: Duration) -> Result<Lease, StoreError> {
        self.inner.lease(app, holds_for).await
    }

    async fn write(&self, app: &AppId, record: &Record, fence: Fence) -> Result<(), StoreError> {
        let since = Instant::now();
        let result = self.inner.write(app, record, fence).await;
        let outcome = match &result {
            Ok(()) => "ok",
            Err(StoreError::Stale(_)) => "stale",
            Err(StoreError::Unavailable(_)) => "failed",
        };
        self.metrics.store_write(outcome, since.elapsed());
        result
    }

    async fn release(&self, app: &AppId, fence: Fence) {
        self.inner.release(app, fence).await;
    }

    async fn note_late_mint(&self, app: &AppId, sent: Wall) -> Result<(), StoreError> {
        self.inner.note_late_mint(app, sent).await
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use wxtoken_core::clock::Now;
    use wxtoken_core::credential::{Lane, Ticket, Token};

    use super::*;
    use crate::clock::ManualClock;
    use crate::words::Sentence;

    /// Answers every question with the same; without one it never answers.
    struct Always(Option<Result<Reply, Trouble>>);

    #[async_trait]
    impl CredentialSource for Always {
        async fn ask(&self, _: &AppId, _: Ask, _: Duration) -> Result<Answer, Failure> {
            let Some(said) = self.0.clone() else {
                return pending().await;
            };
            said.map(|reply| Answer {
                reply,
                upstream_time: None,
            })
            .map_err(|trouble| Failure {
                trouble,
                sent: true,
                upstream_time: None,
            })
        }
    }

    struct Full;

    #[async_trait]
    impl RecordStore for Full {
        async fn load_all(&self, _: &mut (dyn FnMut(Loaded) + Send)) -> Result<(), StoreError> {
            Ok(())
        }

        async fn lease(&self, _: &AppId, _: Duration) -> Result<Lease, StoreError> {
            Err(StoreError::Stale(None))
        }

        async fn write(&self, _: &AppId, _: &Record, _: Fence) -> Result<(), StoreError> {
            Err(StoreError::Unavailable(Sentence::new(
                "磁盘已满",
                "disk full",
            )))
        }

        async fn release(&self, _: &AppId, _: Fence) {}

        async fn note_late_mint(&self, _: &AppId, _: Wall) -> Result<(), StoreError> {
            Ok(())
        }
    }

    fn metrics() -> Arc<Metrics> {
        let clock = ManualClock::new(Now::default());
        Arc::new(Metrics::new(Arc::new(clock)))
    }

    fn app() -> AppId {
        "wx01".parse().unwrap()
    }

    fn calls(metrics: &Metrics) -> Vec<String> {
        let page = metrics.render();
        let lines = page
            .lines()
            .filter_map(|l| l.strip_prefix("wxtoken_upstream_"));
        let counts = lines.filter(|l| l.starts_with("calls_total") || l.starts_with("refusals_"));
        counts.map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn every_call_is_counted_by_what_was_asked_and_how_it_ended() {
        let token = Token::new("68_abc").unwrap();
        for (ask, said, line) in [
            (
                Ask::Probe(Lane::Stable, token.clone()),
                Ok(Reply::Dead(40001)),
                "calls_total{ask=\"probe\",outcome=\"dead\"} 1",
            ),
            (
                Ask::Ticket(Ticket::Card, token),
                Err(Trouble::TokenBad(40001)),
                "calls_total{ask=\"card_ticket\",outcome=\"token_bad\"} 1",
            ),
            (
                Ask::Forced,
                Err(Trouble::Passing(Passing::Status(502))),
                "calls_total{ask=\"forced\",outcome=\"status\"} 1",
            ),
            (
                Ask::Classic,
                Err(Trouble::QuotaUsedUp),
                "calls_total{ask=\"classic\",outcome=\"quota_used_up\"} 1",
            ),
        ] {
            let metrics = metrics();
            let source = MeteredSource::new(Always(Some(said.clone())), metrics.clone());
            let answered = source.ask(&app(), ask, Duration::ZERO).await;
            assert_eq!(answered.is_ok(), said.is_ok());
            assert_eq!(calls(&metrics), [line]);
        }
    }

    #[tokio::test]
    async fn a_refusal_is_counted_by_its_errcode_too() {
        let metrics = metrics();
        let refused = Always(Some(Err(Trouble::Refused(40164))));
        let source = MeteredSource::new(refused, metrics.clone());
        let answered = source.ask(&app(), Ask::Stable, Duration::ZERO).await;
        assert_eq!(answered.unwrap_err().trouble, Trouble::Refused(40164));
        let mut calls = calls(&metrics);
        calls.sort();
        assert_eq!(
            calls,
            [
                "calls_total{ask=\"stable\",outcome=\"refused\"} 1",
                "refusals_total{ask=\"stable\",errcode=\"40164\"} 1"
            ]
        );
    }

    #[tokio::test]
    async fn a_call_that_is_given_up_is_counted_as_such() {
        let metrics = metrics();
        let source = MeteredSource::new(Always(None), metrics.clone());
        {
            let app = app();
            let call = source.ask(&app, Ask::Classic, Duration::ZERO);
            tokio::pin!(call);
            assert!(futures_util::poll!(call.as_mut()).is_pending());
            assert!(calls(&metrics).is_empty());
        }
        assert_eq!(
            calls(&metrics),
            ["calls_total{ask=\"classic\",outcome=\"given_up\"} 1"]
        );
    }

    #[tokio::test]
    async fn a_write_that_fails_is_counted_and_its_error_passed_on() {
        let metrics = metrics();
        let store = MeteredStore::new(Arc::new(Full), metrics.clone());
        let record = Record::default();
        let written = store.write(&app(), &record, Fence::default()).await;
        assert!(matches!(written, Err(StoreError::Unavailable(_))));
        let page = metrics.render();
        assert!(page.contains("wxtoken_store_writes_total{outcome=\"failed\"} 1\n"));
        assert!(page.contains("wxtoken_store_write_seconds_count 1\n"));
    }
}
