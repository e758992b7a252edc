//! The `wxtoken` command: parses, chooses a language and hands over to one file per subcommand.
//!
//! Must not know: what any subcommand does.

mod check;
mod chinese;
mod cli;
mod client;
mod completions;
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
mod passphrase;
mod refresh;
mod serve;
mod settings;
mod simulate;
mod status;
mod surroundings;
mod term;
mod when;

use std::process::ExitCode;

use failure::Failure;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(say_where_it_panicked));
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        term::complain("another TLS library was chosen before the program began");
        return ExitCode::from(1);
    }
    let (arguments, lang) = match cli::parse() {
        Ok(parsed) => parsed,
        Err(wrong) => {
            // Help and version are results, the rest is wrong use; clap tells them apart.
            let told = wrong.print();
            return ExitCode::from(u8::from(wrong.use_stderr() || told.is_err()) * 2);
        }
    };
    match cli::run(arguments, lang) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

fn say_where_it_panicked(panic: &std::panic::PanicHookInfo<'_>) {
    term::complain(&panic_in_words(panic));
}

/// Where it happened, and nothing of what was being handled: a panic's message may hold a token.
fn panic_in_words(panic: &std::panic::PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or_else(
        || "an unknown place".to_owned(),
        |at| format!("{}:{}", at.file(), at.line()),
    );
    format!(
        "a defect in wxtoken at {place}; please report it with that line. What it was handling is not shown, \
         because it may hold a secret."
    )
}

/// The runtime of subcommands that serve: a thread per processor.
fn threads() -> Result<tokio::runtime::Runtime, Failure> {
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_panic_names_its_place_and_nothing_it_was_handling() {
        static SAID: Mutex<String> = Mutex::new(String::new());
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(|panic| {
            *SAID.lock().unwrap() = panic_in_words(panic);
        }));
        let ended = std::panic::catch_unwind(|| panic!("the token is 68_SECRETSECRET"));
        std::panic::set_hook(before);
        assert!(ended.is_err());
        let said = SAID.lock().unwrap().clone();
        assert!(
            said.contains("main.rs:") && !said.contains("SECRET"),
            "{said}"
        );
    }
}
