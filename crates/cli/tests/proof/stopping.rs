//! The end of a server: what is in flight is answered, what is held is told.

use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wxtoken_simulator::{Fault, FaultScope, Rules};

use crate::http::reply;
use crate::place::{APP, CALLER, KEY, Place, app, wechat};
use crate::server::{PATIENCE, Server, now};

async fn send(place: &Place, text: &str) -> TcpStream {
    let mut socket = TcpStream::connect(&place.api).await.unwrap();
    socket.write_all(text.as_bytes()).await.unwrap();
    socket
}

async fn rest(mut socket: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await;
    read.expect("the connection ends").unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_flight_at_sigterm_is_answered_before_the_end() {
    let wechat = wechat(Rules::default(), 0).await;
    let mut place = Place::new(&wechat);
    place.server = "shutdown_grace = \"10s\"";
    place.configure(&format!("{}{CALLER}", app("")));
    let server = Server::start(&place).await;
    let token = server.token().await;
    let current = server
        .ask(&format!("GET /v1/apps/{APP}/access_token"), "")
        .await;
    let etag = current
        .head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "));
    let auth = format!("Host: x\r\nAuthorization: Bearer {KEY}\r\n");
    // One that waits for a change, one that listens, one whose body is still on its way, one that says nothing.
    let polls = send(
        &place,
        &format!(
            "GET /v1/apps/{APP}/access_token?wait=30 HTTP/1.1\r\n{auth}If-None-Match: {}\r\n\r\n",
            etag.unwrap()
        ),
    )
    .await;
    let listens = send(&place, &format!("GET /v1/stream HTTP/1.1\r\n{auth}\r\n")).await;
    let want = format!("{{\"want\":[{{\"appid\":\"{APP}\",\"kind\":\"access_token\"}}]}}");
    let (begin, end) = want.split_at(20);
    let mut slow = send(
        &place,
        &format!(
            "POST /v1/read HTTP/1.1\r\n{auth}Content-Length: {}\r\n\r\n{begin}",
            want.len()
        ),
    )
    .await;
    let idle = send(&place, "").await;
    // An answer to this one says that the ones before it have arrived too.
    assert_eq!(server.token().await, token);

    let world = wechat.world();
    world.set_fault(
        FaultScope::everywhere(),
        Fault::Delay {
            ms: 700,
            before: false,
        },
        None,
    );
    let called = world.next_call("/cgi-bin/get_api_domain_ip");
    let report = serde_json::json!({ "token": token }).to_string();
    let reports = send(&place, &format!(
        "POST /v1/apps/{APP}/access_token/dead HTTP/1.1\r\n{auth}Content-Length: {}\r\n\r\n{report}",
        report.len()
    )).await;
    tokio::time::timeout(PATIENCE, called)
        .await
        .expect("the probe comes");
    server.signal(Signal::TERM);
    server.says("stopping").await;
    slow.write_all(end.as_bytes()).await.unwrap();
    let read = reply(&rest(slow).await).unwrap();
    assert_eq!((read.status, read.token()), (200, None), "{read:?}");
    assert_eq!(read.json()["answers"][0]["access_token"], token);
    let polled = reply(&rest(polls).await).unwrap();
    assert!([200, 304, 503].contains(&polled.status), "{polled:?}");
    let listened = rest(listens).await;
    assert!(listened.ends_with(b"0\r\n\r\n"), "the stream ends properly");
    let reported = reply(&rest(reports).await).unwrap();
    assert!([200, 503].contains(&reported.status), "{reported:?}");
    assert!(rest(idle).await.is_empty());
    let begun = now();
    assert_eq!(server.ended().await.code(), Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "within the grace"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_came_before_the_server_had_begun_is_answered_when_it_is_stopped_at_once() {
    let wechat = wechat(Rules::default(), 0).await;
    let slow = Fault::Delay {
        ms: 300,
        before: true,
    };
    wechat
        .world()
        .set_fault(FaultScope::everywhere(), slow, None);
    for _ in 0..5 {
        let place = Place::new(&wechat);
        place.configure(&format!("{}{CALLER}", app("")));
        let server = Server::spawn(&place, Server::program());
        let connected = async {
            loop {
                if let Ok(socket) = TcpStream::connect(&place.api).await {
                    return socket;
                }
                tokio::task::yield_now().await;
            }
        };
        let connected = tokio::time::timeout(PATIENCE, connected).await;
        let mut reads = connected.expect("it listens");
        let auth = format!("Host: x\r\nAuthorization: Bearer {KEY}\r\n");
        let request = format!("GET /v1/apps/{APP}/access_token HTTP/1.1\r\n{auth}\r\n");
        reads.write_all(request.as_bytes()).await.unwrap();
        server.signal(Signal::TERM);
        let read = reply(&rest(reads).await).expect("an answer in full");
        assert!([200, 503].contains(&read.status), "{read:?}");
        assert_eq!(server.ended().await.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_store_is_told_who_holds_it() {
    let wechat = wechat(Rules::default(), 0).await;
    let place = Place::new(&wechat);
    place.configure(&format!("{}{CALLER}", app("")));
    let server = Server::start(&place).await;
    let token = server.token().await;
    let mut other = Place::new(&wechat);
    other.store = "#".into();
    other.configure(&format!("{}{CALLER}", app("")));
    let text = std::fs::read_to_string(other.config()).unwrap();
    let data = place.data().to_str().unwrap().to_owned();
    std::fs::write(
        other.config(),
        text.replace(other.data().to_str().unwrap(), &data),
    )
    .unwrap();
    let second = Server::spawn(&other, Server::program());
    let status = second.ended().await;
    assert_eq!(status.code(), Some(1));
    let told = other.logs();
    assert!(
        told.contains(&format!("process {}", server.pid())),
        "{told}"
    );
    assert!(told.contains("stop that process first"), "{told}");
    assert_eq!(server.token().await, token, "the first is unharmed");
    assert_eq!(wechat.world().calls(APP, "/cgi-bin/stable_token"), 1);
}
