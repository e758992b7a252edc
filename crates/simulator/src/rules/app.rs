//! One app as WeChat knows it, and what a call that was let in gets.
//!
//! Must not know: who is let in (`admission`), HTTP, the text of tokens.

use std::net::IpAddr;

use super::{
    Account, IpStanding, Rules, ThirdMint, TicketKind, UserSettings,
    line::{Farewell, Line, Slot},
    quota::{PathId, Usage},
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
    /// `None`: those of every app.
    pub(super) users: Option<Box<UserSettings>>,
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
            users: None,
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

    /// How it meets its users.
    pub(crate) fn users(&self) -> UserSettings {
        self.users.as_deref().cloned().unwrap_or_default()
    }

    pub(crate) fn set_users(&mut self, settings: UserSettings) {
        self.users = Some(Box::new(settings));
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

    /// Uses one of a path's daily quota for a call that succeeded.
    pub(crate) fn spend(&mut self, path: PathId, rules: &Rules, now: SimTime) {
        if rules.readings.quota_counts == super::QuotaCounts::Successes {
            self.usage.spend(path, rules, now);
        }
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
