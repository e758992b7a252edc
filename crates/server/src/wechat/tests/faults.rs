//! The client against every fault the simulator knows, and what WeChat minted meanwhile.

use wxtoken_core::source::Answer;
use wxtoken_simulator::{Fault, FaultScope, Lane as SimLane, World, fault_catalog};

use super::peer::base;
use super::simulated::played;
use super::*;

const APP: &str = "wx0123456789abcdef";

/// What one fault leads to when a token is asked for.
enum Leads {
    /// A value.
    ToValue,
    /// This trouble; a byte has left.
    To(Trouble),
}

use Leads::{To, ToValue};

const fn passes(passing: Passing) -> Leads {
    To(Trouble::Passing(passing))
}

const fn refuses(code: i64) -> Leads {
    To(Trouble::Refused(code))
}

/// Each fault with what it leads to on the token endpoints, and whether WeChat mints all the same.
fn table() -> Vec<(Fault, Leads, bool)> {
    use Passing::{Busy, Cut, Nonsense, Status, TooFast};
    vec![
        (Fault::ForeignFetch, ToValue, true),
        (Fault::ForeignForce, ToValue, true),
        (Fault::Busy, passes(Busy), false),
        (Fault::Errcode { code: 41004 }, refuses(41004), false),
        (Fault::Errcode { code: 42001 }, refuses(42001), false),
        (Fault::Errcode { code: 99_999 }, refuses(99_999), false),
        (delay(1), ToValue, true),
        (Fault::LostAnswer, passes(Cut), true),
        (Fault::TornJson, passes(Nonsense), true),
        (Fault::CutBody, passes(Cut), true),
        (Fault::Html200, passes(Nonsense), false),
        (
            Fault::BadGateway { status: 502 },
            passes(Status(502)),
            false,
        ),
        (
            Fault::BadGateway { status: 503 },
            passes(Status(503)),
            false,
        ),
        (Fault::Drop, passes(Cut), false),
        (Fault::DropBeforeMint, passes(Cut), false),
        (Fault::Quota, To(Trouble::QuotaUsedUp), false),
        (Fault::Rate, passes(TooFast), false),
        (Fault::NotWhitelisted, refuses(40164), false),
        (Fault::ConfirmIp, refuses(89503), false),
        (Fault::SecretFrozen, refuses(40243), false),
        (Fault::SecretChanged, refuses(40125), false),
        (Fault::AllTokensBad, ToValue, true),
        (Fault::PathAlways40001, ToValue, true),
        (Fault::ClockOffset { seconds: -3600 }, ToValue, true),
        (Fault::Echo { code: -1 }, passes(Busy), false),
        (Fault::Echo { code: 40013 }, refuses(40013), false),
        (Fault::HugeAnswer, passes(Nonsense), true),
        (Fault::SlowBody { ms: 0 }, ToValue, true),
        (Fault::EmptyToken, passes(Nonsense), true),
        (Fault::LongToken, passes(Nonsense), true),
        (Fault::ControlToken, passes(Nonsense), true),
        (Fault::ExpiresZero, passes(Nonsense), true),
        (Fault::ExpiresNegative, passes(Nonsense), true),
        (Fault::ExpiresTenYears, passes(Nonsense), true),
        (Fault::ExpiresString, ToValue, true),
        (Fault::Gzip, passes(Nonsense), true),
        (Fault::WrongContentType, ToValue, true),
        (Fault::DuplicateKeys, passes(Nonsense), true),
    ]
}

const fn delay(ms: u64) -> Fault {
    Fault::Delay { ms, before: false }
}

fn set(world: &World, fault: Fault) {
    world.clear_faults();
    world.set_fault(FaultScope::everywhere(), fault, None);
}

#[test]
fn every_fault_of_the_simulator_is_tried() {
    // These two are about time and order; they have tests of their own below.
    let mut tried = vec!["hold", "reorder"];
    tried.extend(table().iter().map(|(fault, ..)| fault.name()));
    for fault in fault_catalog() {
        assert!(tried.contains(&fault.name), "{} is not tried", fault.name);
    }
}

#[tokio::test]
async fn every_fault_has_its_answer_and_counts_as_sent() {
    for (question, lane) in [
        (Ask::Classic, SimLane::Classic),
        (Ask::Stable, SimLane::Stable),
        (Ask::Forced, SimLane::Stable),
    ] {
        for (fault, leads, mints) in table() {
            let name = fault.name();
            let (upstream, client) = played().await;
            let world = upstream.world();
            // After another program's force, normal mode gives out that program's value.
            let is_foreign = fault == Fault::ForeignForce && matches!(question, Ask::Stable);
            let mints = mints && !is_foreign;
            set(world, fault);
            let told = ask(&client, question.clone()).await;
            match leads {
                ToValue => assert!(value(&told).0.len() > 8, "{name}"),
                To(trouble) => {
                    assert_eq!(failure(&told).trouble, trouble, "{name}");
                    assert!(failure(&told).sent, "{name}");
                }
            }
            assert_eq!(world.minted(APP, lane), u64::from(mints), "{name}");
            world.clear_faults();
            value(&ask(&client, question.clone()).await);
        }
    }
}

#[tokio::test]
async fn faults_of_tokens_are_told_on_tickets_and_probes_too() {
    let (upstream, client) = played().await;
    let token = value(&ask(&client, Ask::Stable).await).0;
    let token = Token::new(&token).unwrap();
    let ticket = || Ask::Ticket(Ticket::Jsapi, token.clone());
    let probe = || Ask::Probe(Lane::Stable, token.clone());
    let world = upstream.world();
    for fault in [Fault::AllTokensBad, Fault::PathAlways40001] {
        let is_all = fault == Fault::AllTokensBad;
        set(world, fault);
        let told = ask(&client, ticket()).await;
        assert_eq!(failure(&told).trouble, Trouble::TokenBad(40001));
        let Answer { reply, .. } = ask(&client, probe()).await.result.unwrap();
        assert_eq!(matches!(reply, Reply::Dead(40001)), is_all);
        assert_eq!(matches!(reply, Reply::Alive), !is_all);
    }
    for (fault, passing_as) in [
        (Fault::Busy, Passing::Busy),
        (Fault::Html200, Passing::Nonsense),
        (Fault::TornJson, Passing::Nonsense),
        (Fault::Gzip, Passing::Nonsense),
        (Fault::HugeAnswer, Passing::Nonsense),
        (Fault::LostAnswer, Passing::Cut),
        (Fault::CutBody, Passing::Cut),
        (Fault::Drop, Passing::Cut),
        (Fault::BadGateway { status: 500 }, Passing::Status(500)),
        (Fault::Rate, Passing::TooFast),
    ] {
        set(world, fault.clone());
        for question in [ticket(), probe()] {
            let told = ask(&client, question).await;
            assert_eq!(passing(&told), (passing_as, true), "{}", fault.name());
        }
    }
    for fault in [
        Fault::EmptyToken,
        Fault::LongToken,
        Fault::ControlToken,
        Fault::ExpiresZero,
        Fault::ExpiresTenYears,
        Fault::DuplicateKeys,
    ] {
        set(world, fault);
        let told = ask(&client, ticket()).await;
        assert_eq!(passing(&told), (Passing::Nonsense, true));
    }
}

#[tokio::test]
async fn an_answer_held_too_long_is_cut_while_the_token_was_minted() {
    let (upstream, client) = played().await;
    let world = upstream.world();
    set(world, Fault::Hold { before: false });
    let told = client.ask_in_detail(&app(), &Ask::Classic, SHORT).await;
    assert_eq!(passing(&told), (Passing::Cut, true));
    assert_eq!(world.minted(APP, SimLane::Classic), 1);
}

#[tokio::test]
async fn two_answers_in_the_wrong_order_each_reach_their_own_question() {
    let (upstream, client) = played().await;
    let world = upstream.world();
    set(world, Fault::Reorder { ms: 30_000 });
    let (first, second) =
        futures_util::future::join(ask(&client, Ask::Classic), ask(&client, Ask::Classic)).await;
    let answered = [value(&first).0, value(&second).0];
    assert_ne!(answered[0], answered[1]);
    let current = world.current_token(APP, SimLane::Classic).unwrap();
    assert!(answered.contains(&current));
    assert_eq!(world.minted(APP, SimLane::Classic), 2);
}

#[tokio::test]
async fn upstream_that_is_down_was_sent_nothing_and_up_again_it_answers() {
    let (upstream, client) = played().await;
    let world = upstream.world();
    value(&ask(&client, Ask::Classic).await);
    world.go_down().await.unwrap();
    // The idle connection was cut with the listener. Whether that is noticed before a request goes out on it or after
    // is a race; from the second call on there is nothing to send on.
    failure(&ask(&client, Ask::Classic).await);
    let told = ask(&client, Ask::Classic).await;
    assert_eq!(passing(&told), (Passing::Unreachable, false));
    world.come_up().await.unwrap();
    value(&ask(&client, Ask::Classic).await);
}

#[tokio::test]
async fn an_answer_that_echoes_the_request_leaks_nothing() {
    let (upstream, client) = played().await;
    let world = upstream.world();
    let token = Token::new(&value(&ask(&client, Ask::Classic).await).0).unwrap();
    let mut shown = String::new();
    for code in [-1, 40013, 40164, 40001] {
        set(world, Fault::Echo { code });
        for question in [
            Ask::Classic,
            Ask::Stable,
            Ask::Ticket(Ticket::Jsapi, token.clone()),
            Ask::Probe(Lane::Classic, token.clone()),
        ] {
            shown += &format!("{:?}", ask(&client, question).await);
        }
    }
    for secret in [SECRET, token.expose()] {
        for at in 0..=secret.len() - 12 {
            assert!(!shown.contains(&secret[at..at + 12]));
        }
    }
}

#[tokio::test]
async fn a_fallback_host_takes_over_when_upstream_is_down() {
    let (upstream, _) = played().await;
    let (spare, _) = played().await;
    let mut options = options(base(&upstream.base_url()));
    options.fallback_urls = vec![base(&spare.base_url())];
    let client = client(options, just_secret());
    value(&ask(&client, Ask::Stable).await);
    upstream.stop().await;
    let first = ask(&client, Ask::Stable).await;
    if first.result.is_err() {
        assert_eq!(passing(&first), (Passing::Cut, true));
        value(&ask(&client, Ask::Stable).await);
    }
    assert_eq!(spare.world().minted(APP, SimLane::Stable), 1);
}
