//! HTTP/2 and TLS, on either side.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::alone::alone;
use crate::harness::{KEY, PATIENCE, World, callers};
use crate::scripted::{BAD_TOKEN, FINE};

/// An authority and a certificate for loopback, as files.
pub(crate) fn sign(folder: &Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]);
    let certificate = params.unwrap().signed_by(&key, &authority).unwrap();
    for (name, text) in [
        ("ca.pem", authority.pem()),
        ("server.pem", certificate.pem()),
        ("server.key", key.serialize_pem()),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[tokio::test]
async fn an_http2_caller_is_served_as_any_other() {
    let folder = tempfile::tempdir().unwrap();
    sign(folder.path());
    let place = folder.path().display();
    let tls = format!("tls = {{ cert = \"{place}/server.pem\", key = \"{place}/server.key\" }}\n");
    let world = World::secure(&tls, &callers()).await;
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(folder.path().join("ca.pem")).unwrap();
    roots.add(authority).unwrap();
    let tls = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_http2()
        .build();
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build(connector);
    let body: Vec<u8> = (0..2_000_000_u32).map(|n| n.to_be_bytes()[3]).collect();
    for round in 0..2 {
        let request = Request::post(format!("{}/wxa/img_sec_check?access_token=x", world.url))
            .header("authorization", format!("Bearer {KEY}"))
            .header("cookie", "a=b")
            .header("te", "trailers")
            .body(Full::new(Bytes::from(body.clone())))
            .unwrap();
        let answer = tokio::time::timeout(PATIENCE, client.request(request))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(answer.version(), http::Version::HTTP_2);
        assert_eq!(
            answer.headers().contains_key("wxtoken-replayed"),
            round == 1
        );
        let told = answer.into_body().collect().await.unwrap().to_bytes();
        let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
        assert_eq!(told["len"], 2_000_000);
        world.kill().await;
    }
}

/// What an HTTPS upstream with HTTP/2 saw of a call.
struct Saw {
    version: http::Version,
    target: String,
    connection: usize,
    length: usize,
}

#[test]
fn an_https_upstream_is_spoken_to_in_http2_and_a_caller_who_does_not_read_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let name = "secure::an_https_upstream_is_spoken_to_in_http2_and_a_caller_who_does_not_read_holds_up_nobody";
    sign(folder.path());
    // A user's own authority is trusted in the same way.
    let authority = folder.path().join("ca.pem").display().to_string();
    let place = folder.path().display().to_string();
    if !alone(name, &[("SSL_CERT_FILE", &authority), ("PLACE", &place)]) {
        return;
    }
    let place = std::env::var_os("PLACE").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(speaks_http2(Path::new(&place)));
}

async fn speaks_http2(folder: &Path) {
    let (saw, mut seen) = mpsc::unbounded_channel();
    let upstream = async |behind: String| (https(folder, behind, saw).await, ());
    let (world, ()) = World::behind("", &callers(), upstream).await;
    for length in [0, 1_000_000] {
        let told = world
            .post("/cgi-bin/menu/create?access_token=x", vec![7; length])
            .await;
        assert_eq!(told.body, FINE);
        let call = seen.recv().await.unwrap();
        assert_eq!(call.version, http::Version::HTTP_2);
        assert_eq!((call.length, call.connection), (length, 0));
        assert!(
            call.target
                .ends_with(&format!("access_token={}", world.token().await))
        );
    }
    world.kill().await;
    let told = world.get("/wxa/refused").await;
    assert_eq!(told.json()["errcode"], 40001, "its path says so for ever");
    assert_eq!(told.headers["wxtoken-replayed"], "1");
    let mut idle = Vec::new();
    for _ in 0..50 {
        let mut caller = crate::wire::Wire::connect(&world.url).await;
        let head =
            format!("GET /wxa/endless HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n");
        caller.send(head).await.unwrap();
        assert_eq!(caller.head().await.unwrap().status(), 200);
        idle.push(caller);
    }
    assert_eq!(world.get("/cgi-bin/menu/get").await.body, FINE);
    // The one who reads gets more than all windows of the idle ones together.
    idle.pop().unwrap().skip(32 << 20).await.unwrap();
}

/// What takes connections over TLS, with the certificate in a folder.
pub(crate) fn acceptor(folder: &Path, protocols: &[&[u8]]) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_file(folder.join("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let mut tls = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    TlsAcceptor::from(Arc::new(tls))
}

/// An upstream that plays some paths itself and asks a simulator for the rest.
async fn https(folder: &Path, behind: String, saw: mpsc::UnboundedSender<Saw>) -> String {
    let acceptor = acceptor(folder, &[b"h2", b"http/1.1"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    tokio::spawn(async move {
        let mut connections = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let number = connections;
            connections += usize::from(is_h2);
            let (saw, behind) = (saw.clone(), behind.clone());
            let service = hyper::service::service_fn(move |request| {
                answer(request, behind.clone(), saw.clone(), number)
            });
            let io = TokioIo::new(stream);
            if is_h2 {
                let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(io, service);
                tokio::spawn(serving);
            } else {
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(io, service),
                );
            }
        }
    });
    url
}

type Answer = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

async fn answer(
    request: Request<Incoming>,
    behind: String,
    saw: mpsc::UnboundedSender<Saw>,
    connection: usize,
) -> Result<Response<Answer>, hyper_util::client::legacy::Error> {
    let target = request.uri().path_and_query().unwrap().to_string();
    let version = request.version();
    let (parts, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let whole = |text: &str| Response::new(Full::new(Bytes::from(text.to_owned())).boxed_unsync());
    match parts.uri.path() {
        "/wxa/refused" => Ok(whole(BAD_TOKEN)),
        "/wxa/endless" => {
            let piece = |()| Some((Ok(Frame::data(Bytes::from_static(&[b'x'; 16 * 1024]))), ()));
            let pieces = futures_util::stream::unfold((), move |()| std::future::ready(piece(())));
            let mut endless = Response::new(http_body_util::StreamBody::new(pieces).boxed_unsync());
            let image = http::HeaderValue::from_static("image/png");
            endless.headers_mut().insert("content-type", image);
            Ok(endless)
        }
        path if path.contains("token") || path.contains("domain_ip") => {
            let client: Client<HttpConnector, Full<Bytes>> =
                Client::builder(TokioExecutor::new()).build_http();
            let mut asked = Request::new(Full::new(body));
            *asked.method_mut() = parts.method;
            *asked.uri_mut() = format!("{behind}{target}").parse().unwrap();
            let answer = client.request(asked).await?;
            let told = answer
                .into_body()
                .collect()
                .await
                .map(http_body_util::Collected::to_bytes);
            Ok(Response::new(
                Full::new(told.unwrap_or_default()).boxed_unsync(),
            ))
        }
        _ => {
            let length = body.len();
            let _ = saw.send(Saw {
                version,
                target,
                connection,
                length,
            });
            Ok(whole(FINE))
        }
    }
}
