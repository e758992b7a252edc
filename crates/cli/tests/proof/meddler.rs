//! Meddles with what the program is told by the system: the wall clock, and whether its store can be written.
//!
//! A few lines of C before the C library, because neither can be had otherwise on a machine that others use: a namespace
//! has no wall clock of its own, and modes do not bind root.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use crate::place::Place;
use crate::server::Server;

/// The disk is full.
pub(crate) const FULL: i64 = 28;
/// The disk is read-only.
pub(crate) const READ_ONLY: i64 = 30;
/// The disk does not answer.
pub(crate) const HANGS: i64 = -1;

/// What the program of a place is told.
pub(crate) struct Meddler {
    preload: PathBuf,
    said: PathBuf,
    folder: PathBuf,
    file: File,
}

impl Meddler {
    /// Says nothing yet.
    pub(crate) fn new(place: &Place) -> Self {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proof/meddle.c");
        let preload = place.folder.path().join("meddle.so");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(&preload)
            .arg(source)
            .status();
        assert!(
            built.unwrap().success(),
            "cc, which the build needs as well"
        );
        let said = place.folder.path().join("meddle");
        std::fs::write(&said, [0; 16]).unwrap();
        let file = File::options().write(true).open(&said).unwrap();
        let folder = place.folder.path().canonicalize().unwrap().join("data");
        Self {
            preload,
            said,
            folder,
            file,
        }
    }

    /// The program, meddled with.
    pub(crate) fn program(&self) -> Command {
        let mut shell = Command::new("/bin/sh");
        let set = "export MEDDLE_FILE=\"$1\" MEDDLE_FOLDER=\"$2\" LD_PRELOAD=\"$3\"; shift 3; exec \"$@\"";
        shell.args(["-c", set, "sh"]);
        shell.args([&self.said, &self.folder, &self.preload]);
        shell.arg(Server::program().get_program());
        shell
    }

    /// The wall clock is so many seconds off from now on.
    pub(crate) fn step_clock(&self, seconds: i64) {
        self.file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    /// Writing to the store fails so, or hangs, from now on; 0 heals it.
    pub(crate) fn break_disk(&self, errno: i64) {
        self.file.write_all_at(&errno.to_ne_bytes(), 8).unwrap();
    }
}
