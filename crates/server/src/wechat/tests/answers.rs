//! What the client makes of answers, whole and torn, and of silence.

use wxtoken_core::clock::Wall;

use super::peer::{Act, Peer, answer, ok};
use super::*;

const GOOD: &str = r#"{"access_token":"68_new","expires_in":7200}"#;

async fn told(act: Act, question: Ask) -> Told {
    let peer = Peer::start([act]).await;
    ask(&client_of(peer.base()), question).await
}

#[tokio::test]
async fn every_question_reaches_its_endpoint_and_its_answer_comes_back() {
    let ticket = r#"{"errcode":0,"errmsg":"ok","ticket":"bxLd","expires_in":7200}"#;
    let alive = r#"{"ip_list":["101.89.47.18"]}"#;
    let peer = Peer::start([GOOD, GOOD, GOOD, ticket, ticket, alive].map(ok)).await;
    let client = client_of(peer.base());
    let life = Duration::from_secs(7200);
    for question in every_ask() {
        let told = ask(&client, question.clone()).await;
        match question {
            Ask::Classic | Ask::Stable | Ask::Forced => {
                assert_eq!(value(&told), ("68_new".to_owned(), life));
            }
            Ask::Ticket(..) => assert_eq!(value(&told), ("bxLd".to_owned(), life)),
            Ask::Probe(..) => assert!(matches!(told.result.unwrap().reply, Reply::Alive)),
        }
    }
    let lines = peer.seen(|seen| {
        let first_line = |request: &String| request.lines().next().unwrap().to_owned();
        seen.requests.iter().map(first_line).collect::<Vec<_>>()
    });
    assert_eq!(
        lines,
        [
            "GET /cgi-bin/token?grant_type=client_credential&appid=wx0123456789abcdef&secret=c3a1f09e5b7d4286d82e60b1947fa35c HTTP/1.1",
            "POST /cgi-bin/stable_token HTTP/1.1",
            "POST /cgi-bin/stable_token HTTP/1.1",
            "GET /cgi-bin/ticket/getticket?access_token=68_LIVE-token_abc&type=jsapi HTTP/1.1",
            "GET /cgi-bin/ticket/getticket?access_token=68_LIVE-token_abc&type=wx_card HTTP/1.1",
            "GET /cgi-bin/get_api_domain_ip?access_token=68_LIVE-token_abc HTTP/1.1",
        ]
    );
}

#[tokio::test]
async fn a_minted_value_carries_its_hash_and_upstreams_clock() {
    let act = Act::Answer(
        format!(
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{GOOD}",
            GOOD.len()
        )
        .into_bytes(),
    );
    let answer = told(act, Ask::Classic).await.result.unwrap();
    assert_eq!(answer.upstream_time, Some(Wall(784_111_777_000)));
    match answer.reply {
        Reply::Minted(minted) => assert_eq!(minted.id, ValueId(6)),
        other => panic!("a value was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn an_errcode_is_judged_by_its_endpoint_and_its_hints_are_kept_for_people() {
    let refused = r#"{"errcode":40164,"errmsg":"invalid ip 8.149.3.108 ipv6 ::ffff:8.149.3.108, not in whitelist rid: 6aac005a-01bfdbee-79769285"}"#;
    let told_so = told(ok(refused), Ask::Stable).await;
    let failed = failure(&told_so);
    assert_eq!(failed.trouble, Trouble::Refused(40164));
    assert!(failed.sent);
    assert_eq!(told_so.notes.errcode, Some(40164));
    assert_eq!(told_so.notes.seen_ip, Some("8.149.3.108".parse().unwrap()));
    assert_eq!(
        told_so.notes.rid.unwrap().to_string(),
        "6aac005a-01bfdbee-79769285"
    );

    let bad = r#"{"errcode":40001,"errmsg":"invalid credential"}"#;
    let classic = told(ok(bad), Ask::Classic).await;
    assert_eq!(failure(&classic).trouble, Trouble::Refused(40001));
    let ticket = told(ok(bad), Ask::Ticket(Ticket::Jsapi, token())).await;
    assert_eq!(failure(&ticket).trouble, Trouble::TokenBad(40001));
    let probe = told(ok(bad), Ask::Probe(Lane::Stable, token())).await;
    assert!(matches!(probe.result.unwrap().reply, Reply::Dead(40001)));
}

#[tokio::test]
async fn a_status_other_than_200_is_passing_trouble_whatever_its_body_says() {
    for (line, code) in [
        ("502 Bad Gateway", 502),
        ("500 Internal Server Error", 500),
        ("404 Not Found", 404),
        ("204 No Content", 204),
    ] {
        for question in every_ask() {
            let body = if code == 204 { "" } else { GOOD };
            let told = told(answer(line, body), question).await;
            assert_eq!(passing(&told), (Passing::Status(code), true));
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Peer::start([]).await;
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{}/\r\nContent-Length: 0\r\n\r\n",
        elsewhere.address
    );
    let told = told(Act::Answer(redirect.into_bytes()), Ask::Classic).await;
    assert_eq!(passing(&told), (Passing::Status(302), true));
    assert_eq!(elsewhere.seen(|seen| seen.connections), 0);
}

#[tokio::test]
async fn answers_that_are_not_wechats_are_nonsense() {
    let html = "<html>please log in to the hotel's network</html>";
    let gzip =
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08";
    let labelled = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: {}\r\n\r\n{GOOD}",
        GOOD.len()
    );
    for act in [
        ok(html),
        ok(""),
        ok(r#"{"access_token":"68_new""#),
        ok(r#"{"access_token":"","expires_in":7200}"#),
        Act::Answer(gzip.to_vec()),
        Act::Answer(labelled.into_bytes()),
    ] {
        assert_eq!(
            passing(&told(act, Ask::Classic).await),
            (Passing::Nonsense, true)
        );
    }
}

#[tokio::test]
async fn an_answer_larger_than_64_kib_is_nonsense_announced_or_not() {
    let announced = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n{".to_vec();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let chunked =
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n");
    let until_closed = format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(70_000));
    for bytes in [announced, chunked.into_bytes(), until_closed.into_bytes()] {
        let told = told(Act::Answer(bytes), Ask::Stable).await;
        assert_eq!(passing(&told), (Passing::Nonsense, true));
    }
}

#[tokio::test]
async fn an_answer_may_be_chunked_or_end_with_its_connection() {
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        &GOOD[..5],
        GOOD.len() - 5,
        &GOOD[5..]
    );
    let until_closed = format!("HTTP/1.0 200 OK\r\n\r\n{GOOD}");
    for bytes in [chunked, until_closed] {
        let told = told(Act::AnswerAndClose(bytes.into_bytes()), Ask::Classic).await;
        assert_eq!(value(&told).0, "68_new");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_cut_and_counts_as_sent() {
    let whole = format!(
        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: {}\r\n\r\n{GOOD}",
        GOOD.len()
    );
    for end in 0..whole.len() {
        let torn = whole.as_bytes()[..end].to_vec();
        let told = told(Act::AnswerAndClose(torn), Ask::Classic).await;
        assert_eq!(passing(&told), (Passing::Cut, true), "after {end} bytes");
        let head_came = whole[..end].contains("\r\n\r\n");
        assert_eq!(failure(&told).upstream_time.is_some(), head_came);
    }
}

#[tokio::test]
async fn a_chunked_answer_without_its_end_is_cut() {
    let torn = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{GOOD}\r\n",
        GOOD.len()
    );
    let told = told(Act::AnswerAndClose(torn.into_bytes()), Ask::Classic).await;
    assert_eq!(passing(&told), (Passing::Cut, true));
}

#[tokio::test]
async fn bytes_that_are_not_http_are_cut_and_count_as_sent() {
    let ssh = b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec();
    assert_eq!(
        passing(&told(Act::Answer(ssh), Ask::Classic).await),
        (Passing::Cut, true)
    );
}

#[tokio::test]
async fn a_connection_reset_while_the_request_is_read_counts_as_sent() {
    for question in every_ask() {
        assert_eq!(
            passing(&told(Act::Reset, question).await),
            (Passing::Cut, true)
        );
    }
}

#[tokio::test]
async fn silence_ends_with_the_time_given_and_counts_as_sent() {
    let peer = Peer::start([Act::Silence]).await;
    let client = client_of(peer.base());
    let told = client.ask_in_detail(&app(), &Ask::Classic, SHORT).await;
    assert_eq!(passing(&told), (Passing::Cut, true));
    peer.until(|seen| seen.closed == 1).await;
}

#[tokio::test]
async fn an_answer_that_drips_ends_with_the_time_given() {
    for byte in [b'H', b'\n'] {
        let peer = Peer::start([Act::Drip(byte)]).await;
        let client = client_of(peer.base());
        let told = client.ask_in_detail(&app(), &Ask::Classic, SHORT).await;
        assert_eq!(passing(&told), (Passing::Cut, true));
    }
}

#[tokio::test]
async fn a_body_that_drips_ends_with_the_time_given() {
    let peer = Peer::start([Act::Answer(
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{".to_vec(),
    )])
    .await;
    let client = client_of(peer.base());
    let told = client.ask_in_detail(&app(), &Ask::Classic, SHORT).await;
    assert_eq!(passing(&told), (Passing::Cut, true));
}

#[tokio::test]
async fn an_app_that_is_not_configured_is_not_asked_for() {
    let peer = Peer::start([]).await;
    let client = client_of(peer.base());
    let told = client
        .ask_in_detail(&"wxother".parse().unwrap(), &Ask::Classic, LONG)
        .await;
    assert_eq!(passing(&told), (Passing::Unreachable, false));
    assert_eq!(peer.seen(|seen| seen.connections), 0);
}
