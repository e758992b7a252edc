//! Who is let in: the order of the checks on an AppSecret, and on a token.
//!
//! Only two facts of the order are proven: an unknown AppID is reported before a missing `grant_type`, and a bad token
//! before any look at the body.

use std::net::IpAddr;

use super::{
    QuotaCounts, ReplacedAndExpired, Rules, SecretRefusal, UnknownToken, Verdict,
    WhitelistOnTokens,
    app::{AppState, Identity, SecretAsk},
    quota::{PathId, daily_limit},
};
use crate::{apps::AppKind, clock::SimTime, errcode::Refusal};

impl AppState {
    /// The checks of every call by AppSecret, in WeChat's order.
    pub(crate) fn admit(
        &mut self,
        ask: &SecretAsk<'_>,
        rules: &Rules,
        now: SimTime,
    ) -> Result<(), Refusal> {
        let limit = daily_limit(ask.path.1, self.kind, rules).unwrap_or(u32::MAX);
        let within = self.usage.check(ask.path.0, limit, rules, now);
        if rules.readings.quota_counts == QuotaCounts::EveryCall {
            self.usage.spend(ask.path.0, rules, now);
        }
        let secret = ask
            .secret
            .filter(|secret| !secret.is_empty())
            .ok_or_else(|| Refusal::of(41004))?;
        if *secret != *self.secret {
            return Err(match rules.readings.secret_refusal {
                SecretRefusal::Code40125 => Refusal::of(40125),
                // The typing error is WeChat's.
                SecretRefusal::Code40001 => Refusal::new(
                    40001,
                    "invalid credential access_token isinvalid or not latest",
                ),
            });
        }
        if ask
            .grant
            .is_some_and(|grant| grant.given != Some(grant.right))
        {
            return Err(Refusal::of(40002));
        }
        let login = ask.path.1 == "/sns/jscode2session" && rules.readings.whitelist_on_login;
        if login || !ask.path.1.starts_with("/sns/") {
            self.check_address(ask.from, rules)?;
            self.ip.check()?;
        }
        if self.secret_frozen {
            return Err(Refusal::of(40243));
        }
        self.account.check()?;
        within
    }

    /// The checks of every call by token: the token first, or the address, as the switch says.
    pub(crate) fn admit_token(
        &mut self,
        token: Identity,
        path: (PathId, &str),
        from: IpAddr,
        rules: &Rules,
        now: SimTime,
    ) -> Result<(), Refusal> {
        let guarded = matches!(self.kind, AppKind::Official | AppKind::Test);
        let whitelist = rules.readings.whitelist_on_tokens;
        if guarded && whitelist == WhitelistOnTokens::BeforeToken {
            self.check_address(from, rules)?;
        }
        let limit = daily_limit(path.1, self.kind, rules).unwrap_or(u32::MAX);
        let within = self.usage.check(path.0, limit, rules, now);
        if rules.readings.quota_counts == QuotaCounts::EveryCall {
            self.usage.spend(path.0, rules, now);
        }
        refuse_unless_live(self.verdict(token, rules, now), rules)?;
        if guarded && whitelist == WhitelistOnTokens::AfterToken {
            self.check_address(from, rules)?;
        }
        self.account.check()?;
        within
    }

    /// What WeChat thinks of a token of this app.
    pub(crate) fn verdict(&self, token: Identity, rules: &Rules, now: SimTime) -> Verdict {
        if self.secret_frozen && !rules.readings.tokens_survive_secret_freeze {
            return Verdict::Replaced;
        }
        let line = if token.stable {
            &self.stable.line
        } else {
            &self.classic
        };
        line.verdict(token.serial, token.expires, now)
    }

    fn check_address(&self, from: IpAddr, rules: &Rules) -> Result<(), Refusal> {
        self.whitelist.as_ref().map_or(Ok(()), |list| {
            list.check(from, rules.readings.whitelist_code)
        })
    }
}

/// The refusal for a token that is not live.
pub(crate) fn refuse_unless_live(verdict: Verdict, rules: &Rules) -> Result<(), Refusal> {
    match verdict {
        Verdict::Live | Verdict::HandingOver => Ok(()),
        Verdict::Expired => Err(Refusal::of(42001)),
        Verdict::Replaced => Err(Refusal::of(40001)),
        Verdict::ReplacedAndExpired => {
            Err(Refusal::of(match rules.readings.replaced_and_expired {
                ReplacedAndExpired::Code40001 => 40001,
                ReplacedAndExpired::Code42001 => 42001,
            }))
        }
        Verdict::Unknown => Err(Refusal::of(match rules.readings.unknown_token {
            UnknownToken::Code40001 => 40001,
            UnknownToken::Code40014 => 40014,
        })),
    }
}
