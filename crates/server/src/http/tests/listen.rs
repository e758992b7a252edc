//! Listeners: unix sockets, limits against slow and many clients, the end.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use wxtoken_core::credential::Kind;

use crate::config::{Listen, Server};
use crate::http::listen::{Limits, ListenError, Site, Socket, serve};
use crate::http::testing::{APP, Answer, KEY, World, usual_callers};

fn plain_get() -> String {
    format!("GET /v1/apps/{APP}/access_token HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n\r\n")
}

/// Reads one answer with a body.
async fn one(stream: &mut TcpStream) -> Answer {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "closed after {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&buffer[..read]);
        let answer = Answer::read(&bytes);
        let length = answer
            .header("content-length")
            .and_then(|length| length.parse().ok());
        if length == Some(answer.body.len()) {
            return answer;
        }
    }
}

#[tokio::test]
async fn a_unix_socket_has_its_mode_and_goes_with_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let own_group = std::fs::metadata(folder.path()).unwrap().gid();
    let place = Listen::Unix {
        path: path.clone(),
        mode: 0o660,
        group: Some(own_group),
    };
    // A crashed server left this one.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let world = World::new();
    let socket = Socket::bind(&place).await.unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o660
    );
    assert!(matches!(
        Socket::bind(&place).await,
        Err(ListenError::Answered(_))
    ));
    let limits = Limits::from(&Server::default());
    let serving = tokio::spawn(serve(
        socket,
        None,
        Site::api(&world.services),
        limits,
        world.stop.clone(),
    ));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(plain_get().as_bytes()).await.unwrap();
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer).await.unwrap();
    assert_eq!(Answer::read(&buffer[..read]).status, 200);
    world.stop.tell();
    serving.await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_never_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "precious").unwrap();
    let place = Listen::Unix {
        path: path.clone(),
        mode: 0o660,
        group: None,
    };
    assert!(matches!(
        Socket::bind(&place).await,
        Err(ListenError::NotASocket(_))
    ));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_taken_port_is_told_with_its_address() {
    let place = Listen::Tcp("127.0.0.1:0".parse().unwrap());
    let first = Socket::bind(&place).await.unwrap();
    let taken = Listen::Tcp(first.address().unwrap());
    let error = Socket::bind(&taken).await.unwrap_err().to_string();
    assert!(
        error.contains(&first.address().unwrap().to_string()),
        "{error}"
    );
}

fn hasty() -> Server {
    Server {
        header_timeout: Duration::from_millis(50),
        idle_timeout: Duration::from_millis(50),
        ..Server::default()
    }
}

#[tokio::test]
async fn a_head_that_dawdles_is_cut_off_on_either_path() {
    let world = World::new();
    let patient_while_idle = Server {
        idle_timeout: Duration::from_secs(600),
        ..hasty()
    };
    for site in [
        Site::api(&world.services),
        Site::api_by_hyper(&world.services),
    ] {
        let server = world.serve_site(site, patient_while_idle.clone()).await;
        for half in ["GET /v1/apps/wx", "POST /v1/read HTTP/1.1\r\nHost"] {
            assert_eq!(server.raw(half.as_bytes()).await, b"");
        }
        // Also when a complete request came before.
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\n\r\n")
            .await
            .unwrap();
        one(&mut stream).await;
        stream.write_all(b"GET /heal").await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert_eq!(rest, b"");
    }
}

#[tokio::test]
async fn a_body_that_dawdles_is_refused_on_either_path() {
    let world = World::with(
        &usual_callers(),
        Server {
            body_timeout: Duration::from_millis(50),
            ..Server::default()
        },
    );
    for site in [
        Site::api(&world.services),
        Site::api_by_hyper(&world.services),
    ] {
        let server = world.serve_site(site, hasty()).await;
        let half = format!(
            "POST /v1/read HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 11\r\n\r\n{{"
        );
        let answer = Answer::read(&server.raw(half.as_bytes()).await);
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (408, "too-slow")
        );
    }
}

#[tokio::test]
async fn a_silent_connection_is_closed_on_either_path() {
    let world = World::new();
    let patient_with_heads = Server {
        header_timeout: Duration::from_secs(600),
        ..hasty()
    };
    for site in [
        Site::api(&world.services),
        Site::api_by_hyper(&world.services),
    ] {
        let server = world.serve_site(site, patient_with_heads.clone()).await;
        assert_eq!(server.raw(b"").await, b"");
        assert_eq!(
            Answer::read(&server.raw(plain_get().as_bytes()).await).status,
            200
        );
        assert_eq!(
            Answer::read(&server.raw(b"GET /healthz HTTP/1.1\r\n\r\n").await).status,
            200
        );
    }
}

#[tokio::test]
async fn a_connection_beyond_the_limit_waits_for_its_turn() {
    let world = World::new();
    let server = Server {
        max_connections: 1,
        ..Server::default()
    };
    let server = world.serve_site(Site::api(&world.services), server).await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    first.write_all(plain_get().as_bytes()).await.unwrap();
    one(&mut first).await;
    let mut second = TcpStream::connect(server.address).await.unwrap();
    second.write_all(plain_get().as_bytes()).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), one(&mut second)).await;
    assert!(early.is_err());
    drop(first);
    assert_eq!(one(&mut second).await.status, 200);
}

#[tokio::test]
async fn a_listener_that_nobody_comes_to_holds_no_permit() {
    let world = World::new();
    let limits = Limits::from(&Server::default()).apart(1);
    let mut addresses = Vec::new();
    for _ in 0..3 {
        let place = Listen::Tcp("127.0.0.1:0".parse().unwrap());
        let socket = Socket::bind(&place).await.unwrap();
        addresses.push(socket.address().unwrap());
        let site = Site::api(&world.services);
        tokio::spawn(serve(
            socket,
            None,
            site,
            limits.clone(),
            world.stop.clone(),
        ));
    }
    for address in addresses {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(plain_get().as_bytes()).await.unwrap();
        assert_eq!(one(&mut stream).await.status, 200);
    }
}

#[tokio::test]
async fn oversized_heads_and_nonsense_are_refused_and_the_server_goes_on() {
    let world = World::new();
    let server = world.serve().await;
    let large = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(
        Answer::read(&server.raw(large.as_bytes()).await).status,
        431
    );
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET /v1/apps/\xff\xfe/access_token HTTP/1.1\r\n\r\n",
        b"GET / HTTP/3.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
        b"POST /v1/read HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/read HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let answer = server.raw(nonsense).await;
        let status = Answer::read(&answer).status;
        assert!(
            answer.is_empty() || (400..500).contains(&status),
            "{nonsense:?} {status}"
        );
    }
    assert_eq!(
        server
            .get(&format!("/v1/apps/{APP}/access_token"), KEY)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_stop_finishes_what_is_asked_and_takes_nothing_new() {
    let world = World::with(&usual_callers(), Server::default());
    let server = world.serve().await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(plain_get().as_bytes()).await.unwrap();
    one(&mut idle).await;
    let mut by_hyper = TcpStream::connect(server.address).await.unwrap();
    by_hyper
        .write_all(b"GET /healthz HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    one(&mut by_hyper).await;
    world.stop.tell();
    server.task.await.unwrap();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    by_hyper.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"");
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_request_in_flight_is_answered_after_the_stop() {
    let mut world = World::new();
    let server = world.serve().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let path = format!("/v1/apps/{APP}/access_token/dead");
    let request = format!(
        "POST {path} HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 15\r\n\r\n{{\"token\":\"OLD\"}}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let command = world.commands.recv().await;
    assert!(command.is_some());
    world.stop.tell();
    // The report's wait ends with the server, with an honest answer.
    let answer = one(&mut stream).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (503, "stopping")
    );
    server.task.await.unwrap();
    world.put(Kind::AccessToken, "TOKEN-2");
}

#[tokio::test]
async fn who_has_connected_when_the_server_stops_is_answered_whatever_it_asks() {
    let batch = format!("{{\"want\":[{{\"appid\":\"{APP}\",\"kind\":\"access_token\"}}]}}");
    let batch = format!(
        "POST /v1/read HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {}\r\n\r\n{batch}",
        batch.len()
    );
    let folder = tempfile::tempdir().unwrap();
    let places = [
        Listen::Tcp("127.0.0.1:0".parse().unwrap()),
        Listen::Unix {
            path: folder.path().join("api.sock"),
            mode: 0o660,
            group: None,
        },
    ];
    for place in places {
        let world = World::new();
        let socket = Socket::bind(&place).await.unwrap();
        let (mut waiting, mut silent) = (Vec::new(), connect(&socket, &place));
        for request in [plain_get(), batch.clone()] {
            let mut stream = connect(&socket, &place);
            stream.write_all(request.as_bytes()).unwrap();
            waiting.push(stream);
        }
        world.stop.tell();
        let limits = Limits::from(&Server::default());
        let site = Site::api(&world.services);
        serve(socket, None, site, limits, world.stop.clone()).await;
        for mut stream in waiting {
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).expect("no reset");
            assert_eq!(Answer::read(&answer).status, 200, "{place:?}");
        }
        let mut nothing = Vec::new();
        silent.read_to_end(&mut nothing).expect("no reset");
        assert!(nothing.is_empty());
    }
}

#[tokio::test]
async fn a_request_sent_to_a_unix_socket_just_before_the_server_stops_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let place = Listen::Unix {
        path: path.clone(),
        mode: 0o660,
        group: None,
    };
    let world = World::new();
    let socket = Socket::bind(&place).await.unwrap();
    let limits = Limits::from(&Server::default());
    let site = Site::api(&world.services);
    let serving = tokio::spawn(serve(socket, None, site, limits, world.stop.clone()));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let mut buffer = [0; 4096];
    stream.write_all(plain_get().as_bytes()).await.unwrap();
    let read = stream.read(&mut buffer).await.unwrap();
    assert_eq!(Answer::read(&buffer[..read]).status, 200);
    // The server, on this thread too, hears of both at once.
    stream.write_all(plain_get().as_bytes()).await.unwrap();
    world.stop.tell();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(Answer::read(&answer).status, 200);
    serving.await.unwrap();
}

#[tokio::test]
async fn a_call_that_waits_for_a_token_is_told_to_come_again_when_the_server_stops() {
    // Nobody listens there: the call must not get so far.
    let mut world = World::in_front_of("127.0.0.1:1".parse().unwrap());
    world.take_down(Kind::AccessToken);
    let limits = &mut Arc::get_mut(&mut world.services).unwrap().limits;
    limits.first_token_wait = Duration::from_secs(600);
    limits.last_wait = Duration::from_millis(1);
    for site in [
        Site::api(&world.services),
        Site::api_by_hyper(&world.services),
    ] {
        let server = world.serve_site(site, Server::default()).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let call = format!(
            "GET /cgi-bin/menu/get HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n"
        );
        stream.write_all(call.as_bytes()).await.unwrap();
        world.stop.tell();
        let answer = one(&mut stream).await;
        assert_eq!((answer.status, answer.errcode()), (200, -1));
        assert!(answer.body.contains("stopping"), "{}", answer.body);
        server.task.await.unwrap();
    }
}

/// A connection that waits to be accepted.
fn connect(socket: &Socket, place: &Listen) -> Box<dyn ReadWrite> {
    match (socket.address(), place) {
        (Some(address), _) => Box::new(std::net::TcpStream::connect(address).unwrap()),
        (None, Listen::Unix { path, .. }) => {
            Box::new(std::os::unix::net::UnixStream::connect(path).unwrap())
        }
        (None, Listen::Tcp(_)) => unreachable!("a TCP socket has an address"),
    }
}

trait ReadWrite: std::io::Read + std::io::Write {}
impl<T: std::io::Read + std::io::Write> ReadWrite for T {}
