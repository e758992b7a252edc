//! `[store]`: where credentials survive a restart.

use std::path::PathBuf;

use super::secret::MasterKey;

/// The embedded store. (`kind = "redis"` is not available in this version.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The folder that holds it.
    pub path: PathBuf,
    /// What seals it. `None`: a key file in the folder, made at the first start.
    pub master_key: Option<MasterKey>,
    /// The master key before this one, while records are sealed anew.
    pub previous_master_key: Option<MasterKey>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            path: PathBuf::from("data"),
            master_key: None,
            previous_master_key: None,
        }
    }
}
