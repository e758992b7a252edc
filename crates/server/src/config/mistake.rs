//! What is wrong with a configuration: every mistake of one run, each with its place, its key and the cure.
//!
//! A mistake never holds a secret: values are shown by [`shown`] alone.

use std::fmt;
use std::sync::Arc;

use super::flaw::Flaw;
use super::phrase::Shown;
use crate::words::{InChinese, Sentence};

/// As many mistakes are printed as a person may still read.
const PRINTED: usize = 500;

/// One mistake. `Display` is English.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file it is in; empty for the environment.
    pub file: Arc<str>,
    /// Line and column, counted from 1; `None` when the whole file is meant.
    pub place: Option<(u32, u32)>,
    /// The key it is about, with its section; empty when there is none.
    pub key: String,
    /// What is wrong, and the cure.
    pub text: Sentence,
}

impl Mistake {
    /// In Chinese.
    #[must_use]
    pub fn in_chinese(&self) -> String {
        self.in_line(Language::Chinese)
    }

    fn in_line(&self, language: Language) -> String {
        let mut line = match (&*self.file, language) {
            ("", Language::Chinese) => "环境变量".to_owned(),
            ("", Language::English) => "the environment".to_owned(),
            (file, _) => file.to_owned(),
        };
        if let Some((row, column)) = self.place {
            line.push_str(&format!(":{row}:{column}"));
        }
        if !self.key.is_empty() {
            line.push_str(&format!(": {}", self.key));
        }
        let text = match language {
            Language::Chinese => &self.text.zh,
            Language::English => &self.text.en,
        };
        format!("{line}: {text}")
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_line(Language::English))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Chinese,
    English,
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

    /// One mistake about a whole file, or, without a name, about the environment.
    pub(super) fn about_file(file: &str, flaw: Flaw) -> Self {
        Self::new(vec![Mistake {
            file: file.into(),
            place: None,
            key: String::new(),
            text: flaw.into(),
        }])
    }

    /// The mistakes.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    fn in_lines(&self, language: Language) -> String {
        let printed = self.mistakes.iter().take(PRINTED);
        let mut lines: Vec<String> = printed.map(|one| one.in_line(language)).collect();
        let count = self.mistakes.len();
        let more = count.saturating_sub(PRINTED);
        lines.extend((more > 0).then(|| match language {
            Language::Chinese => format!("…… 还有 {more} 处"),
            Language::English => format!("… and {more} more"),
        }));
        lines.push(match (language, count) {
            (Language::Chinese, _) => format!("配置里有 {count} 处错误"),
            (Language::English, 1) => "1 mistake in the configuration".to_owned(),
            (Language::English, _) => format!("{count} mistakes in the configuration"),
        });
        lines.join("\n")
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_lines(Language::English))
    }
}

impl std::error::Error for ConfigErrors {}

impl InChinese for ConfigErrors {
    fn in_chinese(&self) -> String {
        self.in_lines(Language::Chinese)
    }
}

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
    pub(super) flaw: Flaw,
}

/// A written value as an error may repeat it: short, on one line, and not what a secret looks like.
///
/// Somebody who puts an AppSecret under the wrong key must not find it in the log.
pub(super) fn shown(value: &str) -> Shown {
    let looks_secret = value.len() >= 16 && value.bytes().all(|b| b.is_ascii_hexdigit());
    if value.len() > 24 || looks_secret || value.contains('@') {
        Shown::Hidden
    } else {
        Shown::As {
            text: value.escape_debug().to_string(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::words::InWords;

    #[test]
    fn a_value_that_could_be_a_secret_is_not_repeated() {
        assert_eq!(shown("stabel").en(), "\"stabel\"");
        assert_eq!(shown("a\nb").en(), "\"a\\nb\"");
        for secret in [
            "0123456789abcdef0123456789abcdef",
            "0123456789abcdef",
            "a-long-password-nobody-should-see",
            "user:pw@host",
        ] {
            assert_eq!(shown(secret), Shown::Hidden);
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
            text: Flaw::EmptyPath.into(),
        };
        let errors = ConfigErrors::new(vec![mistake(1), mistake(3)]);
        assert_eq!(
            errors.to_string(),
            "a.toml:1:2: app.secret: the path is empty\na.toml:3:2: app.secret: the path is empty\n2 mistakes in the configuration"
        );
        assert_eq!(
            errors.in_chinese(),
            "a.toml:1:2: app.secret: 路径是空的\na.toml:3:2: app.secret: 路径是空的\n配置里有 2 处错误"
        );
        let many = ConfigErrors::new((0..502).map(mistake).collect()).to_string();
        assert!(many.contains("… and 2 more\n502 mistakes"), "{many}");
    }
}
