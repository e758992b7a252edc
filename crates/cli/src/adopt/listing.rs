//! What was found, for people.
//!
//! Must not know: what is written into the configuration.

use std::fmt::Write as _;

use wxtoken_core::app::AppId;
use wxtoken_core::credential::Token;
use wxtoken_server::sdk::{Candidate, Kept, Reading, Seen, Ttl};
use wxtoken_server::survey::{COMMANDS, Find, Survey};

use super::lines::{self, Server};
use crate::lang::Lang;
use crate::when;

/// All of it, the lines for the configuration last.
pub(super) fn of(survey: &Survey, server: &Server, lang: Lang) -> String {
    let mut text = head(survey, lang);
    let mut app: Option<Option<AppId>> = None;
    let held = survey.finds.iter().filter(|find| is_held(find));
    for find in held {
        if app != Some(find.app) {
            app = Some(find.app);
            let name = find.app.map(|app| app.to_string());
            let unknown = lang.pick("看不出是哪个应用的", "of an app that cannot be told");
            let _ = writeln!(text, "\n{}", name.as_deref().unwrap_or(unknown));
        }
        if let Some(one) = find.likeliest() {
            let _ = writeln!(text, "  {}", entry(one, lang));
            others(&mut text, find, lang);
        }
    }
    clashes(&mut text, survey, lang);
    rest(&mut text, survey, lang);
    let lines = lines::of(survey, server, lang);
    if !lines.is_empty() {
        let title = title(&server.variables(), lang);
        let _ = write!(text, "\n{title}\n\n{lines}");
    }
    text.truncate(text.trim_end().len());
    text
}

/// What stands above the lines: what they leave to be set.
fn title(variables: &str, lang: Lang) -> String {
    let what = lang.pick(
        "写进 wxtoken.toml 就能接管的各行。它们引用的环境变量要设好：各应用的 AppSecret",
        "Lines for wxtoken.toml that take these over. Set what they take from the environment: each AppSecret",
    );
    match (variables, lang) {
        ("", _) => format!("{what}{}", lang.pick("。", ".")),
        (_, Lang::Zh) => format!("{what}，以及 {variables}（在 url 里的要百分号编码：@ 写 %40）。"),
        (_, Lang::En) => {
            format!(
                "{what}, and {variables} (percent-encoded where it stands in the url: @ is %40)."
            )
        }
    }
}

fn head(survey: &Survey, lang: Lang) -> String {
    let (keys, found) = (survey.keys, survey.finds.len());
    let mut text = match lang {
        Lang::Zh => format!("查看了 {keys} 个键，认出 {found} 个。只读，没有任何改动。\n"),
        Lang::En => {
            format!("{keys} keys looked at, {found} recognised. Only read: nothing was changed.\n")
        }
    };
    if !survey.whole {
        text.push_str(lang.pick(
            "时间到了还没有看完；用 --within 给更多秒数。\n",
            "The time was over before all were looked at; give more seconds by --within.\n",
        ));
    }
    if survey.unreadable > 0 {
        let (number, needs) = (survey.unreadable, COMMANDS);
        let _ = match lang {
            Lang::Zh => writeln!(
                text,
                "另有 {number} 个名字像的键，这个 Redis 用户读不了；要看它们，ACL 里给它这些键（~…）和 {needs}。"
            ),
            Lang::En => writeln!(
                text,
                "{number} more, named as if they had to do with it, may not be read by this user; to see them, let its ACL have these keys (~…) and {needs}."
            ),
        };
    }
    text
}

const fn credential(one: &Candidate) -> bool {
    matches!(one.kept, Kept::Credential(_))
}

fn is_held(find: &Find) -> bool {
    find.likeliest().is_some_and(credential)
}

/// One entry in one line: what, whose form, where, which value, until when.
fn entry(one: &Candidate, lang: Lang) -> String {
    let kind = match one.kept {
        Kept::Credential(kind) | Kept::EndOf(kind) => kind.name(),
        Kept::Other(name) => name,
    };
    let value = match &one.reading {
        Reading::Held(held) => {
            format!("{}  {}", shown(&held.token), life(held.seen, one.ttl, lang))
        }
        Reading::Absent => lang.pick("空", "empty").to_owned(),
        Reading::Foreign => lang
            .pick("这个 SDK 读不懂的内容", "something this SDK cannot read")
            .to_owned(),
    };
    format!("{kind:<13} {:<28} {}  {value}", one.writer, one.key)
}

/// How long an SDK would use a value, and how its key lives.
fn life(seen: Seen, ttl: Option<Ttl>, lang: Lang) -> String {
    let ttl = match ttl {
        Some(Ttl::Left(left)) => format!("TTL {}", when::span(left / 1000)),
        Some(Ttl::Unset) | None => lang.pick("没有 TTL", "no TTL").to_owned(),
    };
    match seen {
        Seen::Until(end) => {
            let end = when::clock_time(end.unix_seconds());
            match lang {
                Lang::Zh => format!("到 {end}，{ttl}"),
                Lang::En => format!("until {end}, {ttl}"),
            }
        }
        Seen::Always => ttl,
        Seen::Expired => match lang {
            Lang::Zh => format!("SDK 认为已过期，{ttl}"),
            Lang::En => format!("ended for the SDK, {ttl}"),
        },
    }
}

/// Who else writes such a key.
fn others(text: &mut String, find: &Find, lang: Lang) {
    let names: Vec<&str> = find
        .candidates
        .iter()
        .skip(1)
        .map(|one| one.format.name())
        .collect();
    if let Some(first) = find.likeliest().filter(|_| !names.is_empty()) {
        let (first, names) = (first.format, names.join(", "));
        let _ = match lang {
            Lang::Zh => writeln!(
                text,
                "                （按 {first} 处理；也可能是 {names}，键和格式相同）"
            ),
            Lang::En => writeln!(
                text,
                "                (taken for {first}; {names} writes the same)"
            ),
        };
    }
}

fn clashes(text: &mut String, survey: &Survey, lang: Lang) {
    for clash in &survey.clashes {
        let (app, kind) = (clash.app, clash.kind);
        let _ = match lang {
            Lang::Zh => writeln!(text, "\n{app} 的 {kind} 有不同的值，每个通道至多一个有效："),
            Lang::En => writeln!(
                text,
                "\n{app} has different values of its {kind}; at most one of a lane lives:"
            ),
        };
        let finds = clash
            .finds
            .iter()
            .filter_map(|number| survey.finds.get(*number));
        for one in finds.filter_map(Find::likeliest) {
            if let Reading::Held(held) = &one.reading {
                let _ = writeln!(text, "  {}  {}", shown(&held.token), one.key);
            }
        }
    }
}

/// What is not held here, and what could not be named.
fn rest(text: &mut String, survey: &Survey, lang: Lang) {
    let other = |find: &&Find| {
        find.likeliest()
            .is_some_and(|one| matches!(one.kept, Kept::Other(_)))
    };
    let others: Vec<&Candidate> = survey
        .finds
        .iter()
        .filter(other)
        .filter_map(Find::likeliest)
        .collect();
    if !others.is_empty() {
        let title = lang.pick(
            "认得但 wxtoken 不保管的：",
            "Known, but nothing that wxtoken holds:",
        );
        let _ = writeln!(text, "\n{title}");
        for one in others {
            if let Kept::Other(name) = one.kept {
                let _ = writeln!(text, "  {name:<28} {:<20} {}", one.writer, one.key);
            }
        }
    }
    if !survey.unnamed.is_empty() {
        let title = lang.pick(
            "名字像但认不出格式的（需要的话用 format = \"raw\" 或 \"hash\" 自己写键）：",
            "Named as if they had to do with it, but of no known form (format = \"raw\" or \"hash\" with a key, if they have):",
        );
        let _ = writeln!(text, "\n{title}");
        for key in survey.unnamed.iter().take(50) {
            let _ = writeln!(text, "  {key}");
        }
        if let Some(more) = survey
            .unnamed
            .len()
            .checked_sub(50)
            .filter(|more| *more > 0)
        {
            let _ = match lang {
                Lang::Zh => writeln!(text, "  …还有 {more} 个（--json 列出全部）"),
                Lang::En => writeln!(text, "  … and {more} more (--json lists all)"),
            };
        }
    }
}

/// As much of a token as tells it from another and is of no use.
pub(super) fn shown(token: &Token) -> String {
    let text = token.expose();
    match (text.get(..4), text.get(text.len().saturating_sub(2)..)) {
        (Some(first), Some(last)) if text.len() >= 24 => format!("{first}…{last}"),
        _ => "…".to_owned(),
    }
}
