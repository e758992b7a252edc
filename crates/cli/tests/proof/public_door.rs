//! SIGHUP and the public listener: its certificate and the pages that users may come back to change without a restart.

use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustix::process::Signal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wxtoken_simulator::Rules;

use crate::http::{Reply, reply};
use crate::place::{APP, KEY, Place, app, free_port, wechat};
use crate::server::Server;

const NAME: &str = "wx.example.com";

/// A new certificate and its key, where the configuration says. Gives the certificate.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("public.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("public.key"), key.serialize_pem()).unwrap();
    CertificateDer::from_pem_file(folder.join("public.pem")).unwrap()
}

/// One request of a browser that trusts this certificate and no other.
async fn open(
    public: &str,
    trusted: &CertificateDer<'static>,
    path: &str,
) -> std::io::Result<Reply> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let plain = TcpStream::connect(public).await?;
    let name = ServerName::try_from(NAME).unwrap();
    let mut socket = connector.connect(name, plain).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await?;
    Ok(reply(&answer).unwrap())
}

fn authorize(page: &str) -> String {
    let page = page.replace(':', "%3A").replace('/', "%2F");
    format!("/oauth/{APP}/authorize?return_to={page}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_and_the_pages_to_come_back_to_change_without_a_restart() {
    const OLD: &str = "https://shop.example.com/old";
    const NEW: &str = "https://shop.example.com/new";
    let wechat = wechat(Rules::default(), 0).await;
    let place = Place::new(&wechat);
    let public = format!("127.0.0.1:{}", free_port());
    let lines = |page: &str| {
        format!(
            "[public]\nlisten = \"{public}\"\nbase_url = \"https://{NAME}\"\n\
             tls = {{ cert = \"FOLDER/public.pem\", key = \"FOLDER/public.key\" }}\n{}\
             [[caller]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"*\"]\nallow = [\"users\"]\nreturn_to = [\"{page}\"]\n",
            app("")
        )
    };
    let first = certify(place.folder.path());
    place.configure(&lines(OLD));
    let server = Server::start(&place).await;
    for (page, status) in [(OLD, 302), (NEW, 400)] {
        let answer = open(&public, &first, &authorize(page)).await.unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
    }

    let second = certify(place.folder.path());
    place.configure(&lines(NEW));
    server.signal(Signal::HUP);
    server.says("reloaded: 1 apps and 1 callers").await;
    for (page, status) in [(OLD, 400), (NEW, 302)] {
        let answer = open(&public, &second, &authorize(page)).await.unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
    }
    let old = open(&public, &first, "/").await;
    assert!(
        old.is_err(),
        "the old certificate is shown no more: {old:?}"
    );
    server.stop().await;
}
