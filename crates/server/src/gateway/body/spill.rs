//! What does not fit into memory: a file without a name, 0600, gone with the process whatever happens.
//!
//! A thread that may block is held only while something is written, however slowly a body comes in. What waits is copied
//! together: the pieces are free at once, so that the next are read into the same memory.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::mem;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes that may wait for the disk; behind that the body waits.
const WAITING: usize = 1 << 20;
/// So many are written at once: each time a thread that may block has to be woken.
const AT_ONCE: usize = WAITING / 2;

/// A file that grows.
pub(super) struct Spill {
    folder: PathBuf,
    file: Disk,
    waiting: Vec<u8>,
    /// Room that was waited in before.
    spare: Vec<u8>,
}

/// The file, wherever it is.
enum Disk {
    /// Here; none before the first bytes are written.
    Idle(Option<File>),
    /// With the thread that writes to it.
    Writing(JoinHandle<io::Result<Written>>),
    /// Nowhere: the disk failed.
    Lost,
}

/// A file, and the room of what was written to it.
type Written = (File, Vec<u8>);

/// The file could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failed;

impl Spill {
    /// A file in a folder; it is opened when there is enough to write.
    pub(super) fn start(folder: PathBuf, first: &Bytes) -> Self {
        let mut spill = Self {
            folder,
            file: Disk::Idle(None),
            waiting: Vec::new(),
            spare: Vec::new(),
        };
        spill.take(first);
        spill
    }

    /// Whether a piece can be taken now. An error says that the disk failed: nothing more is kept.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        if let Disk::Writing(writing) = &mut self.file {
            match Pin::new(writing).poll(cx) {
                Poll::Ready(Ok(Ok(written))) => self.is_written(written),
                Poll::Ready(failed) => {
                    if let Ok(Err(error)) = failed {
                        let folder = self.folder.display();
                        tracing::warn!(
                            "a call's body could not be kept in {folder}: {error}; the call goes on, and cannot be made again"
                        );
                    }
                    self.file = Disk::Lost;
                }
                Poll::Pending if self.waiting.len() < WAITING => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.write_on(AT_ONCE);
        match self.file {
            Disk::Lost => Poll::Ready(Err(Failed)),
            Disk::Idle(_) | Disk::Writing(_) => Poll::Ready(Ok(())),
        }
    }

    /// Takes a piece.
    pub(super) fn take(&mut self, piece: &Bytes) {
        if self.waiting.capacity() == 0 {
            // As much as is written at once, and the piece that makes it so much: growing would touch twice the memory.
            self.waiting.reserve_exact(AT_ONCE + piece.len());
        }
        self.waiting.extend_from_slice(piece);
        self.write_on(AT_ONCE);
    }

    /// The file, once everything is in it.
    pub(super) async fn finish(mut self) -> io::Result<File> {
        loop {
            self.write_on(1);
            match self.file {
                Disk::Writing(writing) => {
                    let (file, _) = writing.await.map_err(io::Error::other)??;
                    self.file = Disk::Idle(Some(file));
                }
                Disk::Idle(Some(file)) => return Ok(file),
                Disk::Idle(None) | Disk::Lost => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
    }

    fn is_written(&mut self, (file, mut room): Written) {
        room.clear();
        (self.file, self.spare) = (Disk::Idle(Some(file)), room);
    }

    /// Begins to write what waits, if it is so much and nothing is being written.
    fn write_on(&mut self, much: usize) {
        if let Disk::Idle(file) = &mut self.file
            && self.waiting.len() >= much
        {
            let (file, folder) = (file.take(), self.folder.clone());
            let bytes = mem::replace(&mut self.waiting, mem::take(&mut self.spare));
            self.file = Disk::Writing(spawn_blocking(move || write(file, &folder, bytes)));
        }
    }
}

fn write(file: Option<File>, folder: &Path, bytes: Vec<u8>) -> io::Result<Written> {
    let mut file = file.map_or_else(|| nameless(folder), Ok)?;
    file.write_all(&bytes)?;
    Ok((file, bytes))
}

/// A file without a name that nobody else may read, whatever the umask.
pub(crate) fn nameless(folder: &Path) -> io::Result<File> {
    let file = tempfile::tempfile_in(folder)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Reads a piece at a place, on a thread that may block.
pub(crate) async fn read(file: File, at: u64, length: usize) -> io::Result<(File, Bytes)> {
    let reading = spawn_blocking(move || {
        let mut piece = vec![0; length];
        file.read_exact_at(&mut piece, at)?;
        Ok((file, Bytes::from(piece)))
    });
    reading.await.map_err(io::Error::other)?
}
