//! The findings in English.

use super::{Words, code_of, meaning_of, rid_of, words};
use wxtoken_server::sink::SWITCH_ON;

use crate::check::finding::{AppState, Setup, Way};
use crate::check::of_public::Public;
use crate::check::of_redis::{Copies, HowTold, Shared};
use crate::lang::Lang;
use crate::when;

pub(super) fn setup(setup: &Setup) -> Words {
    match setup {
        Setup::NoFile => words(
            "no configuration file was found; an empty one is checked",
            "write one with `wxtoken init`, or name it with --config",
        ),
        Setup::Read {
            file,
            apps,
            callers,
        } => words(
            format!("configuration {file}: apps: {apps}, callers: {callers}"),
            "",
        ),
        Setup::Remark(text) => words(format!("configuration: {text}"), ""),
        Setup::NoCallers => words(
            "there are no callers, so nobody can read a token",
            "make a key with `wxtoken key` and add a [[caller]]",
        ),
        Setup::NoApps => words(
            "there are no apps",
            "add an [[app]] with its appid and secret",
        ),
        Setup::FolderToBeMade(path) => words(
            format!(
                "the store's folder {} is not there yet; the first start makes it",
                path.display()
            ),
            "",
        ),
        Setup::FolderFine(path) => words(
            format!("the store's folder {} is closed to others", path.display()),
            "",
        ),
        Setup::FolderOpen { path, mode } => words(
            format!(
                "the store's folder {} has mode {mode:04o}: others may look into it",
                path.display()
            ),
            &format!("chmod 700 {}", path.display()),
        ),
        Setup::StoreInUse(holder) => words(
            format!(
                "the store is in use by a running server ({holder}); the calls of this check are not in its count"
            ),
            "",
        ),
        Setup::StoreBroken(why) => words(format!("the store cannot be opened: {why}"), ""),
        Setup::NotWritable { path, why } => words(
            format!("files cannot be written in {}: {why}", path.display()),
            "make that folder, owned by the user wxtoken runs as",
        ),
        Setup::Shared(found) => shared(found),
        Setup::Copies(found) => copies(found),
        Setup::Public(found) => public(found),
    }
}

fn public(public: &Public) -> Words {
    match public {
        Public::Served { base_url } => words(format!("public listener: {base_url}"), ""),
        Public::Closed { callers } => words(
            format!(
                "nobody can sign in: these callers have return_to, but there is no public listener: {}",
                callers.join(", ")
            ),
            "set [public] listen and base_url",
        ),
        Public::Idle => words(
            "the public listener has nothing to do: no caller has return_to or sign_origins, no app a push_token",
            "write what it is for, or take [public] listen out",
        ),
        Public::Verifiable { folder, files } => words(
            format!("MP_verify files in {}: {files}", folder.display()),
            "",
        ),
        Public::NoVerifyFile(folder) => words(
            format!("no MP_verify_*.txt is in {}", folder.display()),
            "put there the file that WeChat gives where the callback domain is set",
        ),
        Public::VerifyUnreadable { path, why } => words(
            format!("{} cannot be read: {why}", path.display()),
            "let the user wxtoken runs as read it",
        ),
        Public::Resolved { host } => {
            words(format!("DNS: {host} of [public] base_url is known"), "")
        }
        Public::NotResolved { host, why } => words(
            format!("DNS: {host} of [public] base_url is not known here: {why}"),
            "users' phones and WeChat must be able to look it up: add its DNS record, or correct base_url",
        ),
    }
}

fn copies(Copies { at, copies, told }: &Copies) -> Words {
    let kept = format!("Redis at {at}, copies: {copies}");
    match told {
        HowTold::AtOnce => words(
            format!("{kept}; it tells what others do to them, which is noticed at once"),
            "",
        ),
        HowTold::Cluster => words(
            format!("{kept}; a cluster, so they are looked at every few seconds"),
            "",
        ),
        HowTold::Not => words(
            format!(
                "{kept}; it does not tell what others do to them, so they are looked at every few seconds"
            ),
            &format!(
                "to notice it at once: redis-cli CONFIG SET {SWITCH_ON}, and the same line in its configuration"
            ),
        ),
        HowTold::NotToBeAsked => words(
            format!(
                "{kept}; whether it tells what others do to them may not be asked; they are looked at every few seconds in any case"
            ),
            &format!("let this user ask with +config|get; it tells with {SWITCH_ON}"),
        ),
        HowTold::Unusable(why) => words(format!("copies cannot be kept: {why}"), ""),
    }
}

fn shared(shared: &Shared) -> Words {
    match shared {
        Shared::Reached { at, version } => words(
            format!(
                "Redis at {at} answers{}, and its records are this store's",
                version
                    .as_ref()
                    .map_or_else(String::new, |version| format!(" (version {version})"))
            ),
            "",
        ),
        Shared::Unusable(why) => words(
            format!("the store in Redis cannot be used: {why}"),
            "a server starts all the same, and serves what its local copy holds until this is cured",
        ),
        Shared::Evicts(policy) => words(
            format!("Redis drops records when it is full (maxmemory-policy {policy})"),
            "set maxmemory-policy noeviction, in its configuration as well",
        ),
        Shared::Forgets => words(
            "Redis keeps nothing over a restart: no append-only log, no save points",
            "set appendonly yes; until then the replicas give it back what they remember",
        ),
        Shared::Old(version) => words(
            format!("Redis {version} is older than what wxtoken is tested with"),
            "take Redis 6.2 or later, or Valkey",
        ),
        Shared::ClockOff(seconds) => words(
            format!(
                "this machine's clock is {} s {} that of Redis",
                seconds.unsigned_abs(),
                if *seconds > 0 { "ahead of" } else { "behind" }
            ),
            "switch time synchronisation on, on both machines (timedatectl set-ntp true)",
        ),
    }
}

pub(super) fn way(way: &Way) -> Words {
    match way {
        Way::NotAsked => words("the network was left alone (--offline)", ""),
        Way::Proxied(proxy) => words(
            format!(
                "WeChat is called through the proxy {proxy}; the apps below show whether it works"
            ),
            "",
        ),
        Way::Resolved { host, addresses } => {
            words(format!("DNS: {host} is known (addresses: {addresses})"), "")
        }
        Way::NotResolved { host, why } => words(
            format!("DNS: {host} is not known: {why}"),
            "look at /etc/resolv.conf and at the container's DNS settings",
        ),
        Way::Reached { url, millis } => words(format!("{url} answers, in {millis} ms"), ""),
        Way::NotReached { url, why } => words(
            format!("{url} cannot be reached: {why}"),
            "look at the firewall; where only a proxy leads out, set [upstream] proxy",
        ),
        Way::NotTrusted { url, why } => words(
            format!("TLS with {url} failed: {why}"),
            "look at the machine's clock and its ca-certificates; a proxy that opens TLS needs its root installed",
        ),
        Way::NotWeChat { url, status } => words(
            format!("what answers at {url} (HTTP {status}) is not WeChat"),
            "look at [upstream] base_url, and whether a gateway of the network wants a login",
        ),
        Way::ClockRight => words("the clock agrees with WeChat's (within 30 s)", ""),
        Way::ClockOff(seconds) => words(
            format!(
                "this machine's clock is {} s {} WeChat's",
                seconds.unsigned_abs(),
                if *seconds > 0 { "ahead of" } else { "behind" }
            ),
            "switch time synchronisation on (timedatectl set-ntp true)",
        ),
    }
}

pub(super) fn app(state: &AppState) -> Words {
    match state {
        AppState::Fine { left } => words(
            format!("WeChat gives a stable token and accepts it; {} left", when::span(*left)),
            "",
        ),
        AppState::PreviousSecret => words(
            "WeChat still accepts only previous_secret",
            "reset the AppSecret in WeChat's console; if that is done, look whether `secret` was copied right",
        ),
        AppState::SecretWrong { errcode } => words(
            format!(
                "{errcode}: the AppSecret is wrong (where tokens are fetched, 40001 and 40125 are about the AppSecret, \
                 not about a token)"
            ),
            "copy this AppID's AppSecret from WeChat's console; after a reset use the new one, with the old one as \
             previous_secret while you change over",
        ),
        AppState::TokenBad { errcode } => words(
            format!(
                "{errcode}: a token that WeChat has just given is called bad. The AppSecret is right; another program \
                 has forced a new token"
            ),
            "find the program that forces with the same AppSecret (force_refresh) and have it read from wxtoken",
        ),
        AppState::NotOnWhitelist { errcode, ip, with_token } => words(
            format!(
                "{errcode}: our address {}is not on the whitelist{}",
                ip.map_or_else(String::new, |ip| format!("{ip} ")),
                if *with_token { " for calls with a token" } else { "" }
            ),
            &ip.map_or_else(
                || "add the address this machine calls from to the IP whitelist in WeChat's console".to_owned(),
                |ip| format!("add {ip} to the IP whitelist in WeChat's console; it takes up to 10 minutes"),
            ),
        ),
        AppState::Refused { errcode, rid } => {
            let (meaning, cure) = meaning_of(*errcode, Lang::En);
            words(
                format!("WeChat refuses this app: {meaning}{}", rid_of(rid.as_deref())),
                &cure,
            )
        }
        AppState::QuotaUsedUp => words(
            "45009: today's quota for fetching tokens is used up",
            "wait for midnight in Beijing or clear it in WeChat's console; find out who fetches so often",
        ),
        AppState::Passing { errcode, why } => words(
            format!("WeChat did not answer properly: {why}{}", code_of(*errcode)),
            "check again in a while; if it stays, look at the network findings above",
        ),
        AppState::NoBudget { used, limit } => words(
            format!("{used} of {limit} calls are used today, so WeChat was not asked once more"),
            "find out what used them: `wxtoken status`",
        ),
        AppState::NoToken => words("a website app has no access_token: nothing to check", ""),
    }
}
