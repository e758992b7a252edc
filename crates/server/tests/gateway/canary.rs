//! What the log says of a call: who, what and WeChat's name for it; never a secret, at whatever level.

use std::io;
use std::sync::{Arc, Mutex};

use http::Method;
use wxtoken_server::config::{Log, LogFormat, LogLevel};
use wxtoken_simulator::UserCode;

use crate::harness::{APP, KEY, SECRET, Told, VIRTUAL_KEY, World, callers};
use crate::scripted::json;

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What these calls write into the log, as far as it is written by this thread: what refuses or takes the long way is.
fn logged<T>(level: LogLevel, calls: impl Future<Output = T>) -> (String, T) {
    let paper = Paper::default();
    let writer = paper.clone();
    let log = Log {
        format: LogFormat::Json,
        level,
    };
    // While a process has one subscriber, a line is silent for good if a thread without any comes to it first, as those of
    // the other tests do.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let log = wxtoken_server::telemetry::subscriber(&log, false, move || writer.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let told = tracing::subscriber::with_default(log, || runtime.block_on(calls));
    let written = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    (written, told)
}

#[test]
fn a_call_is_one_line_with_who_called_what_and_wechats_own_name_for_a_refusal() {
    const RID: &str = "6aac0063-7ed08fb9-1250f724";
    let calls = async {
        let (world, _upstream) = World::scripted(&callers(), async |mut wire, head| {
            wire.body(&head).await.ok()?;
            let refusal = format!("{{\"errcode\":45009,\"errmsg\":\"reach max rid: {RID}\"}}");
            wire.send(json(&refusal)).await.ok()?;
            Some(wire)
        })
        .await;
        let put = world
            .request(Method::PUT, "/datacube/getusersummary?b=private")
            .header("authorization", format!("Bearer {KEY}"))
            .header("x-request-id", "checkout-17");
        let told = world.send(put, "private").await;
        assert_eq!(told.errcode(), 45009);
        assert_eq!(told.headers["x-request-id"], "checkout-17");
    };
    let (written, ()) = logged(LogLevel::Info, calls);
    let lines = written.lines().filter(|line| line.contains("/datacube"));
    let [line] = lines.collect::<Vec<_>>()[..] else {
        panic!("not one line: {written}");
    };
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    for (name, value) in [
        ("request.id", "checkout-17"),
        ("caller", "shop"),
        ("app.id", APP),
        ("method", "PUT"),
        ("path", "/datacube/getusersummary"),
        ("rid", RID),
    ] {
        assert_eq!(line[name], value, "{line}");
    }
    assert_eq!(
        (line["errcode"].as_i64(), line["status"].as_i64()),
        (Some(45009), Some(200))
    );
    assert!(!written.contains("private"), "{written}");
}

#[test]
fn a_call_that_is_refused_is_told_with_its_caller_once_that_is_known() {
    let calls = async {
        let world = World::new().await;
        let put = world
            .request(Method::PUT, "/cgi-bin/menu/get")
            .header("authorization", format!("Bearer {KEY}"))
            .header("wxtoken-app", "wxffffffffffffffff");
        assert_ne!(world.send(put, "").await.errcode(), 0);
    };
    let (written, ()) = logged(LogLevel::Info, calls);
    let line = written.lines().find(|line| line.contains("/cgi-bin/menu"));
    let line: serde_json::Value = serde_json::from_str(line.unwrap()).unwrap();
    assert_eq!(
        (&line["caller"], &line["app.id"]),
        (&"shop".into(), &"wxffffffffffffffff".into())
    );
}

#[test]
fn a_mix_up_is_explained_in_the_log_once_and_counted_each_time() {
    let calls = async {
        let world = World::new().await;
        let token = world.token().await;
        let userinfo = format!("/sns/userinfo?access_token={token}&openid=o");
        for _ in 0..3 {
            assert_eq!(world.get(&userinfo).await.errcode(), 40001);
        }
        world.metrics().await
    };
    let (written, metrics) = logged(LogLevel::Warn, calls);
    let told = written.lines().filter(|line| line.contains("网页授权"));
    assert_eq!(told.count(), 1, "{written}");
    assert!(written.contains("\"caller\":\"shop\""), "{written}");
    let counted = metrics
        .lines()
        .find(|line| line.contains("app_token_at_sns"));
    let counted = counted.unwrap_or_else(|| panic!("{metrics}"));
    assert!(
        counted.contains("caller=\"shop\"") && counted.ends_with(" 3"),
        "{counted}"
    );
}

#[test]
fn no_secret_of_a_call_is_in_the_log_or_in_a_refusal() {
    let (written, (secrets, refusals)) = logged(LogLevel::Trace, calls());
    assert!(
        written.contains("/cgi-bin/menu/get") && written.contains("/sns/userinfo"),
        "{written}"
    );
    for secret in secrets {
        assert!(secret.len() > 5);
        for line in written.lines() {
            assert!(!line.contains(&secret), "{secret} in {line}");
        }
        for refusal in &refusals {
            assert!(!refusal.contains(&secret), "{secret} in {refusal}");
        }
    }
}

/// Calls of every kind, good and bad; the secrets in them, and what was answered to the bad ones.
async fn calls() -> (Vec<String>, Vec<String>) {
    let world = World::new().await;
    let dead = world.token().await;
    let web_code = world.wechat.world().user_code(APP, "alice", UserCode::Web);
    let (web_code, wrong_code) = (web_code.unwrap(), "021canarycode0canary0canary");
    let plain = |target: String| world.send(world.request(Method::GET, &target), "");
    let exchange = |key: &str, code: &str| {
        let given = format!("appid={APP}&secret={key}&code={code}");
        format!("/sns/oauth2/access_token?{given}&grant_type=authorization_code")
    };
    let exchanged = plain(exchange(KEY, &web_code)).await.json();
    let text = |name: &str| exchanged[name].as_str().unwrap().to_owned();
    let (web, renewal, openid) = (text("access_token"), text("refresh_token"), text("openid"));
    world
        .get(&format!("/sns/userinfo?access_token={web}&openid={openid}"))
        .await;
    let mut refusals = Vec::new();
    for bad in [
        exchange(KEY, wrong_code),
        exchange(SECRET, &web_code),
        format!("/sns/jscode2session?appid={APP}&secret={KEY}&js_code={wrong_code}"),
        format!("/k/{KEY}/sns/userinfo?access_token={dead}&openid={openid}"),
        format!("/k/{KEY}/cgi-bin/user/info?access_token={web}&openid={openid}"),
        format!("/cgi-bin/menu/get?access_token={dead}"),
        format!("/k/{VIRTUAL_KEY}/cgi-bin/menu/get"),
        format!("/k/{KEY}/../{dead}"),
        format!("/k/{KEY}/cgi-bin/clear_quota?access_token={dead}"),
        format!("/cgi-bin/clear_quota/v2?appid={APP}&appsecret={SECRET}"),
    ] {
        refusals.push(shown(&plain(bad).await));
    }
    world.kill().await;
    plain(format!(
        "/k/{KEY}/{APP}/cgi-bin/menu/get?access_token={dead}"
    ))
    .await;
    let live = world.token().await;
    world.wechat.world().go_down().await.unwrap();
    let gone = world
        .get(&format!("/cgi-bin/menu/get?access_token={live}"))
        .await;
    refusals.push(shown(&gone));
    let secrets = [
        SECRET,
        KEY,
        VIRTUAL_KEY,
        &dead,
        &live,
        &web,
        &renewal,
        &web_code,
        wrong_code,
    ];
    (secrets.map(str::to_owned).to_vec(), refusals)
}

fn shown(told: &Told) -> String {
    format!(
        "{} {:?} {}",
        told.status,
        told.headers,
        String::from_utf8_lossy(&told.body)
    )
}
