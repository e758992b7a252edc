//! Callers known by the certificate that their program shows.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use crate::harness::{APP, KEY, World};

/// An authority, and a certificate for each of these names, as files of that name.
fn sign(folder: &Path, names: &[&str]) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    for name in names {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![(*name).to_owned(), "127.0.0.1".to_owned()]);
        let certificate = params.unwrap().signed_by(&key, &authority).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

type Program = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A program that shows this certificate. It keeps its connection.
fn program(folder: &Path, certificate: &str, http2: bool) -> Program {
    let pem = |name: &str| CertificateDer::from_pem_file(folder.join(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(pem("ca.pem")).unwrap();
    let identity = folder.join(format!("{certificate}.key"));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![pem(&format!("{certificate}.pem"))],
            PrivateKeyDer::from_pem_file(identity).unwrap(),
        )
        .unwrap();
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only();
    let connector = if http2 {
        connector.enable_http2().build()
    } else {
        connector.enable_http1().build()
    };
    Client::builder(TokioExecutor::new()).build(connector)
}

/// What is answered to it: over which HTTP, and what.
async fn asked(
    program: &Program,
    world: &World,
    target: &str,
    key: Option<&str>,
) -> (Version, Value) {
    let mut request = Request::get(format!("{}{target}", world.url));
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let request = request.body(Full::default()).unwrap();
    let answer = program.request(request).await.unwrap();
    let version = answer.version();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (version, serde_json::from_slice(&body).unwrap())
}

/// What is answered to a program that shows this certificate and sends these headers.
async fn told(
    world: &World,
    folder: &Path,
    certificate: &str,
    target: &str,
    key: Option<&str>,
) -> Value {
    let program = program(folder, certificate, false);
    asked(&program, world, target, key).await.1
}

fn tls(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "tls = {{ cert = \"{folder}/localhost.pem\", key = \"{folder}/localhost.key\", client_ca = \"{folder}/ca.pem\" }}\n"
    )
}

/// The one caller, known by its certificate.
fn orders(rest: &str) -> String {
    format!(
        "[[caller]]\nname = \"orders\"\ncertificate = \"orders.internal\"\napps = [\"{APP}\"]\n\
         allow = [\"call\"]\n{rest}"
    )
}

const MENU: &str = "/cgi-bin/menu/get";

#[tokio::test]
async fn a_certificates_caller_that_a_reload_removes_or_renames_loses_its_rights_on_open_connections()
 {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    sign(folder, &["localhost", "orders.internal"]);
    let world = World::secure(&tls(folder), &orders("")).await;
    let programs = [false, true].map(|http2| program(folder, "orders.internal", http2));
    let each = async |errcode: i64| {
        for (program, spoken) in programs.iter().zip([Version::HTTP_11, Version::HTTP_2]) {
            let (version, answer) = asked(program, &world, MENU, None).await;
            assert_eq!(version, spoken);
            assert_eq!(answer["errcode"].as_i64().unwrap_or(0), errcode, "{answer}");
        }
    };
    each(0).await;
    let before = world.server.config().callers.clone();
    world
        .reload(|config| config.callers[0].certificate = Some("others.internal".into()))
        .await;
    each(40001).await;
    world.reload(|config| config.callers = before).await;
    each(0).await;
    world.reload(|config| config.callers.clear()).await;
    each(40001).await;
}

#[tokio::test]
async fn beside_a_certificate_from_says_where_it_may_come_from_and_names_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    sign(folder, &["localhost", "orders.internal", "nobody.internal"]);
    let here = orders("from = [\"127.0.0.0/8\"]\n");
    let world = World::secure(&tls(folder), &here).await;
    for http2 in [false, true] {
        let good = program(folder, "orders.internal", http2);
        let (_, answer) = asked(&good, &world, MENU, None).await;
        assert_eq!(answer["errcode"].as_i64().unwrap_or(0), 0, "{answer}");
        let stranger = program(folder, "nobody.internal", http2);
        let (_, answer) = asked(&stranger, &world, MENU, None).await;
        assert_eq!(answer["errcode"], 40001, "{answer}");
        world
            .reload(|config| config.callers[0].from = Box::new(["10.0.0.0/8".parse().unwrap()]))
            .await;
        let (_, answer) = asked(&good, &world, MENU, None).await;
        assert_ne!(answer["errcode"].as_i64().unwrap_or(0), 0, "{answer}");
        world
            .reload(|config| config.callers[0].from = Box::new(["127.0.0.0/8".parse().unwrap()]))
            .await;
    }
}

#[tokio::test]
async fn a_client_certificate_names_its_caller_at_the_gateway_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    sign(folder, &["localhost", "orders.internal", "nobody.internal"]);
    let apps = format!("apps = [\"{APP}\"]\nallow = [\"read\", \"call\"]\n");
    let callers = format!(
        "kinds = [\"access_token\", \"jsapi_ticket\"]\n\
         [[caller]]\nname = \"orders\"\ncertificate = \"Orders.Internal\"\n{apps}\
         [[caller]]\nname = \"shop\"\nkey = \"{KEY}\"\n{apps}"
    );
    let world = World::secure(&tls(folder), &callers).await;
    let menu = "/cgi-bin/menu/get";
    let ticket = "/cgi-bin/ticket/getticket?type=jsapi";
    for target in [menu, ticket] {
        let good = told(&world, folder, "orders.internal", target, None).await;
        assert_eq!(good["errcode"].as_i64().unwrap_or(0), 0, "{good}");
        let stranger = told(&world, folder, "nobody.internal", target, None).await;
        assert_eq!(stranger["errcode"], 40001, "{stranger}");
        let two = told(&world, folder, "orders.internal", target, Some(KEY)).await;
        assert_eq!(two["errcode"], 40001, "{two}");
        let keyed = told(&world, folder, "nobody.internal", target, Some(KEY)).await;
        assert_eq!(keyed["errcode"].as_i64().unwrap_or(0), 0, "{keyed}");
    }
    let read = format!("/v1/apps/{APP}/access_token");
    let refused = told(&world, folder, "orders.internal", &read, None).await;
    assert_eq!(refused["status"], 401, "{refused}");
}
