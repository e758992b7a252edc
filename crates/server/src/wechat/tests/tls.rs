//! HTTPS with certificates of our own making.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::peer::{Act, Peer, base, ok};
use super::*;

const GOOD: &str = r#"{"access_token":"68_new","expires_in":7200}"#;

/// An authority that signs what tests need.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    pub(super) fn new() -> Self {
        Self::named("the authority of this test")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    pub(super) fn roots(&self) -> Roots {
        Roots::Only(vec![self.certificate.clone()])
    }

    /// A server for this name, valid until that year.
    fn server_until(&self, name: &str, year: i32) -> TlsAcceptor {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    pub(super) fn server(&self, name: &str) -> TlsAcceptor {
        self.server_until(name, 4000)
    }
}

fn https(peer: &Peer, host: &str) -> Base {
    base(&format!("https://{host}:{}", peer.address.port()))
}

fn trusting(authority: &Authority, base: Base) -> Options {
    Options {
        roots: authority.roots(),
        ..options(base)
    }
}

#[tokio::test]
async fn a_host_with_a_trusted_certificate_of_its_name_is_spoken_to() {
    let authority = Authority::new();
    for name in ["localhost", "127.0.0.1"] {
        let peer = Peer::start_tls([ok(GOOD), ok(GOOD)], authority.server(name)).await;
        let client = client(trusting(&authority, https(&peer, name)), just_secret());
        for question in [Ask::Classic, Ask::Stable] {
            assert_eq!(value(&ask(&client, question).await).0, "68_new");
        }
        assert_eq!(peer.seen(|seen| seen.connections), 1);
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_good_means_unreachable_and_no_byte_of_the_request() {
    let (authority, stranger) = (Authority::new(), Authority::named("a stranger"));
    for (server, why) in [
        (authority.server("api.weixin.qq.com"), "not valid for name"),
        (authority.server_until("localhost", 2020), "expired"),
        (stranger.server("localhost"), "UnknownIssuer"),
    ] {
        let peer = Peer::start_tls([], server).await;
        let base = https(&peer, "localhost");
        let told = ask(
            &client(trusting(&authority, base), just_secret()),
            Ask::Classic,
        )
        .await;
        assert_eq!(passing(&told), (Passing::Unreachable, false));
        let told_why = told.notes.unreachable.unwrap();
        assert!(told_why.contains(why), "{told_why}");
        assert_eq!(peer.seen(|seen| seen.requests.len()), 0);
    }
}

#[tokio::test]
async fn a_host_with_a_bad_certificate_is_passed_over_for_a_fallback() {
    let authority = Authority::new();
    let bad = Peer::start_tls([], authority.server("elsewhere.example")).await;
    let good = Peer::start_tls([ok(GOOD)], authority.server("localhost")).await;
    let mut options = trusting(&authority, https(&bad, "localhost"));
    options.fallback_urls = vec![https(&good, "localhost")];
    value(&ask(&client(options, just_secret()), Ask::Classic).await);
}

#[tokio::test]
async fn a_host_that_answers_plain_text_to_tls_is_unreachable() {
    let authority = Authority::new();
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (mut socket, _) = plain.accept().await.unwrap();
        let answer = b"HTTP/1.1 400 Bad Request\r\n\r\nthis is plain HTTP";
        socket.write_all(answer).await.unwrap();
    });
    let base = base(&format!("https://localhost:{}", address.port()));
    let told = ask(
        &client(trusting(&authority, base), just_secret()),
        Ask::Classic,
    )
    .await;
    assert_eq!(passing(&told), (Passing::Unreachable, false));
}

#[tokio::test]
async fn an_answer_cut_off_without_a_tls_farewell_is_not_taken_for_whole() {
    let authority = Authority::new();
    let until_closed = format!("HTTP/1.1 200 OK\r\n\r\n{GOOD}").into_bytes();
    let end = [
        (Act::AnswerAndClose(until_closed.clone()), true),
        (Act::AnswerAndHangUp(until_closed), false),
    ];
    for (act, is_whole) in end {
        let peer = Peer::start_tls([act], authority.server("localhost")).await;
        let base = https(&peer, "localhost");
        let told = ask(
            &client(trusting(&authority, base), just_secret()),
            Ask::Classic,
        )
        .await;
        if is_whole {
            assert_eq!(value(&told).0, "68_new");
        } else {
            assert_eq!(passing(&told), (Passing::Cut, true));
        }
    }
}
