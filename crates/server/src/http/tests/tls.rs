//! TLS listeners: both protocols, certificates exchanged while serving, clients that must show one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::{Listen, Server, Tls};
use crate::http::listen::tls::{TlsDoor, TlsError};
use crate::http::listen::{Limits, Site, Socket, serve};
use crate::http::testing::{APP, Answer, KEY, Running, World};

/// An authority, what it signed, and where that lies.
struct Files {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
            authority,
        };
        std::fs::write(files.path("ca.pem"), files.authority.pem()).unwrap();
        files.sign("server");
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate for localhost under this name.
    fn sign(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn tls(&self, client_ca: Option<&Path>) -> Tls {
        Tls {
            cert: self.path("server.pem"),
            key: self.path("server.key"),
            client_ca: client_ca.map(Path::to_owned),
            fingerprint: [0; 32],
        }
    }

    fn client(&self, alpn: &[&[u8]], identity: Option<&str>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.path("ca.pem")).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let chain =
                    vec![CertificateDer::from_pem_file(self.path(&format!("{name}.pem"))).unwrap()];
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        config
    }
}

async fn start(world: &World, files: &Tls) -> (Running, Arc<TlsDoor>) {
    start_with(world, files, &Server::default()).await
}

async fn start_with(world: &World, files: &Tls, config: &Server) -> (Running, Arc<TlsDoor>) {
    let tls = Arc::new(TlsDoor::open(files, &world.stop).unwrap());
    let place = Listen::Tcp("127.0.0.1:0".parse().unwrap());
    let socket = Socket::bind(&place).await.unwrap();
    let address = socket.address().unwrap();
    let limits = Limits::from(config);
    let serving = serve(
        socket,
        Some(Arc::clone(&tls)),
        Site::api(&world.services),
        limits,
        world.stop.clone(),
    );
    (
        Running {
            address,
            task: tokio::spawn(serving),
        },
        tls,
    )
}

async fn connect(server: &Running, client: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(client))
        .connect(name, stream)
        .await
}

/// Reads the token over HTTP/1.1 and leaves the connection open.
async fn read(stream: &mut TlsStream<TcpStream>) -> std::io::Result<Answer> {
    let request =
        format!("GET /v1/apps/{APP}/access_token HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = vec![0; 8192];
    let length = stream.read(&mut buffer).await?;
    Ok(Answer::read(&buffer[..length]))
}

fn served(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0]
        .clone()
        .into_owned()
}

#[tokio::test]
async fn both_protocols_are_spoken_as_the_client_wishes() {
    let (world, files) = (World::new(), Files::new());
    let (server, _tls) = start(&world, &files.tls(None)).await;
    for alpn in [&[][..], &[&b"http/1.1"[..]]] {
        let mut stream = connect(&server, files.client(alpn, None)).await.unwrap();
        assert_eq!(
            read(&mut stream).await.unwrap().json()["access_token"],
            "TOKEN-1"
        );
        assert_eq!(read(&mut stream).await.unwrap().status, 200);
    }
    let stream = connect(&server, files.client(&[b"h2", b"http/1.1"], None))
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    let running = tokio::spawn(connection);
    let request = Request::get(format!("https://localhost/v1/apps/{APP}/access_token"))
        .header("authorization", format!("Bearer {KEY}"))
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(
        (answer.version(), answer.status().as_u16()),
        (http::Version::HTTP_2, 200)
    );
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("TOKEN-1"));
    world.stop.tell();
    server.task.await.unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn whoever_agrees_on_http2_and_never_speaks_it_is_let_go() {
    let (world, files) = (World::new(), Files::new());
    let impatient = Server {
        idle_timeout: Duration::from_millis(50),
        ..Server::default()
    };
    let (server, _tls) = start_with(&world, &files.tls(None), &impatient).await;
    let mut silent = connect(&server, files.client(&[b"h2"], None))
        .await
        .unwrap();
    let mut said = Vec::new();
    let closed = silent.read_to_end(&mut said);
    // Without a goodbye of TLS the client calls that an error: an end it is.
    let closed = tokio::time::timeout(Duration::from_secs(20), closed).await;
    assert!(closed.is_ok());
}

#[tokio::test]
async fn a_new_certificate_is_served_at_once_and_a_bad_one_not_at_all() {
    let (world, files) = (World::new(), Files::new());
    let (server, tls) = start(&world, &files.tls(None)).await;
    let mut old = connect(&server, files.client(&[], None)).await.unwrap();
    let before = served(&old);
    files.sign("server");
    tls.reload(&files.tls(None)).unwrap();
    let after = served(&connect(&server, files.client(&[], None)).await.unwrap());
    assert_ne!(before, after);
    // No request is dropped for it.
    assert_eq!(read(&mut old).await.unwrap().status, 200);

    files.sign("other");
    std::fs::copy(files.path("other.key"), files.path("server.key")).unwrap();
    assert!(matches!(
        tls.reload(&files.tls(None)),
        Err(TlsError::Unusable { .. })
    ));
    std::fs::write(files.path("server.key"), "nonsense").unwrap();
    let error = tls.reload(&files.tls(None)).unwrap_err().to_string();
    assert!(error.contains("server.key"), "{error}");
    std::fs::write(files.path("server.pem"), "nonsense").unwrap();
    assert!(matches!(
        tls.reload(&files.tls(None)),
        Err(TlsError::Empty(_))
    ));
    std::fs::remove_file(files.path("server.pem")).unwrap();
    assert!(matches!(
        tls.reload(&files.tls(None)),
        Err(TlsError::File { .. })
    ));
    assert_eq!(
        served(&connect(&server, files.client(&[], None)).await.unwrap()),
        after
    );
}

#[tokio::test]
async fn clients_must_show_a_certificate_of_the_authority_each_time_they_connect() {
    let (world, files, others) = (World::new(), Files::new(), Files::new());
    files.sign("client");
    others.sign("client");
    let with_ca = files.tls(Some(&files.path("ca.pem")));
    let (server, tls) = start(&world, &with_ca).await;
    let known = files.client(&[], Some("client"));
    let mut stream = connect(&server, known.clone()).await.unwrap();
    assert_eq!(read(&mut stream).await.unwrap().status, 200);
    // A second connection of the same client could resume its session: it must not.
    let mut second = connect(&server, known.clone()).await.unwrap();
    assert_eq!(read(&mut second).await.unwrap().status, 200);
    assert_eq!(
        second.get_ref().1.handshake_kind(),
        Some(rustls::HandshakeKind::Full)
    );

    let nobody = async |client: ClientConfig| match connect(&server, client).await {
        Err(_) => true,
        // In TLS 1.3 the refusal comes with the first read.
        Ok(mut stream) => read(&mut stream)
            .await
            .map_or(true, |answer| answer.status == 0),
    };
    assert!(nobody(files.client(&[], None)).await);
    std::fs::copy(others.path("client.pem"), files.path("stranger.pem")).unwrap();
    std::fs::copy(others.path("client.key"), files.path("stranger.key")).unwrap();
    assert!(nobody(files.client(&[], Some("stranger"))).await);

    // The authority is withdrawn: who connected under it is not served any further.
    tls.reload(&files.tls(Some(&others.path("ca.pem"))))
        .unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert_eq!(rest, b"");
    assert!(nobody(known).await);
}

#[tokio::test]
async fn only_another_authority_ends_connections_whose_clients_showed_certificates() {
    let (world, files, others) = (World::new(), Files::new(), Files::new());
    let with_ca = files.tls(Some(&files.path("ca.pem")));
    let (_server, tls) = start(&world, &with_ca).await;
    let (_, made) = tls.now();
    tls.reload(&with_ca).unwrap();
    files.sign("server");
    tls.reload(&with_ca).unwrap();
    assert!(!made.is_told(), "they are who they were");
    let (_, later) = tls.now();
    tls.reload(&files.tls(Some(&others.path("ca.pem"))))
        .unwrap();
    assert!(made.is_told() && later.is_told());
    let (_, now) = tls.now();
    assert!(!now.is_told());
    tls.reload(&files.tls(None)).unwrap();
    assert!(now.is_told(), "clients show none any more");
}

#[tokio::test]
async fn a_request_sent_over_tls_just_before_the_server_stops_is_answered() {
    let health = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    // On the hot path, and once hyper has the connection.
    for by_hyper in [false, true] {
        let (world, files) = (World::new(), Files::new());
        let (server, _tls) = start(&world, &files.tls(None)).await;
        let client = files.client(&[b"http/1.1"], None);
        let mut stream = connect(&server, client).await.unwrap();
        assert_eq!(read(&mut stream).await.unwrap().status, 200);
        let mut buffer = vec![0; 8192];
        if by_hyper {
            stream.write_all(health).await.unwrap();
            let length = stream.read(&mut buffer).await.unwrap();
            assert_eq!(Answer::read(&buffer[..length]).status, 200);
        }
        // The server, on this thread too, hears of both at once.
        let request = format!(
            "GET /v1/apps/{APP}/access_token HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        world.stop.tell();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(Answer::read(&answer).status, 200, "by hyper: {by_hyper}");
        server.task.await.unwrap();
    }
}
