//! What people are told: one log line per happening, and a notice for those who listen. Never a value.

use std::sync::Arc;

use tokio::sync::broadcast;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Now, Wall};
use wxtoken_core::credential::{Credential, Kind, Lane};
use wxtoken_core::refresh::alarm::Alarm;
use wxtoken_core::source::{Passing, Trouble};

use super::views::Notice;
use crate::words::Sentence;

/// Counts a trouble by its stable name.
pub type CountAlarm = Arc<dyn Fn(&'static str) + Send + Sync>;

/// Tells.
pub(super) struct Tell {
    notices: broadcast::Sender<Notice>,
    count: CountAlarm,
}

impl Tell {
    pub(super) const fn new(notices: broadcast::Sender<Notice>, count: CountAlarm) -> Self {
        Self { notices, count }
    }

    pub(super) fn published(&self, app: &AppId, value: &Credential, now: Now) {
        let valid_for_s = value.left(now) / 1000;
        let kind = value.kind;
        tracing::info!(
            app.id = %app,
            credential.kind = %kind,
            lane = value.lane.map(Lane::name),
            generation = value.generation.0,
            valid_for_s,
            "handing out {kind} of {app}",
        );
    }

    pub(super) fn alarm(&self, app: AppId, alarm: Alarm) {
        let name = alarm.name().text();
        if let Alarm::Over(_) = alarm {
            tracing::info!(app.id = %app, alarm = name, "over: {name} of {app}");
            let _ = self.notices.send(Notice::Cleared { app, name });
            return;
        }
        (self.count)(name);
        let detail = describe(&alarm);
        let kind = concerns(&alarm);
        if serious(&alarm) {
            tracing::error!(app.id = %app, credential.kind = kind.map(Kind::name), alarm = name, "{app}: {detail}");
        } else {
            tracing::warn!(app.id = %app, credential.kind = kind.map(Kind::name), alarm = name, "{app}: {detail}");
        }
        let _ = self.notices.send(Notice::Trouble {
            app,
            kind,
            name,
            detail,
        });
    }
}

/// Whether a person must act; what usually passes by itself is a warning.
const fn serious(alarm: &Alarm) -> bool {
    match alarm {
        Alarm::ForeignFetcher { .. }
        | Alarm::ForeignFetch { .. }
        | Alarm::GaveWay
        | Alarm::Refused { .. }
        | Alarm::QuotaUsedUp { .. }
        | Alarm::OverBudget(_)
        | Alarm::Unsaved
        | Alarm::StoreRefuses
        | Alarm::NeedsTakeOver
        | Alarm::AdoptionRefused
        | Alarm::Clash { .. }
        | Alarm::NothingLives => true,
        Alarm::ForeignForce { .. }
        | Alarm::Trouble { .. }
        | Alarm::ClockOff { .. }
        | Alarm::ForceChangedNothing
        | Alarm::Over(_) => false,
    }
}

const fn concerns(alarm: &Alarm) -> Option<Kind> {
    match alarm {
        Alarm::Refused { kind, .. }
        | Alarm::QuotaUsedUp { kind, .. }
        | Alarm::Trouble { kind, .. } => Some(*kind),
        _ => None,
    }
}

/// RFC 3339, in UTC, to the second.
pub(crate) fn time(at: Wall) -> String {
    let second = i64::try_from(at.unix_seconds()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(second).map_or_else(|_| "?".to_owned(), |time| time.to_string())
}

/// Another program's token lives beside ours.
fn younger(fetched: Wall, noticed: Wall) -> String {
    format!(
        "another program with the same AppSecret fetched the classic token: its own lives, seen {}; ours, fetched {}, ends within \
         five minutes of that and is replaced now. Find it, or hand out the stable lane (lanes = [\"stable\"]), which classic \
         fetches cannot kill",
        time(noticed),
        time(fetched)
    )
}

/// The alarm in plain words, with its cure.
pub(super) fn describe(alarm: &Alarm) -> String {
    match *alarm {
        Alarm::ForeignFetcher { fetched, last_alive, found_dead } => format!(
            "another program with the same AppSecret fetched the classic token: ours, fetched {}, was alive at {} and dead \
             at {}. Find it, or hand out the stable lane (lanes = [\"stable\"]), which classic fetches cannot kill",
            time(fetched), time(last_alive), time(found_dead)
        ),
        Alarm::ForeignFetch { fetched, noticed } => younger(fetched, noticed),
        Alarm::ForeignForce { noticed } => format!(
            "another program forced the stable token to change (noticed {}); force_refresh is for leaks only",
            time(noticed)
        ),
        Alarm::GaveWay => "the classic token was killed three times in an hour by another program; the stable token is \
                           handed out instead until the configuration changes"
            .to_owned(),
        Alarm::Refused { kind, lane, errcode } => format!(
            "WeChat refuses {}{kind} with {errcode}: a person must act; see `wxtoken explain {errcode}`",
            of_lane(lane)
        ),
        Alarm::QuotaUsedUp { kind, lane } => format!(
            "WeChat says that today's quota of {}{kind} is used up (45009); tried hourly and after midnight in Beijing",
            of_lane(lane)
        ),
        Alarm::OverBudget(budget) => format!(
            "our own daily budget of {} calls is used up, so none is made; something reports tokens dead again and again, or \
             kills them",
            budget.name()
        ),
        Alarm::Trouble { kind, lane, trouble } => {
            format!("fetching {}{kind} failed: {}; tried again", of_lane(lane), describe_trouble(trouble).en)
        }
        Alarm::Unsaved => "what is handed out could not be saved: a crash now may cost a fetch; look at the disk, or at Redis where servers share one".to_owned(),
        Alarm::StoreRefuses => "the store takes no writes, so no token is fetched that would kill another; look at the disk, or at Redis where servers share one"
            .to_owned(),
        Alarm::ClockOff { ahead } => format!(
            "this machine's clock is {} s {} WeChat's; set it (chrony, systemd-timesyncd)",
            ahead.unsigned_abs() / 1000,
            if ahead > 0 { "ahead of" } else { "behind" }
        ),
        Alarm::NeedsTakeOver => "the first classic fetch would kill the token other programs hold: set take_over = true for \
                                 the app, or give the token they use as initial_token"
            .to_owned(),
        Alarm::ForceChangedNothing => "a forced refresh was answered with the same value; it is probed again".to_owned(),
        Alarm::AdoptionRefused => "the token given as initial_token is dead: remove it, or set take_over = true".to_owned(),
        Alarm::Clash { last_alive: Some(alive), found_dead } => format!(
            "the token that others use died before its end, between {} and {}: another program with the same AppSecret fetched \
             one as well, and who holds the dead one gets 40001",
            time(alive), time(found_dead)
        ),
        Alarm::Clash { last_alive: None, found_dead } => format!(
            "a token that others use was dead when it was first seen, at {}: another program with the same AppSecret has fetched \
             one since, and who holds the dead one gets 40001",
            time(found_dead)
        ),
        Alarm::NothingLives => "WeChat calls every new token dead as well; see WeChat's status, and who else fetches".to_owned(),
        Alarm::Over(name) => format!("over: {}", name.text()),
    }
}

fn of_lane(lane: Option<Lane>) -> &'static str {
    match lane {
        Some(Lane::Classic) => "the classic ",
        Some(Lane::Stable) => "the stable ",
        None => "the ",
    }
}

/// A trouble in plain words.
pub(super) fn describe_trouble(trouble: Trouble) -> Sentence {
    let passing = |zh: &str, en: &str| Sentence::new(zh, en);
    match trouble {
        Trouble::Passing(Passing::Unreachable) => passing("连不上微信", "WeChat cannot be reached"),
        Trouble::Passing(Passing::Cut) => passing(
            "微信没有及时给出完整的答复",
            "WeChat gave no complete answer in time",
        ),
        Trouble::Passing(Passing::Status(status)) => Sentence::new(
            format!("微信答复的状态码是 {status}"),
            format!("WeChat answered with status {status}"),
        ),
        Trouble::Passing(Passing::Nonsense) => passing(
            "微信的答复无法理解",
            "WeChat's answer could not be understood",
        ),
        Trouble::Passing(Passing::Busy) => passing("微信繁忙（-1）", "WeChat is busy (-1)"),
        Trouble::Passing(Passing::TooFast) => passing(
            "微信要求放慢速度（45011）",
            "WeChat asks for a slower pace (45011)",
        ),
        Trouble::Passing(Passing::OtherSecret) => passing(
            "微信说 AppSecret 不对；接下来试另一个",
            "WeChat calls the AppSecret wrong; the other one is tried next",
        ),
        Trouble::Refused(errcode) => Sentence::new(
            format!("微信以 {errcode} 拒绝"),
            format!("WeChat refuses with {errcode}"),
        ),
        Trouble::QuotaUsedUp => passing(
            "今天的配额用完了（45009）",
            "the day's quota is used up (45009)",
        ),
        Trouble::TokenBad(errcode) => Sentence::new(
            format!("微信说 access_token 无效（{errcode}）"),
            format!("WeChat calls the access token bad ({errcode})"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_is_told_in_chinese_throughout_with_its_code() {
        let passing = [
            Passing::Unreachable,
            Passing::Cut,
            Passing::Status(502),
            Passing::Nonsense,
            Passing::Busy,
            Passing::TooFast,
            Passing::OtherSecret,
        ];
        let passing = passing.map(Trouble::Passing);
        let others = [
            Trouble::Refused(40164),
            Trouble::QuotaUsedUp,
            Trouble::TokenBad(40001),
        ];
        for trouble in passing.into_iter().chain(others) {
            let told = describe_trouble(trouble);
            let foreign = told.zh.replace("AppSecret", "").replace("access_token", "");
            assert!(
                !foreign.contains(|c: char| c.is_ascii_alphabetic()),
                "{told:?}"
            );
            let code = |text: &str| {
                text.chars()
                    .filter(char::is_ascii_digit)
                    .collect::<String>()
            };
            assert_eq!(code(&told.zh), code(&told.en), "{told:?}");
        }
    }
}
