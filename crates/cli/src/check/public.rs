//! Looks at the public listener: whether it has something to do, WeChat's verification files, and whether its name is known.
//! Nobody is called but the resolver.

use std::fs::File;
use std::io;
use std::path::Path;

use wxtoken_server::config::{BaseUrl, Config};
use wxtoken_server::words::Sentence;

use super::of_public::Public;
use crate::client::Target;

/// What can be found without the network.
pub(super) fn look(config: &Config) -> Vec<Public> {
    let mut found = Vec::new();
    match &config.public.base_url {
        Some(base_url) if !config.public.listen.is_empty() => {
            found.push(if has_something_to_do(config) {
                let base_url = base_url.as_str().to_owned();
                Public::Served { base_url }
            } else {
                Public::Idle
            });
        }
        _ => found.extend(closed(config)),
    }
    found.extend(config.public.verify_files.as_deref().map(verify_files));
    found
}

/// Whether the world's name of it is known. Nothing is told of an address in figures.
pub(super) async fn resolve(config: &Config) -> Option<Public> {
    if config.public.listen.is_empty() {
        return None;
    }
    let target = Target::of_uri(config.public.base_url.as_ref().map(BaseUrl::uri)?);
    let Some(Target::Net { host, port, .. }) = target else {
        return None;
    };
    if host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let known = tokio::net::lookup_host((host.as_str(), port))
        .await
        .map(drop);
    Some(match known {
        Ok(()) => Public::Resolved { host },
        Err(error) => {
            let why = Sentence::of(&error);
            Public::NotResolved { host, why }
        }
    })
}

fn has_something_to_do(config: &Config) -> bool {
    let of_callers = |caller: &wxtoken_server::config::Caller| {
        !caller.return_to.is_empty() || !caller.sign_origins.is_empty()
    };
    config.callers.iter().any(of_callers)
        || config.apps.iter().any(|app| app.push_token().is_some())
}

fn closed(config: &Config) -> Option<Public> {
    let waiting = config
        .callers
        .iter()
        .filter(|caller| !caller.return_to.is_empty());
    let callers: Vec<String> = waiting.map(|caller| caller.name.to_string()).collect();
    (!callers.is_empty()).then_some(Public::Closed { callers })
}

fn verify_files(folder: &Path) -> Public {
    let unreadable = |path: &Path, error: &io::Error| Public::VerifyUnreadable {
        path: path.to_owned(),
        why: Sentence::of(&io::Error::from(error.kind())),
    };
    let names = match std::fs::read_dir(folder) {
        Ok(names) => names,
        Err(error) => return unreadable(folder, &error),
    };
    let mut files = 0;
    for name in names.flatten().filter(|name| is_wechats(&name.file_name())) {
        if let Err(error) = File::open(name.path()) {
            return unreadable(&name.path(), &error);
        }
        files += 1;
    }
    let folder = folder.to_owned();
    match files {
        0 => Public::NoVerifyFile(folder),
        files => Public::Verifiable { folder, files },
    }
}

fn is_wechats(name: &std::ffi::OsStr) -> bool {
    let name = name
        .to_str()
        .and_then(|name| name.strip_prefix("MP_verify_"));
    name.is_some_and(|name| name.ends_with(".txt"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn found(lines: &str) -> Vec<Public> {
        let config = wxtoken_server::config::parse(lines, Path::new("/nowhere"), &|_| None);
        look(&config.unwrap_or_else(|errors| panic!("{errors}")))
    }

    const ADMIN: &str = "admin.key = \"0123456789abcdef0123456789abcdef\"\n";
    const LISTENS: &str =
        "[public]\nlisten = \"127.0.0.1:7203\"\nbase_url = \"https://wx.example.com\"\n";
    const APP: &str =
        "[[app]]\nappid = \"wx0123456789abcdef\"\nsecret = \"0123456789abcdef0123456789abcdef\"\n";
    const SHOP: &str = "[[caller]]\nname = \"shop\"\nkey = \"ffffffffffffffffffffffffffffffff\"\napps = [\"*\"]\n\
                        allow = [\"users\"]\nreturn_to = [\"https://shop.example.com/back\"]\n";

    #[test]
    fn a_listener_with_nothing_to_do_and_pages_without_a_listener_are_found() {
        assert_eq!(found(ADMIN), []);
        assert_eq!(found(&format!("{ADMIN}{LISTENS}{APP}")), [Public::Idle]);
        let callers = vec!["shop".to_owned()];
        assert_eq!(
            found(&format!("{ADMIN}{APP}{SHOP}")),
            [Public::Closed { callers }]
        );
        let base_url = "https://wx.example.com".to_owned();
        let served = [Public::Served { base_url }];
        assert_eq!(found(&format!("{ADMIN}{LISTENS}{APP}{SHOP}")), served);
        let pushed = format!("{ADMIN}{LISTENS}{APP}push_token = \"abc123\"\n");
        assert_eq!(found(&pushed), served);
    }

    #[test]
    fn wechats_files_are_counted_by_name_and_one_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        std::fs::write(place.join("other.txt"), "").unwrap();
        assert_eq!(verify_files(place), Public::NoVerifyFile(place.to_owned()));
        std::fs::write(place.join("MP_verify_aB3.txt"), "aB3").unwrap();
        let folder = place.to_owned();
        assert_eq!(verify_files(place), Public::Verifiable { folder, files: 1 });
        let dangling = place.join("MP_verify_gone.txt");
        symlink("/nowhere/at/all", &dangling).unwrap();
        let found = verify_files(place);
        assert!(
            matches!(found, Public::VerifyUnreadable { ref path, .. } if *path == dangling),
            "{found:?}"
        );
        let gone = verify_files(&place.join("gone"));
        assert!(matches!(gone, Public::VerifyUnreadable { .. }), "{gone:?}");
    }
}
