//! What is said when the program panics, which is a defect: where, and nothing of what was being handled.
//!
//! A panic's message is made of values (`unwrap` prints the error it met), so it may hold a token and is never printed. A
//! backtrace is asked for as usual, with `RUST_BACKTRACE=1`: it holds names of functions and lines only. What is said goes
//! straight to standard error and not through the log, for it may be the log that broke.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use crate::term;

/// From now on a panic is told by [`in_words`], in every thread.
pub(crate) fn tell_without_values() {
    std::panic::set_hook(Box::new(|panic| {
        term::complain(&in_words(panic, &Backtrace::capture()));
    }));
}

fn in_words(panic: &PanicHookInfo<'_>, trace: &Backtrace) -> String {
    let place = panic.location().map_or_else(
        || "an unknown place".to_owned(),
        |at| format!("{}:{}", at.file(), at.line()),
    );
    let way = match trace.status() {
        BacktraceStatus::Captured => format!("\n{trace}"),
        _ => String::new(),
    };
    format!(
        "a defect in wxtoken at {place}; please report it with that line. What it was handling is not shown, \
         because it may hold a secret.{way}"
    )
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::surroundings;

    /// Set in the process that panics.
    const ROLE: &str = "WXTOKEN_TEST_PANICS";
    /// Twelve characters in a row of it, in any of these writings, would be a leak.
    const SECRET: &str = "98_Zk3q-vTx9LmN0pQrStUvWxYz";

    fn refused<T>(with: T) -> Result<(), T> {
        Err(with)
    }

    /// Panics in every way in which a secret may get into the message; each is caught, as a server's tasks are.
    fn panic_in_every_way() {
        tell_without_values();
        let caught = [
            std::panic::catch_unwind(|| panic!("the token is {SECRET}")).is_err(),
            std::panic::catch_unwind(|| std::panic::panic_any(SECRET)).is_err(),
            std::panic::catch_unwind(|| std::panic::panic_any(SECRET.to_owned())).is_err(),
            std::panic::catch_unwind(|| refused(SECRET).unwrap()).is_err(),
            std::panic::catch_unwind(|| assert_eq!(SECRET, "")).is_err(),
            std::panic::catch_unwind(|| assert_eq!(SECRET.as_bytes(), b"")).is_err(),
            std::thread::spawn(|| refused(SECRET.as_bytes()).unwrap())
                .join()
                .is_err(),
            crate::runtime().is_ok_and(|runtime| {
                let task = async { tokio::spawn(async { panic!("{SECRET}") }).await };
                runtime.block_on(task).is_err()
            }),
        ];
        assert_eq!(caught, [true; 8]);
    }

    #[test]
    fn a_panic_names_its_place_and_shows_nothing_of_what_it_was_handling() {
        if surroundings::text(ROLE).is_some() {
            return panic_in_every_way();
        }
        // In a process of its own, because everything that reaches its standard error counts, whoever wrote it.
        let name =
            "defect::tests::a_panic_names_its_place_and_shows_nothing_of_what_it_was_handling";
        let ran = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(ROLE, "1")
            .env("RUST_BACKTRACE", "1")
            .output()
            .unwrap();
        let said = String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap();
        assert!(ran.status.success(), "{said}");
        assert_eq!(said.matches("a defect in wxtoken at").count(), 8, "{said}");
        assert!(said.contains("defect.rs:"), "{said}");
        assert!(said.contains("panic_in_every_way"), "no backtrace: {said}");
        let numbers = format!("{:?}", SECRET.as_bytes());
        for at in 0..SECRET.len() - 12 {
            assert!(!said.contains(&SECRET[at..at + 12]), "{said}");
        }
        assert!(!said.contains(&numbers[1..numbers.len() - 1]), "{said}");
    }
}
