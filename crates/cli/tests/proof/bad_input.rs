//! What is sent and written wrongly: typed errors, a process that stays, a configuration that stays.

use wxtoken_simulator::Rules;

use crate::chance::Chance;
use crate::http::{ask, exchange, reply};
use crate::place::{APP, CALLER, KEY, Place, app, wechat};
use crate::server::Server;

const SEED: u64 = 0x5eed_0008;
const REQUESTS: usize = 600;

/// A request put together from pieces that are nearly right.
fn hostile(chance: &mut Chance) -> Vec<u8> {
    let methods: [&[u8]; 7] = [b"GET", b"POST", b"PUT", b"get", b"CONNECT", b"", b"G\xffT"];
    let targets: [&[u8]; 12] = [
        b"/v1/apps/wx0123456789abcdef/access_token",
        b"/v1/apps/\xff\xfe/access_token",
        b"/v1/apps/..%2f..%2fetc/access_token",
        b"/v1/apps/wx%00/access_token",
        b"/v1/apps/\xe5\xbe\xae\xe4\xbf\xa1/access_token",
        b"/v1/apps/wx';DROP TABLE records;--/x",
        b"/cgi-bin/token?appid=%ff&secret=%&grant_type",
        b"/cgi-bin//token?appid=wx0123456789abcdef&appid=2&secret=",
        b"/k//cgi-bin/token",
        b"http://elsewhere/v1/read",
        b"*",
        b"/v1/read",
    ];
    let versions: [&[u8]; 4] = [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTQ"];
    let headers: [&[u8]; 10] = [
        b"Host: x",
        b"Authorization: Bearer ca11e7000102030405060708090a0b0c",
        b"If-None-Match: \"",
        b"Authorization: \xff\x00",
        b"Content-Length: 5",
        b"Content-Length: -1",
        b"Content-Length: 99999999999999999999",
        b"Transfer-Encoding: chunked",
        b" folded: line",
        b"no colon",
    ];
    let bodies: [&[u8]; 5] = [
        b"",
        b"{\"want\":[",
        b"5\r\nabc",
        b"\x00\x01\x02\xff",
        b"[[[[[[[[",
    ];
    // Half of them are well-formed, or nothing would ever get past the parser.
    let well_formed = chance.below(2) == 0;
    let (methods, versions, headers) = if well_formed {
        (&methods[..3], &versions[..2], &headers[..3])
    } else {
        (&methods[..], &versions[..], &headers[..])
    };
    let line: [&[u8]; 6] = [
        chance.of(methods),
        b" ",
        chance.of(&targets),
        b" ",
        chance.of(versions),
        b"\r\n",
    ];
    let mut bytes = line.concat();
    for _ in 0..chance.below(5) {
        bytes.extend_from_slice(chance.of(headers));
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"Connection: close\r\n\r\n");
    bytes.extend_from_slice(chance.of(&bodies));
    if !well_formed && chance.below(2) == 0 {
        let at = usize::try_from(chance.below(bytes.len() as u64)).unwrap();
        bytes[at] = u8::try_from(chance.below(256)).unwrap();
    }
    bytes
}

/// Sends, says that nothing more will come, and reads what is answered.
async fn send(address: &str, bytes: &[u8]) -> Vec<u8> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    // Either may fail, for the other side may have hung up on what it read so far.
    let _unread = socket.write_all(bytes).await;
    let _closed = socket.shutdown().await;
    let read = tokio::time::timeout(crate::server::PATIENCE, socket.read_to_end(&mut answer));
    let _reset = read.await.expect("it answers or hangs up");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bytes_get_a_typed_answer_or_none_and_the_server_stays() {
    let wechat = wechat(Rules::default(), 0).await;
    let place = Place::new(&wechat);
    place.configure(&format!("{}{CALLER}", app("")));
    let server = Server::start(&place).await;
    let token = server.token().await;
    let mut chance = Chance(SEED);
    let (mut answered, mut refused) = (0, 0);
    for number in 0..REQUESTS {
        let bytes = hostile(&mut chance);
        let address = if chance.below(3) == 0 {
            &place.admin
        } else {
            &place.api
        };
        let answer = send(address, &bytes).await;
        let shown = || format!("{number}: {}", String::from_utf8_lossy(&bytes));
        if answer.is_empty() {
            continue;
        }
        answered += 1;
        let head = String::from_utf8_lossy(&answer);
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse::<u16>().ok());
        let status = status.unwrap_or_else(|| panic!("{}: {head}", shown()));
        assert!(
            status < 500 || status == 503 || status == 501 || status == 505,
            "{}: {head}",
            shown()
        );
        if let Some(reply) =
            reply(&answer).filter(|reply| reply.status >= 400 && !reply.body.is_empty())
        {
            refused += 1;
            // A problem of ours, or WeChat's form where the path is WeChat's.
            let typed = reply.json()["type"].is_string() || reply.json()["errcode"].is_i64();
            assert!(typed, "{}: {reply:?}", shown());
        }
    }
    println!(
        "{REQUESTS} hostile requests (seed {SEED:#x}): {answered} answered, {refused} of them with a typed refusal"
    );
    assert!(answered > REQUESTS / 3 && refused > 100);
    assert_eq!(server.token().await, token, "the server is there as before");
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_the_wrong_method_is_told_so() {
    let wechat = wechat(Rules::default(), 0).await;
    let mut place = Place::new(&wechat);
    place.server = "body_limit = \"64KiB\"";
    place.configure(&format!("{}{CALLER}", app("")));
    let server = Server::start(&place).await;
    let bearer = format!("Bearer {KEY}");
    let auth = [("Authorization", bearer.as_str())];
    let large = "x".repeat(100_000);
    let reply = ask(&place.api, "POST /v1/read", &auth, &large)
        .await
        .unwrap();
    assert_eq!(reply.status, 413, "{reply:?}");
    let reply = ask(
        &place.api,
        &format!("PUT /v1/apps/{APP}/access_token"),
        &auth,
        "",
    )
    .await
    .unwrap();
    assert_eq!(reply.status, 405, "{reply:?}");
    for hostile in ["wx..%2f", "%ff%fe", "wx%00", "-", &"w".repeat(500)] {
        let reply = ask(
            &place.api,
            &format!("GET /v1/apps/{hostile}/access_token"),
            &auth,
            "",
        )
        .await
        .unwrap();
        assert!([403, 404].contains(&reply.status), "{hostile}: {reply:?}");
        assert!(reply.json()["type"].is_string());
    }
    let head = format!(
        "GET /healthz HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "y".repeat(200_000)
    );
    let answer = send(&place.api, head.as_bytes()).await;
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
        "{:?}",
        String::from_utf8_lossy(&answer)
    );
    let pipelined = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(50)
        + "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = exchange(&place.api, pipelined.as_bytes()).await.unwrap();
    let answers = answer
        .windows(9)
        .filter(|nine| nine == b"HTTP/1.1 ")
        .count();
    assert_eq!(answers, 51, "many on one connection are all answered");
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_in_a_configuration_is_told_at_once_with_its_line() {
    let wechat = wechat(Rules::default(), 0).await;
    let place = Place::new(&wechat);
    let sink = "[[app.file]]\npath = \"FOLDER/one\"\nformat = \"json\"\nkind = \"access_token\"\n";
    place.configure(&format!(
        "{}{sink}{sink}{}[[app]]\nappid = \"wx1111111111111111\"\nsecrte = \"x\"\n\
         [[app]]\nappid = \"wx2222222222222222\"\nsecret = {{ file = \"FOLDER/missing\" }}\n\
         [[app]]\nappid = \"wx3333333333333333\"\nsecret = \"s3\"\ntype = \"mini\"\nkinds = [\"jsapi_ticket\"]\n\
         [[app]]\nappid = \"wx4444444444444444\"\nsecret = \"s4\"\nbase_url = \"http://example.com\"\n{CALLER}",
        app(""),
        app("")
    ));
    let server = Server::spawn(&place, Server::program());
    assert_eq!(server.ended().await.code(), Some(2));
    let told = place.logs();
    for part in [
        "secrte",
        "secret",
        "missing",
        "jsapi_ticket",
        "base_url",
        APP,
        "one",
    ] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    let placed = told
        .lines()
        .filter(|line| line.contains("wxtoken.toml:"))
        .count();
    assert!(placed >= 6, "each has its line:\n{told}");
    assert!(!place.data().exists(), "and nothing was begun");
}
