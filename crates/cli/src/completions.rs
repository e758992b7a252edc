//! `wxtoken completions SHELL`: what a shell needs to complete our commands. Hidden: packagers and the curious use it.

use std::io;

use clap_complete::Shell;

use crate::cli;
use crate::failure::Failure;
use crate::lang::Lang;

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Which shell
    shell: Shell,
}

/// Prints the completions.
pub(crate) fn run(arguments: &Arguments, lang: Lang) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut cli::command(lang),
        "wxtoken",
        &mut script,
    );
    io::Write::write_all(&mut io::stdout().lock(), &script)?;
    Ok(())
}
