//! The threads: one that writes, taking what has come in together; a few that read, which wait for no write.
//!
//! Must not know: what a change does.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;
use wxtoken_core::store::StoreError;

use super::writer::{Change, Outcome, Writer};
use crate::words::Sentence;

/// Changes that share one fsync at most.
const TOGETHER: usize = 512;
/// Changes after which the journal is written back, and how long it may lie there when nothing comes.
const CHECKPOINT_AFTER: usize = 4000;
const CHECKPOINT_IDLE: Duration = Duration::from_secs(5);

/// A handle on threads that take jobs. Dropping it waits until everything that was asked is done.
pub(super) struct Threads<J> {
    jobs: Option<Sender<J>>,
    handles: Vec<JoinHandle<()>>,
}

/// A change, and who waits for it.
pub(super) type Write = (Change, oneshot::Sender<Outcome>);

impl Threads<Write> {
    pub(super) fn writing(writer: Writer) -> io::Result<Self> {
        let (jobs, inbox) = mpsc::channel();
        let handle = Builder::new()
            .name("users".into())
            .spawn(move || write(writer, &inbox))?;
        Ok(Self {
            jobs: Some(jobs),
            handles: vec![handle],
        })
    }

    pub(super) async fn change(&self, change: Change) -> Outcome {
        self.ask(|done| (change, done)).await
    }

    /// As a disk that takes a few more pages and no more, until what this gives is dropped.
    #[cfg(test)]
    pub(super) fn limit_pages(&self) -> Limit<'_> {
        let limit = Limit(self);
        limit.set(40);
        limit
    }
}

/// See [`Threads::limit_pages`].
#[cfg(test)]
pub(super) struct Limit<'a>(&'a Threads<Write>);

#[cfg(test)]
impl Limit<'_> {
    fn set(&self, pages: i64) {
        let (done, _) = oneshot::channel();
        let jobs = self.0.jobs.as_ref().unwrap();
        jobs.send((Change::Limit(pages), done)).unwrap();
    }
}

#[cfg(test)]
impl Drop for Limit<'_> {
    fn drop(&mut self) {
        self.set(i64::from(u32::MAX - 1));
    }
}

impl<J: Send + 'static> Threads<J> {
    /// Threads that work on what each was given, one job at a time.
    pub(super) fn working<T: Send + 'static>(
        each: Vec<T>,
        work: impl Fn(&mut T, J) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, inbox) = mpsc::channel::<J>();
        let inbox = Arc::new(Mutex::new(inbox));
        let mut handles = Vec::with_capacity(each.len());
        for mut what in each {
            let (inbox, work) = (Arc::clone(&inbox), work.clone());
            let handle = Builder::new().name("users-read".into()).spawn(move || {
                let next = || inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
                while let Ok(job) = next() {
                    work(&mut what, job);
                }
            })?;
            handles.push(handle);
        }
        let jobs = Some(jobs);
        Ok(Self { jobs, handles })
    }

    pub(super) async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> J,
    ) -> Result<T, StoreError> {
        let (done, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(job(done)).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl<J> Drop for Threads<J> {
    fn drop(&mut self) {
        self.jobs = None;
        for handle in self.handles.drain(..) {
            if handle.join().is_err() {
                tracing::error!("a thread of the users' store had stopped with a panic");
            }
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable(Sentence::new(
        "用户存储的线程停了；重新启动 wxtoken",
        "the thread of the users' store has stopped; restart wxtoken",
    ))
}

fn write(mut writer: Writer, inbox: &Receiver<Write>) {
    let mut unwritten = 0;
    while let Some(first) = next(inbox, &writer, &mut unwritten) {
        let more = std::iter::from_fn(|| inbox.try_recv().ok());
        let (changes, waiting): (Vec<_>, Vec<_>) = std::iter::once(first)
            .chain(more.take(TOGETHER - 1))
            .unzip();
        for (outcome, done) in writer.commit(&changes).into_iter().zip(waiting) {
            // Whoever asked may have gone; it is done all the same.
            let _ = done.send(outcome);
        }
        unwritten += changes.len();
        if unwritten >= CHECKPOINT_AFTER {
            writer.checkpoint();
            unwritten = 0;
        }
    }
}

/// The next job; the journal is written back when none comes for a while. None: everyone has gone.
fn next(inbox: &Receiver<Write>, writer: &Writer, unwritten: &mut usize) -> Option<Write> {
    if *unwritten > 0 {
        match inbox.recv_timeout(CHECKPOINT_IDLE) {
            Ok(job) => return Some(job),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {
                writer.checkpoint();
                *unwritten = 0;
            }
        }
    }
    inbox.recv().ok()
}
