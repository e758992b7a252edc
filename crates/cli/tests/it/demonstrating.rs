//! The demo: what it tells people to paste does what it says, and nothing is left behind.

use std::process::Command;

use rustix::process::Signal;

use crate::alive::Alive;

/// The line after which only the log follows.
const LAST: &str = "Ctrl-C ends the demo";

/// The commands that the demo prints, as a script.
fn commands(said: &str) -> String {
    let mut script = String::from("set -u\n");
    for line in said.lines().filter_map(|line| line.strip_prefix("  ")) {
        script.push_str(line);
        script.push('\n');
    }
    script
}

#[test]
fn everything_the_demo_prints_can_be_pasted_and_shows_the_main_job() {
    let temporary = tempfile::tempdir().unwrap();
    let environment = [("TMPDIR", temporary.path().to_str().unwrap())];
    let mut demo = Alive::start(&["demo", "--lang", "en"], &environment);
    demo.until(LAST);
    let pasted = Command::new("bash")
        .args(["-c", &commands(demo.said())])
        .env_remove("WXTOKEN_CA")
        .output()
        .unwrap();
    let out = String::from_utf8(pasted.stdout).unwrap();
    let err = String::from_utf8(pasted.stderr).unwrap();
    assert!(pasted.status.success(), "{out}\n{err}");
    let shown = [
        "\"kind\":\"access_token\"", // the native API
        "\"expires_in\":",           // and WeChat's own endpoint
        "1/2000",                    // status
        "\"errcode\":40001",         // the token is dead at WeChat
        "\"verdict\":\"refreshed\"", // its report replaces it
        "\"verdict\":\"replaced\"",  // a late report costs nothing
        "\"ip_list\"",               // the new one is accepted
        "\"menu\":",                 // a call through the gateway
        "wxtoken-replayed: 1",       // the same call, its token dead at first
        "\"menu\":",                 // and its answer
        "wxtoken_upstream_calls_total",
        "\"stable\": 2", // minted for us: one for each app; what the other program minted we took over
        "The AppSecret is wrong",
        "\"openid\":\"o", // a user has signed in
        "unknown-code",   // and the code is spent
    ];
    let mut rest = out.as_str();
    for part in shown {
        let Some((_, after)) = rest.split_once(part) else {
            panic!("{part:?} is missing, or not in its place, in:\n{out}\n{err}");
        };
        rest = after;
    }
    demo.signal(Signal::INT);
    let (code, said) = demo.ended();
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        std::fs::read_dir(temporary.path()).unwrap().count(),
        0,
        "nothing stays"
    );
}

/// The demo's usual port, held by this test: once whoever has it now, such as another test's demo, lets go of it.
fn usual_port() -> std::net::TcpListener {
    let mut tries = 0;
    loop {
        match std::net::TcpListener::bind("127.0.0.1:7202") {
            Ok(held) => return held,
            Err(why) => assert!(tries < 3_000, "port 7202: {why}"),
        }
        tries += 1;
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_demo_whose_ports_are_taken_uses_others_and_says_so_in_either_language() {
    let _held = usual_port();
    let mut first = Alive::start(&["demo"], &[]);
    first.until(LAST);
    assert!(first.said().contains("Ports taken"), "{}", first.said());
    let mut second = Alive::start(&["demo", "--lang", "zh"], &[]);
    second.until("演示");
    assert!(second.said().contains("已被占用"), "{}", second.said());
    assert!(second.said().contains("示例应用"), "{}", second.said());
    for demo in [first, second] {
        demo.signal(Signal::TERM);
        assert_eq!(demo.ended().0, 0);
    }
}
