//! What goes to the terminal: results to standard output, everything else to standard error, colour only where it is welcome.

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Write};

use crate::surroundings;

/// Writes a result, with a line end.
pub(crate) fn result(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Writes a remark to standard error. That nobody can read it is no reason to fail.
pub(crate) fn remark(text: impl Display) {
    let _nobody_reads = writeln!(io::stderr().lock(), "{text}");
}

/// Says on standard error what went wrong.
pub(crate) fn complain(text: &str) {
    let coloured = welcome(io::stderr().is_terminal());
    remark(format_args!(
        "{} {text}",
        paint(coloured, Ink::Red, "wxtoken:")
    ));
}

/// The inks that are used.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ink {
    /// Trouble.
    Red,
    /// All is well.
    Green,
    /// Look at this.
    Yellow,
    /// Less important.
    Dim,
    /// More important.
    Bold,
}

/// Colours a text, if colour is welcome.
pub(crate) fn paint(coloured: bool, ink: Ink, text: &str) -> String {
    if !coloured {
        return text.to_owned();
    }
    let code = match ink {
        Ink::Red => "31",
        Ink::Green => "32",
        Ink::Yellow => "33",
        Ink::Dim => "2",
        Ink::Bold => "1",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// Whether standard output is a terminal.
pub(crate) fn shows_results() -> bool {
    io::stdout().is_terminal()
}

/// Whether results may be coloured.
pub(crate) fn coloured() -> bool {
    welcome(shows_results())
}

fn welcome(is_terminal: bool) -> bool {
    is_terminal && colours_welcome()
}

/// `NO_COLOR` (no-color.org) and dumb terminals are respected.
pub(crate) fn colours_welcome() -> bool {
    welcomes(surroundings::text)
}

fn welcomes(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("NO_COLOR").is_none() && variable("TERM").is_none_or(|term| term != "dumb")
}

/// Whether somebody is there to answer a question.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a yes-or-no question; anything but yes is no.
pub(crate) fn agrees(question: &str) -> io::Result<bool> {
    write!(io::stderr().lock(), "{question} [y/N] ")?;
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(
        answer.trim().to_lowercase().as_str(),
        "y" | "yes" | "是" | "好"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_coloured_where_colour_is_not_welcome() {
        assert_eq!(paint(false, Ink::Red, "bad"), "bad");
        assert_eq!(paint(true, Ink::Red, "bad"), "\x1b[31mbad\x1b[0m");
        assert!(!welcome(false));
    }

    #[test]
    fn no_color_and_dumb_terminals_are_respected() {
        let with = |name: &'static str, value: &'static str| {
            welcomes(move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert!(!with("NO_COLOR", "1"));
        assert!(!with("TERM", "dumb"));
        assert!(with("TERM", "xterm-256color"));
    }
}
