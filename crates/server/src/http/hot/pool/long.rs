//! The rest of a long body, behind what is kept of it in memory: from the caller's connection through a pipe to upstream's,
//! and a copy of it through a second pipe into a file.
//!
//! Nothing goes up that is not on its way into the file as well, so that at every moment what has been read stands in the
//! call's room, in the file, and in these pipes; or the whole of it is lost, and known to be.
//! Must not know: who waits for what.

use std::fs::File;
use std::mem;
use std::os::fd::AsFd;
use std::path::PathBuf;

use super::keeping::Keeping;
use super::pipes::{LEAST, Pipe};

/// So many bytes are written at once: each time a thread that may wait has to be woken.
const AT_ONCE: usize = 512 * 1024;
/// So many pieces are moved before others have their turn.
const PIECES: usize = 16;

/// Such a rest.
pub(super) struct Long {
    /// What is still to come from the caller.
    left: u64,
    /// How long it is.
    whole: u64,
    /// None once nothing more goes up.
    way: Option<Pipe>,
    /// So much at the beginning of what is on its way is kept.
    kept: usize,
    keep: Keep,
    moved: bool,
}

/// What is kept.
enum Keep {
    /// Here.
    Here(Keeping),
    /// With the thread that writes it.
    Away,
    /// Nowhere: no room is left for it, or the disk failed. What was kept is to be cast off.
    Lost(Option<Keeping>),
}

/// What a call takes along of it when it goes on elsewhere.
pub(super) enum Leaves {
    /// This, once it is written.
    Writes(Keeping),
    /// What is being written now.
    Later,
    /// This file, so long.
    File(File, u64),
    /// Nothing was read.
    Nothing,
    /// So much was read, and is kept nowhere.
    Lost(u64),
}

/// What has to be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// The caller, or upstream.
    Others,
    /// Its turn.
    Turn,
    /// The file.
    File,
    /// Nothing: all of it has gone up.
    Nothing,
}

impl Long {
    /// One of which nothing has come.
    pub(super) fn new(left: u64, folder: PathBuf, (way, copy): (Pipe, Pipe)) -> Self {
        Self {
            left,
            whole: left,
            way: Some(way),
            kept: 0,
            keep: Keep::Here(Keeping::new(folder, copy)),
            moved: false,
        }
    }

    /// Whether all of it was read from the caller.
    pub(super) const fn is_read(&self) -> bool {
        self.left == 0
    }

    /// Whether all of it has gone up.
    pub(super) fn is_sent(&self) -> bool {
        self.left == 0 && self.way.as_ref().is_some_and(|way| way.holds() == 0)
    }

    /// How much was read from the caller.
    pub(super) const fn read(&self) -> u64 {
        self.whole - self.left
    }

    /// Whether it cannot be read again.
    pub(super) const fn is_lost(&self) -> bool {
        matches!(self.keep, Keep::Lost(_))
    }

    /// Whether anything has moved since this was asked.
    pub(super) const fn has_moved(&mut self) -> bool {
        mem::replace(&mut self.moved, false)
    }

    /// Moves what can be moved at once; `room` says whether so much more may be kept.
    ///
    /// # Errors
    /// [`Broken`].
    pub(super) fn go(
        &mut self,
        caller: impl AsFd,
        upstream: impl AsFd,
        mut room: impl FnMut(usize) -> bool,
    ) -> Result<Wants, Broken> {
        for _ in 0..PIECES {
            let Some(way) = &mut self.way else {
                return Ok(Wants::File);
            };
            if self.kept > 0 {
                let sent = way.let_out(&upstream, self.kept);
                let sent = sent.map_err(|_| Broken::Upstream)?;
                self.kept -= sent;
                self.moved |= sent > 0;
                if sent == 0 {
                    return Ok(Wants::Others);
                }
            } else if way.holds() > 0 {
                if !self.keep_more() {
                    return Ok(Wants::File);
                }
            } else if self.left == 0 {
                return Ok(Wants::Nothing);
            } else {
                let is_lost = matches!(self.keep, Keep::Lost(_));
                // What nobody has set room aside for is not gathered.
                let most = if is_lost { LEAST as u64 } else { u64::MAX };
                match way.take_in(&caller, self.left.min(most)) {
                    Ok(None) => return Ok(Wants::Others),
                    Ok(Some(read @ 1..)) => {
                        self.left -= read as u64;
                        self.moved = true;
                        if !is_lost && !room(read) {
                            self.lose();
                        }
                    }
                    Ok(Some(_)) | Err(_) => return Err(Broken::Caller),
                }
            }
        }
        Ok(Wants::Turn)
    }

    /// Copies what is on its way; false while that has to wait.
    fn keep_more(&mut self) -> bool {
        let Some(way) = &self.way else { return false };
        let copied = match &mut self.keep {
            Keep::Away => return false,
            Keep::Lost(_) => Some(way.holds()),
            Keep::Here(keeping) => match keeping.copy(way) {
                // It is full, of small pieces.
                Ok(0) if keeping.waits() > 0 => return false,
                Ok(copied @ 1..) => Some(copied),
                Ok(_) | Err(_) => None,
            },
        };
        match copied {
            Some(copied) => self.kept = copied,
            None => self.lose(),
        }
        true
    }

    /// It cannot be kept any more; what is being written is nobody's when it comes back.
    pub(super) fn lose(&mut self) {
        self.keep = match mem::replace(&mut self.keep, Keep::Away) {
            Keep::Here(keeping) => Keep::Lost(Some(keeping)),
            Keep::Away => Keep::Lost(None),
            lost @ Keep::Lost(_) => lost,
        };
    }

    /// What was kept and is lost, to be dropped by somebody who may wait: others need the room.
    pub(super) const fn cast_off(&mut self) -> Option<Keeping> {
        match &mut self.keep {
            Keep::Lost(keeping) => keeping.take(),
            Keep::Here(_) | Keep::Away => None,
        }
    }

    /// What is to be written now: enough of it, or all that there is.
    pub(super) fn what_to_write(&mut self, wants: Wants) -> Option<Keeping> {
        let much = if wants == Wants::File { 1 } else { AT_ONCE };
        match mem::replace(&mut self.keep, Keep::Away) {
            Keep::Here(keeping) if keeping.waits() >= much => Some(keeping),
            keep => {
                self.keep = keep;
                None
            }
        }
    }

    /// It was written, or could not be; gives it back if it is wanted no more.
    pub(super) fn is_written(&mut self, keeping: Option<Keeping>) -> Option<Keeping> {
        if self.is_lost() {
            return keeping;
        }
        self.keep = keeping.map_or(Keep::Lost(None), Keep::Here);
        None
    }

    /// Nothing more goes up: what of it goes along.
    pub(super) fn leave(&mut self) -> Leaves {
        let read = self.read();
        match mem::replace(&mut self.keep, Keep::Away) {
            Keep::Away => Leaves::Later,
            lost @ Keep::Lost(_) => {
                self.keep = lost;
                Leaves::Lost(read)
            }
            here @ Keep::Here(_) if read == 0 => {
                self.keep = here;
                Leaves::Nothing
            }
            Keep::Here(mut keeping) => match keeping.file(read) {
                Some(file) => {
                    self.keep = Keep::Here(keeping);
                    Leaves::File(file, read)
                }
                None => {
                    keeping.all_of(self.way.take(), mem::take(&mut self.kept));
                    Leaves::Writes(keeping)
                }
            },
        }
    }

    /// What is left of it: pipes, and a file to be dropped by somebody who may wait.
    pub(super) fn apart(self) -> (Option<Pipe>, Option<Keeping>) {
        let keeping = match self.keep {
            Keep::Here(keeping) => Some(keeping),
            Keep::Away => None,
            Keep::Lost(keeping) => keeping,
        };
        (self.way, keeping)
    }
}

/// What broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// The caller has gone.
    Caller,
    /// Upstream has.
    Upstream,
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::FileExt as _;
    use std::os::unix::net::UnixStream;

    use super::super::pipes::Pipes;
    use super::*;

    /// A caller that has sent so much, and an upstream; both ends of each.
    fn both(sent: &[u8]) -> [UnixStream; 4] {
        let (mut caller, from) = UnixStream::pair().unwrap();
        let (to, upstream) = UnixStream::pair().unwrap();
        for stream in [&from, &to] {
            stream.set_nonblocking(true).unwrap();
        }
        caller.write_all(sent).unwrap();
        [caller, from, to, upstream]
    }

    fn long(length: u64, folder: PathBuf) -> Long {
        Long::new(length, folder, Pipes::default().take().unwrap())
    }

    fn body(length: usize) -> Vec<u8> {
        (0..length).map(|n| n.to_le_bytes()[0]).collect()
    }

    fn kept(leaves: Leaves) -> Vec<u8> {
        let Leaves::File(file, length) = leaves else {
            panic!("it is kept");
        };
        let mut bytes = vec![0; usize::try_from(length).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[test]
    fn what_upstream_has_not_taken_goes_along_too() {
        let body = body(100_000);
        let [_caller, from, to, mut upstream] = both(&body);
        rustix::net::sockopt::set_socket_send_buffer_size(&to, 4096).unwrap();
        let mut long = long(200_000, std::env::temp_dir());
        let wants = long.go(&from, &to, |_| true).unwrap();
        assert_eq!(wants, Wants::Others);
        assert!(!long.is_sent() && !long.is_read() && long.has_moved());
        let Leaves::Writes(keeping) = long.leave() else {
            panic!("it is to be written");
        };
        assert!(matches!(long.leave(), Leaves::Later));
        assert!(long.is_written(keeping.write().ok()).is_none());
        assert_eq!(kept(long.leave()), body);
        drop(to);
        let mut taken = Vec::new();
        upstream.read_to_end(&mut taken).unwrap();
        assert!(taken.len() < body.len() && body.starts_with(&taken));
    }

    #[test]
    fn while_a_file_is_written_nothing_more_goes_up() {
        let body = body(60_000);
        let [mut caller, from, to, mut upstream] = both(&body);
        let mut long = long(90_000, std::env::temp_dir());
        long.go(&from, &to, |_| true).unwrap();
        assert!(long.what_to_write(Wants::Others).is_none(), "too little");
        let keeping = long.what_to_write(Wants::File).unwrap();
        caller.write_all(&body[..30_000]).unwrap();
        assert_eq!(long.go(&from, &to, |_| true), Ok(Wants::File));
        assert!(long.is_read() && !long.is_sent());
        assert!(long.is_written(keeping.write().ok()).is_none());
        assert_eq!(long.go(&from, &to, |_| true), Ok(Wants::Nothing));
        assert!(long.is_sent());
        let mut taken = vec![0; 90_000];
        upstream.read_exact(&mut taken).unwrap();
        assert_eq!(taken, [&body[..], &body[..30_000]].concat());
    }

    #[test]
    fn a_disk_that_fails_or_no_room_costs_what_is_kept_alone() {
        for fails in [true, false] {
            let body = body(60_000);
            let [_caller, from, to, mut upstream] = both(&body);
            let mut long = long(60_000, "/nowhere/at/all".into());
            assert_eq!(long.go(&from, &to, |_| fails), Ok(Wants::Nothing));
            if let Some(keeping) = long.what_to_write(Wants::File) {
                assert!(long.is_written(keeping.write().ok()).is_none());
            }
            assert!(long.is_lost() && long.is_sent());
            assert!(matches!(long.leave(), Leaves::Lost(60_000)));
            assert_eq!(long.cast_off().is_some(), !fails, "what is kept in vain");
            let mut taken = vec![0; 60_000];
            upstream.read_exact(&mut taken).unwrap();
            assert_eq!(taken, body);
        }
    }
    #[test]
    fn a_disk_that_takes_too_long_is_given_up_and_what_it_has_taken_is_not_believed() {
        let body = body(60_000);
        let [mut caller, from, to, mut upstream] = both(&body);
        let mut long = long(90_000, std::env::temp_dir());
        long.go(&from, &to, |_| true).unwrap();
        let keeping = long.what_to_write(Wants::File).unwrap();
        assert!(matches!(long.leave(), Leaves::Later));
        long.lose();
        caller.write_all(&body[..30_000]).unwrap();
        assert_eq!(long.go(&from, &to, |_| true), Ok(Wants::Nothing));
        assert!(long.is_written(keeping.write().ok()).is_some());
        assert!(long.is_lost() && matches!(long.leave(), Leaves::Lost(90_000)));
        let mut taken = vec![0; 90_000];
        upstream.read_exact(&mut taken).unwrap();
        assert_eq!(taken, [&body[..], &body[..30_000]].concat());
    }

    #[test]
    fn room_is_set_aside_for_all_that_is_read_and_for_nothing_twice() {
        let [_caller, from, to, _upstream] = both(&body(90_000));
        rustix::net::sockopt::set_socket_send_buffer_size(&to, 4096).unwrap();
        let (mut long, mut room) = (long(200_000, std::env::temp_dir()), 0);
        for _ in 0..3 {
            let mut grown = |bytes| {
                room += bytes as u64;
                true
            };
            assert_eq!(long.go(&from, &to, &mut grown), Ok(Wants::Others));
            assert_eq!(room, long.read());
        }
        assert!(room > 0);
    }
}
