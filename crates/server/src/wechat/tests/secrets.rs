//! Two AppSecrets during a change, and that no secret gets out.

use wxtoken_core::source::CredentialSource;

use super::peer::{Act, Peer, nobody, ok};
use super::*;
use crate::config::{Log, LogFormat, LogLevel};
use crate::wechat::SecretUsed;

const GOOD: &str = r#"{"access_token":"68_new","expires_in":7200}"#;
const WRONG: &str =
    r#"{"errcode":40125,"errmsg":"invalid appsecret rid: 6aac005a-01bfdbee-79769285"}"#;

fn changing() -> AppUpstream {
    AppUpstream {
        previous_secret: Some(Secret::new(PREVIOUS)),
        ..just_secret()
    }
}

/// Which secret each request carried.
fn shown(peer: &Peer) -> Vec<&'static str> {
    let which = |request: &String| match (request.contains(SECRET), request.contains(PREVIOUS)) {
        (true, false) => "current",
        (false, true) => "previous",
        _ => "neither",
    };
    peer.seen(|seen| seen.requests.iter().map(which).collect())
}

fn other_secret(told: &Told) -> bool {
    passing(told) == (Passing::OtherSecret, true)
}

#[tokio::test]
async fn the_previous_secret_is_shown_by_the_next_call_when_the_current_one_is_called_wrong() {
    let old_wording = r#"{"errcode":40001,"errmsg":"invalid credential"}"#;
    for (question, wrong) in [
        (Ask::Classic, WRONG),
        (Ask::Stable, WRONG),
        (Ask::Forced, old_wording),
    ] {
        let peer = Peer::start([ok(wrong), ok(GOOD)]).await;
        let client = client(options(peer.base()), changing());
        assert!(other_secret(&ask(&client, question.clone()).await));
        assert_eq!(shown(&peer), ["current"]);
        let told = ask(&client, question).await;
        assert_eq!(value(&told).0, "68_new");
        assert_eq!(told.notes.secret, Some(SecretUsed::Previous));
        assert_eq!(told.notes.errcode, None);
        assert!(client.runs_on_previous_secret(&app()));
        assert_eq!(shown(&peer), ["current", "previous"]);
    }
}

#[tokio::test]
async fn the_secret_that_worked_last_is_shown_first_until_wechat_calls_it_wrong() {
    let peer = Peer::start([ok(WRONG), ok(GOOD), ok(GOOD), ok(WRONG), ok(GOOD), ok(GOOD)]).await;
    let client = client(options(peer.base()), changing());
    for _ in 0..6 {
        ask(&client, Ask::Stable).await;
    }
    assert_eq!(
        shown(&peer),
        [
            "current", "previous", "previous", "previous", "current", "current"
        ]
    );
    assert!(!client.runs_on_previous_secret(&app()));
}

#[tokio::test]
async fn two_wrong_secrets_are_two_calls_and_then_a_refusal_each_time() {
    let peer = Peer::start([ok(WRONG), ok(WRONG), ok(WRONG), ok(WRONG)]).await;
    let client = client(options(peer.base()), changing());
    for calls in [1, 3] {
        assert!(other_secret(&ask(&client, Ask::Classic).await));
        assert_eq!(peer.seen(|seen| seen.requests.len()), calls);
        let told = ask(&client, Ask::Classic).await;
        assert_eq!(failure(&told).trouble, Trouble::Refused(40125));
        assert_eq!(told.notes.secret, None);
        assert_eq!(peer.seen(|seen| seen.requests.len()), calls + 1);
    }
    assert_eq!(shown(&peer), ["current", "previous", "current", "previous"]);
}

#[tokio::test]
async fn what_was_said_of_one_secret_is_not_held_against_its_successor() {
    let peer = Peer::start([ok(WRONG), ok(GOOD)]).await;
    let configured = Arc::new(std::sync::Mutex::new(AppUpstream {
        secret: Secret::new("a secret mistyped"),
        ..changing()
    }));
    let directory = Arc::clone(&configured);
    let client = WeChat::new(
        options(peer.base()),
        move |_: &AppId| Some(directory.lock().unwrap().clone()),
        Arc::new(|_: &str| ValueId(1)),
    )
    .unwrap();
    assert!(other_secret(&ask(&client, Ask::Stable).await));
    *configured.lock().unwrap() = changing();
    let told = ask(&client, Ask::Stable).await;
    assert_eq!(told.notes.secret, Some(SecretUsed::Current));
}

#[tokio::test]
async fn no_other_trouble_makes_the_previous_secret_be_shown() {
    for trouble in [
        ok(r#"{"errcode":40164}"#),
        ok(r#"{"errcode":40013}"#),
        ok(r#"{"errcode":-1}"#),
        ok("<html>"),
        Act::Reset,
    ] {
        let peer = Peer::start([trouble]).await;
        failure(&ask(&client(options(peer.base()), changing()), Ask::Classic).await);
    }
}

#[tokio::test]
async fn a_call_with_the_other_secret_that_breaks_counts_as_sent() {
    let peer = Peer::start([
        Act::Answer(
            format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{WRONG}",
                WRONG.len()
            )
            .into_bytes(),
        ),
        Act::Reset,
    ])
    .await;
    let client = client(options(peer.base()), changing());
    assert!(other_secret(&ask(&client, Ask::Classic).await));
    assert_eq!(
        passing(&ask(&client, Ask::Classic).await),
        (Passing::Cut, true)
    );
}

#[tokio::test]
async fn calls_made_with_a_token_show_no_secret() {
    let peer = Peer::start([ok(WRONG), ok(WRONG)]).await;
    let client = client(options(peer.base()), changing());
    ask(&client, Ask::Ticket(Ticket::Jsapi, token())).await;
    ask(&client, Ask::Probe(Lane::Stable, token())).await;
    assert_eq!(shown(&peer), ["neither", "neither"]);
}

#[tokio::test]
async fn nothing_that_is_told_about_a_call_holds_a_secret() {
    let echo = format!(
        r#"{{"errcode":40013,"errmsg":"invalid appid for secret={SECRET} access_token={TOKEN} {PREVIOUS}"}}"#
    );
    let torn = format!("HTTP/1.1 200 OK\r\nX-Echo: {SECRET}\r\nContent-Length: 99\r\n\r\n{TOKEN}");
    let bad_head = format!("HTTP/1.1 {SECRET} {TOKEN}\r\n\r\n");
    let mut shown = String::new();
    for question in every_ask() {
        for act in [
            ok(&echo),
            ok(&format!("{SECRET}{TOKEN}")),
            super::peer::answer(&format!("500 {SECRET}"), TOKEN),
            Act::AnswerAndClose(torn.clone().into_bytes()),
            Act::AnswerAndClose(bad_head.clone().into_bytes()),
            ok(GOOD),
        ] {
            let peer = Peer::start([act]).await;
            let told = ask(&client_of(peer.base()), question.clone()).await;
            shown += &format!("{told:?}{question:?}");
        }
        let told = ask(&client_of(nobody().await), question).await;
        shown += &format!("{told:?}");
    }
    shown += &format!("{:?}", changing());
    for secret in [SECRET, PREVIOUS, TOKEN, "68_new"] {
        let pieces = secret.as_bytes().windows(secret.len().min(12));
        for piece in pieces {
            let piece = std::str::from_utf8(piece).unwrap();
            assert!(!shown.contains(piece), "{piece} is shown");
        }
    }
}

#[derive(Clone, Default)]
struct Paper(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_names_app_errcode_and_rid_and_at_no_level_a_secret() {
    let paper = Paper::default();
    let writer = paper.clone();
    let log = Log {
        format: LogFormat::Json,
        level: LogLevel::Trace,
    };
    let subscriber = crate::telemetry::subscriber(&log, false, move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber);

    let refused = format!(
        r#"{{"errcode":40013,"errmsg":"invalid appid {SECRET} {TOKEN} rid: 6aac005a-01bfdbee-79769285"}}"#
    );
    for question in every_ask() {
        let peer = Peer::start([ok(&refused), Act::Reset]).await;
        for client in [client_of(peer.base()), client_of(nobody().await)] {
            let app = app();
            let asked = client.ask(&app, question.clone(), LONG);
            assert!(asked.await.is_err());
        }
    }
    let logged = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    for secret in [SECRET, TOKEN] {
        for at in 0..=secret.len() - 12 {
            assert!(!logged.contains(&secret[at..at + 12]), "{logged}");
        }
    }
    let lines: Vec<serde_json::Value> = logged
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        lines.len(),
        12,
        "one line per answer with an errcode or failed connection"
    );
    assert_eq!(lines[0]["app.id"], "wx0123456789abcdef");
    assert_eq!(lines[0]["errcode"], 40013);
    assert_eq!(lines[0]["rid"], "6aac005a-01bfdbee-79769285");
    assert!(
        lines[1]["host"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:")
    );
}
