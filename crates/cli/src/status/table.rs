//! The table of `wxtoken status`: a row per credential, bars and colour only on a terminal.

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};

use super::view::{App, Budget, KindState, LaneState, Trouble};
use crate::lang::Lang;
use crate::term::Ink;
use crate::{term, when};

/// How many cells a time-left bar has.
const BAR: u64 = 10;

/// How the table may look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    bars: bool,
    coloured: bool,
}

impl Look {
    /// What standard output can show.
    pub(super) fn of_terminal() -> Self {
        Self {
            bars: term::shows_results(),
            coloured: term::coloured(),
        }
    }
}

/// Draws it.
pub(super) fn draw(apps: &[App], lang: Lang, look: Look, now: u64) -> String {
    if apps.is_empty() {
        return lang
            .pick(
                "服务器上还没有配置任何应用：在 wxtoken.toml 里加一个 [[app]]，然后向进程发 SIGHUP",
                "the server has no apps yet: add an [[app]] to wxtoken.toml, then send it SIGHUP",
            )
            .to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if look.coloured {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    if look.bars {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    let titles = lang.pick(
        "应用|凭据|通道|剩余时间|已用时间|最近的问题|今日获取/上限",
        "App|Kind|Lane|Time left|Age|Last trouble|Today/budget",
    );
    let bold = |title: &str| Cell::new(title).add_attribute(Attribute::Bold);
    table.set_header(titles.split('|').map(bold));
    for app in apps {
        for row in rows(app, lang, look, now) {
            table.add_row(row);
        }
    }
    table.trim_fmt()
}

/// What stands above the table while the store that replicas share is in trouble.
pub(super) fn about_store(trouble: &Trouble, lang: Lang, look: Look, now: u64) -> String {
    let words = trouble.in_words(lang);
    let ago = trouble
        .since
        .map(|since| when::span(now.saturating_sub(since)));
    let told = match (lang, ago) {
        (Lang::Zh, Some(ago)) => format!("共享存储有问题，已持续 {ago}：{words}"),
        (Lang::Zh, None) => format!("共享存储有问题：{words}"),
        (Lang::En, Some(ago)) => format!("the shared store is in trouble, for {ago}: {words}"),
        (Lang::En, None) => format!("the shared store is in trouble: {words}"),
    };
    term::paint(look.coloured, Ink::Yellow, &told)
}

fn rows(app: &App, lang: Lang, look: Look, now: u64) -> Vec<Vec<Cell>> {
    let name = match &app.name {
        Some(name) if name != &app.appid => format!("{name} {}", app.appid),
        _ => app.appid.clone(),
    };
    let held = app
        .kinds
        .iter()
        .map(|kind| credential(&name, app, kind, lang, look, now));
    let handed_out = app.kinds.iter().find_map(|kind| kind.lane.as_deref());
    let standby = app
        .lanes
        .iter()
        .filter(|lane| Some(lane.lane.as_str()) != handed_out)
        .filter(|_| app.lanes.len() > 1)
        .map(|lane| standby(&name, app, lane, lang, look, now));
    held.chain(standby).collect()
}

fn credential(
    name: &str,
    app: &App,
    kind: &KindState,
    lang: Lang,
    look: Look,
    now: u64,
) -> Vec<Cell> {
    let lane = kind.lane.as_deref();
    // A lane's fetches are counted under its name, tickets under theirs.
    let counted = if kind.kind == "access_token" {
        lane
    } else {
        Some("ticket")
    };
    let age = kind
        .since
        .map_or_else(String::new, |since| when::span(now.saturating_sub(since)));
    vec![
        Cell::new(name),
        Cell::new(&kind.kind),
        Cell::new(lane.unwrap_or("-")),
        left(kind.since, kind.expires_at, lang, look, now),
        Cell::new(age),
        trouble(kind.trouble.as_ref(), lang),
        counted.map_or_else(|| Cell::new(""), |counted| budget(&app.budget(counted))),
    ]
}

fn standby(name: &str, app: &App, lane: &LaneState, lang: Lang, look: Look, now: u64) -> Vec<Cell> {
    let ends = lane.expires_at.filter(|_| lane.live);
    vec![
        Cell::new(name),
        Cell::new(lang.pick("（备用）", "(standby)")).add_attribute(Attribute::Dim),
        Cell::new(&lane.lane),
        left(None, ends, lang, look, now),
        Cell::new(""),
        trouble(lane.trouble.as_ref(), lang),
        budget(&app.budget(&lane.lane)),
    ]
}

fn left(since: Option<u64>, ends: Option<u64>, lang: Lang, look: Look, now: u64) -> Cell {
    let Some(ends) = ends.filter(|ends| *ends > now) else {
        return Cell::new(lang.pick("没有可用值", "no live value")).fg(Color::Red);
    };
    let left = ends - now;
    let text = when::span(left);
    // A ticket met half-way has an age that says nothing of its lifetime; two hours is WeChat's.
    let lifetime = since
        .map_or(7200, |since| ends.saturating_sub(since))
        .max(1);
    let shown = if look.bars {
        format!("{} {text}", bar(left, lifetime))
    } else {
        text
    };
    let colour = if left < 60 {
        Color::Red
    } else if left < 240 {
        Color::Yellow
    } else {
        Color::Green
    };
    Cell::new(shown).fg(colour)
}

fn bar(left: u64, lifetime: u64) -> String {
    // Anything left shows at least one cell.
    let full = (left.min(lifetime) * BAR).div_ceil(lifetime);
    (0..BAR)
        .map(|cell| if cell < full { '█' } else { '░' })
        .collect()
}

fn trouble(trouble: Option<&Trouble>, lang: Lang) -> Cell {
    match trouble {
        Some(trouble) => Cell::new(trouble.in_words(lang)).fg(Color::Yellow),
        None => Cell::new(""),
    }
}

fn budget(budget: &Budget) -> Cell {
    let cell = Cell::new(format!("{}/{}", budget.used, budget.limit));
    if budget.used >= budget.limit {
        cell.fg(Color::Red)
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_000_000;

    fn apps() -> Vec<App> {
        serde_json::from_value(serde_json::json!([
            { "appid": "wx0123456789abcdef", "name": "shop",
              "kinds": [
                { "kind": "access_token", "lane": "stable", "since": NOW - 600, "expires_at": NOW + 6600 },
                { "kind": "jsapi_ticket", "lane": null, "since": null, "expires_at": null,
                  "trouble": { "detail": "WeChat refuses: 40164", "detail_zh": "微信以 40164 拒绝" } } ],
              "lanes": [
                { "lane": "stable", "live": true, "expires_at": NOW + 6600 },
                { "lane": "classic", "live": true, "expires_at": NOW + 120 } ],
              "budgets": [
                { "kind": "stable", "used": 3, "limit": 2000 },
                { "kind": "classic", "used": 7, "limit": 2000 },
                { "kind": "ticket", "used": 500, "limit": 500 } ] }
        ]))
        .unwrap()
    }

    fn drawn(lang: Lang, look: Look) -> String {
        draw(&apps(), lang, look, NOW)
    }

    #[test]
    fn a_row_shows_what_is_held_how_long_it_lasts_and_what_troubles_it() {
        let plain = drawn(
            Lang::En,
            Look {
                bars: false,
                coloured: false,
            },
        );
        insta::assert_snapshot!(plain, @"
        App                      Kind          Lane     Time left      Age      Last trouble           Today/budget
        shop wx0123456789abcdef  access_token  stable   1h 50m         10m 00s                         3/2000
        shop wx0123456789abcdef  jsapi_ticket  -        no live value           WeChat refuses: 40164  500/500
        shop wx0123456789abcdef  (standby)     classic  2m 00s                                         7/2000
        ");
    }

    #[test]
    fn the_stores_trouble_is_told_in_either_language_and_since_when() {
        let trouble: Trouble = serde_json::from_value(serde_json::json!({
            "trouble": "read_only", "detail": "a replica", "detail_zh": "只读副本", "since": NOW - 61
        }))
        .unwrap();
        let plain = Look {
            bars: false,
            coloured: false,
        };
        insta::assert_snapshot!(about_store(&trouble, Lang::En, plain, NOW), @"the shared store is in trouble, for 1m 01s: a replica");
        insta::assert_snapshot!(about_store(&trouble, Lang::Zh, plain, NOW), @"共享存储有问题，已持续 1m 01s：只读副本");
    }

    #[test]
    fn a_terminal_gets_bars() {
        let drawn = drawn(
            Lang::En,
            Look {
                bars: true,
                coloured: false,
            },
        );
        assert!(drawn.contains('█'), "{drawn}");
        assert!(!drawn.contains('\x1b'), "{drawn}");
    }

    #[test]
    fn colour_is_used_only_where_it_is_welcome() {
        let look = Look {
            bars: true,
            coloured: true,
        };
        assert!(drawn(Lang::En, look).contains('\x1b'));
    }

    #[test]
    fn headings_and_remarks_are_in_the_chosen_language() {
        let drawn = drawn(
            Lang::Zh,
            Look {
                bars: false,
                coloured: false,
            },
        );
        assert!(
            drawn.contains("剩余时间") && drawn.contains("没有可用值") && drawn.contains("备用")
        );
        assert!(drawn.contains("微信以 40164 拒绝") && !drawn.contains("refuses"));
        assert!(
            draw(
                &[],
                Lang::Zh,
                Look {
                    bars: false,
                    coloured: false
                },
                NOW
            )
            .contains("[[app]]")
        );
    }

    #[test]
    fn a_bar_is_full_at_birth_and_never_empty_while_something_is_left() {
        assert_eq!(bar(7200, 7200), "██████████");
        assert_eq!(bar(3600, 7200), "█████░░░░░");
        assert_eq!(bar(1, 7200), "█░░░░░░░░░");
    }
}
