//! How a subcommand ends when it does not succeed, in which words the user is told, and the exit code that follows.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use wxtoken_server::words::{InChinese, Sentence};

use crate::lang::Lang;
use crate::term;

/// Why a subcommand did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was tried and failed: exit 1.
    Failed(Box<dyn InChinese>),
    /// It cannot be tried like this (wrong argument, bad configuration): exit 2.
    Misuse(Box<dyn InChinese>),
    /// It failed, and the user has read why already: exit 1.
    Said,
}

impl Failure {
    /// Wrong use, with what to do instead.
    pub(crate) fn misuse(error: impl InChinese + 'static) -> Self {
        Self::Misuse(Box::new(error))
    }

    /// Tells the user, and gives the exit code.
    pub(crate) fn tell(&self, lang: Lang) -> ExitCode {
        match self {
            // The reader of our output went away (`wxtoken status | head`): nobody is left to tell.
            Self::Failed(error) if is_broken_pipe(error.as_ref()) => ExitCode::from(1),
            Self::Failed(error) => {
                term::complain(lang.of(&Sentence::of(error.as_ref())));
                ExitCode::from(1)
            }
            Self::Misuse(error) => {
                term::complain(lang.of(&Sentence::of(error.as_ref())));
                ExitCode::from(2)
            }
            Self::Said => ExitCode::from(1),
        }
    }
}

impl<E: InChinese + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error))
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
