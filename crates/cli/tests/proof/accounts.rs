//! What WeChat was asked and what readers saw while replicas were struck, held against the rules: one fetch at a time, no dead
//! read and no refusal that could be avoided, one settling fetch after an overlap.
//!
//! Must not know: how replicas are struck.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use wxtoken_simulator::{Lane, Minted, Passage, SimTime, World};

use crate::deaths::death;
use crate::presence::{Away, How, Presence};
use crate::readers::{Dead, Gap};

/// A note of a classic fetch ends so long after it was written; nobody else fetches before.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// A lease lives for 2.5 seconds; then the next one asks.
const SOON: Duration = Duration::from_secs(3);
/// A lease is renewed every 0.8 seconds: of a holder that is stopped it lives for so long at least.
const LEASE_LEFT: Duration = Duration::from_millis(1600);
/// From an answer's leaving WeChat until every replica hands out what it brought, on a machine with other work.
const SPREAD: Duration = Duration::from_secs(5);
/// Until it is saved, if who asked is there so long.
const SAVED: Duration = Duration::from_secs(2);
/// A note is written a moment before its call arrives.
const MOMENT: Duration = Duration::from_secs(1);

/// A fetch as WeChat saw it.
#[derive(Debug, Clone)]
struct Fetch {
    passage: Arc<Passage>,
    by: usize,
    minted: Option<Minted>,
}

impl Fetch {
    fn ended(&self) -> SimTime {
        self.passage.ended().expect("only such are looked at")
    }
}

/// Who was stopped, and when.
type Stop = (usize, SimTime);

/// The books of one run.
pub(crate) struct Accounts<'a> {
    pub(crate) world: &'a World,
    pub(crate) presence: &'a Presence,
    /// Whose call it was, by the name it used for WeChat.
    pub(crate) caller: &'a dyn Fn(&str) -> usize,
    /// The number of the last call before the run, and when it began.
    pub(crate) since: u64,
    pub(crate) begun: SimTime,
    /// Apps of which more classic fetches were counted than came.
    pub(crate) uncalled: BTreeSet<String>,
}

/// What was found, beside that it is in order.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) fetches: usize,
    /// Whose answer nobody heard, as far as is known.
    pub(crate) orphans: usize,
    pub(crate) overlaps: usize,
    pub(crate) settled: usize,
}

impl std::ops::Add for Found {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            fetches: self.fetches + other.fetches,
            orphans: self.orphans + other.orphans,
            overlaps: self.overlaps + other.overlaps,
            settled: self.settled + other.settled,
        }
    }
}

pub(crate) const fn path(lane: Lane) -> &'static str {
    match lane {
        Lane::Classic => "/cgi-bin/token",
        Lane::Stable => "/cgi-bin/stable_token",
        Lane::Ticket(_) => "/cgi-bin/ticket/getticket",
    }
}

impl Accounts<'_> {
    fn fetches(&self, app: &str, lane: Lane) -> Vec<Fetch> {
        let is = |passage: &Passage| passage.appid.as_deref() == Some(app);
        let log = self.world.log_since(self.since);
        let calls = log.iter().filter(|call| {
            *call.path == *path(lane) && is(&call.passage) && call.passage.ended().is_some()
        });
        let mut all: Vec<_> = calls
            .map(|call| Fetch {
                passage: Arc::clone(&call.passage),
                by: (self.caller)(&call.passage.host),
                minted: call.minted.clone(),
            })
            .collect();
        all.sort_by_key(|fetch| fetch.passage.began);
        all
    }

    fn at(&self, moment: SimTime) -> String {
        let ms = moment.unix_ms() - self.begun.unix_ms();
        format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
    }

    /// What happened, for whoever has to find out why.
    fn told(&self, app: &str, lane: Lane) -> String {
        let mut text = format!("{app}, {}, seconds since the beginning:\n", lane.name());
        for fetch in self.fetches(app, lane) {
            let (began, ended) = (self.at(fetch.passage.began), self.at(fetch.ended()));
            let heard = if self.was_heard(&fetch) {
                ""
            } else {
                ", unheard"
            };
            let minted = fetch.minted.and_then(|minted| minted.ends);
            let minted = minted.map(|ends| format!(", minted until {}", self.at(ends)));
            let minted = minted.unwrap_or_default();
            let by = fetch.by;
            writeln!(text, "{began} to {ended} by {by}{minted}{heard}").expect("into memory");
        }
        for (at, away) in self.presence.all() {
            let to = away.to.map_or_else(|| "now".to_owned(), |to| self.at(to));
            writeln!(text, "{} to {to} {at} is away", self.at(away.from)).expect("into memory");
        }
        text
    }

    /// Whether who asked was there until what it heard was saved.
    fn was_heard(&self, fetch: &Fetch) -> bool {
        let until = fetch.ended().plus(SAVED);
        self.presence
            .away(fetch.by, fetch.passage.began, until)
            .is_none()
    }

    /// Rule 1 and section 7: never two fetches of an app at once on a lane; but where a holder was stopped in the middle of one
    /// for longer than its lease, and on the classic lane past the end of its note. Then one more fetch settles it.
    pub(crate) fn one_at_a_time(&self, app: &str, lane: Lane) -> Found {
        let all = self.fetches(app, lane);
        let mut found = Found {
            fetches: all.len(),
            orphans: all.iter().filter(|fetch| !self.was_heard(fetch)).count(),
            ..Found::default()
        };
        let mut settled = Vec::new();
        for (later, fetch) in all.iter().enumerate() {
            let under_way = |before: &&Fetch| before.passage.overlaps(&fetch.passage);
            let under_way: Vec<_> = all[..later].iter().filter(under_way).collect();
            let told = || self.told(app, lane);
            assert!(under_way.len() <= 1, "three at once: {}", told());
            let Some(stalled) = under_way.first() else {
                continue;
            };
            found.overlaps += 1;
            let away = self.stopped((app, lane), stalled, fetch);
            if lane == Lane::Classic {
                let settling = self.settling((app, lane), &all, (stalled, fetch), away);
                settled.push((settling, (stalled.by, away.from)));
            }
        }
        if lane == Lane::Classic {
            found.settled = self.each_stop_costs_one((app, lane), &all, &settled);
        }
        found
    }

    /// A fetch that comes while the one before may still mint, for all that is known, settles what a stop has left open: each stop
    /// costs one at most, and they are never under way together. Those that settle an overlap are known already, and the stops they
    /// are for. Says how many there were.
    fn each_stop_costs_one(
        &self,
        of: (&str, Lane),
        all: &[Fetch],
        settled: &[(usize, Stop)],
    ) -> usize {
        let mut paid: Vec<Stop> = settled.iter().map(|(_, stop)| *stop).collect();
        for (later, pair) in (1..).zip(all.windows(2)) {
            let apart = pair[1].passage.began.since(pair[0].passage.began);
            let known = settled.iter().any(|(fetch, _)| *fetch == later);
            if known || apart + MOMENT >= DEADLINE {
                continue;
            }
            let stops = self.stops_around(&pair[0], &pair[1]);
            let free = stops.into_iter().filter(|(_, stop)| !paid.contains(stop));
            // The one that is soonest of no use to a later fetch.
            let stop = free.min_by_key(|(to, _)| *to).map(|(_, stop)| stop);
            let told = || self.told(of.0, of.1);
            paid.push(stop.unwrap_or_else(|| {
                panic!("{apart:.2?} after a fetch that may still mint: {}", told())
            }));
        }
        paid.len()
    }

    /// The stops that may cost one more fetch after this one, and when each was over (section 7): the holder that was stopped, or
    /// who followed it, does not know whether it was alone.
    fn stops_around(&self, first: &Fetch, second: &Fetch) -> Vec<(SimTime, Stop)> {
        let (began, until) = (first.passage.began, first.ended().plus(SAVED));
        let from = began.shifted(-i64::try_from(SOON.as_millis()).expect("seconds"));
        let all = self.presence.all();
        let touches =
            |away: &Away, from: SimTime| away.from <= until && away.to.is_none_or(|to| to >= from);
        // The note of one that was killed is waited out.
        let killed = all
            .iter()
            .any(|(at, away)| *at == first.by && away.how == How::Killed && touches(away, began));
        if killed || second.passage.began < first.ended() {
            return Vec::new();
        }
        let stops = all
            .iter()
            .filter(|(_, away)| away.how == How::Stopped && touches(away, from));
        stops
            .map(|(at, away)| (away.to.expect("all are back"), (*at, away.from)))
            .collect()
    }

    /// The first of two that overlap is of a holder that was stopped, long enough for others to follow.
    fn stopped(&self, of: (&str, Lane), first: &Fetch, second: &Fetch) -> Away {
        let told = || self.told(of.0, of.1);
        let (first_began, began) = (first.passage.began, second.passage.began);
        let away = self.presence.away(first.by, began, began);
        let away = away.unwrap_or_else(|| panic!("two at once: {}", told()));
        assert_ne!(first.by, second.by, "{}", told());
        let waited = match of.1 {
            Lane::Classic => began.since(first_began) + MOMENT >= DEADLINE,
            Lane::Stable | Lane::Ticket(_) => began.since(away.from) >= LEASE_LEFT,
        };
        assert!(waited, "followed too soon: {}", told());
        away
    }

    /// The fetch that settles an overlap, soon after both have ended and who was stopped is back; where nobody heard the second
    /// one's answer, its note is waited out first.
    fn settling(
        &self,
        of: (&str, Lane),
        all: &[Fetch],
        (first, second): (&Fetch, &Fetch),
        away: Away,
    ) -> usize {
        let ended = first.ended().max(second.ended());
        let back = away.to.expect("all are back").max(ended);
        let mut latest = back.plus(DEADLINE - MOMENT);
        if !self.was_heard(second) {
            latest = latest.max(self.waited_out(second, DEADLINE));
        }
        let settles = |fetch: &Fetch| {
            let began = fetch.passage.began;
            began >= ended && began < latest && fetch.minted.is_some()
        };
        let settling = all.iter().position(settles);
        settling.unwrap_or_else(|| panic!("nothing settles: {}", self.told(of.0, of.1)))
    }

    /// Section 5: no dead token is handed out that there was reason to know dead. That is: only a classic one, ended by the second
    /// mint after it, and only until the answer to one of these was there and spread; or just after the reader's replica came back.
    pub(crate) fn unavoidable(&self, at: usize, dead: &Dead, lane: Lane) {
        let (dies, by) = death(self.world, &dead.app, lane, &dead.token);
        let told = || {
            let (asked, dies) = (self.at(dead.asked), self.at(dies));
            let story = self.told(&dead.app, lane);
            format!("asked {at} at {asked}, died at {dies}; {story}")
        };
        assert!(by.is_some(), "it ran out before: {}", told());
        let back = self.presence.back_before(at, dead.asked);
        if back.is_some_and(|back| dead.asked.since(back) <= SPREAD) {
            return;
        }
        let own = self.minting(&dead.app, lane, &dead.token);
        let newer = self.fetches(&dead.app, lane).into_iter().filter(|fetch| {
            fetch.minted.is_some() && own.is_none_or(|own| fetch.passage.began > own)
        });
        let heard = newer.filter(|fetch| self.was_heard(fetch));
        let known = heard.map(|fetch| fetch.ended()).min();
        assert!(
            known.is_none_or(|known| dead.asked <= known.plus(SPREAD)),
            "a newer one was known: {}",
            told()
        );
    }

    fn minting(&self, app: &str, lane: Lane, token: &str) -> Option<SimTime> {
        let print = wxtoken_simulator::fingerprint(token);
        let all = self.fetches(app, lane);
        let own = all.iter().find(|fetch| {
            let minted = fetch.minted.as_ref();
            minted.is_some_and(|minted| minted.value == print)
        });
        own.map(|own| own.passage.began)
    }

    /// No app is without a token while one lives that was heard of; and only while a call whose answer nobody heard is waited for:
    /// on the classic lane until its note's end, in normal mode until the end of the lease of who was struck.
    pub(crate) fn justified(&self, at: usize, gap: &Gap, lane: Lane) {
        let told = || {
            let (from, to) = (self.at(gap.from), self.at(gap.to));
            let story = self.told(&gap.app, lane);
            format!("{at} has nothing from {from} to {to}; {story}")
        };
        let all = self.fetches(&gap.app, lane);
        let back = self.presence.back_before(at, gap.from);
        for (index, fetch) in all.iter().enumerate() {
            let Some(minted) = fetch.minted.as_ref().filter(|_| self.was_heard(fetch)) else {
                continue;
            };
            let mut later = all[index + 1..].iter().filter(|it| it.minted.is_some());
            let evicts = later.nth(1).map(|it| it.passage.began);
            let dies = minted.ends.min(evicts.or(minted.ends)).expect("a token");
            let heard = fetch.ended().max(back.unwrap_or(fetch.ended()));
            let known = heard.plus(SPREAD).max(gap.from);
            // Its end is counted from when it was asked for, which is a moment earlier.
            let until = dies.shifted(-1000).min(gap.to);
            assert!(known >= until, "another lives: {}", told());
        }
        if self.uncalled.contains(&gap.app) {
            return; // the note of a call that never came is waited out all the same
        }
        let waits_for = match lane {
            Lane::Classic => DEADLINE,
            Lane::Stable | Lane::Ticket(_) => SOON,
        };
        let orphans = all.iter().filter(|fetch| !self.was_heard(fetch));
        let waits: Vec<_> = orphans
            .map(|fetch| (fetch.passage.began, self.waited_out(fetch, waits_for)))
            .collect();
        // A start reads its records first.
        let mut covered = back.map_or(gap.from, |back| back.plus(SPREAD).max(gap.from));
        while covered < gap.to {
            let begun = waits.iter().filter(|(from, _)| *from <= covered);
            let until = begun.map(|(_, until)| *until).max();
            let until = until.filter(|until| *until > covered);
            covered = until.unwrap_or_else(|| {
                panic!(
                    "from {} nothing is waited for: {}",
                    self.at(covered),
                    told()
                )
            });
        }
    }

    /// When somebody has surely fetched in place of a call whose answer nobody heard, and all have heard of that.
    fn waited_out(&self, fetch: &Fetch, waits: Duration) -> SimTime {
        let (by, began) = (fetch.by, fetch.passage.began);
        let forgot = self.presence.away(by, began, fetch.ended().plus(SAVED));
        let forgot = forgot.is_some_and(|away| away.how == How::Killed);
        let follow = (0..self.presence.replicas()).filter(|at| forgot || *at != by);
        let done = follow.map(|at| self.presence.acts(at, began, waits, SOON));
        done.min().expect("there are several").plus(SPREAD)
    }
}
