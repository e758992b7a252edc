//! What is kept of a long body for a second sending: a file, and a pipe of what is to be written to it.
//!
//! It is written by a thread that may wait, and is nobody else's meanwhile.
//! Must not know: why it is kept.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use super::pipes::Pipe;
use crate::gateway::nameless;

/// A file, and what is to be written to it.
pub(super) struct Keeping {
    folder: PathBuf,
    file: Option<File>,
    at: u64,
    copy: Pipe,
    /// What is on its way and not copied yet, behind so many bytes that are: where nothing more goes up.
    rest: Option<(Pipe, usize)>,
}

impl Keeping {
    /// Of what passes through such a pipe, in that folder; nothing yet.
    pub(super) const fn new(folder: PathBuf, copy: Pipe) -> Self {
        Self {
            folder,
            file: None,
            at: 0,
            copy,
            rest: None,
        }
    }

    /// Copies what is on its way; says how much that was.
    pub(super) fn copy(&mut self, way: &Pipe) -> io::Result<usize> {
        way.put_into(&mut self.copy)
    }

    /// How much waits to be written.
    pub(super) const fn waits(&self) -> usize {
        self.copy.holds()
    }

    /// What is on its way is to be written, too, behind so many bytes that were copied: nothing more goes up.
    pub(super) fn all_of(&mut self, way: Option<Pipe>, copied: usize) {
        self.rest = way.map(|way| (way, copied));
    }

    /// The file, if so much is written.
    pub(super) fn file(&mut self, length: u64) -> Option<File> {
        self.file.take_if(|_| self.at == length)
    }

    /// Writes it all. Waits for the disk.
    pub(super) fn write(mut self) -> io::Result<Self> {
        let file = match self.file.take() {
            Some(file) => file,
            None => nameless(&self.folder)?,
        };
        let mut bytes = self.copy.holds();
        self.copy.write(&file, self.at)?;
        if let Some((mut way, copied)) = self.rest.take() {
            way.forget(copied)?;
            let rest = way.holds();
            way.write(&file, self.at + bytes as u64)?;
            bytes += rest;
        }
        self.at += bytes as u64;
        self.file = Some(file);
        Ok(self)
    }

    /// The file, and the pipe.
    pub(super) fn apart(self) -> (Option<File>, Pipe) {
        (self.file, self.copy)
    }
}
