//! Everything that holds a secret, formatted as a careless log line or a failed assertion would: nothing of it shows.
//! Types that nobody outside the server can name have no `Debug`, or are tested beside it.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Now, Wall};
use wxtoken_core::credential::{
    Credential, CredentialKey, Generation, Kind, Lane, Ticket, Token, ValueId,
};
use wxtoken_core::refresh::event::{Adoption, CallId, Effect, Event, Meeting, SaveId};
use wxtoken_core::refresh::rules::{Lanes, Rules};
use wxtoken_core::refresh::verdict::Verdict;
use wxtoken_core::refresh::{Machine, step};
use wxtoken_core::source::{Answer, Ask, Minted, Reply};
use wxtoken_core::store::{
    Fence, HandedOut, Lease, Record, RecordStore, StoredTicket, StoredToken,
};
use wxtoken_core::user::{
    Grant, Held, RefreshToken, Session, SessionKey, UserRecord, WebToken, Written,
};
use wxtoken_server::config;
use wxtoken_server::http::callers::Callers;
use wxtoken_server::http::hot::parse::parse;
use wxtoken_server::keeper::{Notice, RefreshOutcome, Report, Shelf, Spec};
use wxtoken_server::store::{MasterKey, MasterKeys, MemoryStore};
use wxtoken_server::users::{Granted, LoggedIn, LoginCode, OAuthCode, PhoneCode};
use wxtoken_server::wechat::{AppUpstream, Options};

use crate::canary::{MASTER, PREVIOUS, plant_secrets};
use crate::needles::Needles;
use crate::place::{ADMIN_KEY, APP, KEY, SECRET};

const VALUE: &str = "98_tHe-vAlue.of~a:token_which+nobody/may=see-1234567890";
const VALUE_CODE: &str = "061RTrml2OYnYc4ENunl2tPFAA0RTrmE";
const LOGIN: &str = "correct-horse-battery-staple";

/// Fails if a value shows a secret, formatted on one line or on many, with bytes as numbers or in hex.
#[track_caller]
pub(crate) fn shows_nothing(needles: &Needles, what: &str, value: &dyn Debug) {
    for shown in [
        format!("{value:?}"),
        format!("{value:#?}"),
        format!("{value:x?}"),
    ] {
        needles.none_in(&format!("Debug of {what}"), shown.as_bytes());
    }
}

fn needles() -> Needles {
    let mut needles = Needles::default();
    plant_secrets(&mut needles);
    needles.plant("token", VALUE.as_bytes());
    needles.plant("login", LOGIN.as_bytes());
    needles
}

fn app() -> AppId {
    APP.parse().unwrap()
}

fn adoption(id: ValueId) -> Adoption {
    Adoption {
        lane: Lane::Classic,
        token: token(),
        id,
        expires: None,
    }
}

fn token() -> Token {
    Token::new(VALUE).unwrap()
}

fn now() -> Now {
    Now {
        wall: Wall(1_800_000_000_000),
        boot: Boot(1_000_000),
    }
}

const FENCE: Fence = Fence {
    epoch: 1,
    number: 1,
};

/// A record that holds everything a record can.
fn record(master: &MasterKey) -> Record {
    let id = master.value_hasher().id(VALUE);
    let token = StoredToken {
        token: token(),
        id,
        sent: now().wall,
        expires: now().wall.plus(7_200_000),
        lifetime: 7_200_000,
        dead: false,
        noted: None,
    };
    let ticket = StoredTicket {
        token: self::token(),
        id,
        first_seen: now().wall,
        born_after: None,
        expires: now().wall.plus(7_200_000),
    };
    let handed_out = HandedOut {
        generation: Generation(1),
        id: Some(id),
        lane: Some(Lane::Stable),
    };
    Record {
        saved_at: now().wall,
        lanes: [Some(token.clone()), Some(token)],
        tickets: [Some(ticket.clone()), Some(ticket)],
        handed_out: [handed_out; 3],
        ..Record::default()
    }
}

#[test]
fn what_is_kept_of_a_user_shows_neither_who_it_is_nor_what_was_given() {
    const OPENID: &str = "oLVPpjqs9BhvzwPj5A-vTYAX3GLc";
    const UNIONID: &str = "o6_bmasdasdsad6_2sgVt7hMZOPfL";
    const SESSION_KEY: &str = "tiihtNczf5v6AKRyjwEUhQ==";
    let mut needles = needles();
    needles.plant("openid", OPENID.as_bytes());
    needles.plant("unionid", UNIONID.as_bytes());
    needles.plant("session key", SESSION_KEY.as_bytes());
    let grant = Grant {
        openid: OPENID.parse().unwrap(),
        unionid: Some(UNIONID.parse().unwrap()),
        scope: "snsapi_userinfo".into(),
        web_token: WebToken::new(VALUE).unwrap(),
        web_expires: now().wall,
        refresh_token: RefreshToken::new(VALUE).unwrap(),
        refresh_expires: now().wall,
        granted_at: now().wall,
        is_snapshot: false,
        refused: None,
    };
    let session = Session {
        unionid: Some(UNIONID.parse().unwrap()),
        session_key: SessionKey::new(SESSION_KEY).unwrap(),
        since: now().wall,
    };
    let record = UserRecord {
        grant: Some(grant.clone()),
        session: Some(session.clone()),
    };
    let held = Held {
        record: record.clone(),
        version: 1,
    };
    let granted = Granted {
        openid: grant.openid.clone(),
        unionid: grant.unionid.clone(),
        scope: grant.scope.clone(),
        is_snapshot: false,
        granted_at: grant.granted_at,
    };
    let logged_in = LoggedIn {
        openid: grant.openid.clone(),
        unionid: session.unionid.clone(),
        session_key: session.session_key.clone(),
    };
    let kept: [(&str, &dyn Debug); 7] = [
        ("a grant", &grant),
        ("a session", &session),
        ("a user's record", &record),
        ("what was held", &held),
        ("who was faster", &Written::Overtaken(Some(held.clone()))),
        ("what was granted", &granted),
        ("who logged in", &logged_in),
    ];
    for (what, value) in kept {
        shows_nothing(&needles, what, value);
    }
    let codes: [(&str, &dyn Debug); 3] = [
        ("a web code", &VALUE_CODE.parse::<OAuthCode>().unwrap()),
        ("a login code", &VALUE_CODE.parse::<LoginCode>().unwrap()),
        ("a phone code", &VALUE_CODE.parse::<PhoneCode>().unwrap()),
    ];
    needles.plant("code", VALUE_CODE.as_bytes());
    for (what, value) in codes {
        shows_nothing(&needles, what, value);
    }
}

#[test]
fn what_the_rules_hear_hold_and_ask_for_shows_no_value() {
    let needles = needles();
    let master = MasterKey::from_base64(MASTER).unwrap();
    let record = Box::new(record(&master));
    let id = master.value_hasher().id(VALUE);
    shows_nothing(&needles, "a record", &record);
    let minted = Minted {
        token: token(),
        id,
        expires_in: std::time::Duration::from_secs(7200),
    };
    let answer = Answer {
        reply: Reply::Minted(minted),
        upstream_time: None,
    };
    let lease = Lease::Won {
        fence: FENCE,
        holds_for: std::time::Duration::from_secs(30),
        record: Some(record.clone()),
        begins_epoch: false,
    };
    shows_nothing(&needles, "a lease", &lease);
    for event in [
        Event::Answered(CallId(1), answer),
        Event::Stale(Some(record.clone())),
        Event::LeaseWon {
            fence: FENCE,
            until: Boot::NEVER,
            record: Some(record.clone()),
            begins_epoch: false,
        },
        Event::Learned(record.clone()),
        Event::Adopt(adoption(id)),
        Event::Met(Meeting {
            over: id,
            token: token(),
            id,
        }),
    ] {
        shows_nothing(&needles, "an event", &event);
    }
    for effect in [
        Effect::Note(CallId(1), record.clone(), FENCE),
        Effect::Save(SaveId(1), record.clone(), FENCE),
        Effect::Ask(CallId(1), Ask::Probe(Lane::Stable, token()), 10),
        Effect::Ask(CallId(1), Ask::Ticket(Ticket::Jsapi, token()), 10),
    ] {
        shows_nothing(&needles, "an effect", &effect);
    }
    let rules = Arc::new(Rules::new(Lanes::First(Lane::Stable)));
    let machine = Box::new(Machine::restore(
        rules,
        Some(&record),
        Some(FENCE),
        1,
        now(),
    ));
    let current = machine.current(Kind::AccessToken, now());
    assert!(
        current.is_some(),
        "the machine holds the value: {machine:?}"
    );
    let (machine, effects) = step(machine, Event::Due, now());
    shows_nothing(&needles, "a machine", &(&machine, effects));
    let alone = Arc::new(Rules::new(Lanes::Only(Lane::Stable)));
    let resting = Record {
        lanes: [None, record.lanes[1].clone()],
        tickets: [None, None],
        handed_out: [
            record.handed_out[0],
            HandedOut::default(),
            HandedOut::default(),
        ],
        ..(*record).clone()
    };
    let machine = Box::new(Machine::restore(
        alone,
        Some(&resting),
        Some(FENCE),
        1,
        now(),
    ));
    let (mut machine, effects) = step(machine, Event::Due, now());
    for effect in effects {
        if let Effect::Save(save, ..) = effect {
            machine = step(machine, Event::Saved(save), now()).0;
        }
    }
    let parked = machine.park(Some(FENCE), now());
    shows_nothing(&needles, "a parked machine", &parked.unwrap());
}

#[tokio::test]
async fn what_the_keeper_and_the_store_hold_shows_no_value() {
    let needles = needles();
    let master = MasterKey::from_base64(MASTER).unwrap();
    let id = master.value_hasher().id(VALUE);
    let credential = Arc::new(Credential {
        kind: Kind::AccessToken,
        lane: Some(Lane::Stable),
        token: token(),
        id,
        generation: Generation(1),
        sent: now().boot,
        expires: Boot::NEVER,
        adopted: false,
    });
    let key = CredentialKey {
        app: app(),
        kind: Kind::AccessToken,
    };
    let shelf = Shelf::new(now());
    shelf.place(app(), &[Kind::AccessToken], 0);
    shelf.put(&app(), Kind::AccessToken, Some(Arc::clone(&credential)));
    shows_nothing(&needles, "the shelf", &shelf);
    shows_nothing(&needles, "a peek", &shelf.peek(&key, now()));
    let report = Report {
        verdict: Verdict::Alive,
        current: Some(Arc::clone(&credential)),
        next_try: None,
    };
    shows_nothing(&needles, "a report", &report);
    for outcome in [
        RefreshOutcome::Refreshed(Arc::clone(&credential)),
        RefreshOutcome::Unchanged(Arc::clone(&credential)),
    ] {
        shows_nothing(&needles, "what came of a refresh", &outcome);
    }
    let notice = Notice::Credential(key, credential);
    shows_nothing(&needles, "a notice", &notice);
    let spec = Spec {
        app: app(),
        rules: Arc::new(Rules::new(Lanes::Only(Lane::Classic))),
        kinds: [Kind::AccessToken].into(),
        adopt: Some(adoption(id)),
        fresh_secret: true,
    };
    shows_nothing(&needles, "an app as the keeper is told of it", &spec);

    let store = MemoryStore::new();
    let leased = store
        .lease(&app(), std::time::Duration::from_secs(30))
        .await
        .unwrap();
    let Lease::Won { fence, .. } = leased else {
        panic!("{leased:?}");
    };
    let record = record(&master);
    store.write(&app(), &record, fence).await.unwrap();
    shows_nothing(&needles, "a store", &store);
    shows_nothing(&needles, "a value's hasher", &master.value_hasher());
    let keys = MasterKeys {
        current: master.clone(),
        previous: Some(master),
    };
    shows_nothing(&needles, "master keys", &keys);
}

#[test]
fn what_is_configured_and_what_is_made_of_it_shows_no_secret() {
    let needles = needles();
    let text = format!(
        "[admin]\nkey = \"{ADMIN_KEY}\"\n[store]\nmaster_key = \"{MASTER}\"\n\
         [upstream]\nproxy = \"http://someone:{LOGIN}@127.0.0.1:3128\"\n\
         [[app]]\nappid = \"{APP}\"\nsecret = \"{SECRET}\"\nprevious_secret = \"{PREVIOUS}\"\n\
         lanes = [\"classic\"]\ninitial_token = \"{VALUE}\"\n\
         [[caller]]\nname = \"reader\"\nkey = \"{KEY}\"\napps = [\"*\"]\n"
    );
    let config = config::parse(&text, Path::new("/nowhere"), &|_| None).unwrap();
    shows_nothing(&needles, "the configuration", &config);
    let options = Options::try_from(&config.upstream).unwrap();
    assert!(options.proxy.is_some());
    shows_nothing(&needles, "the client's options", &options);
    let upstream = AppUpstream {
        base_url: None,
        secret: config::Secret::new(SECRET),
        previous_secret: Some(config::Secret::new(PREVIOUS)),
    };
    shows_nothing(&needles, "an app at WeChat", &upstream);
    let callers = Callers::new(&config.callers);
    assert!(callers.now().by_key(KEY.as_bytes()).is_some());
    shows_nothing(&needles, "the callers", &callers);
    shows_nothing(&needles, "a caller", &callers.now().by_key(KEY.as_bytes()));
    shows_nothing(&needles, "a new key", &config::new_key().unwrap());

    // The same secrets where they do not belong: no mistake repeats them.
    for wrong in [
        format!("[server]\nlisten = \"{SECRET}\"\n"),
        format!("[[app]]\nappid = \"{SECRET}{SECRET}-\"\nsecret = \"{SECRET} {SECRET}\"\n"),
        format!("[store]\nmaster_key = \"{MASTER}{MASTER}\"\n"),
        format!("[upstream]\nbase_url = \"http://{KEY}:{LOGIN}@x\"\nproxy = \"{LOGIN}\"\n"),
        format!("{SECRET} = 1\n[{KEY}]\n[log]\nlevel = \"{ADMIN_KEY}\"\n"),
        format!("[[app]]\nsecret = {SECRET}\n"),
    ] {
        let mistakes = config::parse(&wrong, Path::new("/nowhere"), &|_| None).unwrap_err();
        shows_nothing(&needles, "mistakes", &mistakes);
        needles.none_in("mistakes", mistakes.to_string().as_bytes());
    }
}

#[test]
fn a_request_on_the_hot_path_shows_no_key() {
    let needles = needles();
    for request in [
        format!(
            "GET /v1/apps/{APP}/access_token HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n\r\n"
        ),
        format!(
            "GET /cgi-bin/token?grant_type=client_credential&appid={APP}&secret={KEY} HTTP/1.1\r\nHost: a\r\n\r\n"
        ),
        format!(
            "POST /v1/read HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 2\r\n\r\n{{}}"
        ),
    ] {
        let parsed = parse(request.as_bytes());
        assert!(format!("{parsed:?}").starts_with("Hot("), "{parsed:?}");
        shows_nothing(&needles, "a request", &parsed);
    }
}

#[test]
fn what_shows_a_secret_would_be_caught() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "it is there to be formatted")]
    struct Careless<'a> {
        text: &'a str,
        bytes: &'a [u8],
    }
    let needles = needles();
    let careless = Careless {
        text: VALUE,
        bytes: &[],
    };
    assert!(
        !needles
            .in_text(format!("{careless:?}").as_bytes())
            .is_empty()
    );
    let careless = Careless {
        text: "",
        bytes: VALUE.as_bytes(),
    };
    for shown in [
        format!("{careless:?}"),
        format!("{careless:#?}"),
        format!("{careless:x?}"),
    ] {
        assert!(!needles.in_text(shown.as_bytes()).is_empty(), "{shown}");
    }
}
