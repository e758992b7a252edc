//! Runs the program with an environment of its own and gathers what it said.

use std::process::{Command, Output, Stdio};

/// A run of the program to be.
pub(crate) struct Run(Command);

/// What a run said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// With these arguments and nothing of our own environment.
    pub(crate) fn of(words: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wxtoken"));
        command.args(words).env_clear().stdin(Stdio::null());
        Self(command)
    }

    /// With a variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs to the end.
    pub(crate) fn said(mut self) -> Said {
        Said::of(&self.0.output().unwrap())
    }
}

impl Said {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// Fails unless it ended with this code and standard error holds every part.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is missing in {self:?}");
        }
    }

    /// Fails unless it succeeded and standard output holds every part.
    #[track_caller]
    pub(crate) fn shows(&self, parts: &[&str]) {
        assert_eq!(self.code, 0, "{self:?}");
        for part in parts {
            assert!(self.out.contains(part), "{part:?} is missing in {self:?}");
        }
    }
}
