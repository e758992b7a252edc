//! Connections that serve more than one call, and how they end.

use super::peer::{Act, Peer, ok};
use super::*;

const GOOD: &str = r#"{"access_token":"68_new","expires_in":7200}"#;

fn whole(extra: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\n{extra}Content-Length: {}\r\n\r\n{GOOD}",
        GOOD.len()
    )
    .into_bytes()
}

#[tokio::test]
async fn calls_one_after_another_share_a_connection() {
    let peer = Peer::start((0..20).map(|_| ok(GOOD))).await;
    let client = client_of(peer.base());
    for _ in 0..20 {
        value(&ask(&client, Ask::Classic).await);
    }
    assert_eq!(peer.seen(|seen| seen.connections), 1);
}

#[tokio::test]
async fn calls_at_the_same_time_have_connections_of_their_own() {
    let peer = Peer::start((0..8).map(|_| ok(GOOD))).await;
    let client = client_of(peer.base());
    let asked = (0..8).map(|_| ask(&client, Ask::Stable));
    for told in futures_util::future::join_all(asked).await {
        value(&told);
    }
    assert_eq!(peer.seen(|seen| seen.requests.len()), 8);
    assert!(peer.seen(|seen| seen.connections) <= 8);
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced_without_a_failure() {
    let peer = Peer::start([Act::AnswerAndClose(whole("")), ok(GOOD)]).await;
    let client = client_of(peer.base());
    value(&ask(&client, Ask::Classic).await);
    peer.until(|seen| seen.closed == 1).await;
    value(&ask(&client, Ask::Classic).await);
    assert_eq!(peer.seen(|seen| seen.connections), 2);
}

#[tokio::test]
async fn a_connection_the_peer_wants_closed_is_not_used_again() {
    let peer = Peer::start([Act::Answer(whole("Connection: close\r\n")), ok(GOOD)]).await;
    let client = client_of(peer.base());
    value(&ask(&client, Ask::Classic).await);
    value(&ask(&client, Ask::Classic).await);
    assert_eq!(peer.seen(|seen| seen.connections), 2);
}

#[tokio::test]
async fn a_reused_connection_that_dies_under_a_request_counts_as_sent_and_is_not_retried() {
    let peer = Peer::start([ok(GOOD), Act::Reset]).await;
    let client = client_of(peer.base());
    value(&ask(&client, Ask::Classic).await);
    let told = ask(&client, Ask::Classic).await;
    assert_eq!(passing(&told), (Passing::Cut, true));
    assert_eq!(peer.seen(|seen| seen.connections), 1);
}

#[tokio::test]
async fn a_connection_with_an_unread_answer_is_not_used_again() {
    let large = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".to_vec();
    let peer = Peer::start([Act::Answer(large), ok(GOOD)]).await;
    let client = client_of(peer.base());
    assert_eq!(
        passing(&ask(&client, Ask::Classic).await),
        (Passing::Nonsense, true)
    );
    value(&ask(&client, Ask::Classic).await);
    assert_eq!(peer.seen(|seen| seen.connections), 2);
}

#[tokio::test]
async fn bytes_after_an_answer_never_answer_the_next_call() {
    let mut twice = whole("");
    twice.extend(whole(""));
    let peer = Peer::start([Act::Answer(twice), ok(r#"{"errcode":-1}"#)]).await;
    let client = client_of(peer.base());
    value(&ask(&client, Ask::Classic).await);
    let told = ask(&client, Ask::Classic).await;
    assert_eq!(passing(&told), (Passing::Busy, true));
}

#[tokio::test]
async fn a_question_that_is_given_up_closes_its_connection() {
    let peer = Peer::start([Act::Silence]).await;
    let client = client_of(peer.base());
    {
        let asked = ask(&client, Ask::Classic);
        tokio::pin!(asked);
        tokio::select! {
            _ = &mut asked => panic!("nobody answers"),
            () = peer.until(|seen| seen.requests.len() == 1) => {}
        }
        assert_eq!(peer.seen(|seen| seen.closed), 0);
    }
    peer.until(|seen| seen.closed == 1).await;
    peer.then(ok(GOOD));
    value(&ask(&client, Ask::Classic).await);
}
