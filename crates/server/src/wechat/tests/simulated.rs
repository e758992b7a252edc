//! The client against the simulator, which was written from the facts and not from the client.

use std::time::UNIX_EPOCH;

use wxtoken_simulator as sim;
use wxtoken_simulator::{
    Account, AppKind, AppSpec, Content, Dress, ErrorText, Framing, IpStanding, Lane as SimLane,
    QuotaText, SecretRefusal, SimClock, TicketKind, UnknownToken, Upstream,
};

use super::peer::base;
use super::*;
use crate::wechat::SecretUsed;

const APP: &str = "wx0123456789abcdef";
const FULL: Duration = Duration::from_secs(7200);

async fn upstream() -> Upstream {
    Upstream::start(sim::Options {
        clock: SimClock::manual(UNIX_EPOCH + Duration::from_secs(1_795_000_000)),
        apps: vec![AppSpec::new(APP, SECRET, AppKind::Official)],
        ..sim::Options::default()
    })
    .await
    .unwrap()
}

pub(super) async fn played() -> (Upstream, WeChat) {
    let upstream = upstream().await;
    let client = client_of(base(&upstream.base_url()));
    (upstream, client)
}

fn with_token(told: &Told) -> Token {
    Token::new(&value(told).0).unwrap()
}

fn trouble(told: &Told) -> Trouble {
    failure(told).trouble
}

async fn probe(client: &WeChat, token: &Token) -> Reply {
    let told = ask(client, Ask::Probe(Lane::Classic, token.clone())).await;
    told.result.unwrap().reply
}

#[tokio::test]
async fn the_classic_lane_mints_each_time() {
    let (upstream, client) = played().await;
    let first = ask(&client, Ask::Classic).await;
    let second = ask(&client, Ask::Classic).await;
    assert_eq!(value(&first).1, FULL);
    assert_ne!(value(&first).0, value(&second).0);
    assert_eq!(upstream.world().minted(APP, SimLane::Classic), 2);
    let shown = upstream.world().current_token(APP, SimLane::Classic);
    assert_eq!(shown, Some(value(&second).0));
}

#[tokio::test]
async fn the_stable_lane_answers_the_same_until_its_last_five_minutes_or_a_force() {
    let (upstream, client) = played().await;
    let (token, _) = value(&ask(&client, Ask::Stable).await);
    upstream.world().clock().advance(Duration::from_secs(1200));
    let again = value(&ask(&client, Ask::Stable).await);
    assert_eq!(again, (token.clone(), Duration::from_secs(6000)));
    let (forced, life) = value(&ask(&client, Ask::Forced).await);
    assert_eq!(life, FULL);
    assert_ne!(forced, token);
    assert_eq!(upstream.world().forced(APP), 1);
}

#[tokio::test]
async fn upstreams_clock_is_read_from_its_answers() {
    let (upstream, client) = played().await;
    let answer = ask(&client, Ask::Classic).await.result.unwrap();
    let now = upstream.world().now().unix_ms();
    assert_eq!(answer.upstream_time.unwrap().0, now.unsigned_abs());
}

#[tokio::test]
async fn tickets_of_both_types_are_fetched_with_a_token() {
    let (upstream, client) = played().await;
    let token = with_token(&ask(&client, Ask::Stable).await);
    let jsapi = ask(&client, Ask::Ticket(Ticket::Jsapi, token.clone())).await;
    let card = ask(&client, Ask::Ticket(Ticket::Card, token.clone())).await;
    assert_ne!(value(&jsapi).0, value(&card).0);
    assert_eq!(value(&jsapi).1, FULL);
    let again = ask(&client, Ask::Ticket(Ticket::Jsapi, token.clone())).await;
    assert_eq!(value(&again), value(&jsapi));
    let world = upstream.world();
    world.change_ticket(APP, TicketKind::Jsapi).unwrap();
    let changed = ask(&client, Ask::Ticket(Ticket::Jsapi, token)).await;
    assert_ne!(value(&changed).0, value(&jsapi).0);
}

#[tokio::test]
async fn a_probe_tells_a_live_token_from_a_replaced_an_expired_and_an_unknown_one() {
    let (upstream, client) = played().await;
    let world = upstream.world();
    let token = with_token(&ask(&client, Ask::Classic).await);
    assert!(matches!(probe(&client, &token).await, Reply::Alive));
    world.kill(APP, SimLane::Classic).unwrap();
    assert!(matches!(probe(&client, &token).await, Reply::Dead(40001)));

    let old = with_token(&ask(&client, Ask::Classic).await);
    world.clock().advance(FULL);
    assert!(matches!(probe(&client, &old).await, Reply::Dead(42001)));

    let forged = Token::new("1_forged").unwrap();
    assert!(matches!(probe(&client, &forged).await, Reply::Dead(40001)));
    world.change_rules(|rules| rules.readings.unknown_token = UnknownToken::Code40014);
    assert!(matches!(probe(&client, &forged).await, Reply::Dead(40014)));
    let ticket = ask(&client, Ask::Ticket(Ticket::Jsapi, forged)).await;
    assert_eq!(trouble(&ticket), Trouble::TokenBad(40014));
}

#[tokio::test]
async fn a_wrong_secret_is_a_refusal_in_either_wording() {
    let (upstream, client) = played().await;
    let world = upstream.world();
    world.set_secret(APP, PREVIOUS).unwrap();
    for (reading, code) in [
        (SecretRefusal::Code40125, 40125),
        (SecretRefusal::Code40001, 40001),
    ] {
        world.change_rules(|rules| rules.readings.secret_refusal = reading);
        for question in [Ask::Classic, Ask::Stable, Ask::Forced] {
            let told = ask(&client, question).await;
            assert_eq!(trouble(&told), Trouble::Refused(code));
        }
    }
}

#[tokio::test]
async fn a_change_of_the_secret_at_wechat_is_lived_through_with_both_configured() {
    for reading in [SecretRefusal::Code40125, SecretRefusal::Code40001] {
        let upstream = upstream().await;
        let world = upstream.world();
        world.change_rules(|rules| rules.readings.secret_refusal = reading);
        world.set_secret(APP, PREVIOUS).unwrap();
        let both = AppUpstream {
            previous_secret: Some(Secret::new(PREVIOUS)),
            ..just_secret()
        };
        let client = client(options(base(&upstream.base_url())), both);
        let wrong = (Passing::OtherSecret, true);
        assert_eq!(passing(&ask(&client, Ask::Classic).await), wrong);
        let told = ask(&client, Ask::Classic).await;
        assert_eq!(told.notes.secret, Some(SecretUsed::Previous));
        world.set_secret(APP, SECRET).unwrap();
        assert_eq!(passing(&ask(&client, Ask::Classic).await), wrong);
        let told = ask(&client, Ask::Classic).await;
        assert_eq!(told.notes.secret, Some(SecretUsed::Current));
        assert_eq!(world.minted(APP, SimLane::Classic), 2);
    }
}

#[tokio::test]
async fn refusals_come_back_by_their_number_however_they_are_worded() {
    let (upstream, client) = played().await;
    let world = upstream.world();
    let wordings = [
        ErrorText::Rid,
        ErrorText::RidShort,
        ErrorText::Hint,
        ErrorText::ReqId,
        ErrorText::Bare,
    ];
    for error_text in wordings {
        world.change_rules(|rules| rules.dress.error_text = error_text);
        for (account, code) in [
            (Account::Frozen, 50007),
            (Account::Punished, 50004),
            (Account::Limited, 50002),
            (Account::Banned, 48004),
        ] {
            world.set_account(APP, account).unwrap();
            let told = ask(&client, Ask::Stable).await;
            assert_eq!(trouble(&told), Trouble::Refused(code));
            let has_rid = matches!(error_text, ErrorText::Rid | ErrorText::RidShort);
            assert_eq!(told.notes.rid.is_some(), has_rid, "{error_text:?}");
        }
    }
    world.set_account(APP, Account::Good).unwrap();
    for (standing, code) in [
        (IpStanding::NeedsConfirmation, 89503),
        (IpStanding::Waiting, 89501),
        (IpStanding::RefusedOnce, 89507),
        (IpStanding::RefusedTwice, 89506),
    ] {
        world.set_ip_standing(APP, standing).unwrap();
        let told = ask(&client, Ask::Classic).await;
        assert_eq!(trouble(&told), Trouble::Refused(code));
    }
    world.set_ip_standing(APP, IpStanding::Trusted).unwrap();
    world.freeze_secret(APP, true).unwrap();
    let told = ask(&client, Ask::Classic).await;
    assert_eq!(trouble(&told), Trouble::Refused(40243));
}

#[tokio::test]
async fn the_whitelists_refusal_names_our_address() {
    let (upstream, client) = played().await;
    upstream
        .world()
        .set_whitelist(APP, Some(&["10.1.2.3"]))
        .unwrap();
    for question in [Ask::Classic, Ask::Stable] {
        let told = ask(&client, question).await;
        assert_eq!(trouble(&told), Trouble::Refused(40164));
        assert_eq!(told.notes.seen_ip, Some("127.0.0.1".parse().unwrap()));
    }
}

#[tokio::test]
async fn a_used_up_quota_is_known_by_its_number_and_not_by_its_text() {
    let (upstream, client) = played().await;
    let world = upstream.world();
    world.change_rules(|rules| rules.quotas.classic_per_day = Some(0));
    for text in [QuotaText::Plain, QuotaText::Hinted, QuotaText::Documented] {
        world.change_rules(|rules| rules.dress.quota_text = text);
        let told = ask(&client, Ask::Classic).await;
        assert_eq!(trouble(&told), Trouble::QuotaUsedUp);
    }
    world.change_rules(|rules| rules.quotas.stable_per_minute = 0);
    assert_eq!(
        passing(&ask(&client, Ask::Stable).await),
        (Passing::TooFast, true)
    );
}

#[tokio::test]
async fn answers_are_read_in_every_dress() {
    let (upstream, client) = played().await;
    for content in [Content::Json, Content::Text] {
        for framing in [Framing::ContentLength, Framing::Chunked] {
            let dress = Dress {
                content,
                framing,
                ..Dress::default()
            };
            upstream.world().change_rules(|rules| rules.dress = dress);
            let token = with_token(&ask(&client, Ask::Classic).await);
            assert!(matches!(probe(&client, &token).await, Reply::Alive));
            value(&ask(&client, Ask::Ticket(Ticket::Card, token)).await);
        }
    }
}
