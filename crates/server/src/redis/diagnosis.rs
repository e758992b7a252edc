//! From an error of the client library to the trouble it is.
//!
//! Must not know: what was asked for, what is done about it.

use std::error::Error;
use std::io;
use std::sync::Arc;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::trouble::Trouble;

/// rustls has no name of its own for a certificate made in one line of openssl.
const AUTHORITYS_OWN: &str = "CaUsedAsEndEntity";

impl Trouble {
    /// Names an error that came of talking to `at`.
    pub(crate) fn of(error: &RedisError, at: &str) -> Self {
        let at = at.to_owned();
        if error.is_timeout() {
            return Self::Slow { at };
        }
        match error.kind() {
            ErrorKind::AuthenticationFailed => Self::Refused { at },
            ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => {
                let system = of_system(error);
                let why = system.map_or_else(|| error.category().to_owned(), ToString::to_string);
                if why.contains(AUTHORITYS_OWN) {
                    return Self::AuthoritysOwn { at };
                }
                if system.is_some_and(is_of_tls) || error.to_string().contains("certificate") {
                    return Self::Tls { at, why };
                }
                Self::Unreachable { at, why }
            }
            ErrorKind::Server(kind) => Self::of_server(kind, error, at),
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::Stranger { at },
            _ => Self::of_code(error.code().unwrap_or("something"), error, at),
        }
    }

    fn of_server(kind: ServerErrorKind, error: &RedisError, at: String) -> Self {
        match kind {
            ServerErrorKind::BusyLoading => Self::Loading,
            // MASTERDOWN is what a replica says that has lost its master.
            ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown => Self::ReadOnly { at },
            ServerErrorKind::NoPerm => Self::NotAllowed,
            ServerErrorKind::ClusterDown | ServerErrorKind::TryAgain => Self::Incomplete,
            ServerErrorKind::Moved | ServerErrorKind::Ask => Self::Stranger { at },
            _ => Self::of_code(error.code().unwrap_or("something"), error, at),
        }
    }

    /// Codes the client library has no name for; and what older servers say of an error inside a script.
    fn of_code(code: &str, error: &RedisError, at: String) -> Self {
        let detail = error.detail().unwrap_or_default();
        let is_unknown = |command: &str| {
            let unknown = detail.to_ascii_lowercase();
            let named = unknown.strip_prefix("unknown command ");
            // Within quotes, whose form differs.
            named.is_some_and(|name| name.get(1..).is_some_and(|name| name.starts_with(command)))
        };
        let inner = |wanted: &str| code == wanted || detail.contains(&format!("-{wanted} "));
        if inner("OOM") || detail.starts_with("OOM ") {
            Self::Full
        } else if inner("MISCONF") {
            Self::CannotPersist
        } else if inner("READONLY") {
            Self::ReadOnly { at }
        } else if inner("NOAUTH") || inner("WRONGPASS") {
            Self::Refused { at }
        } else if inner("DENIED") {
            Self::Protected { at }
        } else if detail.contains("max number of clients reached") {
            Self::Crowded { at }
        } else if inner("NOPERM")
            || detail.contains("ACL failure in script")
            || detail.contains("The user executing the script can't")
        {
            Self::NotAllowed
        } else if inner("NOREPLICAS") {
            Self::Incomplete
        } else if inner("BUSY") {
            Self::Slow { at }
        } else if detail.contains("DB index is out of range") {
            Self::NoDatabase { at }
        } else if detail.contains("cluster support disabled")
            || detail.contains("SELECT is not allowed in cluster mode")
            || is_unknown("sentinel")
        {
            Self::Stranger { at }
        } else if is_unknown("") {
            Self::NotAllowed // renamed away, or taken out by whoever runs it
        } else {
            // What follows the code may quote arguments.
            Self::Other(code.to_owned())
        }
    }
}

/// The system's reason, if one is behind the error. The library's own words may hold more than should be told.
fn of_system(error: &RedisError) -> Option<&io::Error> {
    // The library shares it in an `Arc`, which is an error of its own and hides what it holds.
    type Shared = Arc<dyn Error + Send + Sync>;
    let shared = error.source()?.downcast_ref::<Shared>()?;
    shared.downcast_ref()
}

fn is_of_tls(error: &io::Error) -> bool {
    let is_rustls = error
        .get_ref()
        .is_some_and(|cause| cause.is::<rustls::Error>());
    is_rustls || error.to_string().contains("handshake")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::InChinese;

    /// What a server answers, as the library reads it.
    fn of(line: &str) -> Trouble {
        let answer = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        Trouble::of(&answer.extract_error().unwrap_err(), "here:6379")
    }

    #[test]
    fn every_server_has_its_own_way_to_say_the_same() {
        let at = || "here:6379".to_owned();
        let older = |error: &str| {
            format!(
                "ERR Error running script (call to f_0a): @user_script:9: @user_script: 9: -{error}"
            )
        };
        for (said, meant) in [
            (
                "OOM command not allowed when used memory > 'maxmemory'.",
                Trouble::Full,
            ),
            (
                "MISCONF Redis is configured to save RDB snapshots",
                Trouble::CannotPersist,
            ),
            (
                "READONLY You can't write against a read only replica.",
                Trouble::ReadOnly { at: at() },
            ),
            (
                "NOREPLICAS Not enough good replicas to write.",
                Trouble::Incomplete,
            ),
        ] {
            assert_eq!(of(said), meant, "{said}");
            assert_eq!(
                of(&older(said)),
                meant,
                "in a script of an older server: {said}"
            );
        }
    }

    #[test]
    fn every_code_has_its_meaning() {
        let at = || "here:6379".to_owned();
        for (said, meant) in [
            (
                "LOADING Redis is loading the dataset in memory",
                Trouble::Loading,
            ),
            ("CLUSTERDOWN Hash slot not served", Trouble::Incomplete),
            (
                "MASTERDOWN Link with MASTER is down",
                Trouble::ReadOnly { at: at() },
            ),
            (
                "NOPERM this user has no permissions to run the 'evalsha' command",
                Trouble::NotAllowed,
            ),
            (
                "ERR ACL failure in script: this user has no permissions",
                Trouble::NotAllowed,
            ),
            (
                "NOAUTH Authentication required.",
                Trouble::Refused { at: at() },
            ),
            (
                "WRONGPASS invalid username-password pair",
                Trouble::Refused { at: at() },
            ),
            (
                "BUSY Redis is busy running a script.",
                Trouble::Slow { at: at() },
            ),
            (
                "ERR The user executing the script can't run this command or subcommand script: f_0a",
                Trouble::NotAllowed,
            ),
            (
                "ERR DB index is out of range",
                Trouble::NoDatabase { at: at() },
            ),
            (
                "ERR This instance has cluster support disabled",
                Trouble::Stranger { at: at() },
            ),
            (
                "ERR unknown command 'SENTINEL', with args beginning with: 'a'",
                Trouble::Stranger { at: at() },
            ),
            (
                "ERR unknown command `EVALSHA`, with args beginning with: `f`",
                Trouble::NotAllowed,
            ),
            ("MOVED 3999 127.0.0.1:6381", Trouble::Stranger { at: at() }),
            (
                "WRONGTYPE Operation against a key",
                Trouble::Other("WRONGTYPE".to_owned()),
            ),
        ] {
            assert_eq!(of(said), meant, "{said}");
        }
    }

    #[test]
    fn a_server_that_takes_no_connection_says_why() {
        let at = || "here:6379".to_owned();
        for (said, meant) in [
            (
                "DENIED Redis is running in protected mode because protected mode is enabled",
                Trouble::Protected { at: at() },
            ),
            (
                "ERR max number of clients reached",
                Trouble::Crowded { at: at() },
            ),
        ] {
            assert_eq!(of(said), meant, "{said}");
        }
    }

    #[test]
    fn what_follows_an_unknown_code_is_never_told() {
        let trouble = of("ERR syntax error near 's3cr3t'");
        let told = format!("{trouble} {trouble:?} {}", trouble.in_chinese());
        assert!(!told.contains("s3cr3t"), "{told}");
    }
}
