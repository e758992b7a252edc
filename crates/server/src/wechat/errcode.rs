//! What an errcode means for the rules, by the endpoint that answered it (design rules 6 to 8).
//!
//! Pure. Must not know: JSON, HTTP, what an errcode means to people (`explain` does).

use wxtoken_core::source::{Ask, Passing, Trouble};

/// The endpoints the client calls. The same errcode may mean different things on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// `GET /cgi-bin/token` (getAccessToken).
    Token,
    /// `POST /cgi-bin/stable_token` (getStableAccessToken).
    StableToken,
    /// `GET /cgi-bin/ticket/getticket` (getTicket).
    Ticket,
    /// `GET /cgi-bin/get_api_domain_ip`, our probe.
    Probe,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 4] = [Self::Token, Self::StableToken, Self::Ticket, Self::Probe];

    /// Where a question is asked.
    #[must_use]
    pub const fn of(ask: &Ask) -> Self {
        match ask {
            Ask::Classic => Self::Token,
            Ask::Stable | Ask::Forced => Self::StableToken,
            Ask::Ticket(..) => Self::Ticket,
            Ask::Probe(..) => Self::Probe,
        }
    }

    /// WeChat's path.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Token => "/cgi-bin/token",
            Self::StableToken => "/cgi-bin/stable_token",
            Self::Ticket => "/cgi-bin/ticket/getticket",
            Self::Probe => "/cgi-bin/get_api_domain_ip",
        }
    }

    /// A short name for logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::StableToken => "stable_token",
            Self::Ticket => "ticket",
            Self::Probe => "probe",
        }
    }

    /// Whether the call is made with a token rather than with the AppSecret.
    const fn takes_token(self) -> bool {
        match self {
            Self::Token | Self::StableToken => false,
            Self::Ticket | Self::Probe => true,
        }
    }
}

/// Whether a token endpoint says by this errcode that the AppSecret is wrong: 40125 today, 40001 in the old wording.
/// With these alone is the previous AppSecret tried.
#[must_use]
pub const fn is_wrong_secret(errcode: i64) -> bool {
    matches!(errcode, 40125 | 40001)
}

/// Whether an API call made with a token says by this errcode that the token is bad: 40001, 40014 and 42001.
///
/// Not for the token endpoints, where 40001 means that the AppSecret is wrong. 41001 (no token), 48001 (no permission)
/// and 42007 (a *user's* grant ended) are not about the app's token being dead.
#[must_use]
pub const fn is_bad_token(errcode: i64) -> bool {
    matches!(errcode, 40001 | 40014 | 42001)
}

/// What an answered errcode says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Zero: nothing is wrong.
    Fine,
    /// The probed token is dead. A fine answer to a probe.
    Dead(i64),
    /// It is trouble of this sort.
    Trouble(Trouble),
}

/// Judges an errcode answered by an endpoint. A code without a rule of its own is a refusal, by its number.
#[must_use]
pub const fn judge(endpoint: Endpoint, errcode: i64) -> Verdict {
    match errcode {
        0 => Verdict::Fine,
        -1 => Verdict::Trouble(Trouble::Passing(Passing::Busy)),
        45011 => Verdict::Trouble(Trouble::Passing(Passing::TooFast)),
        45009 => Verdict::Trouble(Trouble::QuotaUsedUp),
        code if endpoint.takes_token() && is_bad_token(code) => match endpoint {
            Endpoint::Probe => Verdict::Dead(code),
            Endpoint::Token | Endpoint::StableToken | Endpoint::Ticket => {
                Verdict::Trouble(Trouble::TokenBad(code))
            }
        },
        code => Verdict::Trouble(Trouble::Refused(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Endpoint::{Probe, StableToken, Ticket, Token};

    const BUSY: Verdict = Verdict::Trouble(Trouble::Passing(Passing::Busy));
    const TOO_FAST: Verdict = Verdict::Trouble(Trouble::Passing(Passing::TooFast));
    const QUOTA: Verdict = Verdict::Trouble(Trouble::QuotaUsedUp);

    fn refused(code: i64) -> Verdict {
        Verdict::Trouble(Trouble::Refused(code))
    }

    #[test]
    fn busy_too_fast_and_quota_mean_the_same_everywhere() {
        for endpoint in Endpoint::ALL {
            assert_eq!(judge(endpoint, 0), Verdict::Fine);
            assert_eq!(judge(endpoint, -1), BUSY);
            assert_eq!(judge(endpoint, 45011), TOO_FAST);
            assert_eq!(judge(endpoint, 45009), QUOTA);
        }
    }

    #[test]
    fn on_the_token_endpoints_40001_is_a_wrong_secret_and_never_a_dead_token() {
        for code in [40001, 40014, 42001] {
            assert_eq!(judge(Token, code), refused(code));
            assert_eq!(judge(StableToken, code), refused(code));
        }
    }

    #[test]
    fn on_calls_made_with_a_token_40001_40014_and_42001_say_the_token_is_bad() {
        for code in [40001, 40014, 42001] {
            assert_eq!(
                judge(Ticket, code),
                Verdict::Trouble(Trouble::TokenBad(code))
            );
            assert_eq!(judge(Probe, code), Verdict::Dead(code));
        }
    }

    #[test]
    fn everything_that_needs_a_person_is_a_refusal_by_its_number_on_every_endpoint() {
        let codes = [
            40002,
            40013,
            40125,
            40164,
            40243,
            41001,
            41002,
            41004,
            42007,
            43002,
            43003,
            45035,
            48001,
            48004,
            48006,
            50002,
            50004,
            50007,
            61004,
            61007,
            61024,
            89501,
            89503,
            89506,
            89507,
            76021,
            1,
            -2,
            99999,
            i64::MAX,
            i64::MIN,
        ];
        for code in codes {
            for endpoint in Endpoint::ALL {
                assert_eq!(judge(endpoint, code), refused(code), "{code}");
            }
        }
    }
}
