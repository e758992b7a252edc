//! Both token lanes, the probe, tickets.

use std::time::Duration;

use serde_json::json;
use wxtoken_simulator::{
    Account, AppKind, AppSpec, CallMatch, ForceOverLimit, ForceTooSoon, ForcedPrevious, IpStanding,
    Lane, Options, QuotaCounts, ReplacedAndExpired, Rules, SecretRefusal, Show, ThirdMint,
    TicketKind, TicketLife, TicketTurn, UnknownToken, Upstream, Verdict, WhitelistCode,
    WhitelistOnTokens,
};

use crate::client::{
    APPID, MINI, SECRET, START, classic, get, pass, post, probe, send, stable, upstream,
};

fn reading(change: impl FnOnce(&mut Rules)) -> Rules {
    let mut rules = Rules::default();
    change(&mut rules);
    rules
}

#[tokio::test]
async fn a_classic_fetch_answers_a_token_without_an_errcode() {
    let up = upstream(Rules::default()).await;
    let reply = classic(&up).await;
    assert_eq!(reply.status, 200);
    let json = reply.json();
    assert_eq!(json.as_object().unwrap().len(), 2);
    assert_eq!(json["expires_in"], 7200);
    assert!((136..=157).contains(&reply.token().len()));
    assert_eq!(
        reply.header("content-type"),
        Some("application/json; encoding=utf-8")
    );
    assert_eq!(reply.header("date"), Some("Sun, 22 Nov 2026 08:00:00 GMT"));
    assert_eq!(up.world().minted(APPID, Lane::Classic), 1);
    assert_eq!(
        up.world().current_token(APPID, Lane::Classic),
        Some(reply.token())
    );
}

#[tokio::test]
async fn every_classic_fetch_mints_and_the_old_token_lives_five_minutes_more() {
    let up = upstream(Rules::default()).await;
    let old = classic(&up).await.token();
    pass(&up, 3600);
    let new = classic(&up).await.token();
    assert_ne!(old, new);
    pass(&up, 299);
    assert_eq!((probe(&up, &old).await, probe(&up, &new).await), (0, 0));
    assert_eq!(up.world().verdict(APPID, &old), Verdict::HandingOver);
    pass(&up, 1);
    assert_eq!((probe(&up, &old).await, probe(&up, &new).await), (40001, 0));
}

#[tokio::test]
async fn a_third_fetch_within_the_overlap_kills_the_first_unless_all_are_kept() {
    for (third, first_is) in [(ThirdMint::EvictsOldest, 40001), (ThirdMint::KeepsAll, 0)] {
        let up = upstream(reading(|rules| rules.readings.third_mint = third)).await;
        let tokens = [
            classic(&up).await.token(),
            classic(&up).await.token(),
            classic(&up).await.token(),
        ];
        assert_eq!(probe(&up, &tokens[0]).await, first_is);
        assert_eq!(
            (probe(&up, &tokens[1]).await, probe(&up, &tokens[2]).await),
            (0, 0)
        );
    }
}

#[tokio::test]
async fn a_token_nobody_replaced_ends_as_42001() {
    let up = upstream(Rules::default()).await;
    let token = classic(&up).await.token();
    pass(&up, 7199);
    assert_eq!(probe(&up, &token).await, 0);
    pass(&up, 1);
    let reply = get(
        &up,
        &format!("/cgi-bin/get_api_domain_ip?access_token={token}"),
    )
    .await;
    assert_eq!(reply.errcode(), 42001);
    assert!(
        reply.text().contains("access_token expired rid: 6b"),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn a_token_both_replaced_and_past_its_time_follows_the_switch() {
    for (reading_is, code) in [
        (ReplacedAndExpired::Code40001, 40001),
        (ReplacedAndExpired::Code42001, 42001),
    ] {
        let up = upstream(reading(|rules| {
            rules.readings.replaced_and_expired = reading_is
        }))
        .await;
        let token = classic(&up).await.token();
        pass(&up, 7000);
        classic(&up).await;
        pass(&up, 600);
        assert_eq!(probe(&up, &token).await, code);
    }
}

#[tokio::test]
async fn missing_and_unknown_tokens_are_told_apart() {
    for (reading_is, code) in [
        (UnknownToken::Code40001, 40001),
        (UnknownToken::Code40014, 40014),
    ] {
        let up = upstream(reading(|rules| rules.readings.unknown_token = reading_is)).await;
        assert_eq!(
            get(&up, "/cgi-bin/get_api_domain_ip").await.errcode(),
            41001
        );
        assert_eq!(
            get(&up, "/cgi-bin/get_api_domain_ip?access_token=")
                .await
                .errcode(),
            41001
        );
        assert_eq!(probe(&up, "forged").await, code);
    }
    let up = upstream(Rules::default()).await;
    let text = get(&up, "/cgi-bin/menu/get?access_token=x").await.text();
    assert!(text.starts_with(
        r#"{"errcode":40001,"errmsg":"invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r rid: "#
    ), "{text}");
}

#[tokio::test]
async fn a_bad_token_is_reported_before_a_bad_body() {
    let up = upstream(Rules::default()).await;
    let reply = send(
        &up,
        "POST",
        "/cgi-bin/clear_quota?access_token=forged",
        b"{not json",
    )
    .await;
    assert_eq!(reply.errcode(), 40001);
}

#[tokio::test]
async fn the_token_endpoint_checks_in_wechats_order() {
    let up = upstream(Rules::default()).await;
    let code = async |query: &str| get(&up, &format!("/cgi-bin/token?{query}")).await.errcode();
    assert_eq!(code("").await, 41002);
    assert_eq!(code("appid=wxnobody").await, 40013);
    assert_eq!(code(&format!("appid={APPID}")).await, 41004);
    assert_eq!(code(&format!("appid={APPID}&secret=wrong")).await, 40125);
    assert_eq!(code(&format!("appid={APPID}&secret={SECRET}")).await, 40002);
    up.world()
        .set_whitelist(APPID, Some(&["10.0.0.1"]))
        .unwrap();
    up.world().freeze_secret(APPID, true).unwrap();
    let right = format!("appid={APPID}&secret={SECRET}&grant_type=client_credential");
    let refusal = get(&up, &format!("/cgi-bin/token?{right}")).await;
    assert_eq!(refusal.errcode(), 40164);
    assert!(
        refusal
            .text()
            .contains("invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist rid: 6b")
    );
    up.world()
        .set_whitelist(APPID, Some(&["127.0.0.0/8"]))
        .unwrap();
    assert_eq!(code(&right).await, 40243);
    up.world().freeze_secret(APPID, false).unwrap();
    assert_eq!(code(&right).await, 0);
}

#[tokio::test]
async fn standings_have_their_own_codes() {
    let up = upstream(Rules::default()).await;
    for (standing, code) in [
        (IpStanding::NeedsConfirmation, 89503),
        (IpStanding::Waiting, 89501),
        (IpStanding::RefusedOnce, 89507),
        (IpStanding::RefusedTwice, 89506),
        (IpStanding::Trusted, 0),
    ] {
        up.world().set_ip_standing(APPID, standing).unwrap();
        assert_eq!(classic(&up).await.errcode(), code);
        assert_eq!(stable(&up, false).await.errcode(), code);
    }
    for (account, code) in [
        (Account::Frozen, 50007),
        (Account::Punished, 50004),
        (Account::Limited, 50002),
        (Account::Banned, 48004),
        (Account::Good, 0),
    ] {
        up.world().set_account(APPID, account).unwrap();
        assert_eq!(classic(&up).await.errcode(), code);
    }
}

#[tokio::test]
async fn a_reset_secret_refuses_the_old_one_and_tokens_live_on_unless_switched() {
    for survive in [true, false] {
        let up = upstream(reading(|rules| {
            rules.readings.tokens_survive_secret_reset = survive
        }))
        .await;
        let tokens = [classic(&up).await.token(), stable(&up, false).await.token()];
        up.world()
            .set_secret(APPID, "ffffffffffffffffffffffffffffffff")
            .unwrap();
        assert_eq!(classic(&up).await.errcode(), 40125);
        for token in tokens {
            assert_eq!(probe(&up, &token).await, if survive { 0 } else { 40001 });
        }
    }
    let up = upstream(reading(|rules| {
        rules.readings.secret_refusal = SecretRefusal::Code40001
    }))
    .await;
    up.world().set_secret(APPID, "f").unwrap();
    assert_eq!(classic(&up).await.errcode(), 40001);
}

#[tokio::test]
async fn a_frozen_secret_leaves_tokens_alive_unless_switched() {
    for survive in [true, false] {
        let up = upstream(reading(|rules| {
            rules.readings.tokens_survive_secret_freeze = survive
        }))
        .await;
        let token = classic(&up).await.token();
        up.world().freeze_secret(APPID, true).unwrap();
        assert_eq!(probe(&up, &token).await, if survive { 0 } else { 40001 });
        up.world().freeze_secret(APPID, false).unwrap();
        assert_eq!(probe(&up, &token).await, 0);
    }
}

#[tokio::test]
async fn the_stable_lane_answers_the_same_token_until_five_minutes_before_its_end() {
    let up = upstream(Rules::default()).await;
    let first = stable(&up, false).await;
    assert_eq!(first.json()["expires_in"], 7200);
    pass(&up, 6855);
    let same = stable(&up, false).await;
    assert_eq!(
        (same.token(), &same.json()["expires_in"]),
        (first.token(), &json!(345))
    );
    pass(&up, 45);
    let new = stable(&up, false).await;
    assert_ne!(new.token(), first.token());
    assert_eq!(new.json()["expires_in"], 7200);
    pass(&up, 299);
    assert_eq!(
        (
            probe(&up, &first.token()).await,
            probe(&up, &new.token()).await
        ),
        (0, 0)
    );
    pass(&up, 1);
    assert_eq!(
        (
            probe(&up, &first.token()).await,
            probe(&up, &new.token()).await
        ),
        (40001, 0)
    );
    assert_eq!(up.world().minted(APPID, Lane::Stable), 2);
}

#[tokio::test]
async fn neither_lane_touches_the_other() {
    let up = upstream(Rules::default()).await;
    let (old, steady) = (classic(&up).await.token(), stable(&up, false).await.token());
    for _ in 0..3 {
        classic(&up).await;
    }
    assert_eq!(
        (probe(&up, &old).await, probe(&up, &steady).await),
        (40001, 0)
    );
    let current = up.world().current_token(APPID, Lane::Classic).unwrap();
    stable(&up, true).await;
    pass(&up, 31);
    stable(&up, true).await;
    assert_eq!(
        (probe(&up, &current).await, probe(&up, &steady).await),
        (0, 40001)
    );
}

#[tokio::test]
async fn a_stable_fetch_must_be_a_post_with_json() {
    let up = upstream(Rules::default()).await;
    let get_it = get(
        &up,
        &format!("/cgi-bin/stable_token?appid={APPID}&secret={SECRET}"),
    )
    .await;
    assert_eq!(get_it.errcode(), 43002);
    assert!(get_it.text().contains("require POST method"));
    assert_eq!(
        send(&up, "POST", "/cgi-bin/stable_token", b"")
            .await
            .errcode(),
        44002
    );
    assert_eq!(
        send(&up, "POST", "/cgi-bin/stable_token", b"{")
            .await
            .errcode(),
        47001
    );
    let in_query =
        format!("/cgi-bin/stable_token?appid={APPID}&secret={SECRET}&grant_type=client_credential");
    assert_eq!(post(&up, &in_query, &json!({})).await.errcode(), 41002);
    let forged = json!({"grant_type": "client_credential", "appid": "wxnobody", "secret": SECRET});
    assert_eq!(
        post(&up, "/cgi-bin/stable_token", &forged).await.errcode(),
        40013
    );
}

#[tokio::test]
async fn a_forced_fetch_mints_and_the_second_one_ends_the_leaked_token_at_once() {
    let up = upstream(Rules::default()).await;
    let leaked = stable(&up, false).await.token();
    let second = stable(&up, true).await.token();
    assert_ne!(leaked, second);
    assert_eq!(
        (probe(&up, &leaked).await, probe(&up, &second).await),
        (0, 0)
    );
    pass(&up, 30);
    stable(&up, true).await;
    assert_eq!(
        (probe(&up, &leaked).await, probe(&up, &second).await),
        (40001, 0)
    );
    assert_eq!(
        (up.world().forced(APPID), up.world().forces_today(APPID)),
        (2, 2)
    );
}

#[tokio::test]
async fn one_forced_fetch_kills_the_token_at_once_under_the_literal_reading() {
    let up = upstream(reading(|rules| {
        rules.readings.forced_previous = ForcedPrevious::DiesNow
    }))
    .await;
    let leaked = stable(&up, false).await.token();
    stable(&up, true).await;
    assert_eq!(probe(&up, &leaked).await, 40001);
}

#[tokio::test]
async fn a_force_within_thirty_seconds_follows_the_switch() {
    for (too_soon, code) in [
        (ForceTooSoon::SameValue, 0),
        (ForceTooSoon::Quota45009, 45009),
        (ForceTooSoon::Rate45011, 45011),
    ] {
        let up = upstream(reading(|rules| rules.readings.force_too_soon = too_soon)).await;
        let token = stable(&up, true).await.token();
        pass(&up, 29);
        let again = stable(&up, true).await;
        assert_eq!(again.errcode(), code);
        if code == 0 {
            assert_eq!(
                (again.token(), &again.json()["expires_in"]),
                (token.clone(), &json!(7171))
            );
        }
        assert_eq!(
            (up.world().forced(APPID), up.world().forces_today(APPID)),
            (1, 1)
        );
        pass(&up, 1);
        assert_ne!(stable(&up, true).await.token(), token);
    }
}

#[tokio::test]
async fn the_twenty_first_force_of_a_beijing_day_follows_the_switch() {
    for (over, code) in [
        (ForceOverLimit::Quota45009, 45009),
        (ForceOverLimit::SameValue, 0),
    ] {
        let up = upstream(reading(|rules| rules.readings.force_over_limit = over)).await;
        for _ in 0..20 {
            assert_eq!(stable(&up, true).await.errcode(), 0);
            pass(&up, 30);
        }
        assert_eq!(stable(&up, true).await.errcode(), code);
        assert_eq!(up.world().forced(APPID), 20);
        // 16:00 UTC is midnight in Beijing.
        pass(&up, 8 * 3600 - 600 - 1);
        assert_eq!(stable(&up, true).await.errcode(), code);
        assert_eq!(up.world().forced(APPID), 20);
        pass(&up, 1);
        stable(&up, true).await;
        assert_eq!(
            (up.world().forced(APPID), up.world().forces_today(APPID)),
            (21, 1)
        );
    }
}

#[tokio::test]
async fn the_daily_quota_ends_in_45009_and_comes_back_at_midnight_in_beijing() {
    let up = upstream(reading(|rules| rules.quotas.classic_per_day = Some(3))).await;
    for _ in 0..3 {
        assert_eq!(classic(&up).await.errcode(), 0);
    }
    let refused = classic(&up).await;
    assert_eq!(refused.errcode(), 45009);
    assert!(
        refused
            .text()
            .contains("reach max api daily quota limit rid: 6b")
    );
    assert_eq!(up.world().minted(APPID, Lane::Classic), 3);
    assert_eq!(up.world().calls(APPID, "/cgi-bin/token"), 4);
    pass(&up, 8 * 3600);
    assert_eq!(classic(&up).await.errcode(), 0);
}

#[tokio::test]
async fn refused_calls_use_up_the_quota_only_when_every_call_counts() {
    for (counts, used) in [(QuotaCounts::Successes, 0), (QuotaCounts::EveryCall, 1)] {
        let up = upstream(reading(|rules| rules.readings.quota_counts = counts)).await;
        assert_eq!(
            get(&up, &format!("/cgi-bin/token?appid={APPID}&secret=wrong"))
                .await
                .errcode(),
            40125
        );
        assert_eq!(up.world().used_today(APPID, "/cgi-bin/token"), used);
    }
}

#[tokio::test]
async fn a_test_account_has_two_hundred_fetches_a_day_and_an_official_one_two_thousand() {
    let up = upstream(Rules::default()).await;
    let world = up.world();
    world
        .add_app(AppSpec::new("wxtest", SECRET, AppKind::Test))
        .unwrap();
    let token = get(
        &up,
        &format!("/cgi-bin/token?grant_type=client_credential&appid=wxtest&secret={SECRET}"),
    )
    .await
    .token();
    let ask = json!({"cgi_path": "/cgi-bin/token"});
    let quota = async |token: &str| {
        post(
            &up,
            &format!("/cgi-bin/openapi/quota/get?access_token={token}"),
            &ask,
        )
        .await
        .json()
    };
    assert_eq!(
        quota(&token).await["quota"],
        json!({"daily_limit": 200, "used": 1, "remain": 199})
    );
    let token = classic(&up).await.token();
    assert_eq!(quota(&token).await["quota"]["daily_limit"], 2000);
}

#[tokio::test]
async fn more_stable_fetches_than_a_minute_allows_are_45011() {
    let up = upstream(reading(|rules| rules.quotas.stable_per_minute = 2)).await;
    assert_eq!(stable(&up, false).await.errcode(), 0);
    assert_eq!(stable(&up, false).await.errcode(), 0);
    assert_eq!(stable(&up, false).await.errcode(), 45011);
    pass(&up, 60);
    assert_eq!(stable(&up, false).await.errcode(), 0);
}

#[tokio::test]
async fn quotas_can_be_cleared_ten_times_a_month_by_token_or_secret() {
    let up = upstream(reading(|rules| rules.quotas.classic_per_day = Some(1))).await;
    let token = classic(&up).await.token();
    assert_eq!(classic(&up).await.errcode(), 45009);
    let by_token = format!("/cgi-bin/clear_quota?access_token={token}");
    assert_eq!(
        post(&up, &by_token, &json!({"appid": "wxother"}))
            .await
            .errcode(),
        40013
    );
    let cleared = post(&up, &by_token, &json!({"appid": APPID})).await;
    assert_eq!(cleared.text(), r#"{"errcode":0,"errmsg":"ok"}"#);
    assert_eq!(classic(&up).await.errcode(), 0);
    let by_secret = format!("/cgi-bin/clear_quota/v2?appid={APPID}&appsecret={SECRET}");
    assert_eq!(get(&up, &by_secret).await.errcode(), 43002);
    for _ in 0..9 {
        assert_eq!(post(&up, &by_secret, &json!({})).await.errcode(), 0);
    }
    assert_eq!(post(&up, &by_secret, &json!({})).await.errcode(), 48006);
    let wrong = format!("/cgi-bin/clear_quota/v2?appid={APPID}&appsecret=no");
    assert_eq!(post(&up, &wrong, &json!({})).await.errcode(), 40125);
}

#[tokio::test]
async fn calls_with_a_token_meet_the_whitelist_as_switched() {
    let of = async |when, code| {
        let up = upstream(reading(|rules| {
            rules.readings.whitelist_on_tokens = when;
            rules.readings.whitelist_code = code;
        }))
        .await;
        let token = classic(&up).await.token();
        up.world().set_whitelist(APPID, Some(&[])).unwrap();
        (probe(&up, &token).await, probe(&up, "forged").await)
    };
    assert_eq!(
        of(WhitelistOnTokens::AfterToken, WhitelistCode::Code40164).await,
        (40164, 40001)
    );
    assert_eq!(
        of(WhitelistOnTokens::BeforeToken, WhitelistCode::Code61004).await,
        (61004, 40001)
    );
    assert_eq!(
        of(WhitelistOnTokens::Never, WhitelistCode::Code40164).await,
        (0, 40001)
    );
}

#[tokio::test]
async fn before_the_token_means_a_dead_token_from_a_stranger_is_40164() {
    let up = upstream(reading(|rules| {
        rules.readings.whitelist_on_tokens = WhitelistOnTokens::BeforeToken
    }))
    .await;
    let token = classic(&up).await.token();
    up.world().kill(APPID, Lane::Classic).unwrap();
    up.world().set_whitelist(APPID, Some(&[])).unwrap();
    assert_eq!(probe(&up, &token).await, 40164);
    up.world()
        .change_rules(|rules| rules.readings.whitelist_on_tokens = WhitelistOnTokens::AfterToken);
    assert_eq!(probe(&up, &token).await, 40001);
}

#[tokio::test]
async fn a_mini_programs_whitelist_guards_its_secret_only() {
    let up = upstream(Rules::default()).await;
    let url = format!("/cgi-bin/token?grant_type=client_credential&appid={MINI}&secret={SECRET}");
    let token = get(&up, &url).await.token();
    up.world().set_whitelist(MINI, Some(&[])).unwrap();
    assert_eq!(get(&up, &url).await.errcode(), 40164);
    assert_eq!(probe(&up, &token).await, 0);
}

#[tokio::test]
async fn a_ticket_stays_the_same_for_two_hours_and_always_says_7200() {
    let up = upstream(Rules::default()).await;
    let token = stable(&up, false).await.token();
    let url = format!("/cgi-bin/ticket/getticket?type=jsapi&access_token={token}");
    let first = get(&up, &url).await.json();
    assert_eq!(
        (&first["errcode"], &first["errmsg"], &first["expires_in"]),
        (&json!(0), &json!("ok"), &json!(7200))
    );
    pass(&up, 7199);
    let token = stable(&up, false).await.token();
    let url = format!("/cgi-bin/ticket/getticket?type=jsapi&access_token={token}");
    assert_eq!(get(&up, &url).await.json(), first);
    pass(&up, 1);
    assert_ne!(get(&up, &url).await.json()["ticket"], first["ticket"]);
    assert_eq!(up.world().minted(APPID, Lane::Ticket(TicketKind::Jsapi)), 2);
    let card = get(
        &up,
        &format!("/cgi-bin/ticket/getticket?type=wx_card&access_token={token}"),
    )
    .await
    .json();
    assert_ne!(card["ticket"], first["ticket"]);
    assert_eq!(
        up.world().minted(APPID, Lane::Ticket(TicketKind::WxCard)),
        1
    );
}

#[tokio::test]
async fn tickets_follow_their_switches() {
    let up = upstream(reading(|rules| {
        rules.readings.ticket_life = TicketLife::EndsWithToken;
        rules.readings.ticket_expires_in_full = false;
        rules.readings.ticket_turn = TicketTurn::OnBoundary;
    }))
    .await;
    let ticket = async || {
        let token = up.world().current_token(APPID, Lane::Classic).unwrap();
        get(
            &up,
            &format!("/cgi-bin/ticket/getticket?type=jsapi&access_token={token}"),
        )
        .await
        .json()
    };
    classic(&up).await;
    // 08:00 is a boundary.
    pass(&up, 1000);
    let first = ticket().await;
    assert_eq!(first["expires_in"], 6200);
    classic(&up).await;
    assert_ne!(ticket().await["ticket"], first["ticket"]);
    let second = ticket().await;
    pass(&up, 6199);
    assert_eq!(ticket().await["ticket"], second["ticket"]);
    pass(&up, 1);
    assert_ne!(ticket().await["ticket"], second["ticket"]);
}

#[tokio::test]
async fn a_ticket_wants_a_live_token_a_known_type_and_an_account_that_may() {
    let up = upstream(Rules::default()).await;
    let token = stable(&up, false).await.token();
    assert_eq!(
        get(&up, "/cgi-bin/ticket/getticket?type=jsapi&access_token=x")
            .await
            .errcode(),
        40001
    );
    assert_eq!(
        get(
            &up,
            &format!("/cgi-bin/ticket/getticket?access_token={token}")
        )
        .await
        .errcode(),
        40097
    );
    let post_it = send(
        &up,
        "POST",
        &format!("/cgi-bin/ticket/getticket?type=jsapi&access_token={token}"),
        b"",
    )
    .await;
    assert_eq!(post_it.errcode(), 0);
    let url = format!("/cgi-bin/token?grant_type=client_credential&appid={MINI}&secret={SECRET}");
    let mini = get(&up, &url).await.token();
    assert_eq!(
        get(
            &up,
            &format!("/cgi-bin/ticket/getticket?type=jsapi&access_token={mini}")
        )
        .await
        .errcode(),
        48001
    );
}

#[tokio::test]
async fn foreign_programs_kill_expire_and_force() {
    let up = upstream(Rules::default()).await;
    let world = up.world();
    let ours = classic(&up).await.token();
    let theirs = world.foreign_fetch(APPID).unwrap();
    assert_eq!((probe(&up, &ours).await, probe(&up, &theirs).await), (0, 0));
    world.kill(APPID, Lane::Classic).unwrap();
    assert_eq!(
        (probe(&up, &ours).await, probe(&up, &theirs).await),
        (40001, 40001)
    );
    assert_eq!(
        (
            world.minted(APPID, Lane::Classic),
            world.minted_elsewhere(APPID, Lane::Classic)
        ),
        (1, 2)
    );

    let steady = stable(&up, false).await.token();
    let forced = world.foreign_force(APPID).unwrap();
    assert_eq!(stable(&up, false).await.token(), forced);
    assert!(world.is_live(APPID, &steady));
    let killer = world.kill(APPID, Lane::Stable).unwrap().unwrap();
    assert_eq!(stable(&up, false).await.token(), killer);
    assert_eq!(probe(&up, &forced).await, 40001);

    world.expire_now(APPID, Lane::Stable).unwrap();
    assert_eq!(probe(&up, &killer).await, 42001);
    let next = stable(&up, false).await.token();
    world.void(APPID, Lane::Stable).unwrap();
    assert_eq!(probe(&up, &next).await, 40001);
    assert!(world.kill("wxnobody", Lane::Stable).is_err());
}

#[tokio::test]
async fn one_apps_token_is_unknown_to_another() {
    let up = upstream(Rules::default()).await;
    let token = classic(&up).await.token();
    assert_eq!(up.world().verdict(MINI, &token), Verdict::Unknown);
    assert_eq!(up.world().verdict(APPID, &token), Verdict::Live);
}

#[tokio::test]
async fn the_log_remembers_what_was_asked_and_can_be_waited_for() {
    let up = upstream(Rules::default()).await;
    let world = up.world();
    let waiting = world.next_call(CallMatch::path("/cgi-bin/stable_token").app(APPID));
    let token = classic(&up).await.token();
    stable(&up, true).await;
    let call = waiting.await;
    assert!(call.forced);
    assert_eq!(call.minted.as_ref().unwrap().lane, Lane::Stable);
    let log = world.log();
    assert_eq!(log.len(), 2);
    assert_eq!(
        log[0].minted.as_ref().unwrap().value,
        wxtoken_simulator::fingerprint(&token)
    );
    assert_eq!(log[0].at.unix_s(), i64::try_from(START).unwrap());
    assert!(
        log[0].query(Show::Raw).contains(SECRET) && !log[0].query(Show::Masked).contains(SECRET)
    );
    probe(&up, "forged").await;
    let refused = world.calls_reach(CallMatch::any().errcode(40001), 1).await;
    assert_eq!(
        (&*refused.path, refused.appid.as_deref()),
        ("/cgi-bin/get_api_domain_ip", None)
    );
    assert_eq!(world.calls_total("/cgi-bin/get_api_domain_ip"), 1);
    assert_eq!(world.minted_total(Lane::Classic), 1);
}

#[tokio::test]
async fn other_paths_are_plain_apis_that_tell_back_what_arrived() {
    let up = upstream(Rules::default()).await;
    let token = classic(&up).await.token();
    let reply = send(
        &up,
        "POST",
        &format!("//wxa//anything?access_token={token}"),
        &[7; 100_000],
    )
    .await
    .json();
    assert_eq!(
        (&reply["errcode"], &reply["len"], &reply["path"]),
        (&json!(0), &json!(100_000), &json!("/wxa/anything"))
    );
    assert_eq!(
        send(&up, "POST", "/wxa/anything", b"x").await.errcode(),
        41001
    );
    assert_eq!(up.world().calls(APPID, "/wxa/anything"), 1);
}

#[tokio::test]
async fn lifetimes_can_be_shortened_and_apps_generated_by_the_thousand() {
    let options = Options {
        generated_apps: 5000,
        rules: Rules::with_token_lifetime(Duration::from_secs(12)),
        clock: wxtoken_simulator::SimClock::manual(
            std::time::UNIX_EPOCH + Duration::from_secs(START),
        ),
        ..Options::default()
    };
    let up = Upstream::start(options).await.unwrap();
    assert_eq!(up.world().app_count(), 5000);
    let app = wxtoken_simulator::generated_app(4999);
    let url = format!(
        "/cgi-bin/token?grant_type=client_credential&appid={}&secret={}",
        app.appid, app.secret
    );
    let reply = get(&up, &url).await;
    assert_eq!(reply.json()["expires_in"], 12);
    pass(&up, 12);
    assert_eq!(probe(&up, &reply.token()).await, 42001);
}

#[tokio::test]
async fn a_simulator_that_is_down_refuses_connections_and_comes_back_on_its_port() {
    let up = upstream(Rules::default()).await;
    up.world().go_down().await.unwrap();
    let refused = tokio::net::TcpStream::connect(up.address())
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    up.world().come_up().await.unwrap();
    assert_eq!(classic(&up).await.errcode(), 0);
    let address = up.address();
    up.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_bad_token_can_be_refused_before_the_body_has_arrived() {
    let up = upstream(reading(|rules| rules.readings.refuse_before_body = true)).await;
    let head = "POST /wxa/x?access_token=forged HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\nfirst bytes";
    let reply = crate::client::parse(&crate::client::raw(&up, head.as_bytes()).await);
    assert_eq!(reply.errcode(), 40001);
}
