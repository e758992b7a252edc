//! The apps of a simulated WeChat, and where each is found.
//!
//! Owns: [`AppSpec`], generated apps, the directory. Must not know: what an app's state does.

use std::{
    borrow::Borrow,
    collections::HashSet,
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
};

use serde::{Deserialize, Serialize};

use crate::{
    rules::{AppState, Rules, Whitelist},
    token::{fill, hex},
};

/// What sort of account an app is: quotas, whitelist and permissions depend on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AppKind {
    /// 公众号 or 服务号.
    #[default]
    Official,
    /// 小程序.
    Mini,
    /// A website app of the open platform.
    Website,
    /// 测试号: smaller quotas.
    Test,
}

/// An app to be: its AppID, its AppSecret, its kind.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSpec {
    /// `wx` and 16 hex digits, usually; anything is accepted.
    pub appid: String,
    /// 32 hex digits, usually.
    pub secret: String,
    /// The kind of account.
    #[serde(default)]
    pub kind: AppKind,
    /// The IP whitelist; `None` lets every address pass.
    #[serde(default)]
    pub whitelist: Option<Vec<String>>,
}

impl AppSpec {
    /// An app without a whitelist.
    pub fn new(appid: impl Into<String>, secret: impl Into<String>, kind: AppKind) -> Self {
        Self {
            appid: appid.into(),
            secret: secret.into(),
            kind,
            whitelist: None,
        }
    }
}

impl fmt::Debug for AppSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppSpec({} {:?})", self.appid, self.kind)
    }
}

/// The app with this number: the same AppID and AppSecret in every run and every program.
pub fn generated_app(index: usize) -> AppSpec {
    let mut bytes = [0; 24];
    fill(
        &mut bytes,
        0x7778_746f_6b65_6e00_u64.wrapping_add(u64::try_from(index).unwrap_or(u64::MAX) << 8),
    );
    // The index itself is in front, so that no two generated apps can meet.
    bytes[..4].copy_from_slice(&u32::try_from(index).unwrap_or(u32::MAX).to_be_bytes());
    AppSpec::new(
        format!("wx{}", hex(&bytes[..8])),
        hex(&bytes[8..]),
        AppKind::Official,
    )
}

/// One app behind its own lock, so that apps never wait for each other.
pub(crate) struct AppCell {
    pub(crate) appid: Box<str>,
    state: Mutex<AppState>,
}

impl AppCell {
    pub(crate) fn lock(&self) -> MutexGuard<'_, AppState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All apps, by AppID and by number.
#[derive(Default)]
pub(crate) struct Directory(RwLock<Tables>);

#[derive(Default)]
struct Tables {
    by_appid: HashSet<ByAppid>,
    by_index: Vec<Arc<AppCell>>,
}

/// An app that is looked up by its AppID, without a second copy of it.
struct ByAppid(Arc<AppCell>);

impl Borrow<str> for ByAppid {
    fn borrow(&self) -> &str {
        &self.0.appid
    }
}

impl Hash for ByAppid {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.appid.hash(state);
    }
}

impl PartialEq for ByAppid {
    fn eq(&self, other: &Self) -> bool {
        self.0.appid == other.0.appid
    }
}

impl Eq for ByAppid {}

impl Directory {
    /// Adds an app, or changes the secret, kind and whitelist of the one with that AppID.
    pub(crate) fn put(&self, spec: &AppSpec, rules: &Rules) -> Result<(), String> {
        let whitelist = spec
            .whitelist
            .as_deref()
            .map(Whitelist::parse)
            .transpose()?;
        let mut tables = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(ByAppid(cell)) = tables.by_appid.get(spec.appid.as_str()) {
            let mut state = cell.lock();
            state.kind = spec.kind;
            state.set_whitelist(whitelist);
            state.set_secret(&spec.secret, rules);
            return Ok(());
        }
        let index = u32::try_from(tables.by_index.len()).unwrap_or(u32::MAX);
        let mut state = AppState::new(index, &spec.secret, spec.kind);
        state.set_whitelist(whitelist);
        let cell = Arc::new(AppCell {
            appid: spec.appid.as_str().into(),
            state: Mutex::new(state),
        });
        tables.by_appid.insert(ByAppid(Arc::clone(&cell)));
        tables.by_index.push(cell);
        Ok(())
    }

    pub(crate) fn find(&self, appid: &str) -> Option<Arc<AppCell>> {
        self.read()
            .by_appid
            .get(appid)
            .map(|one| Arc::clone(&one.0))
    }

    pub(crate) fn at(&self, index: u32) -> Option<Arc<AppCell>> {
        self.read()
            .by_index
            .get(usize::try_from(index).ok()?)
            .map(Arc::clone)
    }

    pub(crate) fn len(&self) -> usize {
        self.read().by_index.len()
    }

    /// Up to `limit` apps, in the order they were added.
    pub(crate) fn first(&self, limit: usize) -> Vec<Arc<AppCell>> {
        self.read()
            .by_index
            .iter()
            .take(limit)
            .map(Arc::clone)
            .collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn generated_apps_look_real_are_all_different_and_never_change() {
        let apps: Vec<AppSpec> = (0..5000).map(generated_app).collect();
        let different: HashSet<&str> = apps.iter().map(|app| app.appid.as_str()).collect();
        assert_eq!(different.len(), apps.len());
        assert!(
            apps.iter()
                .all(|app| app.appid.len() == 18 && app.secret.len() == 32)
        );
        assert_eq!(generated_app(7).appid, apps[7].appid);
        assert_eq!(apps[1].appid, "wx000000011edc4750");
        assert_eq!(
            format!("{:?}", apps[1]),
            "AppSpec(wx000000011edc4750 Official)"
        );
    }

    #[test]
    fn an_app_takes_less_than_two_kibibytes() {
        assert!(size_of::<AppCell>() < 512, "{} bytes", size_of::<AppCell>());
    }
}
