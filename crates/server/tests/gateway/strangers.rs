//! Calls that are not quite what they seem: another platform's token, too many tokens, a host that is gone, a caller who is.

use std::sync::Arc;

use http::Method;
use tokio::sync::Notify;

use crate::harness::{APP, KEY, PATIENCE, VIRTUAL_KEY, World, callers};
use crate::scripted::{BAD_TOKEN, FINE, Scripted, json};
use crate::wire::Wire;

const PROBE: &str = "/cgi-bin/get_api_domain_ip";

#[tokio::test]
async fn a_platforms_own_token_that_ended_is_no_word_against_the_apps() {
    let (world, upstream) = World::scripted(&callers(), async |mut wire, head| {
        wire.body(&head).await.ok()?;
        wire.send(json(
            r#"{"errcode":42001,"errmsg":"component_access_token expired"}"#,
        ))
        .await
        .ok()?;
        Some(wire)
    })
    .await;
    let told = world
        .post(
            "/cgi-bin/component/api_query_auth?component_access_token=x",
            "{}",
        )
        .await;
    assert_eq!(told.errcode(), 42001);
    assert!(!told.headers.contains_key("wxtoken-generation"));
    assert_eq!(upstream.seen().len(), 1, "sent once");
    assert_eq!(world.calls(PROBE), 0);
    let target = upstream.seen()[0].target().to_owned();
    assert!(target.ends_with("?component_access_token=x"), "{target}");
}

#[tokio::test]
async fn beside_a_platforms_own_token_nobody_knows_which_of_the_two_was_bad() {
    let (world, upstream) = World::scripted(&callers(), async |mut wire, head| {
        wire.body(&head).await.ok()?;
        let odd = head.target().contains("component_access_token");
        wire.send(json(if odd { BAD_TOKEN } else { FINE }))
            .await
            .ok()?;
        Some(wire)
    })
    .await;
    let both = "/cgi-bin/menu/get?component_access_token=x&access_token=y";
    for _ in 0..3 {
        assert_eq!(world.get(both).await.errcode(), 40001);
    }
    assert_eq!(upstream.seen().len(), 3, "each sent once");
    assert_eq!(
        world.calls(PROBE),
        0,
        "nobody spends our probes with another's token"
    );
}

#[tokio::test]
async fn an_authorizers_token_is_an_apps_under_another_name() {
    let (world, upstream) = World::scripted(&callers(), async |mut wire, _| {
        wire.send(json(FINE)).await.ok()?;
        Some(wire)
    })
    .await;
    let live = world.token().await;
    let target = "/cgi-bin/menu/get?a=1&authorizer_access_token=old&b";
    assert_eq!(world.get(target).await.errcode(), 0);
    assert_eq!(upstream.seen()[0].target(), target.replace("old", &live));
}

#[tokio::test]
async fn more_tokens_or_apps_than_any_call_names_are_refused() {
    let world = World::new().await;
    let many = "access_token=a&".repeat(5);
    assert_eq!(
        world
            .get(&format!("/cgi-bin/menu/get?{many}"))
            .await
            .errcode(),
        40035
    );
    let request = world.request(Method::GET, "/cgi-bin/menu/get");
    let request = request.header("authorization", format!("Bearer {KEY}"));
    let twice = request
        .header("wxtoken-app", APP)
        .header("wxtoken-app", "wx1");
    assert_eq!(world.send(twice, "").await.errcode(), 40013);
    assert_eq!(world.calls("/cgi-bin/menu/get"), 0);
}

#[tokio::test]
async fn a_name_that_the_caller_gave_its_call_goes_all_the_way() {
    let (world, upstream) = World::scripted(&callers(), async |mut wire, _| {
        wire.send(json(FINE)).await.ok()?;
        Some(wire)
    })
    .await;
    let request = world.request(Method::GET, "/cgi-bin/menu/get");
    let request = request.header("authorization", format!("Bearer {KEY}"));
    let told = world
        .send(request.header("x-request-id", "order-4711"), "")
        .await;
    assert_eq!(told.headers["x-request-id"], "order-4711");
    assert_eq!(upstream.seen()[0].get("x-request-id"), Some("order-4711"));
}

#[tokio::test]
async fn an_error_page_that_repeats_the_request_shows_a_virtual_caller_no_token() {
    let (world, _upstream) = World::scripted(&callers(), async |mut wire, head| {
        let page = format!("<html>not found: {}</html>", head.target());
        let answer = format!(
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}",
            page.len()
        );
        wire.send(answer).await.ok()?;
        Some(wire)
    })
    .await;
    let real = world.token().await;
    let request = world.request(Method::GET, "/cgi-bin/menu/get");
    let told = world
        .send(
            request.header("authorization", format!("Bearer {VIRTUAL_KEY}")),
            "",
        )
        .await;
    let page = String::from_utf8(told.body.to_vec()).unwrap();
    assert_eq!(told.status, 404);
    assert!(
        page.contains("access_token=***") && !page.contains(&real),
        "{page}"
    );
}

#[tokio::test]
async fn half_a_request_never_goes_to_the_next_host() {
    let answered = Arc::new(Notify::new());
    let told = Arc::clone(&answered);
    let (world, (first, second)) = World::behind("", &callers(), async |url| {
        let first = Scripted::start(&url, move |mut wire, head| {
            let told = Arc::clone(&told);
            async move {
                wire.body(&head).await.ok()?;
                wire.send(json(BAD_TOKEN)).await.ok()?;
                told.notify_one();
                None
            }
        });
        let second = Scripted::start(&url, async |mut wire, _| {
            wire.send(json(FINE)).await.ok()?;
            None
        });
        let (first, second) = (first.await, second.await);
        // The harness puts this between the quotes of `base_url`.
        let places = format!(
            "{}\"\nfallback_urls = [\"{}\"]\nproxy = \"",
            first.url, second.url
        );
        (places, (first, second))
    })
    .await;
    world.kill().await;
    let gone = async {
        answered.notified().await;
        drop(first);
    };
    let (told, ()) = tokio::join!(world.post("/cgi-bin/menu/create", "{\"button\":[]}"), gone);
    assert_eq!(told.errcode(), -1, "{}", told.errmsg());
    assert!(
        told.errmsg().contains("cannot be reached"),
        "{}",
        told.errmsg()
    );
    assert_eq!(
        second.seen().len(),
        0,
        "what was left of the body would have been another request"
    );
    let whole = world.post("/cgi-bin/menu/create", "{\"button\":[]}").await;
    assert_eq!(whole.errcode(), 0, "{}", whole.errmsg());
}

#[tokio::test]
async fn a_call_whose_caller_went_away_is_told_of_as_well() {
    let arrived = Arc::new(Notify::new());
    let told = Arc::clone(&arrived);
    let (world, _upstream) = World::scripted(&callers(), move |mut wire, _| {
        told.notify_one();
        async move {
            wire.closed().await;
            None
        }
    })
    .await;
    let mut caller = Wire::connect(&world.url).await;
    let request =
        format!("GET /cgi-bin/menu/get HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n");
    caller.send(request).await.unwrap();
    arrived.notified().await;
    drop(caller);
    let seen = async {
        while !world.metrics().await.contains("outcome=\"gone\"") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen)
        .await
        .expect("a line and a count");
}

#[tokio::test]
async fn a_caller_that_leaves_in_the_middle_of_its_upload_is_told_of_as_gone_whichever_way_it_went()
{
    // The second one goes by hyper.
    for expects in ["", "Expect: 100-continue\r\n"] {
        let arrived = Arc::new(Notify::new());
        let told = Arc::clone(&arrived);
        let (world, _upstream) = World::scripted(&callers(), move |mut wire, _| {
            let told = Arc::clone(&told);
            async move {
                wire.exactly(300_000).await.ok()?;
                told.notify_one();
                wire.closed().await;
                None
            }
        })
        .await;
        let mut caller = Wire::connect(&world.url).await;
        let head = format!(
            "POST /cgi-bin/media/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n{expects}Content-Length: 1000000\r\n\r\n"
        );
        caller.send(head).await.unwrap();
        caller.send(vec![7; 400_000]).await.unwrap();
        arrived.notified().await;
        drop(caller);
        let told = async {
            loop {
                let metrics = world.metrics().await;
                let mut lines = metrics.lines();
                if let Some(line) = lines.find(|line| line.starts_with("wxtoken_calls_total{")) {
                    return line.to_owned();
                }
                tokio::task::yield_now().await;
            }
        };
        let told = tokio::time::timeout(PATIENCE, told).await;
        let told = told.expect("it is counted");
        assert!(told.contains("outcome=\"gone\""), "{expects:?}: {told}");
    }
}
