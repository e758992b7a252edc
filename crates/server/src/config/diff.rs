//! What a reload changes: what can change while requests run, and what waits for a restart.
//!
//! Must not know: how a change is carried out.

use std::cmp::Ordering;

use wxtoken_core::app::AppId;

use super::{Config, Public, Server, Tls};

/// What differs between the running configuration and one just read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Apps there are now and were not.
    pub apps_added: Vec<AppId>,
    /// Apps there were and are no more. Their sinks stay and their records are kept a day.
    pub apps_removed: Vec<AppId>,
    /// Apps of which anything but their copies elsewhere differs.
    pub apps_changed: Vec<AppId>,
    /// Apps whose copies in files or in Redis differ; an app may be in both lists.
    pub sinks_changed: Vec<AppId>,
    /// Any caller differs.
    pub callers: bool,
    /// The admin key, or whether metrics are open, differs.
    pub admin_access: bool,
    /// A certificate, its key or the client authorities differ, by name or by content.
    pub certificates: bool,
    /// What was changed in the file and waits for a restart, by section and key.
    pub needs_restart: Vec<&'static str>,
}

impl Changes {
    /// Whether nothing differs at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Config {
    /// The same without apps and callers: what a start decides, and a reload cannot change, is all in the rest.
    #[must_use]
    pub fn without_apps(&self) -> Self {
        Self {
            server: self.server.clone(),
            admin: self.admin.clone(),
            public: self.public.clone(),
            store: self.store.clone(),
            upstream: self.upstream.clone(),
            refresh: self.refresh,
            gateway: self.gateway,
            users: self.users,
            log: self.log,
            apps: Vec::new(),
            callers: Vec::new(),
            file: self.file.clone(),
            warnings: Vec::new(),
        }
    }

    /// What differs in `new`.
    #[must_use]
    pub fn diff(&self, new: &Self) -> Changes {
        let mut changes = Changes {
            callers: self.callers != new.callers,
            admin_access: self.admin.key != new.admin.key
                || self.admin.open_metrics != new.admin.open_metrics,
            certificates: renewed(self.server.tls.as_ref(), new.server.tls.as_ref())
                || renewed(self.admin.tls.as_ref(), new.admin.tls.as_ref())
                || renewed(self.public.tls.as_ref(), new.public.tls.as_ref()),
            needs_restart: needs_restart(self, new),
            ..Changes::default()
        };
        compare_apps(self, new, &mut changes);
        changes
    }
}

/// A certificate in place of another. To begin or end with TLS waits for a restart.
fn renewed(old: Option<&Tls>, new: Option<&Tls>) -> bool {
    matches!((old, new), (Some(old), Some(new)) if old != new)
}

/// Both lists are sorted, so they are walked side by side.
fn compare_apps(old: &Config, new: &Config, changes: &mut Changes) {
    let (mut olds, mut news) = (old.apps.iter().peekable(), new.apps.iter().peekable());
    loop {
        let order = match (olds.peek(), news.peek()) {
            (Some(old), Some(new)) => old.appid.cmp(&new.appid),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        match order {
            Ordering::Less => changes
                .apps_removed
                .extend(olds.next().map(|app| app.appid)),
            Ordering::Greater => changes.apps_added.extend(news.next().map(|app| app.appid)),
            Ordering::Equal => {
                if let (Some(old), Some(new)) = (olds.next(), news.next()) {
                    if !old.same_but_sinks(new) {
                        changes.apps_changed.push(new.appid);
                    }
                    if old.files() != new.files() || old.redis() != new.redis() {
                        changes.sinks_changed.push(new.appid);
                    }
                }
            }
        }
    }
}

fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let (server, admin, public) = (&old.server, &old.admin, &old.public);
    let limits = |server: &Server| Server {
        listen: Vec::new(),
        tls: None,
        plain_http: false,
        ..server.clone()
    };
    let but_tls = |public: &Public| Public {
        tls: None,
        ..public.clone()
    };
    let has_tls = |old: &Option<Tls>, new: &Option<Tls>| {
        let wants_clients = |tls: &Tls| tls.client_ca.is_some();
        old.as_ref().map(wants_clients) != new.as_ref().map(wants_clients)
    };
    let differs: [(&'static str, bool); 12] = [
        ("server.listen", server.listen != new.server.listen),
        ("server.tls", has_tls(&server.tls, &new.server.tls)),
        ("server", limits(server) != limits(&new.server)),
        ("admin.listen", admin.listen != new.admin.listen),
        ("admin.tls", has_tls(&admin.tls, &new.admin.tls)),
        ("public", but_tls(public) != but_tls(&new.public)),
        ("public.tls", has_tls(&public.tls, &new.public.tls)),
        ("store", old.store != new.store),
        ("upstream", old.upstream != new.upstream),
        (
            "refresh.max_in_flight",
            old.refresh.max_in_flight != new.refresh.max_in_flight,
        ),
        ("users", old.users != new.users),
        ("log", old.log != new.log),
    ];
    let differs = differs.into_iter().filter(|(_, differs)| *differs);
    differs.map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Admin;

    fn config(text: &str) -> Config {
        let text = format!("[admin]\nkey = \"an-admin-key-for-tests\"\n{text}");
        crate::config::parse(&text, Path::new("/nowhere"), &|_| None).unwrap()
    }

    fn app(id: &str, rest: &str) -> String {
        format!("[[app]]\nappid = \"{id}\"\nsecret = \"s\"\n{rest}\n")
    }

    #[test]
    fn the_same_file_changes_nothing() {
        let text = app("wx1", "[[app.file]]\npath = \"t\"\nformat = \"json\"");
        assert!(config(&text).diff(&config(&text)).is_empty());
    }

    #[test]
    fn apps_come_go_and_change_by_name() {
        let before = [
            app("wx1", ""),
            app("wx2", ""),
            app("wx3", ""),
            app("wx4", ""),
        ]
        .concat();
        let after = [
            app("wx5", ""),
            app("wx4", "[[app.file]]\npath = \"t\"\nformat = \"json\""),
            app("wx3", "name = \"shop\""),
            app("wx1", ""),
        ]
        .concat();
        let changes = config(&before).diff(&config(&after));
        let named =
            |ids: &[&str]| -> Vec<AppId> { ids.iter().map(|id| id.parse().unwrap()).collect() };
        let wanted = Changes {
            apps_added: named(&["wx5"]),
            apps_removed: named(&["wx2"]),
            apps_changed: named(&["wx3"]),
            sinks_changed: named(&["wx4"]),
            ..Changes::default()
        };
        assert_eq!(changes, wanted);
    }

    #[test]
    fn callers_and_the_admin_key_change_at_once_and_listeners_wait() {
        let mut new = config("");
        new.admin.key = None;
        new.callers.push(crate::config::Caller::new(
            "x",
            crate::config::KeyHash::of("x"),
        ));
        new.server.listen.clear();
        new.server.max_connections = 7;
        new.store.path = "elsewhere".into();
        let changes = config("").diff(&new);
        assert!(changes.callers && changes.admin_access && !changes.certificates);
        assert_eq!(changes.needs_restart, ["server.listen", "server", "store"]);
    }

    #[test]
    fn a_renewed_certificate_is_noticed_under_the_same_name() {
        let tls = |byte| {
            Some(Tls {
                cert: "c".into(),
                key: "k".into(),
                client_ca: None,
                fingerprint: [byte; 32],
            })
        };
        let (mut old, mut new) = (config(""), config(""));
        new.server.tls = tls(1);
        let begun = old.diff(&new);
        assert!(!begun.certificates && begun.needs_restart == ["server.tls"]);
        old.server.tls = tls(2);
        let renewed = old.diff(&new);
        assert!(renewed.certificates && renewed.needs_restart.is_empty());
    }

    #[test]
    fn a_changed_admin_section_waits_only_for_what_it_must() {
        let (old, mut new) = (config(""), config(""));
        new.admin = Admin {
            listen: Vec::new(),
            ..old.admin.clone()
        };
        assert_eq!(old.diff(&new).needs_restart, ["admin.listen"]);
    }

    #[test]
    fn of_the_times_to_refresh_at_none_waits_for_a_restart() {
        let (old, new) = (config(""), config("[refresh]\nstable_before = \"200s\""));
        assert!(old.diff(&new).needs_restart.is_empty());
        let new = config("[refresh]\nmax_in_flight = 3");
        assert_eq!(old.diff(&new).needs_restart, ["refresh.max_in_flight"]);
    }

    #[test]
    fn apps_and_callers_are_nothing_that_a_restart_is_needed_for() {
        let with = config(&app("wx1", ""));
        assert!(with.without_apps().apps.is_empty());
        assert!(config("").diff(&with.without_apps()).is_empty());
    }
}
