//! A key in Redis, which may hold a secret: then it can be used, but is never shown whole.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};
use std::ops::Range;

use md5::{Digest as _, Md5};
use zeroize::Zeroize;

use super::mask::{MASK, shown, visible};

/// A key. `Display` and `Debug` mask what is secret in it, and write out what a terminal would obey.
#[derive(Clone)]
pub struct Key {
    bytes: Vec<u8>,
    shown: String,
    masked: bool,
}

/// A piece of a key.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    Plain(&'a str),
    /// The app's secret, or what was made from it.
    Secret(&'a str),
}

impl Key {
    /// Puts a key together.
    pub(super) fn of(parts: &[Part<'_>]) -> Self {
        let whole: Vec<&str> = parts
            .iter()
            .map(|part| match part {
                Part::Plain(text) | Part::Secret(text) => *text,
            })
            .collect();
        let shown: Vec<&str> = parts
            .iter()
            .map(|part| match part {
                Part::Plain(text) => *text,
                Part::Secret(_) => MASK,
            })
            .collect();
        Self {
            bytes: whole.concat().into_bytes(),
            shown: visible(&shown.concat()),
            masked: parts.iter().any(|part| matches!(part, Part::Secret(_))),
        }
    }

    /// A key that was found, with the parts of it that may be secret.
    pub(super) fn found(text: &str, hidden: Vec<Range<usize>>) -> Self {
        Self {
            bytes: text.as_bytes().to_vec(),
            masked: !hidden.is_empty(),
            shown: shown(text, hidden),
        }
    }

    /// A key without a secret.
    pub(super) fn plain(text: &str) -> Self {
        Self::of(&[Part::Plain(text)])
    }

    /// The key itself. Where [`Key::holds_secret`], every use is a place to look at in review.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it must not be shown whole.
    #[must_use]
    pub const fn holds_secret(&self) -> bool {
        self.masked
    }
}

// Two keys are one if they lead to the same place, whoever calls which part of them secret.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        if self.masked {
            self.bytes.zeroize();
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.shown)
    }
}

/// The MD5 of texts one after the other, in lower-case hex: what PHP and Go make keys of.
pub(super) fn md5_hex(parts: &[&str]) -> String {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part.as_bytes());
    }
    hash.finalize()
        .iter()
        .fold(String::with_capacity(32), |mut hex, byte| {
            // Into a text: it cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
