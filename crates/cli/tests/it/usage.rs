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
    for command in ["get", "status", "refresh"] {
        let help = Run::of(&[command, "--help"]).said();
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
