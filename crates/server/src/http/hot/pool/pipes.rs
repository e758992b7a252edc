//! Pipes in which the bytes of long bodies lie on their way: from one connection to another, and to a file, without ever
//! passing through the memory of this process.
//!
//! The system holds a pipe's lock as long as a file is written from it: while that goes on nobody else may touch the pipe,
//! nor drop it, or he waits for the disk. So it is moved to whoever writes.
//! Must not know: what the bytes are.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::io::{Errno, retry_on_intr};
use rustix::pipe::{
    PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice, tee,
};

/// What a pipe holds; the system gives no more to everybody.
const ROOM: usize = 1 << 20;
/// One that holds less is not worth it: who has many pipes is given small ones (pipe(7)).
pub(super) const LEAST: usize = 64 * 1024;
/// A thread has no more: all that a user who is not root has in pipes of full size comes to 64 MiB.
const MOST: usize = 16;

/// Nothing here waits, files excepted.
const AT_ONCE: SpliceFlags = SpliceFlags::NONBLOCK.union(SpliceFlags::MOVE);

/// One pipe.
#[derive(Debug)]
pub(super) struct Pipe {
    mouth: OwnedFd,
    end: OwnedFd,
    holds: usize,
    /// Counts all there are of a thread's.
    _tally: Arc<()>,
}

impl Pipe {
    /// One of that size, if the system gives it; else of the usual one.
    fn new(size: usize, tally: &Arc<()>) -> io::Result<Self> {
        let (end, mouth) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // Who is refused keeps what the pipe has.
        let room = fcntl_setpipe_size(&mouth, size).or_else(|_| fcntl_getpipe_size(&mouth))?;
        if room < LEAST {
            return Err(ErrorKind::QuotaExceeded.into());
        }
        let holds = 0;
        let _tally = Arc::clone(tally);
        Ok(Self {
            mouth,
            end,
            holds,
            _tally,
        })
    }

    /// How many bytes are in it.
    pub(super) const fn holds(&self) -> usize {
        self.holds
    }

    /// Takes in what a connection has said, so much at most. None if it has said nothing, 0 at its end.
    pub(super) fn take_in(&mut self, from: impl AsFd, most: u64) -> io::Result<Option<usize>> {
        let most = usize::try_from(most).unwrap_or(ROOM).min(ROOM);
        let taken = at_once(|| splice(&from, None, &self.mouth, None, most, AT_ONCE))?;
        self.holds += taken.unwrap_or(0);
        Ok(taken)
    }

    /// Lets out so much at most; says how much that was.
    pub(super) fn let_out(&mut self, to: impl AsFd, most: usize) -> io::Result<usize> {
        let out = at_once(|| splice(&self.end, None, &to, None, most, AT_ONCE))?.unwrap_or(0);
        self.holds -= out;
        Ok(out)
    }

    /// Puts its beginning into another one as well; says how much that was.
    pub(super) fn put_into(&self, other: &mut Self) -> io::Result<usize> {
        let both = || tee(&self.end, &other.mouth, self.holds, SpliceFlags::NONBLOCK);
        let put = at_once(both)?.unwrap_or(0);
        other.holds += put;
        Ok(put)
    }

    /// Throws so much of its beginning away.
    pub(super) fn forget(&mut self, bytes: usize) -> io::Result<()> {
        let mut room = vec![0; bytes.min(LEAST)];
        let mut left = bytes;
        while left > 0 {
            let most = left.min(room.len());
            let read = rustix::io::read(&self.end, &mut room[..most])?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            left -= read;
            self.holds -= read;
        }
        Ok(())
    }

    /// Writes all of it to a file, from there on. Waits for the disk.
    pub(super) fn write(&mut self, file: &File, mut at: u64) -> io::Result<()> {
        while self.holds > 0 {
            let written = splice(
                &self.end,
                None,
                file,
                Some(&mut at),
                self.holds,
                SpliceFlags::MOVE,
            );
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.holds -= written,
                Err(Errno::INTR) => {}
                // Some file systems do not take what a pipe holds as it is.
                Err(Errno::INVAL) => return self.copy(file, at),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Writes all of it to a file, from there on, through the memory of this process.
    fn copy(&mut self, file: &File, mut at: u64) -> io::Result<()> {
        let mut room = vec![0; self.holds.min(LEAST)];
        while self.holds > 0 {
            let read = rustix::io::read(&self.end, &mut room)?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.holds -= read;
            file.write_all_at(&room[..read], at)?;
            at += read as u64;
        }
        Ok(())
    }
}

/// None, if it would have to be waited for.
fn at_once(act: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<Option<usize>> {
    match retry_on_intr(act) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Pipes of one thread.
#[derive(Default)]
pub(super) struct Pipes {
    spare: Vec<Pipe>,
    tally: Arc<()>,
    /// Whether bytes can go this way at all; not known before it was tried.
    works: Option<bool>,
}

impl Pipes {
    /// Two empty ones, if there are so many to be had.
    pub(super) fn take(&mut self) -> Option<(Pipe, Pipe)> {
        if self.works == Some(false) {
            return None;
        }
        let mut one = self.one()?;
        let Some(mut other) = self.one() else {
            self.give_back(Some(one));
            return None;
        };
        if self.works.is_none() {
            match tried(&mut one, &mut other) {
                Ok(()) => self.works = Some(true),
                // For once.
                Err(error) if is_want_of_files(&error) => return None,
                Err(error) => {
                    tracing::info!(
                        %error,
                        "long bodies of calls are copied, for this system does not splice: {error}"
                    );
                    self.works = Some(false);
                    return None;
                }
            }
        }
        Some((one, other))
    }

    fn one(&mut self) -> Option<Pipe> {
        if let Some(pipe) = self.spare.pop() {
            return Some(pipe);
        }
        if Arc::strong_count(&self.tally) > MOST {
            return None;
        }
        Pipe::new(ROOM, &self.tally).ok()
    }

    /// Takes one back that nobody writes from, if it is empty.
    pub(super) fn give_back(&mut self, pipe: Option<Pipe>) {
        self.spare.extend(pipe.filter(|pipe| pipe.holds == 0));
    }
}

/// Sends a byte on the whole way once: some systems have no splice, or forbid it.
fn tried(way: &mut Pipe, copy: &mut Pipe) -> io::Result<()> {
    let (from, to) = UnixStream::pair()?;
    rustix::io::write(&from, b"x")?;
    let taken = way.take_in(&to, 1)?;
    let copied = way.put_into(copy)?;
    let went = way.let_out(&to, copied)?;
    copy.forget(copied)?;
    match (taken, copied, went) {
        (Some(1), 1, 1) => Ok(()),
        _ => Err(ErrorKind::Unsupported.into()),
    }
}

fn is_want_of_files(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_pipe_that_is_refused_its_size_has_the_usual_one_and_a_small_one_is_none() {
        let tally = Arc::default();
        let mut pipe = Pipe::new(1 << 31, &tally).unwrap();
        assert!(fcntl_getpipe_size(&pipe.mouth).unwrap() >= LEAST);
        tried(&mut pipe, &mut Pipe::new(ROOM, &tally).unwrap()).unwrap();
        assert!(Pipe::new(4096, &tally).is_err());
    }

    #[test]
    fn a_thread_has_so_many_pipes_and_no_more_and_those_that_come_back_are_used_again() {
        let mut pipes = Pipes::default();
        let mut taken: Vec<_> = std::iter::from_fn(|| pipes.take()).collect();
        assert_eq!(taken.len(), MOST / 2);
        let (one, mut other) = taken.pop().unwrap();
        let (from, _to) = UnixStream::pair().unwrap();
        rustix::io::write(&_to, b"xyz").unwrap();
        other.take_in(&from, 3).unwrap();
        pipes.give_back(Some(one));
        pipes.give_back(Some(other));
        assert!(pipes.take().is_some(), "one is spare, and one anew");
        taken.clear();
        assert!(pipes.take().is_some());
    }

    #[test]
    fn where_bytes_cannot_go_this_way_there_are_no_pipes() {
        let mut pipes = Pipes {
            works: Some(false),
            ..Pipes::default()
        };
        assert!(pipes.take().is_none());
    }

    #[test]
    fn what_a_file_does_not_take_as_it_is_is_copied() {
        let (mut from, to) = UnixStream::pair().unwrap();
        let bytes: Vec<u8> = (0..150_000u32).map(|n| n.to_le_bytes()[0]).collect();
        to.set_nonblocking(true).unwrap();
        from.set_nonblocking(true).unwrap();
        let mut pipe = Pipe::new(ROOM, &Arc::default()).unwrap();
        let (mut sent, mut file) = (0, tempfile::tempfile().unwrap());
        while sent < bytes.len() {
            sent += rustix::io::write(&to, &bytes[sent..]).unwrap_or(0);
            pipe.take_in(&from, 1 << 20).unwrap();
        }
        while pipe.holds() < bytes.len() {
            pipe.take_in(&from, 1 << 20).unwrap();
        }
        pipe.copy(&file, 0).unwrap();
        assert_eq!(
            from.read(&mut [0]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        let mut written = Vec::new();
        file.read_to_end(&mut written).unwrap();
        assert!(pipe.holds() == 0 && written == bytes);
    }
}
