//! Whether the configuration can take over what was found: what it would write must lie at the very key that was found.
//!
//! Must not know: how the configuration is written down.

use wxtoken_core::credential::Kind;

use super::place::{Place, Spec};
use super::recognise::{Candidate, Kept};
use super::template::Template;
use crate::config::Secret;

/// Why it cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTakenOver {
    /// What may be a secret stands in the key, and would stand in the configuration.
    Secret,
    /// No format writes such a key.
    NoFormat,
}

impl Candidate {
    /// The key as the configuration would name it.
    #[must_use]
    pub fn template(&self) -> String {
        let key = String::from_utf8_lossy(self.key.as_bytes()).into_owned();
        match self.app {
            Some(app) => Template::text_for(&key, &app),
            None => key.replace('{', "{{").replace('}', "}}"),
        }
    }

    /// Which credential the configuration would keep at this key.
    ///
    /// # Errors
    /// It cannot name the key, or must not.
    pub fn taken_over(&self) -> Result<Kind, NotTakenOver> {
        let why = if self.key.holds_secret() {
            NotTakenOver::Secret
        } else {
            NotTakenOver::NoFormat
        };
        let Kept::Credential(kind) = self.kept else {
            return Err(why);
        };
        // Both show the app's secret alike, and what else may be secret only one of them hides.
        let there = self.place(kind).is_some_and(|place| {
            let key = place.keys().first().map(ToString::to_string);
            key == Some(self.key.to_string())
        });
        there.then_some(kind).ok_or(why)
    }

    fn place(&self, kind: Kind) -> Option<Place> {
        // Where the key does not tell the app, it holds none, or only in an MD5.
        let app = match self.app {
            Some(app) => app,
            None => "wx0000000000000000".parse().ok()?,
        };
        let key = self.template().parse::<Template>().ok();
        let secret = Secret::new("its secret");
        let prefix = self.prefix.as_deref();
        let speakable = |prefix: &str| prefix.len() <= 200 && !prefix.contains(char::is_control);
        let spec = Spec {
            key: key.as_ref().filter(|_| self.own_key),
            prefix: prefix.filter(|_| !self.own_key),
            stable_mode: self.stable_mode,
            cache: self.cache,
            fields: self.fields.as_ref(),
            secret: Some(&secret),
            ..Spec::new(self.format, app, self.module, kind)
        };
        Place::new(&spec)
            .ok()
            .filter(|_| self.own_key || prefix.is_none_or(speakable))
    }
}
