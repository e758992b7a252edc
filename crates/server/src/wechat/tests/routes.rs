//! Hosts, fallbacks and apps with a host of their own.

use tokio::net::TcpListener;

use super::peer::{Act, Peer, base, nobody, ok};
use super::*;

const GOOD: &str = r#"{"access_token":"68_new","expires_in":7200}"#;

#[tokio::test]
async fn nobody_listening_is_unreachable_and_nothing_was_sent() {
    let client = client_of(nobody().await);
    for question in every_ask() {
        let told = ask(&client, question).await;
        assert_eq!(passing(&told), (Passing::Unreachable, false));
        let why = told.notes.unreachable.unwrap();
        assert!(why.to_lowercase().contains("refused"), "{why}");
    }
}

#[tokio::test]
async fn a_host_without_an_address_is_unreachable_and_nothing_was_sent() {
    let client = client_of(base("https://no-such-host.invalid"));
    let told = ask(&client, Ask::Classic).await;
    assert_eq!(passing(&told), (Passing::Unreachable, false));
}

#[tokio::test]
async fn a_fallback_host_is_used_when_no_connection_can_be_made() {
    let spare = Peer::start([ok(GOOD), ok(GOOD)]).await;
    let mut options = options(nobody().await);
    options.fallback_urls = vec![nobody().await, spare.base()];
    let client = client(options, just_secret());
    let told = ask(&client, Ask::Classic).await;
    assert_eq!(value(&told).0, "68_new");
    assert_eq!(told.notes.host, Some(spare.base()));
    assert_eq!(told.notes.unreachable, None);
    value(&ask(&client, Ask::Classic).await);
    assert_eq!(spare.seen(|seen| seen.connections), 1);
}

#[tokio::test]
async fn a_fallback_host_gets_its_own_name_in_the_request() {
    let spare = Peer::start([ok(GOOD)]).await;
    let mut options = options(nobody().await);
    options.fallback_urls = vec![base(&format!("http://{}/wechat", spare.address))];
    ask(&client(options, just_secret()), Ask::Stable).await;
    let request = spare.seen(|seen| seen.requests[0].clone());
    assert!(request.starts_with("POST /wechat/cgi-bin/stable_token HTTP/1.1\r\n"));
    assert!(request.contains(&format!("host: {}\r\n", spare.address)));
}

#[tokio::test]
async fn a_fallback_host_is_not_used_once_a_byte_may_have_left() {
    let spare = Peer::start([]).await;
    for act in [
        Act::Reset,
        Act::AnswerAndClose(vec![]),
        ok("<html>"),
        ok(r#"{"errcode":-1}"#),
        super::peer::answer("502 Bad Gateway", ""),
    ] {
        let main = Peer::start([act]).await;
        let mut options = options(main.base());
        options.fallback_urls = vec![spare.base()];
        assert!(passing(&ask(&client(options, just_secret()), Ask::Classic).await).1);
    }
    assert_eq!(spare.seen(|seen| seen.connections), 0);
}

#[tokio::test]
async fn when_no_host_can_be_connected_to_nothing_was_sent() {
    let mut options = options(nobody().await);
    options.fallback_urls = vec![nobody().await];
    let told = ask(&client(options, just_secret()), Ask::Classic).await;
    assert_eq!(passing(&told), (Passing::Unreachable, false));
}

#[tokio::test]
async fn a_host_that_accepts_and_says_nothing_of_tls_falls_back_after_the_connect_timeout() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let spare = Peer::start([ok(GOOD)]).await;
    let mut options = options(base(&format!("https://{}", mute.local_addr().unwrap())));
    options.connect_timeout = SHORT;
    options.fallback_urls = vec![spare.base()];
    value(&ask(&client(options, just_secret()), Ask::Classic).await);
}

#[tokio::test]
async fn time_that_runs_out_before_a_connection_is_made_means_nothing_was_sent() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client_of(base(&format!("https://{}", mute.local_addr().unwrap())));
    let told = client.ask_in_detail(&app(), &Ask::Classic, SHORT).await;
    assert_eq!(passing(&told), (Passing::Unreachable, false));
}

#[tokio::test]
async fn an_app_with_a_host_of_its_own_goes_there_alone() {
    let (common, own) = (Peer::start([ok(GOOD)]).await, Peer::start([ok(GOOD)]).await);
    let mut upstream = just_secret();
    upstream.base_url = Some(own.base());
    let mut options = options(common.base());
    value(&ask(&client(options.clone(), upstream.clone()), Ask::Classic).await);
    assert_eq!(own.seen(|seen| seen.requests.len()), 1);

    options.fallback_urls = vec![common.base()];
    upstream.base_url = Some(nobody().await);
    let told = ask(&client(options, upstream), Ask::Classic).await;
    assert_eq!(passing(&told), (Passing::Unreachable, false));
    assert_eq!(common.seen(|seen| seen.connections), 0);
}
