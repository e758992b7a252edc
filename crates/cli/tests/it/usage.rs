//! The commands there are, their help, and wrong use.

use crate::program::Run;

#[test]
fn wrong_use_exits_with_2_and_help_with_0() {
    Run::of(&[]).said().fails(2, &["Usage: wxtoken"]);
    Run::of(&["frobnicate"]).said().fails(2, &["frobnicate"]);
    Run::of(&["get"]).said().fails(2, &["APPID"]);
    Run::of(&["get", "wx/../x"])
        .said()
        .fails(2, &["letters and digits"]);
    Run::of(&["get", "wx1", "secret"])
        .said()
        .fails(2, &["jsapi_ticket"]);
    Run::of(&["--help"]).said().shows(&["wxtoken demo"]);
    Run::of(&["--version"]).said().shows(&["wxtoken 0."]);
}

#[test]
fn wrong_use_is_told_in_the_readers_language() {
    let unknown = Run::of(&["status", "--jason"]).env("LANG", "zh_CN.UTF-8");
    unknown.said().fails(
        2,
        &[
            "没有 --jason 这个参数",
            "是不是想写 --json",
            "Usage: wxtoken status",
        ],
    );
    let flag = Run::of(&["--lang", "zh", "get", "wx/../x"]).said();
    flag.fails(2, &["AppID 只含 ASCII 字母和数字"]);
    let fault = Run::of(&["simulate", "--lang=zh", "--fault", "halp"]).said();
    fault.fails(2, &["没有这个故障", "lost-answer"]);
    let english = Run::of(&["status", "--jason", "--lang", "en"]).env("LANG", "zh_CN.UTF-8");
    english.said().fails(2, &["unexpected argument '--jason'"]);
}

#[test]
fn the_faults_of_the_simulator_are_listed_in_the_readers_language() {
    let listed = Run::of(&["simulate", "--fault", "help"]);
    listed
        .said()
        .shows(&["lost-answer", "before any byte", "count=3"]);
    let listed = Run::of(&["simulate", "--fault", "help", "--lang", "zh"]);
    listed
        .said()
        .shows(&["lost-answer", "连接就断了", "count=3"]);
    let unknown = Run::of(&["simulate", "--fault", "halp"]).said();
    unknown.fails(2, &["there is no such fault", "lost-answer"]);
}

#[test]
fn help_speaks_the_language_of_the_environment_or_of_the_flag() {
    let chinese = Run::of(&["get", "--help"])
        .env("LANG", "zh_CN.UTF-8")
        .said();
    chinese.shows(&["示例", "WXTOKEN_KEY"]);
    let flag = Run::of(&["get", "--help", "--lang", "en"])
        .env("LANG", "zh_CN.UTF-8")
        .said();
    flag.shows(&["Examples:", "WXTOKEN_KEY"]);
    let stronger = Run::of(&["get", "--help"])
        .env("LANG", "en_US.UTF-8")
        .env("LC_ALL", "zh_CN.UTF-8")
        .said();
    stronger.shows(&["示例"]);
}

/// The subcommands that `--help` lists.
fn commands() -> Vec<String> {
    let help = Run::of(&["--help"]).said().out;
    let (_, listed) = help.split_once("Commands:\n").unwrap();
    let (listed, _) = listed.split_once("\n\n").unwrap();
    let named = listed
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    named
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect()
}

/// The commands there are, in the order people meet them. Others are added with what they do.
const COMMANDS: [&str; 13] = [
    "demo", "init", "serve", "simulate", "check", "adopt", "get", "status", "refresh", "explain",
    "key", "export", "import",
];

#[test]
fn the_commands_are_those_of_the_design_and_no_others() {
    assert_eq!(commands(), COMMANDS);
}

#[test]
fn help_says_what_it_said_when_somebody_last_looked() {
    insta::assert_snapshot!("help", Run::of(&["--help"]).said().out);
    for command in COMMANDS {
        for lang in ["en", "zh"] {
            let help = Run::of(&[command, "--help", "--lang", lang]).said().out;
            insta::assert_snapshot!(format!("help_{command}_{lang}"), help);
        }
    }
}

#[test]
fn every_help_teaches_with_an_example_in_both_languages() {
    for command in commands() {
        let example = format!("  wxtoken {command}");
        for lang in ["zh", "en"] {
            let help = Run::of(&[&command, "--help", "--lang", lang]).said();
            help.shows(&[&example, "Usage: wxtoken"]);
            assert_eq!(help.out.contains("示例"), lang == "zh", "{help:?}");
        }
    }
}

#[test]
fn a_first_configuration_is_written_and_is_sound_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().to_str().unwrap();
    let said = Run::of(&["init", named]).said();
    said.shows(&["wxtoken.toml", "caller.key", "admin.key"]);
    assert!(said.err.contains("wxtoken check"), "{said:?}");
    let config = folder.path().join("wxtoken.toml");
    let words = ["check", "--offline", "--config", config.to_str().unwrap()];
    Run::of(&words).said().shows(&["callers: 1"]);
    Run::of(&["init", named])
        .said()
        .fails(1, &["is not overwritten"]);
}

#[test]
fn a_key_is_made_with_the_line_that_lets_it_in() {
    let said = Run::of(&["key"]).said();
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(
        wxtoken_server::config::secret::is_caller_key(lines[0]),
        "{said:?}"
    );
    assert!(lines[1].starts_with("key_sha256 = \""), "{said:?}");
    assert_ne!(Run::of(&["key"]).said().out, said.out);
}

#[test]
fn no_option_takes_a_secret() {
    let words = [
        "--key",
        "--secret",
        "--token",
        "--password",
        "--admin-key",
        "--master-key",
    ];
    for command in commands() {
        let help = Run::of(&[&command, "--help"]).said();
        for word in words {
            assert!(!help.out.contains(word), "{command} has {word}");
        }
    }
}

#[test]
fn shells_can_complete_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        Run::of(&["completions", shell])
            .said()
            .shows(&["wxtoken", "refresh"]);
    }
}
