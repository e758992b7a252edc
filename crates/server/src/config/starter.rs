//! What `wxtoken init` writes: a small configuration that works as it stands, and its two keys.
//!
//! Must not know: where the files go.

use super::secret::{NoRandom, Secret, new_key};

/// A file to write, readable by its owner alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StarterFile {
    /// Its name, in the folder of the configuration.
    pub name: &'static str,
    /// What it holds; some hold a key.
    pub content: Secret,
}

/// The configuration's name.
pub const CONFIG: &str = "wxtoken.toml";
/// The file with the key that programs ask with.
pub const CALLER_KEY: &str = "caller.key";
/// The file with the key of the admin API.
pub const ADMIN_KEY: &str = "admin.key";

/// A new configuration and freshly made keys; the keys come first, so that the configuration is written last.
///
/// # Errors
/// The system gives no random numbers.
pub fn starter() -> Result<[StarterFile; 3], NoRandom> {
    let key_file = |name| {
        let key = new_key()?;
        let content = Secret::new(&format!("{}\n", key.expose()));
        Ok(StarterFile { name, content })
    };
    Ok([
        key_file(ADMIN_KEY)?,
        key_file(CALLER_KEY)?,
        StarterFile {
            name: CONFIG,
            content: Secret::new(include_str!("starter.toml")),
        },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, KeyHash, secret::is_caller_key};

    fn written() -> (tempfile::TempDir, Vec<StarterFile>) {
        let folder = tempfile::tempdir().unwrap();
        let files = starter().unwrap().to_vec();
        for file in &files {
            std::fs::write(folder.path().join(file.name), file.content.expose()).unwrap();
        }
        (folder, files)
    }

    #[test]
    fn what_is_written_works_as_it_stands() {
        let (folder, files) = written();
        let config = config::load(&folder.path().join(CONFIG), &|_| None)
            .unwrap_or_else(|errors| panic!("{errors}"));
        let keys: Vec<&str> = files[..2]
            .iter()
            .map(|f| f.content.expose().trim())
            .collect();
        assert!(keys.iter().all(|key| is_caller_key(key)) && keys[0] != keys[1]);
        assert_eq!(config.admin.key, Some(KeyHash::of(keys[0])));
        assert_eq!(config.callers[0].key, Some(KeyHash::of(keys[1])));
        assert!(config.apps.is_empty());
    }

    #[test]
    fn the_app_it_suggests_works_too() {
        let (folder, _) = written();
        let path = folder.path().join(CONFIG);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text
            .lines()
            .map(|line| line.strip_prefix("#").unwrap_or(line));
        let switched_on = lines
            .filter(|line| !line.starts_with(' '))
            .collect::<Vec<_>>();
        std::fs::write(&path, switched_on.join("\n")).unwrap();
        let env = |name: &str| (name == "SHOP_SECRET").then(|| "s".to_owned());
        let config = config::load(&path, &env).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(config.apps.len(), 1);
    }
}
