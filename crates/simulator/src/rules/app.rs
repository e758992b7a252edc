//! One app as WeChat knows it: who may ask, what it gets, which of its tokens are good.
//!
//! Owns: the order of the checks. Must not know: HTTP, the text of tokens.

use std::net::IpAddr;

use super::{
    Account, IpStanding, ReplacedAndExpired, Rules, SecretRefusal, ThirdMint, TicketKind,
    UnknownToken, Verdict, WhitelistOnTokens,
    line::{Farewell, Line, Slot},
    quota::{PathId, Usage, daily_limit},
    stable::{StableLine, StableStep},
    ticket::Ticket,
    whitelist::Whitelist,
};
use crate::{apps::AppKind, clock::SimTime, errcode::Refusal};

/// Everything WeChat keeps about one app. Compact, because there may be a hundred thousand.
pub(crate) struct AppState {
    pub(crate) index: u32,
    pub(crate) kind: AppKind,
    pub(crate) account: Account,
    pub(crate) ip: IpStanding,
    pub(crate) secret_frozen: bool,
    pub(super) secret: Box<str>,
    pub(super) whitelist: Option<Box<Whitelist>>,
    pub(super) classic: Line,
    pub(super) stable: StableLine,
    pub(super) tickets: Vec<Ticket>,
    pub(super) next_serial: u32,
    pub(super) usage: Usage,
    pub(super) minted: [u32; 2],
    pub(super) minted_elsewhere: [u32; 2],
    pub(super) forced: u32,
}

/// What a caller shows to get in by AppSecret. The AppID has been resolved by then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SecretAsk<'a> {
    pub(crate) path: (PathId, &'a str),
    pub(crate) secret: Option<&'a str>,
    /// `None` where the endpoint has no `grant_type`; then it is not checked.
    pub(crate) grant: Option<Grant<'a>>,
    pub(crate) from: IpAddr,
}

/// The `grant_type` a caller gave and the one that is right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grant<'a> {
    pub(crate) given: Option<&'a str>,
    pub(crate) right: &'static str,
}

/// A token that is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Issued {
    pub(crate) slot: Slot,
    pub(crate) expires_in: i64,
    /// Whether this call minted it.
    pub(crate) minted: bool,
    /// Whether it was minted by force.
    pub(crate) forced: bool,
}

/// What a token's text says about itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) stable: bool,
    pub(crate) serial: u32,
    pub(crate) expires: SimTime,
}

impl AppState {
    pub(crate) fn new(index: u32, secret: &str, kind: AppKind) -> Self {
        Self {
            index,
            kind,
            account: Account::default(),
            ip: IpStanding::default(),
            secret_frozen: false,
            secret: secret.into(),
            whitelist: None,
            classic: Line::default(),
            stable: StableLine::default(),
            tickets: Vec::new(),
            next_serial: 0,
            usage: Usage::default(),
            minted: [0; 2],
            minted_elsewhere: [0; 2],
            forced: 0,
        }
    }

    /// `GET /cgi-bin/token`: always a new token.
    pub(crate) fn fetch_classic(
        &mut self,
        ask: &SecretAsk<'_>,
        rules: &Rules,
        now: SimTime,
    ) -> Result<Issued, Refusal> {
        self.admit(ask, rules, now)?;
        self.spend(ask.path.0, rules, now);
        Ok(self.mint_classic(rules, now))
    }

    /// `POST /cgi-bin/stable_token`.
    pub(crate) fn fetch_stable(
        &mut self,
        ask: &SecretAsk<'_>,
        force: bool,
        rules: &Rules,
        now: SimTime,
    ) -> Result<Issued, Refusal> {
        self.admit(ask, rules, now)?;
        self.usage
            .check_minute(rules.quotas.stable_per_minute, now)?;
        let step = if force {
            self.stable.forced(rules, now)?
        } else {
            self.stable.normal(rules, now)
        };
        self.spend(ask.path.0, rules, now);
        Ok(self.carry_out(step, rules, now))
    }

    /// `getticket` with a token that proved good: the same ticket until its time is over.
    pub(crate) fn ticket(
        &mut self,
        kind: TicketKind,
        with: u32,
        rules: &Rules,
        now: SimTime,
    ) -> (u32, i64, bool) {
        let serial = self.next_serial;
        let mut minted = false;
        let at = match self.tickets.iter().position(|ticket| ticket.kind == kind) {
            Some(at) if self.tickets[at].is_over(with, rules, now) => {
                self.tickets[at].renew(with, serial, now);
                minted = true;
                at
            }
            Some(at) => at,
            None => {
                self.tickets.push(Ticket::first(kind, with, serial, now));
                minted = true;
                self.tickets.len() - 1
            }
        };
        if minted {
            self.next_serial += 1;
        }
        let ticket = self.tickets[at];
        let left = if rules.readings.ticket_expires_in_full {
            rules.ticket_lifetime
        } else {
            ticket.ends(rules).since(now)
        };
        (ticket.serial, whole_seconds(left), minted)
    }

    /// The checks of every call by AppSecret, in WeChat's order.
    pub(crate) fn admit(
        &mut self,
        ask: &SecretAsk<'_>,
        rules: &Rules,
        now: SimTime,
    ) -> Result<(), Refusal> {
        use super::QuotaCounts::EveryCall;
        let limit = daily_limit(ask.path.1, self.kind, rules).unwrap_or(u32::MAX);
        let within = self.usage.check(ask.path.0, limit, rules, now);
        if rules.readings.quota_counts == EveryCall {
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
        if ask.path.1 != "/sns/jscode2session" || rules.readings.whitelist_on_login {
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
        use super::QuotaCounts::EveryCall;
        let guarded = matches!(self.kind, AppKind::Official | AppKind::Test);
        let whitelist = rules.readings.whitelist_on_tokens;
        if guarded && whitelist == WhitelistOnTokens::BeforeToken {
            self.check_address(from, rules)?;
        }
        let limit = daily_limit(path.1, self.kind, rules).unwrap_or(u32::MAX);
        let within = self.usage.check(path.0, limit, rules, now);
        if rules.readings.quota_counts == EveryCall {
            self.usage.spend(path.0, rules, now);
        }
        refuse_unless_live(self.verdict(token, rules, now), rules)?;
        if guarded && whitelist == WhitelistOnTokens::AfterToken {
            self.check_address(from, rules)?;
        }
        self.account.check()?;
        within
    }

    /// Uses one of a path's daily quota for a call that succeeded.
    pub(crate) fn spend(&mut self, path: PathId, rules: &Rules, now: SimTime) {
        if rules.readings.quota_counts == super::QuotaCounts::Successes {
            self.usage.spend(path, rules, now);
        }
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

    fn mint_classic(&mut self, rules: &Rules, now: SimTime) -> Issued {
        let slot = self.new_slot(rules, now);
        self.classic.mint(
            slot,
            Farewell::After(rules.overlap),
            rules.readings.third_mint,
        );
        self.minted[0] += 1;
        issued(slot, true, false, now)
    }

    fn carry_out(&mut self, step: StableStep, rules: &Rules, now: SimTime) -> Issued {
        match step {
            StableStep::Same(slot) => issued(slot, false, false, now),
            StableStep::Mint { farewell, forced } => {
                let slot = self.new_slot(rules, now);
                // A force always ends the value before the last: that is the leak drill.
                let third = if forced {
                    ThirdMint::EvictsOldest
                } else {
                    rules.readings.third_mint
                };
                self.stable.line.mint(slot, farewell, third);
                self.minted[1] += 1;
                self.forced += u32::from(forced);
                issued(slot, true, forced, now)
            }
        }
    }

    pub(super) fn new_slot(&mut self, rules: &Rules, now: SimTime) -> Slot {
        let serial = self.next_serial;
        self.next_serial += 1;
        let expires = now.plus(rules.token_lifetime);
        Slot {
            serial,
            issued: now,
            expires,
            dies: expires,
        }
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

fn issued(slot: Slot, minted: bool, forced: bool, now: SimTime) -> Issued {
    Issued {
        slot,
        expires_in: whole_seconds(slot.dies.since(now)),
        minted,
        forced,
    }
}

fn whole_seconds(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}
