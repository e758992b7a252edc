//! What the keeper is told of the apps that are configured.
//!
//! Must not know: when it is told.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use wxtoken_core::clock::millis;
use wxtoken_core::credential::{Kind, Lane};
use wxtoken_core::refresh::event::Adoption;
use wxtoken_core::refresh::rules::{Lanes, Rules, Timing};

use crate::config::{self, App, Config};
use crate::keeper::{HashValue, Spec};

/// Tells the keeper of apps; apps that are configured alike share their rules.
pub(super) struct Specs<'h> {
    shared: HashMap<Rules, Arc<Rules>>,
    timing: Timing,
    hash: &'h HashValue,
}

impl<'h> Specs<'h> {
    pub(super) fn new(config: &Config, hash: &'h HashValue) -> Self {
        let timing = Timing {
            classic_before: millis(config.refresh.classic_before),
            stable_before: millis(config.refresh.stable_before),
            probe_every: millis(config.refresh.probe_every),
            ..Timing::ORDINARY
        };
        Self {
            shared: HashMap::new(),
            timing,
            hash,
        }
    }

    /// What the keeper is told of an app.
    pub(super) fn of(&mut self, app: &App) -> Spec {
        let rules = rules(app, self.timing);
        let shared = self.shared.entry(rules);
        let rules = match shared {
            Entry::Occupied(shared) => Arc::clone(shared.get()),
            Entry::Vacant(new) => {
                let rules = Arc::new(new.key().clone());
                Arc::clone(new.insert(rules))
            }
        };
        let adopt = app.initial_token();
        Spec {
            app: app.appid,
            rules,
            kinds: app.kinds.iter().collect(),
            adopt: adopt.map(|token| Adoption {
                lane: Lane::Classic,
                token: token.clone(),
                id: (self.hash)(token.expose()),
                expires: None,
            }),
            fresh_secret: false,
        }
    }
}

fn rules(app: &App, timing: Timing) -> Rules {
    let lanes = match app.lanes {
        config::Lanes::Stable => Lanes::Only(Lane::Stable),
        config::Lanes::Classic => Lanes::Only(Lane::Classic),
        config::Lanes::StableThenClassic => Lanes::First(Lane::Stable),
        config::Lanes::ClassicThenStable => Lanes::First(Lane::Classic),
    };
    Rules {
        kinds: Kind::ALL.map(|kind| app.kinds.contains(kind)),
        limits: app.limits(),
        take_over: app.take_over,
        watched: !app.files().is_empty() || !app.redis().is_empty(),
        shadow: app.shadow,
        timing,
        ..Rules::new(lanes)
    }
}
