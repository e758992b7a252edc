//! Steering over HTTP.

use serde_json::{Value, json};
use wxtoken_simulator::{Lane, Rules, ThirdMint, Upstream, fault_catalog};

use crate::client::{APPID, SECRET, classic, get, post, probe, send, stable, upstream};

const TICKET: &str = "/cgi-bin/ticket/getticket";

async fn put(up: &Upstream, path: &str, body: &Value) -> Value {
    send(up, "PUT", path, body.to_string().as_bytes())
        .await
        .json()
}

#[tokio::test]
async fn the_help_names_every_route_and_shows_curl() {
    let up = upstream(Rules::default()).await;
    let help = get(&up, "/_sim/").await.text();
    for route in [
        "state",
        "counters",
        "log",
        "apps",
        "faults",
        "release",
        "clock",
        "rules",
        "kill",
        "expire",
        "revoke",
        "encrypted",
        "people",
        "login",
    ] {
        assert!(help.contains(&format!("/{route}")), "{route}");
    }
    assert!(help.contains("curl localhost:7202/_sim/state") && help.contains("微信模拟器"));
    assert_eq!(
        up.world().call_count(),
        0,
        "steering is not a call to WeChat"
    );
}

#[tokio::test]
async fn the_faults_are_listed_in_both_languages() {
    let up = upstream(Rules::default()).await;
    let known = get(&up, "/_sim/faults").await.json()["known"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(known.len(), fault_catalog().len());
    assert!(
        known
            .iter()
            .all(|info| info["zh"].as_str().is_some_and(|zh| !zh.is_ascii())
                && info["en"].is_string())
    );
}

#[tokio::test]
async fn a_fault_is_set_counted_down_and_cleared() {
    let up = upstream(Rules::default()).await;
    let order = json!({"name": "errcode", "code": 45011, "path": "/cgi-bin/token", "appid": APPID, "count": 1});
    let set = post(&up, "/_sim/faults", &order).await.json();
    assert_eq!(set["set"][0]["left"], 1);
    assert_eq!(
        (
            stable(&up, false).await.errcode(),
            classic(&up).await.errcode()
        ),
        (0, 45011)
    );
    assert_eq!(get(&up, "/_sim/faults").await.json()["set"], json!([]));
    let id = post(&up, "/_sim/faults", &json!({"name": "busy"}))
        .await
        .json()["id"]
        .clone();
    assert_eq!(
        send(&up, "DELETE", &format!("/_sim/faults/{id}"), b"")
            .await
            .status,
        200
    );
    assert_eq!(
        send(&up, "DELETE", &format!("/_sim/faults/{id}"), b"")
            .await
            .status,
        400
    );
    post(&up, "/_sim/faults", &json!({"name": "busy"})).await;
    send(&up, "DELETE", "/_sim/faults", b"").await;
    assert_eq!(classic(&up).await.errcode(), 0);
}

#[tokio::test]
async fn a_fault_is_narrowed_to_a_parameter_of_the_query() {
    let up = upstream(Rules::default()).await;
    let token = classic(&up).await.token();
    let order = json!({"name": "busy", "path": "/cgi-bin/ticket", "query": "type=jsapi"});
    let set = post(&up, "/_sim/faults", &order).await.json();
    assert_eq!(
        set["set"][0]["scope"],
        json!({"path": "/cgi-bin/ticket", "query": "type=jsapi"})
    );
    let ticket =
        async |query: &str| get(&up, &format!("{TICKET}?access_token={token}&{query}")).await;
    assert_eq!(ticket("type=jsapi").await.errcode(), -1);
    assert_eq!(ticket("type=wx_card").await.errcode(), 0);
}

#[tokio::test]
async fn wrong_orders_are_refused_with_the_reason() {
    let up = upstream(Rules::default()).await;
    for (path, body) in [
        ("/_sim/faults", json!({"name": "no-such"})),
        ("/_sim/faults", json!({"name": "delay", "mss": 1})),
        ("/_sim/apps", json!({"appid": "wx1"})),
        (
            "/_sim/apps",
            json!({"appid": "wx1", "secret": "s", "whitelist": ["nowhere"]}),
        ),
        ("/_sim/clock", json!({"back": 1})),
        ("/_sim/apps/wxnobody/kill", json!({"lane": "classic"})),
        (&format!("/_sim/apps/{APPID}/kill"), json!({"lane": "fast"})),
        ("/_sim/apps", json!("text")),
    ] {
        let reply = post(&up, path, &body).await;
        assert_eq!(reply.status, 400, "{path} {body}");
        assert!(
            reply.json()["error"].as_str().unwrap().len() > 20,
            "{}",
            reply.text()
        );
    }
    assert_eq!(get(&up, "/_sim/nothing").await.status, 404);
    assert_eq!(
        post(
            &up,
            &format!("/_sim/apps/{APPID}/dance"),
            &json!({"lane": "both"})
        )
        .await
        .status,
        404
    );
    assert!(
        put(
            &up,
            "/_sim/rules",
            &json!({"readings": {"third_mint": "x"}})
        )
        .await["error"]
            .is_string()
    );
    assert_eq!(up.world().rules(), Rules::default());
}

#[tokio::test]
async fn apps_are_added_shown_changed_and_killed() {
    let up = upstream(Rules::default()).await;
    post(
        &up,
        "/_sim/apps",
        &json!({"appid": "wxnew", "secret": "s1", "kind": "mini"}),
    )
    .await;
    assert_eq!(
        post(&up, "/_sim/apps", &json!({"generate": 50}))
            .await
            .json()["count"],
        53
    );
    assert_eq!(
        get(&up, "/_sim/apps?limit=1").await.json()["appids"],
        json!([APPID])
    );
    let token = classic(&up).await.token();
    let shown = get(&up, &format!("/_sim/apps/{APPID}")).await;
    assert!(!shown.text().contains(&token) && !shown.text().contains(SECRET));
    assert_eq!(shown.json()["lanes"]["classic"]["minted"], 1);
    let raw = get(&up, &format!("/_sim/apps/{APPID}?raw=1")).await.json();
    assert_eq!(
        (&raw["lanes"]["classic"]["value"], &raw["secret"]),
        (&json!(token), &json!(SECRET))
    );

    post(
        &up,
        &format!("/_sim/apps/{APPID}/foreign"),
        &json!({"lane": "classic"}),
    )
    .await;
    assert_eq!(probe(&up, &token).await, 0);
    post(
        &up,
        &format!("/_sim/apps/{APPID}/kill"),
        &json!({"lane": "both"}),
    )
    .await;
    assert_eq!(probe(&up, &token).await, 40001);
    let token = classic(&up).await.token();
    post(
        &up,
        &format!("/_sim/apps/{APPID}/expire"),
        &json!({"lane": "classic"}),
    )
    .await;
    assert_eq!(probe(&up, &token).await, 42001);
    let token = classic(&up).await.token();
    post(
        &up,
        &format!("/_sim/apps/{APPID}/void"),
        &json!({"lane": "classic"}),
    )
    .await;
    assert_eq!(probe(&up, &token).await, 40001);
}

#[tokio::test]
async fn the_administrators_decisions_can_be_made_over_http() {
    let up = upstream(Rules::default()).await;
    let app = format!("/_sim/apps/{APPID}");
    put(&up, &app, &json!({"whitelist": []})).await;
    assert_eq!(classic(&up).await.errcode(), 40164);
    put(
        &up,
        &app,
        &json!({"whitelist": null, "secret_frozen": true}),
    )
    .await;
    assert_eq!(classic(&up).await.errcode(), 40243);
    put(
        &up,
        &app,
        &json!({"secret_frozen": false, "ip": "refused-once"}),
    )
    .await;
    assert_eq!(classic(&up).await.errcode(), 89507);
    put(&up, &app, &json!({"ip": "trusted", "account": "frozen"})).await;
    assert_eq!(classic(&up).await.errcode(), 50007);
    put(&up, &app, &json!({"account": "good", "secret": "another"})).await;
    assert_eq!(classic(&up).await.errcode(), 40125);
}

#[tokio::test]
async fn rules_and_clock_are_moved_in_part() {
    let up = upstream(Rules::default()).await;
    let rules = put(
        &up,
        "/_sim/rules",
        &json!({"token_lifetime_s": 12, "readings": {"third_mint": "keeps-all"}}),
    )
    .await;
    assert_eq!(
        (&rules["token_lifetime_s"], &rules["overlap_s"]),
        (&json!(12.0), &json!(300.0))
    );
    assert_eq!(up.world().rules().readings.third_mint, ThirdMint::KeepsAll);
    let token = classic(&up).await;
    assert_eq!(token.json()["expires_in"], 12);
    post(&up, "/_sim/clock", &json!({"advance_s": 12.5})).await;
    assert_eq!(probe(&up, &token.token()).await, 42001);
    post(&up, "/_sim/clock", &json!({"advance_s": -1})).await;
    assert_eq!(probe(&up, &token.token()).await, 0);
}

#[tokio::test]
async fn state_counters_and_log_tell_what_happened() {
    let up = upstream(Rules::default()).await;
    classic(&up).await;
    let token = stable(&up, false).await.token();
    probe(&up, &token).await;
    let state = get(&up, "/_sim/state").await.json();
    assert_eq!(
        (&state["apps"], &state["calls"], &state["clock"]),
        (&json!(2), &json!(3), &json!("manual"))
    );
    assert_eq!(
        state["minted"],
        json!({"classic": 1, "stable": 1, "jsapi_ticket": 0, "card_ticket": 0})
    );
    let counters = get(&up, "/_sim/counters").await.json();
    assert_eq!(counters["calls_by_path"]["/cgi-bin/get_api_domain_ip"], 1);
    let log = get(&up, "/_sim/log").await;
    assert_eq!(log.json()["calls"].as_array().unwrap().len(), 3);
    assert!(!log.text().contains(SECRET) && !log.text().contains(&token));
    assert!(get(&up, "/_sim/log?raw=1").await.text().contains(SECRET));
    let page = get(&up, "/_sim/log?since=1&limit=1").await.json();
    assert_eq!(page["calls"][0]["seq"], 3);
    assert_eq!(
        get(&up, "/_sim/log?path=/cgi-bin/token").await.json()["calls"][0]["minted"]["lane"],
        "classic"
    );
    assert_eq!(up.world().minted_total(Lane::Stable), 1);
}

#[tokio::test]
async fn answers_dress_as_they_are_told() {
    let up = upstream(Rules::default()).await;
    let dress = json!({"dress": {"content": "text", "framing": "chunked", "error_text": "bare", "quota_text": "documented"}});
    put(&up, "/_sim/rules", &dress).await;
    let reply = classic(&up).await;
    assert_eq!(
        (
            reply.header("content-type"),
            reply.header("transfer-encoding")
        ),
        (Some("text/plain"), Some("chunked"))
    );
    assert_eq!(reply.header("content-length"), None);
    assert_eq!(reply.errcode(), 0);
    put(
        &up,
        "/_sim/rules",
        &json!({"quotas": {"classic_per_day": 1}}),
    )
    .await;
    assert_eq!(
        classic(&up).await.text(),
        r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#
    );
}
