//! What is wrong with a configuration: every mistake of one run, each with its place, its key and the cure.
//!
//! A mistake never holds a secret: values are shown by [`shown`] alone.

use std::fmt;
use std::sync::Arc;

/// As many mistakes are printed as a person may still read.
const PRINTED: usize = 500;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file it is in.
    pub file: Arc<str>,
    /// Line and column, counted from 1; `None` when the whole file is meant.
    pub place: Option<(u32, u32)>,
    /// The key it is about, with its section; empty when there is none.
    pub key: String,
    /// What is wrong, and the cure.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.text)
    }
}

/// Every mistake found in one run, in the order of files and lines. `Display` prints them all, one a line, then how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    mistakes: Vec<Mistake>,
}

impl ConfigErrors {
    pub(super) const fn new(mistakes: Vec<Mistake>) -> Self {
        Self { mistakes }
    }

    /// One mistake about a whole file.
    pub(super) fn about_file(file: &str, text: String) -> Self {
        Self::new(vec![Mistake {
            file: file.into(),
            place: None,
            key: String::new(),
            text,
        }])
    }

    /// The mistakes.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in self.mistakes.iter().take(PRINTED) {
            writeln!(f, "{mistake}")?;
        }
        if let Some(more) = self.mistakes.len().checked_sub(PRINTED + 1) {
            writeln!(f, "… and {} more", more + 1)?;
        }
        match self.mistakes.len() {
            1 => f.write_str("1 mistake in the configuration"),
            count => write!(f, "{count} mistakes in the configuration"),
        }
    }
}

impl std::error::Error for ConfigErrors {}

/// Where in which file; files are numbered while they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) file: u32,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// A mistake while files still have numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) spot: Spot,
    pub(super) key: String,
    pub(super) text: String,
}

/// A written value as an error may repeat it: short, on one line, and not what a secret looks like.
///
/// Somebody who puts an AppSecret under the wrong key must not find it in the log.
pub(super) fn shown(value: &str) -> String {
    let looks_secret = value.len() >= 16 && value.bytes().all(|b| b.is_ascii_hexdigit());
    if value.len() > 24 || looks_secret || value.contains('@') {
        "what is written here".to_owned()
    } else {
        format!("\"{}\"", value.escape_debug())
    }
}

/// The nearest of the right names, if one is near enough to have been meant.
pub(super) fn nearest<'n>(written: &str, right: &[&'n str]) -> Option<&'n str> {
    let near = right
        .iter()
        .map(|name| (strsim::damerau_levenshtein(written, name), *name))
        .min()?;
    let may_differ = near.1.len().max(written.len()) / 3 + 1;
    (near.0 <= may_differ).then_some(near.1)
}

/// "there are a, b and c".
pub(super) fn listed(names: &[&str]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_could_be_a_secret_is_not_repeated() {
        assert_eq!(shown("stabel"), "\"stabel\"");
        assert_eq!(shown("a\nb"), "\"a\\nb\"");
        for secret in [
            "0123456789abcdef0123456789abcdef",
            "0123456789abcdef",
            "a-long-password-nobody-should-see",
            "user:pw@host",
        ] {
            assert_eq!(shown(secret), "what is written here");
        }
    }

    #[test]
    fn the_nearest_name_is_offered_only_when_it_is_near() {
        assert_eq!(nearest("secrt", &["appid", "secret"]), Some("secret"));
        assert_eq!(nearest("zzzzzz", &["appid", "secret"]), None);
        assert_eq!(nearest("x", &[]), None);
    }

    #[test]
    fn all_mistakes_are_printed_and_counted() {
        let mistake = |line| Mistake {
            file: "a.toml".into(),
            place: Some((line, 2)),
            key: "app.secret".into(),
            text: "is missing".into(),
        };
        let errors = ConfigErrors::new(vec![mistake(1), mistake(3)]);
        assert_eq!(
            errors.to_string(),
            "a.toml:1:2: app.secret: is missing\na.toml:3:2: app.secret: is missing\n2 mistakes in the configuration"
        );
        let many = ConfigErrors::new((0..502).map(mistake).collect()).to_string();
        assert!(many.contains("… and 2 more\n502 mistakes"), "{many}");
    }
}
