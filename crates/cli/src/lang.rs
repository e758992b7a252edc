//! Chinese or English: chosen once, from `--lang` or the environment.

use wxtoken_server::words::Sentence;

use crate::surroundings;

/// The language explanations are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Lang {
    // Not doc comments: those would make every `--help` twice as long.
    Zh,
    En,
}

impl Lang {
    /// One of two texts.
    pub(crate) const fn pick<'t>(self, zh: &'t str, en: &'t str) -> &'t str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }

    /// The one of two texts that is in this language.
    pub(crate) fn of(self, sentence: &Sentence) -> &str {
        self.pick(&sentence.zh, &sentence.en)
    }

    /// What the environment asks for: the first of these that is set and not empty decides, as POSIX says.
    pub(crate) fn of_environment() -> Self {
        ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .find_map(surroundings::text)
            .map_or(Self::En, |locale| Self::of_locale(&locale))
    }

    fn of_locale(locale: &str) -> Self {
        if locale
            .get(..2)
            .is_some_and(|l| l.eq_ignore_ascii_case("zh"))
        {
            Self::Zh
        } else {
            Self::En
        }
    }

    /// What `--lang` among raw arguments asks for: needed before they are parsed, since it changes the help.
    pub(crate) fn of_arguments(arguments: &[std::ffi::OsString]) -> Option<Self> {
        let mut words = arguments.iter().filter_map(|word| word.to_str());
        let mut chosen = None;
        while let Some(word) = words.next() {
            let value = match word {
                "--" => break,
                "--lang" => words.next(),
                _ => word.strip_prefix("--lang="),
            };
            match value {
                Some("zh") => chosen = Some(Self::Zh),
                Some("en") => chosen = Some(Self::En),
                _ => {}
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chinese_locale_gives_chinese_and_every_other_english() {
        assert_eq!(Lang::of_locale("zh_CN.UTF-8"), Lang::Zh);
        assert_eq!(Lang::of_locale("zh_TW"), Lang::Zh);
        assert_eq!(Lang::of_locale("en_GB.UTF-8"), Lang::En);
        assert_eq!(Lang::of_locale("C"), Lang::En);
        assert_eq!(Lang::of_locale("é"), Lang::En);
    }

    #[test]
    fn the_flag_is_found_before_or_after_the_subcommand_in_both_spellings() {
        let chosen =
            |words: &[&str]| Lang::of_arguments(&words.iter().map(Into::into).collect::<Vec<_>>());
        assert_eq!(chosen(&["--lang", "zh", "explain", "1"]), Some(Lang::Zh));
        assert_eq!(chosen(&["explain", "1", "--lang=en"]), Some(Lang::En));
        assert_eq!(chosen(&["explain", "--", "--lang=en"]), None);
        assert_eq!(chosen(&["explain", "40001"]), None);
    }
}
