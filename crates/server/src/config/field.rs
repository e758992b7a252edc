//! One value of a parsed file: what it is read as, and the mistake when it cannot be.
//!
//! Every reader here answers `None` after noting the mistake, so that the rest is still read and all mistakes come at once.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::doc::Doc;
use super::flaw::Flaw;
use super::mistake::{Spot, nearest, shown};
use super::phrase::{Cure, Is, Near, Shown, Wanted, Why};
use super::quantity::Span;
use super::substitute::substitute;
use super::table::Table;
use super::words::List;

/// A value, the key it stands under and its place.
#[derive(Clone, Copy)]
pub(super) struct Field<'s> {
    pub(super) doc: &'s Doc<'s>,
    pub(super) section: &'s str,
    pub(super) key: &'static str,
    pub(super) value_at: &'s Spanned<DeValue<'s>>,
}

/// A text with its variables put in.
pub(super) struct Text<'s> {
    pub(super) value: Cow<'s, str>,
    /// It stands in the file as it is; what came from the environment is never repeated in an error.
    pub(super) literal: bool,
}

impl Text<'_> {
    /// The text as an error may repeat it.
    pub(super) fn shown(&self) -> Shown {
        if self.literal {
            shown(&self.value)
        } else {
            Shown::Environment
        }
    }
}

impl<'s> Field<'s> {
    /// The key's full name.
    pub(super) fn name(&self) -> String {
        match self.section {
            "" => self.key.to_owned(),
            section => format!("{section}.{}", self.key),
        }
    }

    /// Notes a mistake about this value.
    pub(super) fn wrong(&self, flaw: impl Into<Flaw>) {
        let at = self.value_at.span();
        self.doc.wrong(&at, self.name(), flaw.into());
    }

    /// Where the value is.
    pub(super) fn spot(&self) -> Spot {
        self.doc.spot(self.value_at.span().start)
    }

    pub(super) fn range(&self) -> Range<usize> {
        self.value_at.span()
    }

    pub(super) fn value(&self) -> &'s DeValue<'s> {
        self.value_at.get_ref()
    }

    /// Notes that the value is of the wrong type; its content is not repeated.
    pub(super) fn wrong_type(&self, wanted: Wanted) {
        let is = match self.value() {
            DeValue::String(_) => Is::Text,
            DeValue::Integer(_) => Is::Whole,
            DeValue::Float(_) => Is::Point,
            DeValue::Boolean(_) => Is::Boolean,
            DeValue::Datetime(_) => Is::Date,
            DeValue::Array(_) => Is::List,
            DeValue::Table(_) => Is::Table,
        };
        self.wrong(Flaw::WrongType { wanted, is });
    }

    /// A text.
    pub(super) fn text(&self, wanted: Wanted) -> Option<Text<'s>> {
        let DeValue::String(raw) = self.value() else {
            self.wrong_type(wanted);
            return None;
        };
        match substitute(raw, self.doc.world.env) {
            Ok(value) => Some(Text {
                literal: matches!(value, Cow::Borrowed(_)),
                value,
            }),
            Err(incomplete) => {
                self.wrong(incomplete);
                None
            }
        }
    }

    /// Whatever a text can be read as.
    pub(super) fn parse<T>(&self, wanted: Wanted) -> Option<T>
    where
        T: FromStr,
        T::Err: Into<Flaw>,
    {
        let text = self.text(wanted)?;
        match text.value.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(error);
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn one_of<T: Copy>(&self, words: &[(&'static str, T)]) -> Option<T> {
        let names: Vec<&'static str> = words.iter().map(|(name, _)| *name).collect();
        let text = self.text(Wanted::OneOf {
            words: List::of(&names),
        })?;
        if let Some((_, value)) = words.iter().find(|(name, _)| *name == text.value) {
            return Some(*value);
        }
        let near = nearest(&text.value, &names).filter(|_| text.literal);
        self.wrong(Flaw::NotOneOf {
            value: text.shown(),
            words: List::of(&names),
            near: near.map_or(Near::None, |name| Near::Name { name }),
        });
        None
    }

    /// A span of time within bounds.
    pub(super) fn span(&self, bounds: RangeInclusive<Duration>, why: Why) -> Option<Duration> {
        let Span(span) = self.parse(Wanted::Span)?;
        if bounds.contains(&span) {
            return Some(span);
        }
        self.wrong(Flaw::OutOfBounds {
            span: Span(span),
            why,
            least: Span(*bounds.start()),
            most: Span(*bounds.end()),
        });
        None
    }

    /// A whole number within bounds; in quotes when it comes from the environment.
    pub(super) fn integer(&self, bounds: RangeInclusive<u64>) -> Option<u64> {
        let wanted = Wanted::Integer {
            least: *bounds.start(),
            most: *bounds.end(),
        };
        let number = match self.value() {
            DeValue::Integer(integer) => {
                u64::from_str_radix(integer.as_str(), integer.radix()).ok()
            }
            DeValue::String(raw) if raw.contains("${") => {
                self.text(wanted.clone())?.value.parse().ok()
            }
            _ => {
                self.wrong_type(wanted);
                return None;
            }
        };
        let number = number.filter(|number| bounds.contains(number));
        if number.is_none() {
            self.wrong(Flaw::MustBe { wanted });
        }
        number
    }

    /// True or false; in quotes when it comes from the environment.
    pub(super) fn boolean(&self) -> Option<bool> {
        match self.value() {
            DeValue::Boolean(value) => Some(*value),
            DeValue::String(raw) if raw.contains("${") => {
                self.one_of(&[("true", true), ("false", false)])
            }
            _ => {
                self.wrong_type(Wanted::Boolean);
                None
            }
        }
    }

    /// A path, relative to the file it stands in.
    pub(super) fn path(&self) -> Option<PathBuf> {
        let text = self.text(Wanted::Path)?;
        if text.value.is_empty() {
            self.wrong(Flaw::EmptyPath);
            return None;
        }
        if text.value.chars().any(char::is_control) {
            self.wrong(Flaw::ControlInPath);
            return None;
        }
        Some(self.doc.folder.join(text.value.as_ref()))
    }

    /// The items of a list that may be empty. One value without brackets is a list of one.
    pub(super) fn items(&self) -> Vec<Field<'s>> {
        match self.value() {
            DeValue::Array(items) => items
                .iter()
                .map(|value_at| Field { value_at, ..*self })
                .collect(),
            _ => vec![*self],
        }
    }

    /// The items of a list that must not be empty.
    pub(super) fn some_items(&self, cure: Cure) -> Vec<Field<'s>> {
        let items = self.items();
        if items.is_empty() {
            self.wrong(Flaw::EmptyList { cure });
        }
        items
    }

    /// A table of its own.
    pub(super) fn table(&self, wanted: Wanted, keys: &[&'static str]) -> Option<Table<'s>> {
        if let DeValue::Table(entries) = self.value() {
            let name = Cow::Owned(self.name());
            return Some(Table::new(
                self.doc,
                name,
                entries,
                self.value_at.span(),
                keys,
            ));
        }
        self.wrong_type(wanted);
        None
    }

    /// The tables of a list such as `[[app]]`.
    pub(super) fn tables(&self, keys: &[&'static str]) -> Vec<Table<'s>> {
        let wanted = Wanted::Tables { name: self.name() };
        match self.value() {
            DeValue::Array(items) => items
                .iter()
                .filter_map(|value_at| Field { value_at, ..*self }.table(wanted.clone(), keys))
                .collect(),
            _ => {
                self.wrong_type(wanted);
                Vec::new()
            }
        }
    }
}
