//! What each finding is called to a person, and the cure, in Chinese and English.

mod en;
mod zh;

use wxtoken_server::wechat::explain;

use super::finding::{Finding, OfApp};
use crate::lang::Lang;

/// A finding in words.
pub(super) struct Words {
    pub(super) what: String,
    pub(super) cure: Option<String>,
}

fn words(what: impl Into<String>, cure: &str) -> Words {
    Words {
        what: what.into(),
        cure: (!cure.is_empty()).then(|| cure.to_owned()),
    }
}

/// Puts a finding into words.
pub(super) fn of(finding: &Finding, lang: Lang) -> Words {
    match (finding, lang) {
        (Finding::Setup(setup), Lang::Zh) => zh::setup(setup),
        (Finding::Setup(setup), Lang::En) => en::setup(setup),
        (Finding::Way(way), Lang::Zh) => zh::way(way),
        (Finding::Way(way), Lang::En) => en::way(way),
        (Finding::App(app), Lang::Zh) => named(app, zh::app(&app.state)),
        (Finding::App(app), Lang::En) => named(app, en::app(&app.state)),
    }
}

fn named(app: &OfApp, said: Words) -> Words {
    let name = app
        .name
        .as_deref()
        .map_or_else(String::new, |name| format!(" ({name})"));
    Words {
        what: format!("{}{name}: {}", app.appid, said.what),
        cure: said.cure,
    }
}

fn rid_of(rid: Option<&str>) -> String {
    rid.map_or_else(String::new, |rid| format!(" (rid {rid})"))
}

/// What a refusal means where tokens are fetched, and the first thing to do about it.
fn meaning_of(errcode: i64, lang: Lang) -> (String, String) {
    let more = format!("wxtoken explain {errcode}");
    let known = explain::explain(errcode).and_then(|found| found.entries.first());
    let Some(known) = known else {
        return (
            errcode.to_string(),
            lang.pick(
                "查该接口的错误码表",
                "look it up on WeChat's page of error codes",
            )
            .to_owned(),
        );
    };
    let meaning = lang.pick(known.meaning.zh, known.meaning.en);
    let cure = known
        .cure
        .first()
        .map_or("", |cure| lang.pick(cure.zh, cure.en));
    match lang {
        Lang::Zh => (
            format!("{errcode}：{meaning}"),
            format!("{cure}（`{more}`）"),
        ),
        Lang::En => (
            format!("{errcode}: {meaning}"),
            format!("{cure} (`{more}`)"),
        ),
    }
}

fn code_of(errcode: Option<i64>) -> String {
    errcode.map_or_else(String::new, |errcode| format!(" ({errcode})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::finding::AppState;

    fn text(state: AppState, lang: Lang) -> String {
        let finding = Finding::App(OfApp {
            appid: "wx1".into(),
            name: Some("shop".into()),
            state,
        });
        let words = of(&finding, lang);
        format!("{} -> {}", words.what, words.cure.unwrap_or_default())
    }

    #[test]
    fn the_two_meanings_of_40001_are_told_apart_in_both_languages() {
        let errcode = 40001;
        assert!(
            text(AppState::SecretWrong { errcode }, Lang::En).contains("the AppSecret is wrong")
        );
        assert!(text(AppState::TokenBad { errcode }, Lang::En).contains("The AppSecret is right"));
        assert!(text(AppState::SecretWrong { errcode }, Lang::Zh).contains("AppSecret 不对"));
        assert!(text(AppState::TokenBad { errcode }, Lang::Zh).contains("AppSecret 没有问题"));
    }

    #[test]
    fn the_whitelist_finding_names_the_address_to_add() {
        let state = AppState::NotOnWhitelist {
            errcode: 40164,
            ip: "203.0.113.9".parse().ok(),
            with_token: false,
        };
        assert!(text(state.clone(), Lang::En).contains("add 203.0.113.9 to the IP whitelist"));
        assert!(text(state, Lang::Zh).contains("把 203.0.113.9 加入"));
    }
}
