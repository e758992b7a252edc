//! One configuration file while it is read: its text, where its lines begin, what was found wrong in it.
//!
//! Must not know: which keys there are.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::accounts::Accounts;
use super::flaw::{Flaw, Remark};
use super::mistake::{Finding, Spot};
use super::substitute::Env;

/// What values may refer to outside the files.
pub(super) struct World<'a> {
    pub(super) env: Env<'a>,
    pub(super) accounts: Accounts,
}

impl<'a> World<'a> {
    pub(super) fn new(env: Env<'a>) -> Self {
        Self {
            env,
            accounts: Accounts::default(),
        }
    }
}

/// One file.
pub(super) struct Doc<'a> {
    /// Its number among the files of this run.
    pub(super) file: u32,
    /// Relative paths in it are relative to this.
    pub(super) folder: &'a Path,
    pub(super) world: &'a World<'a>,
    text: &'a str,
    /// Where in the text the portion begins that is being read: places are told relative to it.
    base: Cell<usize>,
    /// Where each line begins.
    lines: Vec<usize>,
    findings: RefCell<Vec<Finding>>,
    warnings: RefCell<Vec<Remark>>,
    reads: RefCell<Vec<PathBuf>>,
    holds_secret: Cell<bool>,
}

/// What is left of a file once it has been read.
#[derive(Default)]
pub(super) struct Remarks {
    pub(super) findings: Vec<Finding>,
    pub(super) warnings: Vec<Remark>,
    /// Other files it took secrets and certificates from.
    pub(super) reads: Vec<PathBuf>,
    /// A secret is written out in it.
    pub(super) holds_secret: bool,
}

impl<'a> Doc<'a> {
    pub(super) fn new(file: u32, folder: &'a Path, text: &'a str, world: &'a World<'a>) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        Self {
            file,
            folder,
            world,
            text,
            base: Cell::new(0),
            lines: std::iter::once(0)
                .chain(ends.map(|(at, _)| at + 1))
                .collect(),
            findings: RefCell::default(),
            warnings: RefCell::default(),
            reads: RefCell::default(),
            holds_secret: Cell::new(false),
        }
    }

    /// From here on places are told relative to this byte of the text.
    pub(super) fn begin_at(&self, base: usize) {
        self.base.set(base);
    }

    /// Line and column of a byte.
    pub(super) fn spot(&self, at: usize) -> Spot {
        let at = at.saturating_add(self.base.get());
        let line = self.lines.partition_point(|begin| *begin <= at);
        let begin = self.lines.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(begin..at).unwrap_or_default();
        Spot {
            file: self.file,
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX),
        }
    }

    /// Notes a mistake.
    pub(super) fn wrong(&self, at: &Range<usize>, key: String, flaw: Flaw) {
        let spot = self.spot(at.start);
        self.findings.borrow_mut().push(Finding { spot, key, flaw });
    }

    /// How many mistakes were noted so far.
    pub(super) fn count(&self) -> usize {
        self.findings.borrow().len()
    }

    /// Notes something to look at.
    pub(super) fn warn(&self, remark: Remark) {
        self.warnings.borrow_mut().push(remark);
    }

    /// Notes that another file was read.
    pub(super) fn read(&self, path: &Path) {
        self.reads.borrow_mut().push(path.to_owned());
    }

    /// Notes that a secret is written out here.
    pub(super) fn holds_secret(&self) {
        self.holds_secret.set(true);
    }

    pub(super) fn into_remarks(self) -> Remarks {
        Remarks {
            findings: self.findings.into_inner(),
            warnings: self.warnings.into_inner(),
            reads: self.reads.into_inner(),
            holds_secret: self.holds_secret.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let world = World::new(&|_| None);
        let doc = Doc::new(7, Path::new(""), "a\n密码=1\n", &world);
        let spot = |at| {
            let spot = doc.spot(at);
            (spot.line, spot.column)
        };
        assert_eq!(spot(0), (1, 1));
        assert_eq!(spot(2), (2, 1));
        assert_eq!(spot(8), (2, 3));
        assert_eq!(spot(11), (3, 1));
        assert_eq!(spot(999), (3, 1));
        doc.begin_at(2);
        assert_eq!(spot(0), (2, 1));
        assert_eq!(spot(9), (3, 1));
    }
}
