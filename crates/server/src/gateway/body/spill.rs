//! What does not fit into memory: a file without a name, 0600, gone with the process whatever happens.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::PollSender;

/// Pieces on their way to the disk; behind that the body waits.
const WAITING: usize = 8;

/// A file being written, on a thread that may block.
pub(super) struct Spill {
    pieces: PollSender<Bytes>,
    writer: JoinHandle<io::Result<File>>,
}

impl Spill {
    /// Opens a file without a name in a folder and begins to write what it is given.
    pub(super) fn start(folder: PathBuf, first: Bytes) -> Result<Self, Failed> {
        let (pieces, taken) = mpsc::channel(WAITING);
        pieces.try_send(first).map_err(|_| Failed)?;
        Ok(Self {
            pieces: PollSender::new(pieces),
            writer: tokio::task::spawn_blocking(move || write(&folder, taken)),
        })
    }

    /// Whether a piece can be taken now. An error says that the disk failed: nothing more is kept.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.pieces.poll_reserve(cx).map_err(|_| Failed)
    }

    /// Takes a piece; only after `poll_ready`.
    pub(super) fn take(&mut self, piece: Bytes) -> Result<(), Failed> {
        self.pieces.send_item(piece).map_err(|_| Failed)
    }

    /// The file, once everything is in it.
    pub(super) async fn finish(self) -> io::Result<File> {
        let Self { mut pieces, writer } = self;
        pieces.close();
        drop(pieces);
        writer.await.map_err(io::Error::other)?
    }
}

/// The file could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failed;

fn write(folder: &Path, mut pieces: mpsc::Receiver<Bytes>) -> io::Result<File> {
    let mut file = tempfile::tempfile_in(folder)?;
    while let Some(piece) = pieces.blocking_recv() {
        file.write_all(&piece)?;
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

/// Reads a piece at a place, on a thread that may block.
pub(super) async fn read(file: File, at: u64, length: usize) -> io::Result<(File, Bytes)> {
    let reading = tokio::task::spawn_blocking(move || {
        let mut piece = vec![0; length];
        file.read_exact_at(&mut piece, at)?;
        Ok((file, Bytes::from(piece)))
    });
    reading.await.map_err(io::Error::other)?
}
