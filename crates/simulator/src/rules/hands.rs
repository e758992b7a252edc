//! What others do to an app behind our back, and what tests ask about it.
//!
//! Owns: foreign fetches, deaths, changed secrets, the counts. Must not know: who is asking.

use super::{
    Lane, Rules, ThirdMint, TicketKind,
    app::AppState,
    line::{Farewell, Line, Slot},
    quota::{PathId, daily_limit},
    stable::StableLine,
    whitelist::Whitelist,
};
use crate::{clock::SimTime, errcode::Refusal};

impl AppState {
    pub(crate) fn set_secret(&mut self, secret: &str, rules: &Rules) {
        if *self.secret != *secret && !rules.readings.tokens_survive_secret_reset {
            self.classic.clear();
            self.stable.line.clear();
        }
        self.secret = secret.into();
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    pub(crate) fn set_whitelist(&mut self, whitelist: Option<Whitelist>) {
        self.whitelist = whitelist.map(Box::new);
    }

    /// Another program with the same AppSecret mints on a lane, by `GET token` or by force.
    pub(crate) fn mint_elsewhere(&mut self, stable: bool, rules: &Rules, now: SimTime) -> Slot {
        let slot = self.new_slot(rules, now);
        if stable {
            self.stable.line.mint(
                slot,
                StableLine::forced_farewell(rules),
                ThirdMint::EvictsOldest,
            );
        } else {
            self.classic.mint(
                slot,
                Farewell::After(rules.overlap),
                rules.readings.third_mint,
            );
        }
        self.minted_elsewhere[usize::from(stable)] += 1;
        slot
    }

    /// As if another program had minted often enough for every value we know of to be dead.
    pub(crate) fn kill(&mut self, stable: bool, rules: &Rules, now: SimTime) -> Slot {
        let slot = self.mint_elsewhere(stable, rules, now);
        self.line(stable).end_handing_over();
        slot
    }

    /// Kills every value of a lane and mints nothing.
    pub(crate) fn void(&mut self, stable: bool) {
        self.line(stable).clear();
    }

    /// Ends the current value's life as if its time were over.
    pub(crate) fn expire(&mut self, stable: bool, now: SimTime) {
        self.line(stable).expire(now);
    }

    /// The live token of a lane.
    pub(crate) fn live(&self, stable: bool, now: SimTime) -> Option<Slot> {
        if stable {
            self.stable.line.live(now)
        } else {
            self.classic.live(now)
        }
    }

    /// The ticket `getticket` would answer again.
    pub(crate) fn live_ticket(&self, kind: TicketKind, rules: &Rules, now: SimTime) -> Option<u32> {
        let ticket = self.tickets.iter().find(|ticket| ticket.kind == kind)?;
        (now < ticket.ends(rules)).then_some(ticket.serial)
    }

    /// Forgets a ticket: the next `getticket` mints another.
    pub(crate) fn end_ticket(&mut self, kind: TicketKind) {
        for ticket in self.tickets.iter_mut().filter(|ticket| ticket.kind == kind) {
            ticket.end();
        }
    }

    /// Values minted by calls.
    pub(crate) fn minted(&self, lane: Lane) -> u64 {
        match lane {
            Lane::Classic => self.minted[0].into(),
            Lane::Stable => self.minted[1].into(),
            Lane::Ticket(kind) => self
                .tickets
                .iter()
                .find(|one| one.kind == kind)
                .map_or(0, |one| one.minted),
        }
    }

    /// Tokens minted by other programs: [`AppState::mint_elsewhere`].
    pub(crate) fn minted_elsewhere(&self, stable: bool) -> u64 {
        self.minted_elsewhere[usize::from(stable)].into()
    }

    /// Tokens minted by force.
    pub(crate) fn forced(&self) -> u64 {
        self.forced.into()
    }

    pub(crate) fn forces_today(&self, rules: &Rules, now: SimTime) -> u32 {
        self.stable.forces_today(rules, now)
    }

    pub(crate) fn saw(&mut self, path: PathId) {
        self.usage.saw(path);
    }

    pub(crate) fn calls(&self, path: PathId) -> u64 {
        self.usage.calls(path)
    }

    /// Limit and use of a path's daily quota.
    pub(crate) fn quota(
        &self,
        path: (PathId, &str),
        rules: &Rules,
        now: SimTime,
    ) -> (Option<u32>, u32) {
        (
            daily_limit(path.1, self.kind, rules),
            self.usage.used_today(path.0, rules, now),
        )
    }

    pub(crate) fn clear_quota(&mut self, rules: &Rules, now: SimTime) -> Result<(), Refusal> {
        self.usage.clear(rules, now)
    }

    fn line(&mut self, stable: bool) -> &mut Line {
        if stable {
            &mut self.stable.line
        } else {
            &mut self.classic
        }
    }
}
