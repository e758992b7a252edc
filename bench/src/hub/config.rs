//! The configuration files of one server under measurement.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Settings, World};

/// Writes `wxtoken.toml` and what it includes into `home`; returns its path.
pub(super) fn write(
    world: &World,
    settings: &Settings,
    home: &Path,
    api: SocketAddr,
    admin: SocketAddr,
    admin_key: &str,
) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(home.join("apps.d"))?;
    let tls = settings.tls.as_ref().map_or_else(String::new, |files| {
        format!(
            "tls = {{ cert = \"{}\", key = \"{}\" }}\n",
            files.cert.display(),
            files.key.display()
        )
    });
    let scheme = if settings.upstream_tls.is_some() {
        "https"
    } else {
        "http"
    };
    let stable_before = settings.stable_before.map_or_else(String::new, |before| {
        format!("stable_before = \"{}s\"\n", before.as_secs())
    });
    let main = format!(
        "include = [\"apps.d/*.toml\"]
[server]
listen = [\"{api}\"]
{tls}[admin]
listen = \"{admin}\"
key = \"{admin_key}\"
[log]
level = \"{}\"
[store]
kind = \"embedded\"
path = \"{}\"
[upstream]
base_url = \"{scheme}://{}\"
fallback_urls = []
[refresh]
max_in_flight = {}
{stable_before}",
        settings.log,
        home.join("data").display(),
        settings.upstream,
        settings.max_in_flight,
    );
    let mut apps = String::new();
    for (index, (appid, secret)) in world.apps.iter().take(settings.apps).enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(
            apps,
            "[[app]]\nappid = \"{appid}\"\nname = \"app-{index}\"\ntype = \"official\"\nsecret = \"{secret}\"\n{}",
            settings.app_lines
        );
    }
    let mut callers = String::new();
    for (index, key) in world.keys.iter().enumerate() {
        let _ = write!(
            callers,
            "[[caller]]\nname = \"caller-{index}\"\nkey = \"{key}\"\napps = [\"*\"]\nallow = [\"read\", \"call\"]\nrate = \"1000000/s\"\nconcurrency = 4096\n"
        );
    }
    let file = home.join("wxtoken.toml");
    for (path, text) in [
        (&file, main),
        (&home.join("apps.d/apps.toml"), apps),
        (&home.join("apps.d/callers.toml"), callers),
    ] {
        fs::write(path, text)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Certificate;
    use std::time::Duration;

    #[test]
    fn the_server_accepts_what_is_written_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let world = World::new("wxtoken".into(), folder.path(), 30, 4);
        let address = SocketAddr::from(([127, 0, 0, 1], 7200));
        let mut settings = Settings::new("hub", address, 20);
        settings.tls = Some(Certificate::generate(folder.path()).unwrap());
        settings.stable_before = Some(Duration::from_secs(15));
        settings.app_lines = "kinds = [\"access_token\", \"jsapi_ticket\"]\n".to_owned();
        let home = folder.path().join("hub");
        let admin = SocketAddr::from(([127, 0, 0, 1], 7201));
        let file = write(&world, &settings, &home, address, admin, &"ab".repeat(16)).unwrap();
        let config = wxtoken_server::config::load(&file, &|_| None).unwrap();
        assert_eq!((config.apps.len(), config.callers.len()), (20, 4));
        assert_eq!(config.refresh.stable_before, Duration::from_secs(15));
    }
}
