//! A fault as it is written on the command line: `delay,ms=500,path=/cgi-bin/token,count=3`.

use std::str::FromStr;

use serde_json::{Map, Value};
use wxtoken_server::words::InChinese;
use wxtoken_simulator::{Fault, FaultInfo, FaultScope, fault_catalog};

use crate::lang::Lang;

/// What `--fault` may be given.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    /// `help`: which faults there are.
    ForHelp,
    /// A fault to set.
    For(Wanted),
}

impl FromStr for Asked {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        match text {
            "help" => Ok(Self::ForHelp),
            _ => text.parse().map(Self::For),
        }
    }
}

/// Every fault in words, for people.
pub(crate) fn listing(lang: Lang) -> String {
    let one = |fault: &FaultInfo| {
        let text = lang.pick(fault.zh, fault.en);
        match fault.parameters {
            "" => format!("  {:<20}{text}", fault.name),
            parameters => format!("  {:<20}{text} ({parameters})", fault.name),
        }
    };
    let head = lang.pick(
        "--fault 名字[,参数=值…]。括号里是参数和默认值；另外，任何故障都可以加：
  path=/cgi-bin/token   只在这个路径    app=wx…   只对这个应用    count=3   只发生几次
  query=type=jsapi      只对查询串里有这个参数的调用
例如 --fault delay,ms=500,path=/cgi-bin/token,count=3

",
        "--fault NAME[,KEY=VALUE…]. Parameters are in brackets, with their defaults. Any fault also takes:
  path=/cgi-bin/token   only there      app=wx…   only for it     count=3   only so often
  query=type=jsapi      only calls whose query has this parameter
as in --fault delay,ms=500,path=/cgi-bin/token,count=3

",
    );
    let all: Vec<String> = fault_catalog().iter().map(one).collect();
    format!("{head}{}", all.join("\n"))
}

/// A fault, where it applies, and how often.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) fault: Fault,
    pub(crate) scope: FaultScope,
    pub(crate) times: Option<u32>,
}

/// Why a text is no fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidFault {
    /// Not `key=value`.
    #[error("write a fault as NAME or NAME,KEY=VALUE,… (not \"{0}\")")]
    Form(String),
    /// `count` is no number.
    #[error("count is a whole number")]
    Count,
    /// No fault of that name, or not with these parameters.
    #[error("{}; faults and their parameters are:\n{}", briefly(why), known())]
    Unknown {
        /// What is wrong.
        why: serde_json::Error,
    },
}

impl InChinese for InvalidFault {
    fn in_chinese(&self) -> String {
        match self {
            Self::Form(part) => format!("写成 名字 或 名字,参数=值,…（不是 \"{part}\"）"),
            Self::Count => "count 要写整数".to_owned(),
            Self::Unknown { why } if why.to_string().starts_with("unknown variant") => {
                format!("没有这个故障；故障和它们的参数有：\n{}", known())
            }
            Self::Unknown { .. } => {
                format!("这个故障的参数不对；故障和它们的参数有：\n{}", known())
            }
        }
    }
}

impl FromStr for Wanted {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        let mut parts = text.split(',').map(str::trim);
        let mut fault = Map::new();
        fault.insert("name".into(), parts.next().unwrap_or_default().into());
        let (mut scope, mut times) = (FaultScope::everywhere(), None);
        for part in parts {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| InvalidFault::Form(part.into()))?;
            match key {
                "path" => scope.path = Some(value.into()),
                "query" => scope.query = Some(value.into()),
                "app" | "appid" => scope.appid = Some(value.into()),
                "count" => times = Some(value.parse().map_err(|_| InvalidFault::Count)?),
                _ => {
                    // A number or true, if it reads as one; else a text.
                    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
                    fault.insert(key.into(), value);
                }
            }
        }
        let fault = serde_json::from_value(Value::Object(fault))
            .map_err(|why| InvalidFault::Unknown { why })?;
        Ok(Self {
            fault,
            scope,
            times,
        })
    }
}

/// What is wrong, without the list of names that follows anyway.
fn briefly(why: &serde_json::Error) -> String {
    let why = why.to_string();
    match why.split_once(", expected one of ") {
        Some((what, _)) if what.starts_with("unknown variant") => "there is no such fault".into(),
        Some((what, _)) => what.into(),
        None => why,
    }
}

fn known() -> String {
    let one = |fault: &FaultInfo| match fault.parameters {
        "" => format!("  {}", fault.name),
        parameters => format!("  {} ({parameters})", fault.name),
    };
    fault_catalog()
        .iter()
        .map(one)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_with_its_parameters_its_place_and_its_count() {
        let wanted: Wanted = "delay,ms=500,path=/cgi-bin/token,count=3".parse().unwrap();
        assert_eq!(
            wanted.fault,
            Fault::Delay {
                ms: 500,
                before: false
            }
        );
        assert_eq!(wanted.scope.path.as_deref(), Some("/cgi-bin/token"));
        assert_eq!(wanted.times, Some(3));
        assert!("busy".parse::<Wanted>().is_ok());
        let narrow: Wanted = "busy,app=wx1,query=type=jsapi".parse().unwrap();
        assert_eq!(narrow.scope, FaultScope::app("wx1").and_query("type=jsapi"));
    }

    #[test]
    fn what_is_no_fault_is_answered_with_all_there_are() {
        let why = |text: &str| text.parse::<Wanted>().unwrap_err().to_string();
        assert!(why("dealy").contains("  delay (ms"));
        assert_eq!(why("dealy").matches("html-200").count(), 1);
        assert!(why("delay,ms=soon").contains("ms=1000"));
        assert!(why("delay,500").contains("KEY=VALUE"));
        assert!(why("busy,count=often").contains("whole number"));
    }

    #[test]
    fn help_lists_every_fault_with_its_meaning_in_either_language() {
        assert!(matches!("help".parse(), Ok(Asked::ForHelp)));
        assert!(matches!("busy".parse(), Ok(Asked::For(_))));
        for fault in fault_catalog() {
            for (lang, text) in [(Lang::Zh, fault.zh), (Lang::En, fault.en)] {
                let listing = listing(lang);
                let lines = listing.lines().filter(|line| {
                    line.split_whitespace().next() == Some(fault.name) && line.contains(text)
                });
                assert_eq!(lines.count(), 1, "{} in {listing}", fault.name);
            }
        }
    }

    #[test]
    fn every_fault_of_the_catalogue_can_be_asked_for_by_its_name() {
        for fault in fault_catalog() {
            assert!(fault.name.parse::<Wanted>().is_ok(), "{}", fault.name);
        }
    }
}
