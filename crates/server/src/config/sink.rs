//! `[[app.file]]`: copies of a credential kept in files, for programs that cannot ask.
//!
//! Must not know: how a file is written.

use std::path::Path;

use wxtoken_core::app::AppType;
use wxtoken_core::credential::Kind;

use super::app::Kinds;
use super::app_read::kind;
use super::flaw::Flaw;
use super::mistake::Spot;
use super::phrase::{Cure, Wanted};
use super::quantity::Mode;
use super::table::Table;

/// The keys of `[[app.file]]`.
pub(super) const FILE_KEYS: [&str; 6] = ["path", "format", "kind", "mode", "owner", "group"];

/// One file to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSinkConfig {
    /// Where, as an absolute path if the configuration came from a file.
    pub path: Box<Path>,
    /// What it looks like.
    pub format: FileFormat,
    /// What it holds.
    pub kind: Kind,
    /// Its permissions; `None` leaves those of the file that is there, and gives a new one to its owner alone.
    pub mode: Option<u32>,
    /// The user it is given to, as a number; `None` leaves ours.
    pub owner: Option<u32>,
    /// The group it is given to, as a number; `None` leaves ours.
    pub group: Option<u32>,
}

/// What a file sink looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Readable by `java.util.Properties`.
    Properties,
    /// One JSON object.
    Json,
    /// `NAME=value` lines.
    Dotenv,
}

impl FileSinkConfig {
    /// Reads and checks one table; also tells where its path stands. `None` when there is no path to speak of; whatever else
    /// is wrong is noted, and the file still counts where others are compared with it.
    pub(super) fn read(table: &Table<'_>, app_type: AppType, kinds: Kinds) -> Option<(Self, Spot)> {
        let mut sink_kind = Kind::AccessToken;
        table.set(&mut sink_kind, "kind", |f| kind(f, app_type));
        check_kept(table, sink_kind, app_type, kinds);
        let mut mode = None;
        table.set(&mut mode, "mode", |f| {
            let Mode(bits) = f.parse(Wanted::Permissions { example: "0600" })?;
            Some(Some(bits))
        });
        let (mut owner, mut group) = (None, None);
        table.set(&mut owner, "owner", |f| f.user().map(Some));
        table.set(&mut group, "group", |f| f.group().map(Some));
        let format = table.need("format", Cure::FileFormat).and_then(|f| {
            f.one_of(&[
                ("properties", FileFormat::Properties),
                ("json", FileFormat::Json),
                ("dotenv", FileFormat::Dotenv),
            ])
        });
        let field = table.need("path", Cure::FilePath)?;
        let path = field.path()?;
        if path.file_name().is_none() || path.is_dir() {
            field.wrong(Flaw::SinkFolder);
            return None;
        }
        let sink = Self {
            path: path.into(),
            // A missing one has been noted.
            format: format.unwrap_or(FileFormat::Properties),
            kind: sink_kind,
            mode,
            owner,
            group,
        };
        Some((sink, field.spot()))
    }
}

/// A copy of something that is not kept would never be written.
pub(super) fn check_kept(table: &Table<'_>, kind: Kind, app_type: AppType, kinds: Kinds) {
    if app_type == AppType::Website {
        table.wrong("", Flaw::SinkOfWebsite);
    } else if !kinds.is_empty() && !kinds.contains(kind) {
        table.wrong("kind", Flaw::SinkNotKept { kind });
    }
}
