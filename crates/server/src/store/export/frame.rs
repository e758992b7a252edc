//! The bytes of an export: its head, and frames sealed in their place.
//!
//! A line that names the file, version (1), sort of key (1), iterations (4), salt (16); then frames, each its length (4) and
//! sealed bytes bound to their place: records, then users, then one that says how many there were. A file without users is of
//! version 1, which knows none. So a file that was cut short, altered or put
//! together from others is noticed. Must not know: stores.

use std::io::{self, Read, Write};
use std::num::NonZeroU32;

use aws_lc_rs::{pbkdf2, rand};
use wxtoken_core::app::AppId;
use wxtoken_core::store::Record;
use zeroize::Zeroizing;

use super::super::keys::MasterKey;
use super::super::sealed::{SealError, Sealer};
use super::super::users::{self, User};
use super::super::wire;
use super::{ExportError, ExportKey};
use crate::words::Sentence;

const MAGIC: &[u8; 16] = b"wxtoken export\n\0";
const PLAIN: u8 = 1;
const WITH_USERS: u8 = 2;
const SALT: usize = 16;
const HEAD: usize = 16 + 1 + 1 + 4 + SALT;
/// PBKDF2-HMAC-SHA256, as OWASP advises.
const ITERATIONS: u32 = 600_000;
/// More than a file may ask for, so that it cannot keep us busy for hours.
const MOST_ITERATIONS: u32 = 20_000_000;
pub(super) const SHORTEST_PASSPHRASE: usize = 12;
/// No record is larger.
const LARGEST_FRAME: u32 = 1 << 20;

const RECORD: &[u8] = b"record";
const USER: &[u8] = b"user";
const END: &[u8] = b"end";

/// What seals and opens the frames of one file.
pub(super) struct Frames {
    sealer: Sealer,
    /// Bound to each seal, so that nobody makes one version of another.
    family: &'static [u8],
}

/// What a frame holds.
pub(super) enum Frame {
    Record(AppId, Box<Record>),
    User(Box<User>),
    End,
}

/// Begins a file: writes its head, and gives what seals the rest.
pub(super) fn begin(
    out: &mut (dyn Write + Send),
    key: ExportKey<'_>,
    has_users: bool,
) -> Result<Frames, ExportError> {
    let mut salt = [0; SALT];
    rand::fill(&mut salt).map_err(|_| ExportError::NoRandom)?;
    let iterations = match key {
        ExportKey::Passphrase(_) => ITERATIONS,
        ExportKey::Master(_) => 0,
    };
    let version = if has_users { WITH_USERS } else { PLAIN };
    let frames = frames(key, version, iterations, salt)?;
    out.write_all(&head(key, version, iterations, salt))?;
    Ok(frames)
}

/// Ends a file that holds so many records and users.
pub(super) fn end(
    out: &mut (dyn Write + Send),
    frames: &Frames,
    total: u64,
) -> Result<(), ExportError> {
    frames.write(out, END, total, &[])?;
    Ok(out.flush()?)
}

fn head(key: ExportKey<'_>, version: u8, iterations: u32, salt: [u8; SALT]) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&[version, sort(key).0]);
    head.extend_from_slice(&iterations.to_be_bytes());
    head.extend_from_slice(&salt);
    head
}

fn sort(key: ExportKey<'_>) -> (u8, &'static str) {
    match key {
        ExportKey::Passphrase(_) => (1, "a passphrase"),
        ExportKey::Master(_) => (2, "a master key"),
    }
}

pub(super) fn read_head(file: &mut dyn Read, key: ExportKey<'_>) -> Result<Frames, ExportError> {
    let mut head = [0; HEAD];
    file.read_exact(&mut head)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ExportError::NotAnExport,
            _ => ExportError::Io(error),
        })?;
    let rest = head.strip_prefix(MAGIC).ok_or(ExportError::NotAnExport)?;
    let (&[version, found], rest) = rest.split_first_chunk().ok_or(ExportError::NotAnExport)?;
    let (iterations, salt) = rest.split_first_chunk().ok_or(ExportError::NotAnExport)?;
    let salt = salt.try_into().map_err(|_| ExportError::NotAnExport)?;
    if ![PLAIN, WITH_USERS].contains(&version) {
        return Err(ExportError::Newer(version));
    }
    if found != sort(key).0 {
        let other = if found == 1 {
            Sentence::new("口令", "a passphrase")
        } else {
            Sentence::new("主密钥", "a master key")
        };
        return Err(ExportError::OtherSort(other));
    }
    frames(key, version, u32::from_be_bytes(*iterations), salt)
}

fn frames(
    key: ExportKey<'_>,
    version: u8,
    iterations: u32,
    salt: [u8; SALT],
) -> Result<Frames, ExportError> {
    let family: &[u8] = if version == PLAIN {
        b"export"
    } else {
        b"export 2"
    };
    let sealer = sealer(key, iterations, salt)?;
    Ok(Frames { sealer, family })
}

fn sealer(key: ExportKey<'_>, iterations: u32, salt: [u8; SALT]) -> Result<Sealer, ExportError> {
    let key = match key {
        ExportKey::Master(master) => master.derive_parts(&[b"export", &salt]),
        ExportKey::Passphrase(text) => {
            if text.chars().count() < SHORTEST_PASSPHRASE {
                return Err(ExportError::WeakPassphrase);
            }
            let rounds = NonZeroU32::new(iterations)
                .filter(|rounds| rounds.get() <= MOST_ITERATIONS)
                .ok_or(ExportError::WrongKey)?;
            let mut key = Zeroizing::new([0; 32]);
            let sort = pbkdf2::PBKDF2_HMAC_SHA256;
            pbkdf2::derive(sort, rounds, &salt, text.as_bytes(), key.as_mut_slice());
            key
        }
    };
    Ok(Sealer::new(MasterKey::from_bytes(key).into(), salt))
}

impl Frames {
    pub(super) fn write_record(
        &self,
        out: &mut (dyn Write + Send),
        number: u64,
        app: &AppId,
        record: &Record,
    ) -> Result<(), ExportError> {
        let content = wire::encode(record).map_err(SealError::from);
        let content = content.map_err(|_| ExportError::Damaged(number))?;
        let name = app.as_str().as_bytes();
        let mut plain = Zeroizing::new(Vec::with_capacity(2 + name.len() + content.len()));
        plain.push(wire::VERSION);
        plain.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        plain.extend_from_slice(name);
        plain.extend_from_slice(&content);
        self.write(out, RECORD, number, &plain)
    }

    pub(super) fn write_user(
        &self,
        out: &mut (dyn Write + Send),
        number: u64,
        user: &User,
    ) -> Result<(), ExportError> {
        let plain = users::encode(&user.app, &user.openid, user.until, &user.record);
        let plain = plain.map_err(|_| ExportError::Damaged(number))?;
        self.write(out, USER, number, &plain)
    }

    fn write(
        &self,
        out: &mut (dyn Write + Send),
        what: &[u8],
        number: u64,
        plain: &[u8],
    ) -> Result<(), ExportError> {
        let sealed = self
            .sealer
            .seal(self.family, &label(what, number), plain)
            .map_err(|_| ExportError::NoRandom)?;
        let length = u32::try_from(sealed.len()).map_err(|_| ExportError::Damaged(number))?;
        out.write_all(&length.to_be_bytes())?;
        Ok(out.write_all(&sealed)?)
    }

    /// The next frame.
    pub(super) fn read(&self, file: &mut dyn Read, number: u64) -> Result<Frame, ExportError> {
        let damaged = || ExportError::Damaged(number);
        let mut length = [0; 4];
        file.read_exact(&mut length).map_err(|_| damaged())?;
        let length = u32::from_be_bytes(length);
        if length > LARGEST_FRAME {
            return Err(damaged());
        }
        let mut sealed = Vec::new();
        file.take(length.into()).read_to_end(&mut sealed)?;
        let open = |what| self.sealer.open(self.family, &label(what, number), &sealed);
        match open(RECORD) {
            Ok(plain) => record(&plain).ok_or_else(damaged),
            Err(SealError::OtherKey) if number == 0 => Err(ExportError::WrongKey),
            Err(_) => match open(USER) {
                Ok(plain) => {
                    let user = users::decode(&plain).map_err(|_| damaged())?;
                    Ok(Frame::User(Box::new(user)))
                }
                // Only the end itself may stand here, and nothing after it.
                Err(_) if open(END).is_ok() && file.read(&mut [0])? == 0 => Ok(Frame::End),
                Err(_) => Err(damaged()),
            },
        }
    }
}

fn record(plain: &[u8]) -> Option<Frame> {
    let (&[version, length], rest) = plain.split_first_chunk()?;
    let (name, content) = rest.split_at_checked(length.into())?;
    let app = std::str::from_utf8(name).ok()?.parse().ok()?;
    let record = wire::decode(version, content).ok()?;
    Some(Frame::Record(app, Box::new(record)))
}

fn label(what: &[u8], number: u64) -> Vec<u8> {
    [what, &number.to_be_bytes()].concat()
}
