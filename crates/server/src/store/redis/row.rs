//! One app's row: its names and fields in Redis, and numbers that keep their order when they are compared as texts.
//!
//! Must not know: connections, what the sealed body says.

use redis::Value;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::store::Fence;

use super::super::sealed::Label;
use super::settings::Prefix;
use crate::redis::bytes;

/// What a script or `HMGET` answers of a row, in this order.
pub(super) const FIELDS: [&str; 10] = ["e", "n", "v", "late", "le", "ln", "g0", "g1", "g2", "b"];

/// The names of everything this store keeps in Redis. All keys of one app lie in one hash slot.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &Prefix) -> Self {
        Self {
            prefix: prefix.to_string(),
        }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn record(&self, app: &AppId) -> String {
        format!("{}:{{{app}}}:record", self.prefix)
    }

    pub(super) fn lease(&self, app: &AppId) -> String {
        format!("{}:{{{app}}}:lease", self.prefix)
    }

    pub(super) fn damaged(&self, app: &AppId) -> String {
        format!("{}:{{{app}}}:damaged", self.prefix)
    }

    pub(super) fn identity(&self) -> String {
        format!("{}:store", self.prefix)
    }

    /// Whose virtual tokens are over.
    pub(super) fn revoked(&self) -> String {
        format!("{}:revoked", self.prefix)
    }

    /// Holds nothing, and is written now and then to see whether it can be; each place may be on another node of a cluster.
    pub(super) fn proof(&self, place: u16) -> String {
        format!("{}:{{{place}}}:proof", self.prefix)
    }

    pub(super) fn channel(&self) -> String {
        format!("{}:changes", self.prefix)
    }

    /// What `SCAN` finds all records by. A prefix holds nothing that a pattern would understand.
    pub(super) fn every_record(&self) -> String {
        format!("{}:{{*}}:record", self.prefix)
    }

    /// Whose record a key is.
    pub(super) fn app_of(&self, key: &[u8]) -> Option<AppId> {
        std::str::from_utf8(key)
            .ok()?
            .strip_prefix(self.prefix.as_str())?
            .strip_prefix(":{")?
            .strip_suffix("}:record")?
            .parse()
            .ok()
    }
}

/// A number as a text whose order is the number's.
pub(super) fn padded(number: u64) -> String {
    format!("{number:020}")
}

/// Reads such a number.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A version, or a part of a fence: scripts count them, and count no further than 2⁵³.
pub(super) fn counted(text: &[u8]) -> Option<u64> {
    number(text).filter(|number| *number < 1 << 53)
}

/// A row as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// The newest fence granted; zeros where there is none.
    pub(super) fence: Fence,
    /// Grows with every change, also from one life of Redis to the next.
    pub(super) version: u64,
    /// The version as it stands there.
    pub(super) raw_version: Vec<u8>,
    /// A late mint that no writer has been shown yet.
    pub(super) late: Option<Wall>,
    /// What is sealed, and what its seal is bound to.
    pub(super) body: Body,
}

/// The sealed part of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Body {
    /// Nothing was written yet.
    #[default]
    None,
    /// As it was written, it seems.
    Sealed(Label, Vec<u8>),
    /// Its label is not what a label looks like.
    Odd,
}

impl Row {
    /// Reads what was answered for [`FIELDS`], or for nothing at all; none if it is no such answer.
    pub(super) fn read(app: AppId, answer: Value) -> Option<Self> {
        let Value::Array(fields) = answer else {
            return None;
        };
        if fields.is_empty() {
            return Some(Self::default());
        }
        let fields: Vec<Option<Vec<u8>>> = fields.into_iter().map(bytes).collect();
        let fields: [Option<Vec<u8>>; 10] = fields.try_into().ok()?;
        let numbers = fields
            .each_ref()
            .map(|field| field.as_deref().and_then(number));
        let [_, _, _, late, le, ln, g0, g1, g2, _] = numbers;
        let [e, n, v] = [0, 1, 2].map(|at: usize| fields[at].as_deref().and_then(counted));
        let [_, _, raw, _, _, _, _, _, _, body] = fields;
        let label = || {
            Some(Label {
                app,
                fence: Fence {
                    epoch: le?,
                    number: ln?,
                },
                generations: [g0?, g1?, g2?],
            })
        };
        let body = match (body, label()) {
            (None, _) => Body::None,
            (Some(sealed), Some(label)) => Body::Sealed(label, sealed),
            (Some(_), None) => Body::Odd,
        };
        Some(Self {
            fence: Fence {
                epoch: e.unwrap_or_default(),
                number: n.unwrap_or_default(),
            },
            version: v.unwrap_or_default(),
            raw_version: raw.unwrap_or_default(),
            late: late.map(Wall),
            body,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::contract::records::app;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn padded_numbers_are_ordered_as_texts(one: u64, other: u64) {
            prop_assert_eq!(padded(one).cmp(&padded(other)), one.cmp(&other));
            prop_assert_eq!(number(padded(one).as_bytes()), Some(one));
        }
    }

    #[test]
    fn a_key_names_its_app_and_nothing_else_does() {
        let names = Names::new(&Prefix::default());
        let key = names.record(&app(7));
        assert_eq!(names.app_of(key.as_bytes()), Some(app(7)));
        for other in [
            "wxtoken:{}:record",
            "wxtoken:{a}:lease",
            "other:{a}:record",
            "",
        ] {
            assert_eq!(names.app_of(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_body_without_a_whole_label_is_odd_and_nothing_is_nothing() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let nil = || Value::Array(vec![Value::Nil; 10]);
        assert_eq!(Row::read(app(1), nil()).unwrap(), Row::default());
        let none = Row::read(app(1), Value::Array(vec![])).unwrap();
        assert_eq!(none, Row::default());
        assert_eq!(Row::read(app(1), Value::Array(vec![Value::Nil])), None);
        assert_eq!(Row::read(app(1), Value::Okay), None);
        let Value::Array(mut fields) = nil() else {
            unreachable!()
        };
        fields[9] = text("sealed");
        fields[2] = text("x");
        let row = Row::read(app(1), Value::Array(fields)).unwrap();
        assert_eq!((row.body, row.raw_version), (Body::Odd, b"x".to_vec()));
    }
}
