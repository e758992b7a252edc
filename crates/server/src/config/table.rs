//! One table of a parsed file, with the keys it may have.
//!
//! Must not know: what a value means; that is [`Field`]'s part.

use std::borrow::Cow;
use std::ops::Range;

use toml::de::DeTable;

use super::doc::Doc;
use super::field::Field;
use super::flaw::Flaw;
use super::mistake::{Spot, nearest, shown};
use super::phrase::{Cure, Where};
use super::words::List;

/// A table and its name.
pub(super) struct Table<'d> {
    pub(super) doc: &'d Doc<'d>,
    name: Cow<'d, str>,
    entries: &'d DeTable<'d>,
    at: Range<usize>,
}

impl<'d> Table<'d> {
    /// Takes a table, and notes every key in it that is not one of `keys`.
    pub(super) fn new(
        doc: &'d Doc<'d>,
        name: Cow<'d, str>,
        entries: &'d DeTable<'d>,
        at: Range<usize>,
        keys: &[&'static str],
    ) -> Self {
        let table = Self {
            doc,
            name,
            entries,
            at,
        };
        for key in entries.keys() {
            if !keys.contains(&key.get_ref().as_ref()) {
                table.unknown(key.get_ref(), &key.span(), keys);
            }
        }
        table
    }

    fn unknown(&self, key: &str, at: &Range<usize>, keys: &[&'static str]) {
        let place = if self.name.is_empty() {
            Where::Top
        } else {
            Where::Here
        };
        let near = nearest(key, keys);
        let key = shown(key);
        let flaw = match near {
            Some(near) => Flaw::MisspeltKey { key, place, near },
            None => Flaw::UnknownKey {
                key,
                place,
                keys: List::of(keys),
            },
        };
        self.doc.wrong(at, self.key(""), flaw);
    }

    /// A key's full name, for errors.
    fn key(&self, key: &str) -> String {
        match (self.name.as_ref(), key) {
            ("", key) => key.to_owned(),
            (name, "") => name.to_owned(),
            (name, key) => format!("{name}.{key}"),
        }
    }

    /// The value of a key.
    pub(super) fn get<'s>(&'s self, key: &'static str) -> Option<Field<'s>> {
        let value = self.entries.get(key)?;
        Some(Field {
            doc: self.doc,
            section: &self.name,
            key,
            value_at: value,
        })
    }

    /// Whether a key is there at all, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Reads a key into a place that holds its default.
    pub(super) fn set<T>(
        &self,
        place: &mut T,
        key: &'static str,
        read: impl FnOnce(Field<'_>) -> Option<T>,
    ) {
        if let Some(value) = self.get(key).and_then(read) {
            *place = value;
        }
    }

    /// The value of a key that must be there.
    pub(super) fn need(&self, key: &'static str, cure: Cure) -> Option<Field<'_>> {
        let field = self.get(key);
        if field.is_none() {
            self.wrong(key, Flaw::Missing { cure });
        }
        field
    }

    /// Notes a mistake about the table as a whole or about a key it lacks.
    pub(super) fn wrong(&self, key: &str, flaw: Flaw) {
        self.doc.wrong(&self.at, self.key(key), flaw);
    }

    /// Where the table begins.
    pub(super) fn spot(&self) -> Spot {
        self.doc.spot(self.at.start)
    }
}
