//! Pages and cards are signed over the API, with tickets that never leave.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use wxtoken_core::clock::{Boot, Clock, Now, Wall};
use wxtoken_core::credential::{CredentialKey, Kind};
use wxtoken_server::clock::ManualClock;
use wxtoken_server::config;
use wxtoken_server::services::Running;
use wxtoken_simulator::{AppKind, AppSpec, Fault, FaultScope, Options, Upstream};

use crate::harness::{APP, PATIENCE, SECRET};

/// An app without tickets.
const PLAIN: &str = "wx00000000000000aa";
/// An app that is not the signer's.
const FOREIGN: &str = "wx00000000000000bb";
/// Of a caller that may have things signed, and nothing else.
const SIGNER: &str = "00112233445566778899aabbccddeeff";
/// Of a caller that may read, and nothing else.
const READER: &str = "ffeeddccbbaa99887766554433221100";
const SECONDS: u64 = 1_795_000_000;
const PAGE: &str = "/v1/apps/wx0123456789abcdef/jssdk-signature";
const CARD: &str = "/v1/apps/wx0123456789abcdef/card-signature";

struct Shop {
    wechat: Upstream,
    server: Running,
    _folder: tempfile::TempDir,
}

impl Shop {
    async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    async fn open_with(trouble: impl FnOnce(&Upstream)) -> Self {
        let app = |id| AppSpec::new(id, SECRET, AppKind::Official);
        let wechat = Upstream::start(Options {
            apps: vec![app(APP), app(PLAIN), app(FOREIGN)],
            ..Options::default()
        });
        let wechat = wechat.await.unwrap();
        trouble(&wechat);
        let folder = tempfile::tempdir().unwrap();
        let listed = |id: &str, more: &str| {
            format!("[[app]]\nappid = \"{id}\"\nsecret = \"{SECRET}\"\n{more}\n")
        };
        let kinds =
            "kinds = [\"access_token\", \"jsapi_ticket\", \"card_ticket\"]\npush_token = \"AAAAA\"";
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nfirst_token_wait = \"2s\"\n[admin]\nlisten = \"127.0.0.1:0\"\nkey = \"{SECRET}\"\n\
             [public]\nlisten = \"127.0.0.1:0\"\nbase_url = \"https://wx.example.com\"\nrate = \"20/m\"\nforwarded_from = [\"127.0.0.1\"]\n\
             [store]\npath = \"{}/data\"\n[upstream]\nbase_url = \"{}\"\n{}{}{}\
             [[caller]]\nname = \"signer\"\nkey = \"{SIGNER}\"\napps = [\"{APP}\", \"{PLAIN}\"]\nallow = [\"sign\"]\n\
             sign_origins = [\"https://shop.example.com\", \"http://127.0.0.1:8000\"]\n\
             [[caller]]\nname = \"reader\"\nkey = \"{READER}\"\napps = [\"*\"]\nallow = [\"read\"]\n",
            folder.path().display(),
            wechat.base_url(),
            listed(APP, kinds),
            listed(PLAIN, ""),
            listed(FOREIGN, kinds),
        );
        let config = config::parse(&text, folder.path(), &|_| None);
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        let clock = ManualClock::new(Now {
            wall: Wall(SECONDS * 1000),
            boot: Boot(5_000_000),
        });
        let clock = Arc::new(clock) as Arc<dyn Clock>;
        let server = Running::start_with(config, clock).await.unwrap();
        Self {
            wechat,
            server,
            _folder: folder,
        }
    }

    /// The ticket that signatures are made with.
    async fn ticket(&self, kind: Kind) -> String {
        let key = CredentialKey {
            app: APP.parse().unwrap(),
            kind,
        };
        let found = self.server.keeper().get(&key, PATIENCE).await.unwrap();
        found.token.expose().to_owned()
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        key: &str,
        body: &str,
    ) -> http::Response<Bytes> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server.doors().api[0]))
            .header("authorization", format!("Bearer {key}"))
            .header("origin", "https://shop.example.com")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization")
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let answer = tokio::time::timeout(PATIENCE, client.request(request));
        let (parts, body) = answer.await.unwrap().unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        http::Response::from_parts(parts, body)
    }

    /// The answer to a POST.
    async fn sign(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let told = self
            .send(Method::POST, path, SIGNER, &body.to_string())
            .await;
        let json = serde_json::from_slice(told.body()).unwrap();
        (told.status(), json)
    }

    /// The problem that a POST is answered with: its name and text.
    async fn problem(&self, path: &str, body: &Value) -> (u16, String, String) {
        let (status, json) = self.sign(path, body).await;
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        let name = text("type").replace("urn:wxtoken:problem:", "");
        (status.as_u16(), name, text("detail"))
    }
}

fn sha1(text: &str) -> String {
    let hash = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
        text.as_bytes(),
    );
    hash.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

#[tokio::test]
async fn a_page_is_signed_with_the_live_ticket_for_a_caller_that_may_not_read_it() {
    let shop = Shop::open().await;
    let ticket = shop.ticket(Kind::JsapiTicket).await;
    let asked = json!({"url": "https://shop.example.com/cart?id=7&q=%E5%BE%AE#/pay",
        "js_api_list": ["chooseImage", "scanQRCode"]});
    let (status, told) = shop.sign(PAGE, &asked).await;
    assert_eq!(status, 200, "{told}");
    let nonce = told["nonceStr"].as_str().unwrap();
    let signed = sha1(&format!(
        "jsapi_ticket={ticket}&noncestr={nonce}&timestamp={SECONDS}&url=https://shop.example.com/cart?id=7&q=%E5%BE%AE"
    ));
    let wanted = json!({"appId": APP, "timestamp": SECONDS, "nonceStr": nonce, "signature": signed,
        "jsApiList": ["chooseImage", "scanQRCode"]});
    assert_eq!(told, wanted);
    let (_, again) = shop.sign(PAGE, &asked).await;
    assert_ne!(again["nonceStr"], told["nonceStr"]);
    assert_eq!(
        shop.wechat.world().calls(APP, "/cgi-bin/ticket/getticket"),
        2
    );
    let read = shop
        .send(
            Method::GET,
            "/v1/apps/wx0123456789abcdef/jsapi_ticket",
            SIGNER,
            "",
        )
        .await;
    assert_eq!(read.status(), 403, "signing is not reading");
}

#[tokio::test]
async fn only_pages_of_the_callers_own_origins_are_signed() {
    let shop = Shop::open().await;
    for good in [
        "https://shop.example.com",
        "https://SHOP.example.com:443/",
        "http://127.0.0.1:8000/back?x",
    ] {
        let (status, told) = shop.sign(PAGE, &json!({"url": good})).await;
        assert_eq!(
            (status.as_u16(), &told["jsApiList"]),
            (200, &json!([])),
            "{good}"
        );
    }
    for foreign in [
        "http://shop.example.com/",
        "https://shop.example.com:8443/",
        "https://shop.example.com.evil.example/",
        "https://evil.example/?https://shop.example.com/",
        "https://www.shop.example.com/",
    ] {
        let (status, name, detail) = shop.problem(PAGE, &json!({"url": foreign})).await;
        assert_eq!(
            (status, name.as_str()),
            (403, "origin-not-listed"),
            "{foreign}"
        );
        assert!(detail.contains("`sign_origins`"), "{detail}");
    }
    for bad in [
        "",
        "/cart",
        "https://evil.example\\@shop.example.com/",
        "https://shop.example.com@evil.example/",
        "https://shop.example.com/\nx",
    ] {
        let (status, name, detail) = shop.problem(PAGE, &json!({"url": bad})).await;
        assert_eq!((status, name.as_str()), (400, "malformed"), "{bad}");
        assert!(detail.contains("url"), "{detail}");
    }
}

#[tokio::test]
async fn who_may_not_sign_is_told_what_is_missing() {
    let shop = Shop::open().await;
    let body = json!({"url": "https://shop.example.com/"});
    let told = |app: &str| {
        let path = format!("/v1/apps/{app}/jssdk-signature");
        let (shop, body) = (&shop, &body);
        async move { shop.problem(&path, body).await }
    };
    let (status, name, detail) = told(PLAIN).await;
    assert_eq!((status, name.as_str()), (404, "ticket-not-kept"));
    assert!(
        detail.contains("add \"jsapi_ticket\" to `kinds`"),
        "{detail}"
    );
    assert_eq!(told(FOREIGN).await.1, "foreign-app");
    assert_eq!(told("wx00000000000000cc").await.1, "foreign-app");
    assert_eq!(told("no-app").await.1, "unknown-app");
    let path = "/v1/apps/wx00000000000000aa/card-signature";
    let (status, name, detail) = shop.problem(path, &json!({"for": "chooseCard"})).await;
    assert_eq!((status, name.as_str()), (404, "ticket-not-kept"));
    assert!(detail.contains("card_ticket"), "{detail}");
    for path in [PAGE, CARD] {
        let told = shop
            .send(Method::POST, path, READER, &body.to_string())
            .await;
        let text = String::from_utf8_lossy(told.body());
        assert_eq!(told.status(), 403);
        assert!(
            text.contains("not-allowed") && text.contains("sign"),
            "{text}"
        );
        let told = shop.send(Method::POST, path, "0", &body.to_string()).await;
        assert_eq!(told.status(), 401);
        let told = shop.send(Method::PUT, path, SIGNER, "").await;
        assert_eq!(
            (told.status().as_u16(), &told.headers()["allow"]),
            (405, &http::HeaderValue::from_static("POST"))
        );
    }
}

#[tokio::test]
async fn without_a_live_ticket_the_answer_is_an_honest_503() {
    let shop = Shop::open_with(|wechat| {
        let tickets = FaultScope::path("/cgi-bin/ticket/getticket");
        wechat.world().set_fault(tickets, Fault::Quota, None);
    });
    let shop = shop.await;
    let body = json!({"url": "https://shop.example.com/"});
    let (status, told) = shop.sign(PAGE, &body).await;
    assert_eq!(status, 503, "{told}");
    assert_eq!(told["type"], "urn:wxtoken:problem:no-live-token");
    assert!(
        told["reason"].is_string() && told["since"].is_u64(),
        "{told}"
    );
}

#[tokio::test]
async fn cards_are_signed_over_their_sorted_values_and_come_as_wechat_wants_them() {
    let shop = Shop::open().await;
    let ticket = shop.ticket(Kind::CardTicket).await;
    let asked = json!({"for": "addCard", "card_id": "pCard", "openid": "oUser", "outer_str": "\"x\"",
        "fixed_begintimestamp": 1_800_000_000});
    let (status, told) = shop.sign(CARD, &asked).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["cardId"], "pCard");
    let ext: Value = serde_json::from_str(told["cardExt"].as_str().unwrap()).unwrap();
    let nonce = ext["nonce_str"].as_str().unwrap();
    let seconds = SECONDS.to_string();
    let mut values = [ticket.as_str(), &seconds, "pCard", "oUser", nonce];
    values.sort_unstable();
    assert_eq!(
        ext,
        json!({"openid": "oUser", "timestamp": seconds, "nonce_str": nonce, "outer_str": "\"x\"",
            "fixed_begintimestamp": "1800000000", "signature": sha1(&values.concat())})
    );
    let (status, told) = shop
        .sign(CARD, &json!({"for": "chooseCard", "card_type": "GROUPON"}))
        .await;
    assert_eq!(status, 200, "{told}");
    let nonce = told["nonceStr"].as_str().unwrap();
    let mut values = [ticket.as_str(), APP, &seconds, nonce, "GROUPON"];
    values.sort_unstable();
    assert_eq!(
        told,
        json!({"shopId": "", "cardType": "GROUPON", "cardId": "", "timestamp": SECONDS, "nonceStr": nonce,
            "signType": "SHA1", "cardSign": sha1(&values.concat())})
    );
}

#[tokio::test]
async fn what_cannot_be_signed_is_told_with_what_is_expected() {
    let shop = Shop::open().await;
    let page = |list: Value| json!({"url": "https://shop.example.com/", "js_api_list": list});
    for (path, body, told) in [
        (PAGE, json!({"uri": "https://shop.example.com/"}), "\"url\""),
        (
            PAGE,
            json!({"url": "https://shop.example.com/", "jsApiList": []}),
            "js_api_list",
        ),
        (PAGE, page(json!(["a b"])), "`js_api_list`"),
        (PAGE, page(json!(vec!["x"; 101])), "at most 100"),
        (CARD, json!({"card_id": "p"}), "\"for\""),
        (CARD, json!({"for": "addCard", "card_id": ""}), "`card_id`"),
        (
            CARD,
            json!({"for": "addCard", "card_id": "p", "code": "a\nb"}),
            "`code`",
        ),
        (
            CARD,
            json!({"for": "addCard", "card_id": "p", "cod": "a"}),
            "addCard",
        ),
    ] {
        let (status, name, detail) = shop.problem(path, &body).await;
        assert_eq!((status, name.as_str()), (400, "malformed"), "{body}");
        assert!(detail.contains(told), "{body}: {detail}");
    }
}

#[tokio::test]
async fn no_answer_of_the_api_lets_pages_of_other_sites_read_it() {
    let shop = Shop::open().await;
    let paths = [
        PAGE,
        CARD,
        "/v1/apps",
        "/v1/apps/wx0123456789abcdef/access_token",
        "/v1/apps/wx0123456789abcdef/access_token/dead",
        "/v1/read",
        "/v1/stream",
        "/v1/openapi.json",
        "/v1/nothing",
        "/healthz",
    ];
    let methods = [Method::GET, Method::POST, Method::OPTIONS, Method::DELETE];
    for path in paths {
        for method in &methods {
            if (path, method) == ("/v1/stream", &Method::GET) {
                continue; // it does not end
            }
            for key in [SIGNER, "0"] {
                let body = r#"{"url":"https://shop.example.com/"}"#;
                let told = shop.send(method.clone(), path, key, body).await;
                let cors = |name: &&http::HeaderName| name.as_str().starts_with("access-control");
                let found = told.headers().keys().find(cors);
                assert_eq!(found, None, "{method} {path}");
                if *method == Method::OPTIONS {
                    assert_eq!(told.status().as_u16() / 100, 4, "{path}");
                }
            }
        }
    }
}

/// What a browser at an address gets from the public listener.
impl Shop {
    async fn browse(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
    ) -> http::Response<Bytes> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.server.doors().public[0]));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let client = Client::builder(TokioExecutor::new()).build_http();
        let request = request.body(Full::new(Bytes::new())).unwrap();
        let answer = tokio::time::timeout(PATIENCE, client.request(request));
        let (parts, body) = answer.await.unwrap().unwrap().into_parts();
        http::Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
    }

    /// What the script of a page under this origin gets for an address.
    async fn page(&self, origin: &str, target: &str) -> http::Response<Bytes> {
        self.browse(Method::GET, target, &[("origin", origin)])
            .await
    }
}

fn header<'r>(response: &'r http::Response<Bytes>, name: &str) -> Option<&'r str> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
}

fn text(response: &http::Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

const SHOP_PAGE: &str = "/jssdk/wx0123456789abcdef?url=https%3A%2F%2Fshop.example.com%2Fcart%3Fid%3D7%26x%3D1%2B1%23pay";
const CORS: &str = "access-control-allow-origin";

#[tokio::test]
async fn a_page_of_a_listed_origin_has_itself_signed_without_a_key() {
    let shop = Shop::open().await;
    let ticket = shop.ticket(Kind::JsapiTicket).await;
    let told = shop.page("https://shop.example.com", SHOP_PAGE).await;
    assert_eq!(told.status(), 200, "{}", text(&told));
    assert_eq!(header(&told, CORS), Some("https://shop.example.com"));
    assert_eq!(header(&told, "vary"), Some("Origin"));
    assert_eq!(header(&told, "cache-control"), Some("no-store"));
    assert_eq!(header(&told, "access-control-allow-credentials"), None);
    let json: Value = serde_json::from_slice(told.body()).unwrap();
    let nonce = json["nonceStr"].as_str().unwrap();
    let signed = sha1(&format!(
        "jsapi_ticket={ticket}&noncestr={nonce}&timestamp={SECONDS}&url=https://shop.example.com/cart?id=7&x=1+1"
    ));
    assert_eq!(json["signature"], signed);
    assert_eq!(json["appId"], APP);
    assert!(!text(&told).contains(&ticket));
    // The page's origin and the signed one may differ, as long as one caller lists both.
    let told = shop.page("http://127.0.0.1:8000", SHOP_PAGE).await;
    assert_eq!(header(&told, CORS), Some("http://127.0.0.1:8000"));
    let asked = [
        ("origin", "https://shop.example.com"),
        ("access-control-request-method", "GET"),
    ];
    let told = shop.browse(Method::OPTIONS, SHOP_PAGE, &asked).await;
    assert_eq!(told.status(), 204);
    assert_eq!(header(&told, CORS), Some("https://shop.example.com"));
    assert_eq!(header(&told, "access-control-allow-methods"), Some("GET"));
    assert_eq!(header(&told, "vary"), Some("Origin"));
}

#[tokio::test]
async fn pages_of_strangers_get_nothing_and_may_not_read_why() {
    let shop = Shop::open().await;
    for origin in [
        "https://evil.example",
        "https://shop.example.com.evil.example",
        "http://shop.example.com",
        "https://shop.example.com:8443",
        "null",
        "https://shop.example.com, https://evil.example",
        "*",
    ] {
        for method in [Method::GET, Method::OPTIONS] {
            let from = format!("192.0.2.{}", origin.len());
            let headers = [("origin", origin), ("x-forwarded-for", from.as_str())];
            let told = shop.browse(method.clone(), SHOP_PAGE, &headers).await;
            assert_eq!(told.status(), 403, "{method} {origin}");
            let cors = |name: &&http::HeaderName| name.as_str().starts_with("access-control");
            assert_eq!(told.headers().keys().find(cors), None, "{origin}");
            assert!(!text(&told).contains("signature\""), "{origin}");
            assert_eq!(header(&told, "vary"), Some("Origin"));
        }
    }
    let told = shop.browse(Method::GET, SHOP_PAGE, &[]).await;
    assert_eq!(told.status(), 403);
    assert!(text(&told).contains("fetch"), "{}", text(&told));
    let twice = [
        ("origin", "https://shop.example.com"),
        ("origin", "https://evil.example"),
    ];
    let told = shop.browse(Method::GET, SHOP_PAGE, &twice).await;
    assert_eq!((told.status().as_u16(), header(&told, CORS)), (403, None));
    // Whether an app exists is told to no stranger; a listed page learns no more of apps that are not its own.
    for app in [FOREIGN, "wx00000000000000cc", "x"] {
        let target = SHOP_PAGE.replace(APP, app);
        let told = shop.page("https://shop.example.com", &target).await;
        assert_eq!(
            (told.status().as_u16(), header(&told, CORS)),
            (403, None),
            "{app}"
        );
    }
}

#[tokio::test]
async fn a_listed_page_reads_what_is_wrong_with_its_question() {
    let shop = Shop::open().await;
    let ask = async |target: &str| {
        let told = shop.page("https://shop.example.com", target).await;
        assert_eq!(header(&told, CORS), Some("https://shop.example.com"));
        let json: Value = serde_json::from_slice(told.body()).unwrap();
        (told.status().as_u16(), json)
    };
    let base = "/jssdk/wx0123456789abcdef";
    for (query, cure) in [
        ("", "encodeURIComponent"),
        (
            "?url=https://shop.example.com/cart?id=7&x=1",
            "encodeURIComponent",
        ),
        (
            "?uri=https%3A%2F%2Fshop.example.com%2F",
            "encodeURIComponent",
        ),
        ("?url=%2Fcart", "location.href"),
        ("?url=https%3A%2F%2Fshop.example.com%2Fa+b", "location.href"),
    ] {
        let (status, problem) = ask(&format!("{base}{query}")).await;
        assert_eq!(
            (status, &problem["type"]),
            (400, &json!("urn:wxtoken:problem:malformed"))
        );
        for name in ["detail", "detail_zh"] {
            let detail = problem[name].as_str().unwrap();
            assert!(detail.contains(cure), "{query}: {detail}");
        }
    }
    let (status, problem) = ask(&format!("{base}?url=https%3A%2F%2Fevil.example%2F")).await;
    assert_eq!(status, 403, "{problem}");
    let (status, problem) = ask(&SHOP_PAGE.replace(APP, PLAIN)).await;
    assert_eq!(
        (status, &problem["type"]),
        (404, &json!("urn:wxtoken:problem:ticket-not-kept"))
    );
    let post = [("origin", "https://shop.example.com")];
    let told = shop.browse(Method::POST, base, &post).await;
    assert_eq!(told.status(), 405);
}

#[tokio::test]
async fn an_address_that_asks_too_often_waits_and_its_page_can_read_how_long() {
    let shop = Shop::open().await;
    let ask = async |from: &str| {
        let headers = [
            ("origin", "https://shop.example.com"),
            ("x-forwarded-for", from),
        ];
        shop.browse(Method::GET, SHOP_PAGE, &headers).await
    };
    for _ in 0..20 {
        assert_eq!(ask("192.0.2.1").await.status(), 200);
    }
    let told = ask("192.0.2.1").await;
    assert_eq!(told.status(), 429);
    assert_eq!(header(&told, "retry-after"), Some("3"));
    assert_eq!(header(&told, CORS), Some("https://shop.example.com"));
    assert!(text(&told).contains("too-fast"));
    assert_eq!(ask("192.0.2.2").await.status(), 200);
}

#[tokio::test]
async fn who_loses_an_origin_or_the_permission_loses_the_signatures_at_once() {
    let shop = Shop::open().await;
    let origin = "https://shop.example.com";
    assert_eq!(shop.page(origin, SHOP_PAGE).await.status(), 200);
    let mut without = (*shop.server.config()).clone();
    without.callers[0].sign_origins = Box::new([]);
    let reloaded = shop.server.reload(without).await;
    assert!(reloaded.troubles.is_empty(), "{:?}", reloaded.troubles);
    let told = shop.page(origin, SHOP_PAGE).await;
    assert_eq!((told.status().as_u16(), header(&told, CORS)), (403, None));
}

/// WeChat's own worked example (验证消息的确来自微信服务器), with its Token `AAAAA`.
const CHECK: &str = "/push/wx0123456789abcdef?signature=f464b24fc39322e44b38aa78f5edd27bd1441696&timestamp=1714036504&nonce=1514711492";

#[tokio::test]
async fn wechats_check_of_an_address_for_pushes_is_answered_with_its_echo() {
    let shop = Shop::open().await;
    let asked = format!("{CHECK}&echostr=4375120948345356249");
    let told = shop.browse(Method::GET, &asked, &[]).await;
    assert_eq!(
        (told.status().as_u16(), text(&told).as_str()),
        (200, "4375120948345356249")
    );
    assert_eq!(
        header(&told, "content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(header(&told, "x-content-type-options"), Some("nosniff"));
    assert_eq!(header(&told, "cache-control"), Some("no-store"));
    let script = shop
        .browse(Method::GET, &format!("{CHECK}&echostr=%3Cscript%3E"), &[])
        .await;
    assert_eq!(
        (text(&script).as_str(), header(&script, "content-type")),
        ("<script>", Some("text/plain; charset=utf-8"))
    );
}

#[tokio::test]
async fn a_check_that_fails_says_what_to_compare_and_never_the_token() {
    let shop = Shop::open().await;
    let long = format!("{CHECK}&echostr={}", "1".repeat(257));
    let other = CHECK.replace("timestamp=1714036504", "timestamp=1714036505");
    let tokenless = CHECK.replace(APP, PLAIN);
    let unknown = CHECK.replace(APP, "wx00000000000000cc");
    for (target, status, zh, en) in [
        (
            format!("{other}&echostr=1"),
            403,
            "区分大小写",
            "Capital letters count",
        ),
        (
            "/push/wx0123456789abcdef".to_owned(),
            403,
            "服务器配置",
            "push_token",
        ),
        (CHECK.to_owned(), 400, "echostr", "echostr"),
        (
            format!("{CHECK}&echostr=a%0Ab"),
            400,
            "控制字符",
            "control character",
        ),
        (long, 400, "太长", "too long"),
        (
            format!("{tokenless}&echostr=1"),
            404,
            "push_token",
            "push_token",
        ),
        (
            format!("{unknown}&echostr=1"),
            404,
            "push_token",
            "push_token",
        ),
    ] {
        let told = shop.browse(Method::GET, &target, &[]).await;
        let page = text(&told);
        assert_eq!(told.status(), status, "{target}");
        assert!(page.contains(zh) && page.contains(en), "{target}: {page}");
        assert!(!page.contains("AAAAA"), "{target}");
    }
    for method in [Method::POST, Method::OPTIONS, Method::DELETE] {
        let told = shop.browse(method, CHECK, &[]).await;
        assert_eq!(told.status(), 405);
        assert!(header(&told, "allow").unwrap().contains("GET"));
    }
}
