//! Each fault, over a real socket.

use std::io::ErrorKind;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wxtoken_simulator::{CallMatch, Fault, FaultScope, Lane, Rules, Upstream, Verdict};

use crate::client::{
    APPID, MINI, SECRET, classic, get, parse, pass, post, probe, raw, stable, upstream,
};

const CLASSIC: &str = "/cgi-bin/token";

fn fetch() -> String {
    format!(
        "GET {CLASSIC}?grant_type=client_credential&appid={APPID}&secret={SECRET} HTTP/1.1\r\nhost: x\r\n\r\n"
    )
}

/// A simulator with this fault, set for one call.
async fn broken(fault: Fault) -> Upstream {
    let up = upstream(Rules::default()).await;
    up.world()
        .set_fault(FaultScope::everywhere(), fault, Some(1));
    up
}

/// The fetch is answered so while the fault lasts, and all is well afterwards.
async fn refuses_once(fault: Fault, code: i64) {
    let up = broken(fault).await;
    assert_eq!(classic(&up).await.errcode(), code);
    assert_eq!(up.world().minted(APPID, Lane::Classic), 0);
    assert!(up.world().faults().is_empty());
    assert_eq!(classic(&up).await.errcode(), 0);
}

#[tokio::test]
async fn refusals_by_name_carry_their_code_and_mint_nothing() {
    refuses_once(Fault::Busy, -1).await;
    refuses_once(Fault::Errcode { code: 61024 }, 61024).await;
    refuses_once(Fault::Quota, 45009).await;
    refuses_once(Fault::Rate, 45011).await;
    refuses_once(Fault::NotWhitelisted, 40164).await;
    refuses_once(Fault::ConfirmIp, 89503).await;
    refuses_once(Fault::SecretFrozen, 40243).await;
    refuses_once(Fault::SecretChanged, 40125).await;
}

#[tokio::test]
async fn a_foreign_fetch_kills_the_token_in_the_callers_hand() {
    let up = upstream(Rules::default()).await;
    let (ours, steady) = (classic(&up).await.token(), stable(&up, false).await.token());
    up.world().set_fault(
        FaultScope::path("/cgi-bin/get_api"),
        Fault::ForeignFetch,
        Some(1),
    );
    assert_eq!(
        (probe(&up, &ours).await, probe(&up, &steady).await),
        (40001, 0)
    );
    up.world()
        .set_fault(FaultScope::app(APPID), Fault::ForeignForce, Some(1));
    assert_eq!(probe(&up, &steady).await, 40001);
    let theirs = up.world().current_token(APPID, Lane::Stable).unwrap();
    assert_eq!(stable(&up, false).await.token(), theirs);
}

#[tokio::test]
async fn a_lost_answer_has_minted_and_sends_no_byte() {
    let up = upstream(Rules::default()).await;
    let old = classic(&up).await.token();
    up.world()
        .set_fault(FaultScope::path(CLASSIC), Fault::LostAnswer, Some(1));
    assert_eq!(raw(&up, fetch().as_bytes()).await, b"");
    assert_eq!(up.world().minted(APPID, Lane::Classic), 2);
    assert_eq!(up.world().verdict(APPID, &old), Verdict::HandingOver);
    let call = up.world().log().pop().unwrap();
    assert_eq!(
        (call.status, &call.faults[..], call.minted.is_some()),
        (0, &["lost-answer"][..], true)
    );
    pass(&up, 300);
    assert_eq!(probe(&up, &old).await, 40001);
}

#[tokio::test]
async fn dropped_calls_mint_nothing_and_are_counted() {
    for fault in [Fault::Drop, Fault::DropBeforeMint] {
        let up = broken(fault).await;
        assert_eq!(raw(&up, fetch().as_bytes()).await, b"");
        assert_eq!(
            (
                up.world().minted(APPID, Lane::Classic),
                up.world().calls(APPID, CLASSIC)
            ),
            (0, 1)
        );
        assert_eq!(classic(&up).await.errcode(), 0);
    }
}

#[tokio::test]
async fn drop_does_not_wait_for_the_body() {
    let up = broken(Fault::Drop).await;
    let head = b"POST /cgi-bin/stable_token HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{";
    assert_eq!(raw(&up, head).await, b"");
}

#[tokio::test]
async fn torn_json_is_correct_http() {
    let up = broken(Fault::TornJson).await;
    let reply = classic(&up).await;
    assert_eq!(
        reply.header("content-length").unwrap(),
        reply.body.len().to_string()
    );
    assert!(reply.text().starts_with(r#"{"access_token":"98_"#));
    assert!(serde_json::from_slice::<serde_json::Value>(&reply.body).is_err());
    assert_eq!(up.world().minted(APPID, Lane::Classic), 1);
}

#[tokio::test]
async fn a_cut_body_is_shorter_than_it_said() {
    let up = broken(Fault::CutBody).await;
    let reply = classic(&up).await;
    let said: usize = reply.header("content-length").unwrap().parse().unwrap();
    assert_eq!(reply.body.len(), said / 2);
}

#[tokio::test]
async fn gateways_answer_html() {
    let up = broken(Fault::Html200).await;
    let reply = classic(&up).await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    assert!(reply.text().starts_with("<!DOCTYPE html>"));
    let up = broken(Fault::BadGateway { status: 502 }).await;
    let reply = classic(&up).await;
    assert_eq!(reply.status, 502);
    assert!(reply.text().contains("502 Bad Gateway"));
    assert_eq!(
        (
            up.world().minted(APPID, Lane::Classic),
            up.world().log()[0].errcode
        ),
        (0, None)
    );
}

#[tokio::test]
async fn all_tokens_can_be_bad_or_only_those_on_a_path() {
    let up = upstream(Rules::default()).await;
    let token = classic(&up).await.token();
    let menu = format!("/cgi-bin/menu/get?access_token={token}");
    let id = up
        .world()
        .set_fault(FaultScope::everywhere(), Fault::AllTokensBad, None);
    assert_eq!(
        (probe(&up, &token).await, get(&up, &menu).await.errcode()),
        (40001, 40001)
    );
    assert_eq!(classic(&up).await.errcode(), 0);
    assert_eq!(up.world().faults()[0].hits, 2);
    assert!(up.world().clear_fault(id) && !up.world().clear_fault(id));
    up.world()
        .set_fault(FaultScope::everywhere(), Fault::PathAlways40001, None);
    assert_eq!(
        (probe(&up, &token).await, get(&up, &menu).await.errcode()),
        (0, 40001)
    );
    up.world().clear_faults();
    assert_eq!(get(&up, &menu).await.errcode(), 0);
}

#[tokio::test]
async fn faults_keep_to_their_app_and_path() {
    let up = upstream(Rules::default()).await;
    up.world().set_fault(
        FaultScope::app(APPID).and_path("/cgi-bin/stable"),
        Fault::Busy,
        None,
    );
    let mini = json!({"grant_type": "client_credential", "appid": MINI, "secret": SECRET});
    assert_eq!(stable(&up, false).await.errcode(), -1);
    assert_eq!(post(&up, "/cgi-bin/stable_token", &mini).await.errcode(), 0);
    assert_eq!(classic(&up).await.errcode(), 0);
}

#[tokio::test]
async fn faults_keep_to_a_parameter_of_the_query_also_before_the_body_is_read() {
    let up = upstream(Rules::default()).await;
    let token = classic(&up).await.token();
    let target = |query: &str| format!("/cgi-bin/ticket/getticket?access_token={token}&{query}");
    for (fault, is_answered) in [(Fault::Busy, true), (Fault::Drop, false)] {
        let scope = FaultScope::app(APPID).and_query("type=wx_card");
        let id = up.world().set_fault(scope, fault, None);
        for (query, is_bent) in [
            ("type=wx_card", true),
            ("type=wx%5fcard", true),
            ("a=b&t%79pe=wx_card", true),
            ("type=jsapi", false),
            ("type=jsapi&type=wx_card", false),
            ("type=jsapi&other=type%3Dwx_card", false),
        ] {
            let request = format!(
                "GET {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
                target(query)
            );
            let answer = raw(&up, request.as_bytes()).await;
            assert_eq!(answer.is_empty(), is_bent && !is_answered, "{query}");
            if !answer.is_empty() {
                assert_eq!(parse(&answer).errcode() == -1, is_bent, "{query}");
            }
        }
        let set = up.world().faults();
        assert_eq!((set[0].id, set[0].hits), (id, 3));
        up.world().clear_fault(id);
    }
}

#[tokio::test]
async fn a_clock_that_is_off_shows_in_date_lifetimes_and_rid() {
    let up = upstream(Rules::default()).await;
    let token = classic(&up).await.token();
    up.world().set_fault(
        FaultScope::everywhere(),
        Fault::ClockOffset { seconds: 7200 },
        None,
    );
    let reply = get(
        &up,
        &format!("/cgi-bin/get_api_domain_ip?access_token={token}"),
    )
    .await;
    assert_eq!(reply.errcode(), 42001);
    assert_eq!(reply.header("date"), Some("Sun, 22 Nov 2026 10:00:00 GMT"));
    assert!(
        reply
            .text()
            .contains(&format!("rid: {:x}-", crate::client::START + 7200))
    );
}

#[tokio::test]
async fn an_echo_tells_the_request_back_with_its_secrets() {
    let up = broken(Fault::Echo { code: -1 }).await;
    let text = stable(&up, false).await.json()["errmsg"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(text.contains(SECRET) && text.contains("host: api.weixin.qq.com"));
    let up = broken(Fault::Echo { code: 7 }).await;
    let reply = classic(&up).await;
    assert!(reply.errcode() == 7 && reply.text().contains(&format!("secret={SECRET}")));
}

#[tokio::test]
async fn a_huge_answer_never_ends() {
    let up = broken(Fault::HugeAnswer).await;
    let mut socket = TcpStream::connect(up.address()).await.unwrap();
    socket.write_all(fetch().as_bytes()).await.unwrap();
    let mut first = vec![0; 8 << 20];
    socket.read_exact(&mut first).await.unwrap();
    assert!(String::from_utf8_lossy(&first[..400]).contains(r#"{"access_token":"98_"#));
}

#[tokio::test]
async fn a_slow_body_comes_byte_by_byte() {
    let up = broken(Fault::SlowBody { ms: 1 }).await;
    let reply = classic(&up).await;
    assert_eq!(reply.errcode(), 0);
    assert_eq!(
        up.world().current_token(APPID, Lane::Classic),
        Some(reply.token())
    );
}

#[tokio::test]
async fn absurd_values_are_still_json() {
    let value = async |fault| classic(&broken(fault).await).await.json();
    assert_eq!(value(Fault::EmptyToken).await["access_token"], "");
    assert_eq!(
        value(Fault::LongToken).await["access_token"]
            .as_str()
            .unwrap()
            .len(),
        600
    );
    assert!(
        value(Fault::ControlToken).await["access_token"]
            .as_str()
            .unwrap()
            .contains("\r\nSet-Cookie")
    );
    assert_eq!(value(Fault::ExpiresZero).await["expires_in"], 0);
    assert_eq!(value(Fault::ExpiresNegative).await["expires_in"], -5);
    assert_eq!(
        value(Fault::ExpiresTenYears).await["expires_in"],
        315_360_000
    );
    assert_eq!(value(Fault::ExpiresString).await["expires_in"], "7200");
}

#[tokio::test]
async fn absurd_values_reach_tickets_and_leave_other_calls_alone() {
    let up = upstream(Rules::default()).await;
    let token = classic(&up).await.token();
    up.world()
        .set_fault(FaultScope::everywhere(), Fault::EmptyToken, Some(1));
    assert_eq!(probe(&up, &token).await, 0);
    assert_eq!(up.world().faults()[0].left, Some(1));
    let ticket = get(
        &up,
        &format!("/cgi-bin/ticket/getticket?type=jsapi&access_token={token}"),
    )
    .await;
    assert_eq!(ticket.json()["ticket"], "");
}

#[tokio::test]
async fn duplicate_keys_bring_the_wrong_value_first() {
    let up = broken(Fault::DuplicateKeys).await;
    let text = classic(&up).await.text();
    let token = up.world().current_token(APPID, Lane::Classic).unwrap();
    assert_eq!(
        text,
        format!(
            r#"{{"access_token":"decoy","access_token":"{token}","expires_in":1,"expires_in":7200}}"#
        )
    );
}

#[tokio::test]
async fn a_gzipped_answer_says_so_and_is_one() {
    let up = broken(Fault::Gzip).await;
    let reply = classic(&up).await;
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    assert_eq!(&reply.body[..3], [0x1f, 0x8b, 8]);
    // The block is stored, so the text can be seen behind ten bytes of head and five of block.
    assert!(reply.body[15..].starts_with(br#"{"access_token":"98_"#));
}

#[tokio::test]
async fn json_may_call_itself_an_image() {
    let up = broken(Fault::WrongContentType).await;
    let reply = classic(&up).await;
    assert_eq!(
        (reply.header("content-type"), reply.errcode()),
        (Some("image/jpeg"), 0)
    );
}

#[tokio::test]
async fn a_held_answer_has_minted_and_waits_until_released() {
    let up = broken(Fault::Hold { before: false }).await;
    let world = up.world().clone();
    let (reply, ()) = tokio::join!(classic(&up), async {
        world.held_reach(1).await;
        assert_eq!((world.held(), world.minted(APPID, Lane::Classic)), (1, 1));
        world.release_held();
    });
    assert_eq!(reply.errcode(), 0);
    assert_eq!(world.held(), 0);
}

#[tokio::test]
async fn a_call_held_before_it_is_decided_sees_the_world_as_it_is_when_released() {
    let up = broken(Fault::Hold { before: true }).await;
    let world = up.world().clone();
    let (reply, ()) = tokio::join!(classic(&up), async {
        world.held_reach(1).await;
        assert_eq!(world.minted(APPID, Lane::Classic), 0);
        world.freeze_secret(APPID, true).unwrap();
        world.clear_faults();
        world.release_held();
    });
    assert_eq!(reply.errcode(), 40243);
}

#[tokio::test]
async fn a_delayed_answer_is_logged_at_once() {
    let up = broken(Fault::Delay {
        ms: 50,
        before: false,
    })
    .await;
    let world = up.world().clone();
    let logged = world.next_call(CLASSIC);
    let (reply, order) = tokio::join!(classic(&up), async { logged.await.minted.is_some() });
    assert!(reply.errcode() == 0 && order);
}

#[tokio::test]
async fn of_two_concurrent_fetches_the_second_is_answered_first() {
    for _ in 0..20 {
        let up = upstream(Rules::default()).await;
        up.world().set_fault(
            FaultScope::path(CLASSIC),
            Fault::Reorder { ms: 60_000 },
            Some(1),
        );
        let mut first = TcpStream::connect(up.address()).await.unwrap();
        let waiting = up.world().next_call(CallMatch::path(CLASSIC));
        first.write_all(fetch().as_bytes()).await.unwrap();
        waiting.await;
        let nothing_yet = first.try_read(&mut [0; 1]).unwrap_err();
        assert_eq!(nothing_yet.kind(), ErrorKind::WouldBlock);
        let second = classic(&up).await.token();
        let mut answer = vec![0; 4096];
        let len = first.read(&mut answer).await.unwrap();
        let first = parse(&answer[..len]).token();
        // The last one minted is in force, though its answer came first.
        assert_eq!(up.world().current_token(APPID, Lane::Classic), Some(second));
        assert_eq!(up.world().verdict(APPID, &first), Verdict::HandingOver);
        assert!(up.world().faults().is_empty());
    }
}

#[tokio::test]
async fn a_call_is_under_way_until_its_answer_has_left_or_nobody_waits_for_it() {
    let up = upstream(Rules::default()).await;
    let world = up.world().clone();
    world.set_fault(FaultScope::everywhere(), Fault::Hold { before: true }, None);
    let mut gone = TcpStream::connect(up.address()).await.unwrap();
    gone.write_all(fetch().as_bytes()).await.unwrap();
    world.held_reach(1).await;
    let given_up = world.under_way();
    assert_eq!(given_up[0].appid.as_deref(), Some(APPID));
    assert!(world.log().is_empty(), "it is not decided yet");
    let (first, second, ()) = tokio::join!(classic(&up), classic(&up), async {
        world.held_reach(3).await;
        drop(gone);
        while world.held() > 2 {
            tokio::task::yield_now().await;
        }
        assert!(given_up[0].ended().is_some());
        pass(&up, 1);
        world.clear_faults();
    });
    assert_eq!((first.errcode(), second.errcode()), (0, 0));
    assert!(world.under_way().is_empty());
    classic(&up).await;
    let calls = world.log();
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| call.passage.ended().is_some()));
    let overlaps = |one: usize, other: usize| calls[one].passage.overlaps(&calls[other].passage);
    assert!(overlaps(0, 1) && overlaps(1, 0) && !overlaps(1, 2) && !overlaps(2, 0));
}
