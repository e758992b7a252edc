//! Tickets: the same one for two hours, whoever asks; page `api_getticket`.

use super::{Rules, TicketKind, TicketLife, TicketTurn};
use crate::clock::SimTime;

/// One ticket of an app, without its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(super) kind: TicketKind,
    pub(crate) serial: u32,
    /// The serial of the token it was fetched with.
    fetched_with: u32,
    issued: SimTime,
    pub(super) minted: u64,
}

impl Ticket {
    pub(super) fn first(kind: TicketKind, fetched_with: u32, serial: u32, now: SimTime) -> Self {
        Self {
            kind,
            serial,
            fetched_with,
            issued: now,
            minted: 1,
        }
    }

    /// Whether `getticket` would answer another one now.
    pub(super) fn is_over(&self, fetched_with: u32, rules: &Rules, now: SimTime) -> bool {
        let new_token = rules.readings.ticket_life == TicketLife::EndsWithToken
            && self.fetched_with != fetched_with;
        new_token || now >= self.ends(rules)
    }

    /// When this ticket is replaced by time alone.
    pub(super) fn ends(&self, rules: &Rules) -> SimTime {
        let after = self.issued.plus(rules.ticket_lifetime);
        match rules.readings.ticket_turn {
            TicketTurn::AfterLifetime => after,
            TicketTurn::OnBoundary => {
                let period = i64::try_from(rules.ticket_lifetime.as_millis())
                    .unwrap_or(i64::MAX)
                    .max(1);
                SimTime::from_unix_ms(after.unix_ms() - self.issued.unix_ms().rem_euclid(period))
            }
        }
    }

    /// Replaces it.
    pub(super) fn renew(&mut self, fetched_with: u32, serial: u32, now: SimTime) {
        *self = Self {
            serial,
            fetched_with,
            issued: now,
            minted: self.minted + 1,
            ..*self
        };
    }

    /// Ends it now.
    pub(super) fn end(&mut self) {
        self.issued = SimTime::from_unix_ms(0);
    }
}
