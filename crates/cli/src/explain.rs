//! `wxtoken explain`: what an errcode of WeChat means, where, why, and what to do.

use std::io::Read;

use serde_json::{Value, json};
use wxtoken_server::wechat::explain::{self, Explanation, Meaning, Text};
use wxtoken_server::words::InChinese;

use crate::failure::Failure;
use crate::lang::Lang;
use crate::term::{self, Ink};

/// How many near codes are offered for an unknown one.
const IDEAS: usize = 3;

/// What follows the options in `--help`.
pub(crate) fn epilogue(lang: Lang) -> &'static str {
    lang.pick(
        "示例：
  wxtoken explain 40001
  wxtoken explain '{\"errcode\":40164,\"errmsg\":\"invalid ip 203.0.113.9, not in whitelist\"}'
  wxtoken explain 45009 --lang en
  tail -1 app.log | wxtoken explain -      # 从标准输入读一行日志",
        "Examples:
  wxtoken explain 40001
  wxtoken explain '{\"errcode\":40164,\"errmsg\":\"invalid ip 203.0.113.9, not in whitelist\"}'
  wxtoken explain 45009 --lang zh
  tail -1 app.log | wxtoken explain -      # a line of a log, from standard input",
    )
}

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The errcode, WeChat's JSON answer, or a log line that holds one; `-` reads standard input
    #[arg(value_name = "CODE", required = true, allow_negative_numbers = true)]
    code: Vec<String>,
    /// Print it for a script
    #[arg(long)]
    json: bool,
}

/// A text in which no errcode was found.
#[derive(Debug, thiserror::Error)]
#[error("no errcode is in that text; give a number such as 40001, or WeChat's JSON answer")]
pub(crate) struct NoCode;

impl InChinese for NoCode {
    fn in_chinese(&self) -> String {
        "这段文字里没有错误码；给出 40001 这样的数字，或微信返回的 JSON".to_owned()
    }
}

/// Explains.
pub(crate) fn run(arguments: &Arguments, lang: Lang) -> Result<(), Failure> {
    let mut text = arguments.code.join(" ");
    if text == "-" {
        text.clear();
        std::io::stdin().lock().read_to_string(&mut text)?;
    }
    let code = code_in(&text).ok_or_else(|| Failure::misuse(NoCode))?;
    let Some(found) = explain::explain(code) else {
        return unknown(code, lang);
    };
    if arguments.json {
        term::result(for_scripts(found, lang))?;
    } else {
        term::result(for_people(found, lang, term::coloured()))?;
    }
    Ok(())
}

/// The errcode in a number, a JSON answer, or a line that holds one of them.
fn code_in(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(code) = text.parse() {
        return Some(code);
    }
    let after = |word: &str| {
        let (_, rest) = text.split_once(word)?;
        let number = rest.trim_start_matches(['"', '\'', '\\', ' ', ':', '=']);
        first_number(number)
            .filter(|_| number.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']))
    };
    // Logs quote JSON, escape it, or print `errcode=40001`; what follows the word is the number in all of them.
    after("errcode")
        .or_else(|| after("errCode"))
        .or_else(|| numbers(text).find(|code| explain::explain(*code).is_some()))
}

fn first_number(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let end = digits.bytes().take_while(u8::is_ascii_digit).count();
    digits[..end]
        .parse::<i64>()
        .ok()
        .map(|number| sign * number)
}

/// Every number of five digits or so: an errcode without its name (`WeChat API error 40001`).
fn numbers(text: &str) -> impl Iterator<Item = i64> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter(|word| (5..=7).contains(&word.len()))
        .filter_map(|word| word.parse().ok())
}

fn unknown(code: i64, lang: Lang) -> Result<(), Failure> {
    let said = match lang {
        Lang::Zh => format!(
            "没有收录 {code}。微信的文档里它可能属于某个具体接口，请查该接口页面的错误码表。"
        ),
        Lang::En => format!(
            "{code} is not known here. It may belong to one API of WeChat's: look at the table of codes on that API's page."
        ),
    };
    term::complain(&said);
    let near: Vec<String> = nearest(code)
        .into_iter()
        .map(|one| format!("  {}  {}", one.code, one.name))
        .collect();
    term::remark(format_args!(
        "{}\n{}",
        lang.pick("相近的有：", "Near it are:"),
        near.join("\n")
    ));
    Err(Failure::Said)
}

/// Codes that begin alike first, then those whose number is close.
fn nearest(code: i64) -> Vec<&'static Explanation> {
    let text = code.to_string();
    let alike = |other: i64| {
        let other = other.to_string();
        text.bytes()
            .zip(other.bytes())
            .take_while(|(a, b)| a == b)
            .count()
    };
    let mut all: Vec<_> = explain::all().collect();
    all.sort_by_key(|one| (std::cmp::Reverse(alike(one.code)), one.code.abs_diff(code)));
    all.truncate(IDEAS);
    all
}

fn say(text: Text, lang: Lang) -> &'static str {
    lang.pick(text.zh, text.en)
}

fn for_people(found: &Explanation, lang: Lang, coloured: bool) -> String {
    let title = term::paint(
        coloured,
        Ink::Bold,
        &format!("{}  {}", found.code, found.name),
    );
    let meanings = found.entries.iter().map(|one| meaning(one, lang, coloured));
    std::iter::once(title)
        .chain(meanings)
        .collect::<Vec<_>>()
        .join("\n\n")
}

fn meaning(one: &Meaning, lang: Lang, coloured: bool) -> String {
    let head = |zh, en| term::paint(coloured, Ink::Dim, lang.pick(zh, en));
    let mut lines = vec![
        format!("{}{}", head("在", "On "), say(one.endpoint, lang)),
        format!("  {}", say(one.meaning, lang)),
    ];
    if !one.causes.is_empty() {
        lines.push(format!("  {}", head("可能的原因：", "Likely causes:")));
        lines.extend(
            one.causes
                .iter()
                .map(|text| format!("    - {}", say(*text, lang))),
        );
    }
    lines.push(format!("  {}", head("怎么办：", "What to do:")));
    let steps = one.cure.iter().enumerate();
    lines.extend(steps.map(|(at, text)| format!("    {}. {}", at + 1, say(*text, lang))));
    lines.push(format!(
        "  {}",
        head("wxtoken 会做什么：", "What wxtoken does:")
    ));
    lines.push(format!("    {}", say(one.handled, lang)));
    lines.join("\n")
}

fn for_scripts(found: &Explanation, lang: Lang) -> Value {
    let all = |texts: &[Text]| {
        texts
            .iter()
            .map(|text| say(*text, lang))
            .collect::<Vec<_>>()
    };
    let meanings: Vec<Value> = found
        .entries
        .iter()
        .map(|one| {
            json!({
                "endpoint": say(one.endpoint, lang),
                "meaning": say(one.meaning, lang),
                "causes": all(one.causes),
                "cure": all(one.cure),
                "handled": say(one.handled, lang),
            })
        })
        .collect();
    json!({ "errcode": found.code, "name": found.name, "meanings": meanings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_whatever_people_paste() {
        let pasted = [
            "40001",
            " 40001\n",
            r#"{"errcode":40001,"errmsg":"invalid credential rid: 6aac0063-7ed08fb9-1250f724"}"#,
            r#"{"errmsg":"x","errcode": 40001}"#,
            r#"body="{\"errcode\":40001,\"errmsg\":\"...\"}""#,
            "errcode=40001 errmsg=invalid credential",
            "Error code: 40001, errmsg: invalid credential",
            "2026-11-22 15:00:01 [main] WxErrorException: 错误代码:40001",
        ];
        for text in pasted {
            assert_eq!(code_in(text), Some(40001), "{text}");
        }
        assert_eq!(code_in("-1"), Some(-1));
        assert_eq!(
            code_in(r#"{"errcode":-1,"errmsg":"system error"}"#),
            Some(-1)
        );
        assert_eq!(code_in("nothing here"), None);
        assert_eq!(code_in(""), None);
    }

    #[test]
    fn near_codes_begin_alike() {
        let near = nearest(40002 * 10);
        assert_eq!(near.len(), IDEAS);
        assert!(
            near.iter()
                .all(|one| one.code.to_string().starts_with("400"))
        );
    }

    #[test]
    fn an_explanation_has_its_parts_in_the_chosen_language_and_no_colour_uninvited() {
        let found = explain::explain(40001).unwrap();
        let zh = for_people(found, Lang::Zh, false);
        let en = for_people(found, Lang::En, false);
        assert!(zh.contains("怎么办") && zh.contains("AppSecret"), "{zh}");
        assert!(en.contains("What to do") && !en.contains('\x1b'), "{en}");
        let json = for_scripts(found, Lang::En);
        assert_eq!(json["errcode"], 40001);
        assert!(json["meanings"].as_array().unwrap().len() >= 2);
    }
}
