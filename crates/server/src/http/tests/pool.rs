//! The threads for plain reads: many connections at once, clients that do not listen, clients that leave.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http::testing::{APP, KEY, Running, World};

fn named_read(id: &str) -> String {
    format!(
        "GET /v1/apps/{APP}/access_token HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\nX-Request-Id: {id}\r\n\r\n"
    )
}

async fn connect(server: &Running) -> TcpStream {
    TcpStream::connect(server.address).await.unwrap()
}

/// The ids in the answers, in their order.
fn ids(answers: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(answers).into_owned();
    let told = |line: &str| line.strip_prefix("x-request-id: ").map(str::to_owned);
    text.lines().filter_map(told).collect()
}

#[tokio::test]
async fn a_client_that_asks_and_closes_its_side_is_answered_all_the_same() {
    let world = World::new();
    let server = world.serve().await;
    let mut stream = connect(&server).await;
    let requests: String = (0..3).map(|n| named_read(&format!("r{n}"))).collect();
    stream.write_all(requests.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).await.unwrap();
    assert_eq!(ids(&answers), ["r0", "r1", "r2"]);
}

#[tokio::test]
async fn a_client_that_does_not_listen_gets_every_answer_once_it_does() {
    let world = World::new();
    let server = world.serve().await;
    let (mut reading, mut writing) = connect(&server).await.into_split();
    const MANY: usize = 40_000;
    let asking = tokio::spawn(async move {
        let requests: String = (0..MANY).map(|n| named_read(&n.to_string())).collect();
        writing.write_all(requests.as_bytes()).await.unwrap();
        writing.shutdown().await.unwrap();
    });
    // More answers than the sockets hold are due by now: the server has stopped reading until we do.
    let mut answers = vec![0; 1];
    reading.read_exact(&mut answers).await.unwrap();
    reading.read_to_end(&mut answers).await.unwrap();
    asking.await.unwrap();
    let expected: Vec<String> = (0..MANY).map(|n| n.to_string()).collect();
    assert_eq!(ids(&answers), expected);
}

#[tokio::test]
async fn every_connection_gets_its_own_answers_while_others_come_and_go() {
    let world = World::new();
    let server = world.serve().await;
    let client = async |name: usize| {
        for visit in 0..5 {
            let mut stream = connect(&server).await;
            let asked: Vec<String> = (0..8).map(|n| format!("c{name}-{visit}-{n}")).collect();
            let requests: String = asked.iter().map(|id| named_read(id)).collect();
            stream.write_all(requests.as_bytes()).await.unwrap();
            // Every other one leaves without listening, so that its place is soon another's.
            if (name + visit).is_multiple_of(2) {
                continue;
            }
            stream.shutdown().await.unwrap();
            let mut answers = Vec::new();
            stream.read_to_end(&mut answers).await.unwrap();
            assert_eq!(ids(&answers), asked);
        }
    };
    futures_util::future::join_all((0..60).map(client)).await;
}
