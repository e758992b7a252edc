//! How a subcommand ends when it does not succeed, and the exit code that follows.

use std::io;
use std::process::ExitCode;

use crate::term;

/// Why a subcommand did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was tried and failed: exit 1.
    Failed(anyhow::Error),
    /// It cannot be tried like this (wrong argument, bad configuration): exit 2.
    Misuse(anyhow::Error),
    /// It failed, and the user has read why already: exit 1.
    Said,
}

impl Failure {
    /// Wrong use, with what to do instead.
    pub(crate) fn misuse(error: impl Into<anyhow::Error>) -> Self {
        Self::Misuse(error.into())
    }

    /// Tells the user, and gives the exit code.
    pub(crate) fn tell(&self) -> ExitCode {
        match self {
            // The reader of our output went away (`wxtoken status | head`): nobody is left to tell.
            Self::Failed(error) if is_broken_pipe(error) => ExitCode::from(1),
            Self::Failed(error) => {
                term::complain(&in_words(error));
                ExitCode::from(1)
            }
            Self::Misuse(error) => {
                term::complain(&in_words(error));
                ExitCode::from(2)
            }
            Self::Said => ExitCode::from(1),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// The error and its causes; one whose text stands in an earlier one already is not said twice.
fn in_words(error: &anyhow::Error) -> String {
    error
        .chain()
        .map(ToString::to_string)
        .fold(String::new(), |said, cause| match said.as_str() {
            "" => cause,
            _ if said.contains(&cause) => said,
            _ => format!("{said}: {cause}"),
        })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once_even_if_the_error_quotes_it() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot listen: {source}; choose another port")]
        struct Quoting {
            source: io::Error,
        }
        let quoting = Quoting {
            source: io::Error::other("taken"),
        };
        assert_eq!(
            in_words(&quoting.into()),
            "cannot listen: taken; choose another port"
        );
        let plain = anyhow::Error::from(io::Error::other("taken")).context("cannot listen");
        assert_eq!(in_words(&plain), "cannot listen: taken");
    }
}
