//! A caller known by its certificate: neither its private key, nor the server's, nor what its program sends leaves a trace.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wxtoken_simulator::{Lane, Rules};

use crate::canary::{files, pages, plant_secrets};
use crate::http::{Reply, ask, reply};
use crate::needles::Needles;
use crate::place::{APP, CALLER, Place, app, wechat};
use crate::server::{PATIENCE, Server, until_asked};

const NAMES: [&str; 3] = ["localhost", "orders.internal", "nobody.internal"];

/// An authority, and a certificate with its key for each name, as files. What is secret of the keys is planted.
fn sign(folder: &Path, needles: &mut Needles) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    for name in NAMES {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned(), "127.0.0.1".to_owned()]);
        let certificate = params.unwrap().signed_by(&key, &authority).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        // The rest of the file names the curve and the public key, which the certificate shows to everyone.
        let der = key.serialize_der();
        let begin = der.windows(2).position(|two| two == [0x04, 0x20]).unwrap() + 2;
        needles.plant(&format!("the key of {name}"), &der[begin..begin + 32]);
    }
}

/// One request by a program that shows this certificate.
async fn told(place: &Place, name: &str, line: &str) -> Reply {
    let folder = place.folder.path();
    let pem = |name: String| CertificateDer::from_pem_file(folder.join(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(pem("ca.pem".to_owned())).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![pem(format!("{name}.pem"))], key)
        .unwrap();
    let plain = TcpStream::connect(&place.api).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let server = ServerName::try_from("localhost").unwrap();
    let mut socket = connector.connect(server, plain).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    reply(&answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_piece_of_a_certificates_key_is_anywhere_in_any_encoding() {
    let wechat = wechat(Rules::default(), 0).await;
    let mut place = Place::new(&wechat);
    let mut needles = Needles::default();
    plant_secrets(&mut needles);
    sign(place.folder.path(), &mut needles);
    place.server = "tls = { cert = \"FOLDER/localhost.pem\", key = \"FOLDER/localhost.key\", client_ca = \"FOLDER/ca.pem\" }";
    let orders = "[[caller]]\nname = \"orders\"\ncertificate = \"orders.internal\"\napps = [\"APP\"]\nallow = [\"call\"]\n";
    let log = "[log]\nlevel = \"trace\"\n";
    place.configure(&format!(
        "{log}{}{CALLER}{}",
        app(""),
        orders.replace("APP", APP)
    ));
    let server = Server::spawn(&place, Server::program());
    until_asked("it answers", PATIENCE, async || {
        ask(&place.admin, "GET /healthz", &[], "").await.is_ok()
    })
    .await;
    until_asked("there is a token", PATIENCE, async || {
        wechat.world().current_token(APP, Lane::Stable).is_some()
    })
    .await;
    let token = wechat.world().current_token(APP, Lane::Stable).unwrap();
    needles.plant("token", &token.as_bytes()[3..]);

    let menu = "GET /cgi-bin/menu/get";
    let good = told(&place, "orders.internal", menu).await;
    assert_eq!(good.json()["errcode"].as_i64().unwrap_or(0), 0, "{good:?}");
    needles.none_in("the answer to a certificate", &good.whole());
    for (name, line) in [
        ("nobody.internal", menu.to_owned()),
        (
            "orders.internal",
            format!("GET /v1/apps/{APP}/access_token"),
        ),
    ] {
        let refused = told(&place, name, &line).await;
        needles.none_in(&format!("the refusal of {name}"), &refused.whole());
        let refused = refused.status >= 400 || refused.json()["errcode"] == 40001;
        assert!(refused, "{name} {line}");
    }
    // Something else than TLS, and TLS without a whole handshake.
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\x00\x05hello"] {
        let answer = crate::http::exchange(&place.api, bytes).await;
        needles.none_in("what a stranger is told", &answer.unwrap_or_default());
    }
    pages(&server, false, &needles).await;
    assert!(server.log().contains("orders"), "the log names the caller");
    assert!(server.stop().await.success());
    needles.none_in("the log", place.logs().as_bytes());
    let mut searched = Vec::new();
    files(place.folder.path(), &needles, &mut searched);
    for name in ["wxtoken.db", "log-0", "orders.internal.pem"] {
        assert!(
            searched.iter().any(|file| file == name),
            "{name} is not among {searched:?}"
        );
    }
    // The positive control: the same search finds the keys where they belong.
    for name in NAMES {
        let held = std::fs::read(place.folder.path().join(format!("{name}.key"))).unwrap();
        assert!(!needles.in_text(&held).is_empty(), "{name}");
    }
}
