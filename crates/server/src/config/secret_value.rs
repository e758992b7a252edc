//! Secrets as values: written out, from the environment, or in a file of their own. No content ever enters an error.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::{Zeroize, Zeroizing};

use super::field::Field;
use super::flaw::{Flaw, Remark};
use super::phrase::{Cure, Wanted};
use super::secret::{KeyHash, Secret};
use super::table::Table;
use crate::redis::Address;
use crate::store::MasterKey;

/// More than any secret; a file beyond it was named by mistake.
const LARGEST: u64 = 64 * 1024;

impl Field<'_> {
    /// A secret, in any of its three forms.
    pub(super) fn secret(&self) -> Option<Secret> {
        let wanted = Wanted::Secret;
        let secret = match self.value() {
            toml::de::DeValue::Table(_) => {
                self.secret_from_file(&self.table(wanted, &["file"])?)?
            }
            _ => {
                let mut text = self.text(wanted)?;
                if text.literal {
                    self.doc.holds_secret();
                }
                let secret = Secret::new(&text.value);
                if let std::borrow::Cow::Owned(copy) = &mut text.value {
                    copy.zeroize();
                }
                secret
            }
        };
        if secret.expose().is_empty() {
            self.wrong(Flaw::EmptySecret);
            return None;
        }
        Some(secret)
    }

    /// A text that may hold a secret, cleared when it is dropped; and whether it stands in the file as it is.
    pub(super) fn secret_text(&self, wanted: Wanted) -> Option<(Zeroizing<String>, bool)> {
        let mut text = self.text(wanted)?;
        let secret = Zeroizing::new(text.value.to_string());
        if let std::borrow::Cow::Owned(copy) = &mut text.value {
            copy.zeroize();
        }
        Some((secret, text.literal))
    }

    /// Where a Redis is; what it holds is never repeated, for a password may stand in it.
    pub(super) fn redis_address(&self) -> Option<Address> {
        let (text, literal) = self.secret_text(Wanted::Address {
            example: "redis://host:6379/0",
        })?;
        let address = text.parse::<Address>();
        let address = address.inspect_err(|why| self.wrong(*why)).ok()?;
        if literal && address.password.is_some() {
            self.doc.holds_secret();
        }
        Some(address)
    }

    fn secret_from_file(&self, table: &Table<'_>) -> Option<Secret> {
        let field = table.need("file", Cure::SecretFile)?;
        let path = field.path()?;
        self.doc.read(&path);
        match read_secret(&path) {
            Ok((text, open)) => {
                if open {
                    self.doc.warn(Remark::OpenFile { path });
                }
                Some(Secret::new(&text))
            }
            Err(why) => {
                field.wrong(why);
                None
            }
        }
    }

    /// A secret that may stand in an HTTP query: visible ASCII.
    pub(super) fn app_secret(&self) -> Option<Secret> {
        let secret = self.secret()?;
        let text = secret.expose();
        // Quotes come from an environment file that was not meant for a shell.
        let plain = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\'';
        if text.len() <= 128 && text.bytes().all(plain) {
            return Some(secret);
        }
        self.wrong(Flaw::NotAnAppSecret);
        None
    }

    /// A push token, in the form that WeChat's console takes.
    pub(super) fn push_token(&self) -> Option<Secret> {
        let secret = self.secret()?;
        let text = secret.expose();
        if (3..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Some(secret);
        }
        self.wrong(Flaw::PushToken);
        None
    }

    /// A master key: 32 bytes in base64.
    pub(super) fn master_key(&self) -> Option<MasterKey> {
        let key = MasterKey::from_base64(self.secret()?.expose());
        key.inspect_err(|error| self.wrong(*error)).ok()
    }
}

impl Table<'_> {
    /// The hash of a key that is given as itself, in `key`, or as `key_sha256`: one of the two, and none where neither is.
    pub(super) fn key_or_hash(
        &self,
        checked: impl FnOnce(&Field<'_>, &str) -> Option<KeyHash>,
    ) -> Option<KeyHash> {
        match (self.get("key"), self.get("key_sha256")) {
            (Some(_), Some(hash)) => {
                hash.wrong(Flaw::BesideKey);
                None
            }
            (None, Some(hash)) => hash.parse(Wanted::KeyHash),
            (Some(key), None) => checked(&key, key.secret()?.expose()),
            (None, None) => None,
        }
    }
}

/// The text of a secret's file without the line end, and whether everyone may read it.
fn read_secret(path: &Path) -> Result<(Zeroizing<String>, bool), Flaw> {
    let cannot = |error: std::io::Error| Flaw::FileUnreadable {
        path: path.to_owned(),
        why: error.into(),
    };
    let mut file = File::open(path).map_err(cannot)?;
    let about = file.metadata().map_err(cannot)?;
    let mut text = Zeroizing::new(String::new());
    let most = (&mut file).take(LARGEST + 1);
    read_text(most, &mut text).map_err(cannot)?;
    if text.len() as u64 > LARGEST {
        return Err(Flaw::SecretTooLarge {
            path: path.to_owned(),
        });
    }
    let kept = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(kept);
    Ok((text, about.permissions().mode() & 0o004 != 0))
}

fn read_text(mut from: impl Read, text: &mut String) -> std::io::Result<()> {
    from.read_to_string(text).map(|_| ())
}
