//! One file of the configuration: its text, parsed, its apps and callers read, the tree dropped again.
//!
//! Must not know: the other files.

use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;
use zeroize::Zeroizing;

use super::app_read::{self, AppRow};
use super::caller_read::{self, CallerRow};
use super::doc::{Doc, Remarks, World};
use super::field::Field;
use super::flaw::Flaw;
use super::mistake::{Finding, Spot};
use super::portions;
use super::table::Table;

/// What there may be many of; an included file has nothing else at its top.
const ENTRIES: [&str; 2] = ["app", "caller"];
/// More mistakes of form than this in one file follow from the first ones.
const FORM_MISTAKES: usize = 5;

/// One file to read.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) name: Arc<str>,
    pub(super) text: Zeroizing<String>,
    /// Everyone on this machine may read it.
    pub(super) open: bool,
}

impl Source {
    /// Relative paths in it are relative to this.
    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

/// What one file holds.
#[derive(Default)]
pub(super) struct Part {
    pub(super) apps: Vec<AppRow>,
    pub(super) callers: Vec<CallerRow>,
    pub(super) remarks: Remarks,
    /// It could not be read as a whole: there may be apps in it nobody knows of.
    pub(super) unread: bool,
}

/// A file's text, and whether everyone may read it.
pub(super) fn read(path: &Path) -> Result<(Zeroizing<String>, bool), Flaw> {
    let cannot = |error: std::io::Error| Flaw::Unreadable { why: error.into() };
    let about = std::fs::metadata(path).map_err(cannot)?;
    if about.is_dir() {
        return Err(Flaw::Folder);
    }
    let bytes = std::fs::read(path).map_err(cannot)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .split(|b| *b == b'\n')
            .count();
        Flaw::NotUtf8 { line }
    })?;
    Ok((
        Zeroizing::new(text),
        about.permissions().mode() & 0o004 != 0,
    ))
}

pub(super) fn included(
    path: &Path,
    name: Arc<str>,
    number: usize,
    world: &World<'_>,
) -> (Part, bool) {
    let file = u32::try_from(number).unwrap_or(u32::MAX);
    match read(path) {
        Ok((text, open)) => {
            let source = Source {
                path: path.to_owned(),
                name,
                text,
                open,
            };
            (with_table(&source, file, world, &ENTRIES, |_| ()), open)
        }
        Err(flaw) => {
            let spot = Spot {
                file,
                line: 0,
                column: 0,
            };
            let mut part = Part {
                unread: true,
                ..Part::default()
            };
            part.remarks.findings.push(Finding {
                spot,
                key: String::new(),
                flaw,
            });
            (part, false)
        }
    }
}

/// Parses a file, reads its apps and callers, and lets `more` read the rest; it may be called twice. No parsed tree is left
/// when this returns.
///
/// A file is read portion by portion, or the trees of a hundred thousand apps would cost more than all that is kept of them.
/// Where that finds anything to complain of, the file is read once more as a whole: so a mistake is what TOML says it is.
pub(super) fn with_table(
    source: &Source,
    file: u32,
    world: &World<'_>,
    keys: &[&'static str],
    mut more: impl FnMut(&Table<'_>),
) -> Part {
    let in_portions = portions::of(&source.text);
    if in_portions.len() > 1
        && let Some(part) = sound(source, file, world, keys, &mut more, &in_portions)
    {
        return part;
    }
    let doc = Doc::new(file, source.folder(), &source.text, world);
    let mut part = Part::default();
    let (tree, errors) = DeTable::parse_recoverable(&source.text);
    for error in errors.iter().take(FORM_MISTAKES) {
        let at = error.span().unwrap_or(0..0);
        // Only the message: the parser's own display repeats the line, and a secret may stand in it.
        doc.wrong(
            &at,
            String::new(),
            Flaw::NotToml {
                message: error.message().to_owned(),
            },
        );
    }
    part.unread = !errors.is_empty();
    if errors.is_empty() {
        let top = Table::new(&doc, "".into(), tree.get_ref(), 0..0, keys);
        more(&top);
        part.take(&top);
    }
    drop(tree);
    part.remarks = doc.into_remarks();
    part
}

/// Reads a file portion by portion; none if it is not sound, or cannot be read so.
fn sound(
    source: &Source,
    file: u32,
    world: &World<'_>,
    keys: &[&'static str],
    more: &mut impl FnMut(&Table<'_>),
    in_portions: &[Range<usize>],
) -> Option<Part> {
    let doc = Doc::new(file, source.folder(), &source.text, world);
    let mut part = Part::default();
    for (number, at) in in_portions.iter().enumerate() {
        let tree = DeTable::parse(source.text.get(at.clone())?).ok()?;
        let is_entry = |key: &str| ENTRIES.contains(&key);
        // Entries before the first header, or anything else after it, may belong together across portions.
        let names = &mut tree.get_ref().keys().map(|key| key.get_ref().as_ref());
        if names.any(|name| is_entry(name) == (number == 0)) {
            return None;
        }
        doc.begin_at(at.start);
        let top = Table::new(&doc, "".into(), tree.get_ref(), 0..0, keys);
        if number == 0 {
            more(&top);
        } else {
            part.take(&top);
        }
        if doc.count() > 0 {
            return None;
        }
    }
    part.remarks = doc.into_remarks();
    Some(part)
}

impl Part {
    fn take(&mut self, top: &Table<'_>) {
        let apps = tables(top, "app", &app_read::KEYS);
        self.apps.extend(apps.iter().filter_map(app_read::read));
        let callers = tables(top, "caller", &caller_read::KEYS);
        self.callers
            .extend(callers.iter().filter_map(caller_read::read));
    }
}

fn tables<'s>(top: &'s Table<'_>, key: &'static str, keys: &[&'static str]) -> Vec<Table<'s>> {
    top.get(key)
        .map_or_else(Vec::new, |field: Field<'s>| field.tables(keys))
}
