//! Daily limits per path, and the exact count of calls per path; page `API_Call_Limits`.

use super::{Rules, day};
use crate::{apps::AppKind, clock::SimTime, errcode::Refusal};

/// A path, as a small number: the table of names lives with the HTTP side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PathId(pub(crate) u16);

/// What one app did on one path.
#[derive(Debug, Clone, Copy)]
struct Use {
    path: PathId,
    day: i32,
    used_today: u32,
    calls: u64,
}

/// What one app did, per path. A handful of entries, so a list is both smaller and faster than a map.
#[derive(Debug, Clone, Default)]
pub(super) struct Usage {
    paths: Vec<Use>,
    minute: u32,
    used_this_minute: u32,
    month: i32,
    clears_this_month: u32,
}

impl Usage {
    /// Counts a call that arrived, whatever becomes of it.
    pub(super) fn saw(&mut self, path: PathId) {
        self.of(path).calls += 1;
    }

    /// Calls that arrived on a path.
    pub(super) fn calls(&self, path: PathId) -> u64 {
        self.paths
            .iter()
            .find(|one| one.path == path)
            .map_or(0, |one| one.calls)
    }

    /// How much of a path's daily quota is used.
    pub(super) fn used_today(&self, path: PathId, rules: &Rules, now: SimTime) -> u32 {
        let today = day::day(now, rules.readings.day_start);
        self.paths
            .iter()
            .find(|one| one.path == path && one.day == today)
            .map_or(0, |one| one.used_today)
    }

    /// Refuses when the day's quota is used up.
    pub(super) fn check(
        &self,
        path: PathId,
        limit: u32,
        rules: &Rules,
        now: SimTime,
    ) -> Result<(), Refusal> {
        if self.used_today(path, rules, now) < limit {
            Ok(())
        } else {
            Err(Refusal::of(45009))
        }
    }

    /// Uses one of the day's quota.
    pub(super) fn spend(&mut self, path: PathId, rules: &Rules, now: SimTime) {
        let today = day::day(now, rules.readings.day_start);
        let one = self.of(path);
        if one.day != today {
            (one.day, one.used_today) = (today, 0);
        }
        one.used_today = one.used_today.saturating_add(1);
    }

    /// Counts a call of this minute, or refuses it.
    pub(super) fn check_minute(&mut self, limit: u32, now: SimTime) -> Result<(), Refusal> {
        let minute = day::minute(now);
        if self.minute != minute {
            (self.minute, self.used_this_minute) = (minute, 0);
        }
        if self.used_this_minute >= limit {
            return Err(Refusal::of(45011));
        }
        self.used_this_minute += 1;
        Ok(())
    }

    /// Clears every path's quota, ten times a month.
    pub(super) fn clear(&mut self, rules: &Rules, now: SimTime) -> Result<(), Refusal> {
        let month = day::month(day::day(now, rules.readings.day_start));
        if self.month != month {
            (self.month, self.clears_this_month) = (month, 0);
        }
        if self.clears_this_month >= rules.quotas.clears_per_month {
            return Err(Refusal::of(48006));
        }
        self.clears_this_month += 1;
        for one in &mut self.paths {
            one.used_today = 0;
        }
        Ok(())
    }

    fn of(&mut self, path: PathId) -> &mut Use {
        let at = self
            .paths
            .iter()
            .position(|one| one.path == path)
            .unwrap_or_else(|| {
                self.paths.reserve_exact(1);
                self.paths.push(Use {
                    path,
                    day: 0,
                    used_today: 0,
                    calls: 0,
                });
                self.paths.len() - 1
            });
        &mut self.paths[at]
    }
}

/// The documented daily limit of a path for an app of this kind; `None` where there is none.
pub(crate) fn daily_limit(path: &str, kind: AppKind, rules: &Rules) -> Option<u32> {
    let test = kind == AppKind::Test;
    Some(match path {
        "/cgi-bin/token" => rules
            .quotas
            .classic_per_day
            .unwrap_or(if test { 200 } else { 2000 }),
        "/cgi-bin/stable_token" => rules.quotas.stable_per_day,
        "/cgi-bin/ticket/getticket" => rules.quotas.ticket_per_day,
        "/cgi-bin/user/info" => {
            if test {
                500_000
            } else {
                5_000_000
            }
        }
        "/cgi-bin/message/custom/send" => {
            if test {
                50_000
            } else {
                500_000
            }
        }
        "/cgi-bin/menu/create" | "/cgi-bin/menu/delete" => 1000,
        "/cgi-bin/menu/get" => 10_000,
        "/cgi-bin/media/upload" => 100_000,
        "/cgi-bin/media/get" => 200_000,
        "/cgi-bin/qrcode/create" => 100_000,
        "/cgi-bin/user/get" => 500,
        "/cgi-bin/message/mass/send" => 100,
        "/cgi-bin/callback/check" => 1440,
        _ => return None,
    })
}
