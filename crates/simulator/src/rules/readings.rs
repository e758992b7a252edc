//! One switch for every point where WeChat's behaviour is not proven. The default is the likelier reading.

use serde::{Deserialize, Serialize};

macro_rules! reading {
    ($(#[$doc:meta])* $name:ident { $(#[$first_doc:meta])* $first:ident $(, $(#[$more_doc:meta])* $more:ident)* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $(#[$first_doc])* #[default] $first,
            $($(#[$more_doc])* $more),*
        }
    };
}

/// Every unverified point and the reading in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Readings {
    /// A third mint while an older value is still handing over.
    pub third_mint: ThirdMint,
    /// A forced fetch too soon after the last.
    pub force_too_soon: ForceTooSoon,
    /// One forced fetch too many for the day.
    pub force_over_limit: ForceOverLimit,
    /// What becomes of the value a forced fetch replaces.
    pub forced_previous: ForcedPrevious,
    /// Which calls use up a daily quota.
    pub quota_counts: QuotaCounts,
    /// A token both replaced and past its expiry.
    pub replaced_and_expired: ReplacedAndExpired,
    /// A string WeChat never minted.
    pub unknown_token: UnknownToken,
    /// Whether calls with a token are held against the whitelist (公众号 only; a mini program's guards secrets alone).
    pub whitelist_on_tokens: WhitelistOnTokens,
    /// The number of a whitelist refusal.
    pub whitelist_code: WhitelistCode,
    /// Whether `jscode2session` is held against the whitelist.
    pub whitelist_on_login: bool,
    /// The number for a wrong AppSecret.
    pub secret_refusal: SecretRefusal,
    /// Whether tokens fetched with an old AppSecret outlive its reset.
    pub tokens_survive_secret_reset: bool,
    /// Whether tokens live on while the AppSecret is frozen.
    pub tokens_survive_secret_freeze: bool,
    /// Whether a ticket outlives the token it was fetched with.
    pub ticket_life: TicketLife,
    /// When a ticket changes.
    pub ticket_turn: TicketTurn,
    /// Whether `getticket` always answers the full lifetime as `expires_in`, as reported, or what is left.
    pub ticket_expires_in_full: bool,
    /// When a day begins.
    pub day_start: DayStart,
    /// Whether a bad token is refused as soon as the head of the call is read, before its body.
    pub refuse_before_body: bool,
    /// What becomes of a user who refuses on the consent page.
    pub consent_refusal: ConsentRefusal,
    /// Whether consent to `snsapi_base` ends the refresh tokens that a user granted the app before.
    pub base_ends_refresh_token: bool,
}

impl Default for Readings {
    fn default() -> Self {
        Self {
            third_mint: ThirdMint::default(),
            force_too_soon: ForceTooSoon::default(),
            force_over_limit: ForceOverLimit::default(),
            forced_previous: ForcedPrevious::default(),
            quota_counts: QuotaCounts::default(),
            replaced_and_expired: ReplacedAndExpired::default(),
            unknown_token: UnknownToken::default(),
            whitelist_on_tokens: WhitelistOnTokens::default(),
            whitelist_code: WhitelistCode::default(),
            whitelist_on_login: false,
            secret_refusal: SecretRefusal::default(),
            tokens_survive_secret_reset: true,
            tokens_survive_secret_freeze: true,
            ticket_life: TicketLife::default(),
            ticket_turn: TicketTurn::default(),
            ticket_expires_in_full: true,
            day_start: DayStart::default(),
            refuse_before_body: false,
            consent_refusal: ConsentRefusal::default(),
            base_ends_refresh_token: false,
        }
    }
}

reading! {
    /// A third mint while an older value is still handing over.
    ThirdMint {
        /// The oldest dies at once: two places per line.
        EvictsOldest,
        /// Each lives out its own overlap.
        KeepsAll,
    }
}

reading! {
    /// A forced fetch less than 30 s after the last ("will not refresh").
    ForceTooSoon {
        /// A success with the value unchanged.
        SameValue,
        /// 45009.
        Quota45009,
        /// 45011.
        Rate45011,
    }
}

reading! {
    /// The 21st forced fetch of a day.
    ForceOverLimit {
        /// 45009.
        Quota45009,
        /// A success with the value unchanged.
        SameValue,
    }
}

reading! {
    /// What becomes of the value a forced fetch replaces.
    ForcedPrevious {
        /// It is accepted for the overlap; a second force ends it.
        Grace,
        /// It dies at once, the literal reading of "becomes invalid".
        DiesNow,
    }
}

reading! {
    /// Which calls use up a daily quota.
    QuotaCounts {
        /// Those that succeed.
        Successes,
        /// All that name a known app.
        EveryCall,
    }
}

reading! {
    /// The answer for a token both replaced and past its expiry.
    ReplacedAndExpired {
        /// 40001.
        Code40001,
        /// 42001.
        Code42001,
    }
}

reading! {
    /// The answer for a string WeChat never minted.
    UnknownToken {
        /// 40001, as probed.
        Code40001,
        /// 40014.
        Code40014,
    }
}

reading! {
    /// Whether, and when, calls with a token are held against the whitelist.
    WhitelistOnTokens {
        /// After the token proved good.
        AfterToken,
        /// Before the token is looked at.
        BeforeToken,
        /// Never: only calls with the AppSecret are.
        Never,
    }
}

reading! {
    /// The number of a whitelist refusal.
    WhitelistCode {
        /// 40164, as seen on the token endpoints.
        Code40164,
        /// 61004, as one guide has it.
        Code61004,
    }
}

reading! {
    /// The number for a wrong AppSecret.
    SecretRefusal {
        /// 40125, as seen today.
        Code40125,
        /// 40001, in the old wording.
        Code40001,
    }
}

reading! {
    /// Whether a ticket outlives the token it was fetched with.
    TicketLife {
        /// It does, as reported.
        OutlivesToken,
        /// A new token means a new ticket.
        EndsWithToken,
    }
}

reading! {
    /// When a ticket changes.
    TicketTurn {
        /// A lifetime after it was first fetched.
        AfterLifetime,
        /// At each whole lifetime of the clock: every even hour.
        OnBoundary,
    }
}

reading! {
    /// What becomes of a user who refuses on the consent page.
    ConsentRefusal {
        /// They stay on a page of WeChat's, as newer documents have it.
        OwnPage,
        /// They are sent back with `state` alone, as older documents have it.
        Redirect,
    }
}

reading! {
    /// When a day begins.
    DayStart {
        /// At midnight in Beijing.
        Beijing,
        /// At midnight UTC.
        Utc,
    }
}
