//! Where lines leave the process. Nobody waits there: what a pipe or a terminal does not take at once waits in memory, and
//! a thread of its own, which lives only as long as that lasts, writes it as soon as it is taken. Beyond [`ROOM`] lines are
//! lost; they are counted, and the log says so when it goes on.
//!
//! Must not know: what is in a line.

use std::io::Write;
use std::mem;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::termios::isatty;

/// Bytes that wait at most while nobody takes any, beside as many on their way.
const ROOM: usize = 1024 * 1024;
/// A pipe or a terminal that takes anything takes this much without waiting (`PIPE_BUF`).
const SURE: usize = 4096;

/// A file descriptor to write lines to.
pub(super) struct Outlet<W> {
    to: W,
    /// How much is written at once where something is taken at all.
    piece: usize,
    waiting: Mutex<Waiting>,
    settled: Condvar,
    lost: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Whether a thread writes these; whoever comes now comes behind them.
    drains: bool,
    /// Lines lost since the log last said so.
    lost: u64,
}

impl<W> Outlet<W>
where
    W: AsFd + Send + Sync + 'static,
    for<'w> &'w W: Write,
{
    pub(super) fn new(to: W) -> Arc<Self> {
        let is_pipe =
            fstat(&to).is_ok_and(|it| FileType::from_raw_mode(it.st_mode) == FileType::Fifo);
        let piece = if is_pipe || isatty(&to) { SURE } else { ROOM };
        Arc::new(Self {
            to,
            piece,
            waiting: Mutex::default(),
            settled: Condvar::new(),
            lost: AtomicU64::new(0),
        })
    }

    /// Writes whole lines, now or as soon as they are taken.
    pub(super) fn put(self: &Arc<Self>, lines: &[u8]) {
        let mut waiting = self.waiting();
        let rest = if waiting.bytes.is_empty() && !waiting.drains {
            self.write_what_is_taken(lines)
        } else {
            lines
        };
        if rest.is_empty() {
            return;
        }
        if waiting.bytes.len() + rest.len() > ROOM {
            let lost = rest.iter().filter(|byte| **byte == b'\n').count() as u64;
            waiting.lost += lost;
            self.lost.fetch_add(lost, Ordering::Relaxed);
            return;
        }
        waiting.bytes.extend_from_slice(rest);
        if !waiting.drains {
            let this = Arc::clone(self);
            let drain = thread::Builder::new().name("log".to_owned());
            // Without a thread for it, the next line tries again.
            waiting.drains = drain.spawn(move || this.drain()).is_ok();
        }
    }

    /// Lines lost since the process began, because nobody took them.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until nothing waits any more, but not for longer than this.
    pub(super) fn settle(&self, at_most: Duration) {
        let waiting = self.waiting();
        let waits = |waiting: &mut Waiting| waiting.drains;
        drop(self.settled.wait_timeout_while(waiting, at_most, waits));
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is left of these lines.
    fn write_what_is_taken<'l>(&self, mut lines: &'l [u8]) -> &'l [u8] {
        while !lines.is_empty() && self.takes_some() {
            let (now, rest) = lines.split_at(lines.len().min(self.piece));
            // A log that nobody can take any more is nobody's failure.
            if (&self.to).write_all(now).is_err() {
                return &[];
            }
            lines = rest;
        }
        lines
    }

    fn takes_some(&self) -> bool {
        let mut asked = [PollFd::new(&self.to, PollFlags::OUT)];
        // What cannot be asked is written to: it says what is wrong.
        !matches!(poll(&mut asked, Some(&Timespec::default())), Ok(0))
    }

    /// Writes what waits, until nothing does.
    fn drain(&self) {
        loop {
            let mut waiting = self.waiting();
            let bytes = mem::take(&mut waiting.bytes);
            if bytes.is_empty() {
                waiting.drains = false;
                let lost = mem::take(&mut waiting.lost);
                drop(waiting);
                if lost > 0 {
                    tracing::warn!(lost, "{lost} lines of the log are lost: nobody took them");
                }
                self.settled.notify_all();
                return;
            }
            drop(waiting);
            let _ = (&self.to).write_all(&bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, PipeWriter, Read, pipe};

    use super::*;

    fn full_pipe() -> (PipeReader, Arc<Outlet<PipeWriter>>, usize) {
        let (reader, writer) = pipe().unwrap();
        let outlet = Outlet::new(writer);
        let mut kept = 0;
        while outlet.takes_some() {
            kept += (&outlet.to).write(&[b'.'; SURE]).unwrap();
        }
        (reader, outlet, kept)
    }

    fn read(reader: &mut PipeReader, much: usize) -> Vec<u8> {
        let mut bytes = vec![0; much];
        reader.read_exact(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_taken_is_written_at_once() {
        let (mut reader, writer) = pipe().unwrap();
        let outlet = Outlet::new(writer);
        outlet.put(b"a line\n");
        assert!(!outlet.waiting().drains, "no thread for it");
        assert_eq!(read(&mut reader, 7), b"a line\n");
        assert_eq!(outlet.lost(), 0);
    }

    #[test]
    fn nobody_waits_for_a_pipe_that_nobody_empties_and_its_lines_come_later_in_order() {
        let (mut reader, outlet, kept) = full_pipe();
        let lines: Vec<u8> = (0..5000)
            .flat_map(|n| format!("line {n}\n").into_bytes())
            .collect();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            outlet.put(line);
        }
        read(&mut reader, kept);
        assert_eq!(read(&mut reader, lines.len()), lines);
        outlet.settle(Duration::MAX);
        assert_eq!(outlet.lost(), 0);
        outlet.put(b"as before\n");
        assert!(!outlet.waiting().drains);
        assert_eq!(read(&mut reader, 10), b"as before\n");
    }

    #[test]
    fn lines_beyond_the_room_are_lost_and_counted_whole() {
        let (mut reader, outlet, kept) = full_pipe();
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        let most = 2 * ROOM / line.len();
        for _ in 0..most + 10 {
            outlet.put(&line);
        }
        let lost = usize::try_from(outlet.lost()).unwrap();
        assert!((10..=most).contains(&lost), "{lost} lost");
        read(&mut reader, kept);
        let rest = read(&mut reader, (most + 10 - lost) * line.len());
        assert!(rest.chunks(line.len()).all(|piece| piece == line));
        outlet.settle(Duration::MAX);
    }

    #[test]
    fn a_stop_does_not_wait_for_lines_that_nobody_takes() {
        let (reader, outlet, _) = full_pipe();
        outlet.put(b"a last line\n");
        outlet.settle(Duration::ZERO);
        assert!(outlet.waiting().drains, "it still waits");
        drop(reader);
        outlet.settle(Duration::MAX);
        outlet.put(b"nobody is there\n");
        assert_eq!(outlet.lost(), 0, "that is nobody's failure");
    }
}
