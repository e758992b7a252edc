//! What a test may do to WeChat: as the administrator, as another program, as fate.

use super::{BadWhitelist, UnknownApp, World};
use crate::{
    apps::AppSpec,
    rules::{Account, IpStanding, Lane, Rules, TicketKind, Whitelist},
};

impl World {
    /// Adds an app, or gives the one with that AppID another secret, kind and whitelist.
    pub fn add_app(&self, spec: AppSpec) -> Result<(), BadWhitelist> {
        self.0
            .apps
            .put(&spec, &self.0.rules())
            .map_err(BadWhitelist)
    }

    /// Changes the rules for every call from now on.
    pub fn set_rules(&self, rules: Rules) {
        self.0.set_rules(rules);
    }

    /// Changes some of the rules.
    pub fn change_rules(&self, change: impl FnOnce(&mut Rules)) {
        let mut rules = self.rules();
        change(&mut rules);
        self.set_rules(rules);
    }

    /// Another program with the same AppSecret calls `GET /cgi-bin/token`; gives what it got.
    pub fn foreign_fetch(&self, appid: &str) -> Result<String, UnknownApp> {
        self.mint_elsewhere(appid, false)
    }

    /// Another program forces the stable line; gives what it got.
    pub fn foreign_force(&self, appid: &str) -> Result<String, UnknownApp> {
        self.mint_elsewhere(appid, true)
    }

    /// As if another program had minted on this lane often enough for every earlier value to be dead now. Gives the
    /// value that program holds. For a ticket: it changes at the next `getticket`.
    pub fn kill(&self, appid: &str, lane: Lane) -> Result<Option<String>, UnknownApp> {
        let app = self.0.app(appid)?;
        let mut state = app.lock();
        let stable = match lane {
            Lane::Classic => false,
            Lane::Stable => true,
            Lane::Ticket(kind) => {
                state.end_ticket(kind);
                return Ok(None);
            }
        };
        let slot = state.kill(stable, &self.0.rules(), self.now());
        Ok(Some(self.text(state.index, stable, &slot)))
    }

    /// Every value of the lane dies now (40001) and nothing takes its place.
    pub fn void(&self, appid: &str, lane: Lane) -> Result<(), UnknownApp> {
        let app = self.0.app(appid)?;
        match lane {
            Lane::Classic => app.lock().void(false),
            Lane::Stable => app.lock().void(true),
            Lane::Ticket(kind) => app.lock().end_ticket(kind),
        }
        Ok(())
    }

    /// The current value's time is over now (42001).
    pub fn expire_now(&self, appid: &str, lane: Lane) -> Result<(), UnknownApp> {
        let (app, now) = (self.0.app(appid)?, self.now());
        match lane {
            Lane::Classic => app.lock().expire(false, now),
            Lane::Stable => app.lock().expire(true, now),
            Lane::Ticket(kind) => app.lock().end_ticket(kind),
        }
        Ok(())
    }

    /// The next `getticket` answers another ticket.
    pub fn change_ticket(&self, appid: &str, kind: TicketKind) -> Result<(), UnknownApp> {
        self.void(appid, Lane::Ticket(kind))
    }

    /// The administrator resets the AppSecret.
    pub fn set_secret(&self, appid: &str, secret: &str) -> Result<(), UnknownApp> {
        self.0
            .app(appid)?
            .lock()
            .set_secret(secret, &self.0.rules());
        Ok(())
    }

    /// The administrator freezes (40243) or unfreezes the AppSecret.
    pub fn freeze_secret(&self, appid: &str, frozen: bool) -> Result<(), UnknownApp> {
        self.0.app(appid)?.lock().secret_frozen = frozen;
        Ok(())
    }

    /// The whitelist of an app; an empty one refuses every address, `None` lets all pass.
    pub fn set_whitelist(
        &self,
        appid: &str,
        entries: Option<&[&str]>,
    ) -> Result<(), WhitelistError> {
        let whitelist = entries
            .map(Whitelist::parse)
            .transpose()
            .map_err(BadWhitelist)?;
        self.0.app(appid)?.lock().set_whitelist(whitelist);
        Ok(())
    }

    /// The standing of the account: good, frozen, punished …
    pub fn set_account(&self, appid: &str, account: Account) -> Result<(), UnknownApp> {
        self.0.app(appid)?.lock().account = account;
        Ok(())
    }

    /// What the administrator says about our address: 89503, 89507, 89506 …
    pub fn set_ip_standing(&self, appid: &str, standing: IpStanding) -> Result<(), UnknownApp> {
        self.0.app(appid)?.lock().ip = standing;
        Ok(())
    }

    fn mint_elsewhere(&self, appid: &str, stable: bool) -> Result<String, UnknownApp> {
        let app = self.0.app(appid)?;
        let mut state = app.lock();
        let slot = state.mint_elsewhere(stable, &self.0.rules(), self.now());
        Ok(self.text(state.index, stable, &slot))
    }
}

/// Why a whitelist was not set.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WhitelistError {
    /// No such app.
    #[error(transparent)]
    UnknownApp(#[from] UnknownApp),
    /// An entry is neither an address nor a block.
    #[error(transparent)]
    BadWhitelist(#[from] BadWhitelist),
}
