//! Callers known by the certificate that their program shows.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
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

/// What is answered to a program that shows this certificate and sends these headers.
async fn told(
    world: &World,
    folder: &Path,
    certificate: &str,
    target: &str,
    key: Option<&str>,
) -> Value {
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
        .https_only()
        .enable_http1()
        .build();
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let mut request = Request::get(format!("{}{target}", world.url));
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let answer = client.request(request.body(Full::default()).unwrap()).await;
    let body = answer.unwrap().into_body().collect().await.unwrap();
    serde_json::from_slice(&body.to_bytes()).unwrap()
}

#[tokio::test]
async fn a_client_certificate_names_its_caller_at_the_gateway_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    sign(folder, &["localhost", "orders.internal", "nobody.internal"]);
    let tls = format!(
        "tls = {{ cert = \"{0}/localhost.pem\", key = \"{0}/localhost.key\", client_ca = \"{0}/ca.pem\" }}\n",
        folder.display()
    );
    let apps = format!("apps = [\"{APP}\"]\nallow = [\"read\", \"call\"]\n");
    let callers = format!(
        "kinds = [\"access_token\", \"jsapi_ticket\"]\n\
         [[caller]]\nname = \"orders\"\ncertificate = \"Orders.Internal\"\n{apps}\
         [[caller]]\nname = \"shop\"\nkey = \"{KEY}\"\n{apps}"
    );
    let world = World::secure(&tls, &callers).await;
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
