//! The `wxtoken` command: parses, chooses a language and hands over to one file per subcommand.
//!
//! Must not know: what any subcommand does.

mod adopt;
mod check;
mod chinese;
mod cli;
mod client;
mod completions;
mod defect;
mod demo;
mod ending;
mod explain;
mod export;
mod failure;
mod fault;
mod get;
mod import;
mod init;
mod key;
mod lang;
mod misuse;
mod passphrase;
mod refresh;
mod serve;
mod settings;
mod simulate;
mod status;
mod surroundings;
mod term;
mod when;
mod which;

use std::process::ExitCode;

use clap::error::ErrorKind;
use failure::Failure;
use lang::Lang;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    defect::tell_without_values();
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        term::complain("another TLS library was chosen before the program began");
        return ExitCode::from(1);
    }
    let (arguments, lang) = match cli::parse() {
        Ok(parsed) => parsed,
        Err((wrong, lang)) => return not_run(&wrong, lang),
    };
    match cli::run(arguments, lang) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(lang),
    }
}

/// Help and version are results, the rest is wrong use; clap tells them apart.
fn not_run(wrong: &clap::Error, lang: Lang) -> ExitCode {
    // Help is in the reader's language as it is, also where it stands in for a missing subcommand.
    let is_help = wrong.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if lang == Lang::Zh && wrong.use_stderr() && !is_help {
        term::complain(&misuse::in_chinese(wrong));
        return ExitCode::from(2);
    }
    let told = wrong.print();
    ExitCode::from(u8::from(wrong.use_stderr() || told.is_err()) * 2)
}

/// The runtime of subcommands that serve: a thread per processor.
fn threads() -> Result<tokio::runtime::Runtime, Failure> {
    wxtoken_server::keeper::Shelf::before_threads();
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}

/// The runtime most subcommands need: one thread, enough for a few requests.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}
