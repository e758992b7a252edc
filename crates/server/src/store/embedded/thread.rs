//! The one thread that touches the database: takes what has come in, does it together, answers everyone.
//!
//! Must not know: what a change does.

use std::io;
use std::mem;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::{mpsc as async_mpsc, oneshot};
use wxtoken_core::app::AppId;
use wxtoken_core::store::{Loaded, Record, StoreError};

use super::writer::{Change, Outcome, Writer};
use crate::words::Sentence;

/// Changes that share one fsync at most.
const TOGETHER: usize = 512;
/// Changes after which the journal is written back, and how long it may lie there when nothing comes.
const CHECKPOINT_AFTER: usize = 1000;
const CHECKPOINT_IDLE: Duration = Duration::from_secs(5);
/// Portions of a load that may wait for whoever takes them.
const PORTIONS: usize = 4;

type Found = Result<Option<Box<Record>>, StoreError>;

enum Job {
    Change(Change, oneshot::Sender<Outcome>),
    Read(AppId, oneshot::Sender<Found>),
    Forgotten(oneshot::Sender<Result<Vec<AppId>, StoreError>>),
    Load(async_mpsc::Sender<Vec<Loaded>>, oneshot::Sender<Outcome>),
    #[cfg(test)]
    Hold(Receiver<()>),
}

/// A handle on the thread. Dropping it waits until everything that was asked is done.
pub(super) struct Thread {
    jobs: Option<Sender<Job>>,
    handle: Option<JoinHandle<()>>,
}

impl Thread {
    pub(super) fn start(writer: Writer) -> io::Result<Self> {
        let (jobs, inbox) = mpsc::channel();
        let handle = Builder::new()
            .name("store".into())
            .spawn(move || run(writer, &inbox))?;
        Ok(Self {
            jobs: Some(jobs),
            handle: Some(handle),
        })
    }

    pub(super) async fn change(&self, change: Change) -> Outcome {
        self.ask(|done| Job::Change(change, done)).await
    }

    pub(super) async fn read(&self, app: &AppId) -> Found {
        self.ask(|done| Job::Read(*app, done)).await
    }

    pub(super) async fn forgotten(&self) -> Result<Vec<AppId>, StoreError> {
        self.ask(Job::Forgotten).await
    }

    pub(super) async fn load(&self, each: &mut (dyn FnMut(Loaded) + Send)) -> Outcome {
        let (portions, mut inbox) = async_mpsc::channel(PORTIONS);
        let (done, answer) = oneshot::channel();
        self.send(Job::Load(portions, done))?;
        while let Some(portion) = inbox.recv().await {
            portion.into_iter().for_each(&mut *each);
        }
        answer.await.map_err(|_| stopped())?
    }

    /// As a disk that answers nothing, until what this gives is dropped.
    #[cfg(test)]
    pub(super) fn hold(&self) -> Sender<()> {
        let (held, until) = mpsc::channel();
        self.send(Job::Hold(until)).unwrap();
        held
    }

    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> Result<T, StoreError> {
        let (done, answer) = oneshot::channel();
        self.send(job(done))?;
        answer.await.map_err(|_| stopped())?
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(job).map_err(|_| stopped())
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(handle) = self.handle.take()
            && handle.join().is_err()
        {
            tracing::error!("the store's thread had stopped with a panic");
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable(Sentence::new(
        "存储的线程停了；重新启动 wxtoken",
        "the store's thread has stopped; restart wxtoken",
    ))
}

fn run(mut writer: Writer, inbox: &Receiver<Job>) {
    let mut unwritten = 0;
    while let Some(first) = next(inbox, &writer, &mut unwritten) {
        let mut reads = Vec::new();
        let (mut changes, mut waiting) = (Vec::new(), Vec::new());
        let more = std::iter::from_fn(|| inbox.try_recv().ok());
        for job in std::iter::once(first).chain(more.take(TOGETHER - 1)) {
            match job {
                Job::Change(change, done) => {
                    changes.push(change);
                    waiting.push(done);
                }
                read => reads.push(read),
            }
        }
        if !changes.is_empty() {
            unwritten += changes.len();
            for (outcome, done) in writer.commit(&changes).into_iter().zip(waiting) {
                // Whoever asked may have gone; it is done all the same.
                let _ = done.send(outcome);
            }
        }
        reads.into_iter().for_each(|job| look(&mut writer, job));
        if unwritten >= CHECKPOINT_AFTER {
            writer.checkpoint();
            unwritten = 0;
        }
    }
}

/// The next job; the journal is written back when none comes for a while. None: everyone has gone.
fn next(inbox: &Receiver<Job>, writer: &Writer, unwritten: &mut usize) -> Option<Job> {
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

fn look(writer: &mut Writer, job: Job) {
    match job {
        Job::Change(..) => {}
        Job::Read(app, done) => {
            let _ = done.send(writer.read(&app));
        }
        Job::Forgotten(done) => {
            let _ = done.send(Ok(mem::take(&mut writer.forgotten)));
        }
        Job::Load(portions, done) => {
            let loaded = writer.load(&mut |portion| portions.blocking_send(portion).is_ok());
            drop(portions);
            let _ = done.send(loaded);
        }
        #[cfg(test)]
        Job::Hold(until) => drop(until.recv()),
    }
}
