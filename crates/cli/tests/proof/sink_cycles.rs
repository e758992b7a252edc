//! Entries in Redis as the SDKs see them: read without a pause while tokens and tickets come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, Value};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::Kind;
use wxtoken_server::config::{self, RedisSinkConfig};
use wxtoken_server::sdk::{
    Content, Format, Found, Module, PhpCache, Place as Entry, Reading, Seen, Spec, Ttl, Unfit,
};
use wxtoken_simulator::{Fault, FaultScope, Lane, Rules, TicketKind, generated_app};

use crate::needles::Needles;
use crate::place::{ADMIN_KEY, APP, CALLER, KEY, Place, SECRET, app, wechat};
use crate::replicas::Redis;
use crate::server::{PATIENCE, Server, now, until_asked};
use crate::ticket_outage::TicketOutage;

/// Of tokens and tickets: two hours are 30 seconds, so a minute is a quarter of one.
const LIFETIME: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_millis(250);
/// Seven times the two minutes that have to be lived through.
const OUTAGE: Duration = MINUTE.saturating_mul(14);
/// From WeChat's answer into the entry, and from there to the reader.
const TURN: Duration = MINUTE.saturating_mul(2);
/// Before what failed is tried again, at most. It does not shrink as lifetimes do.
const PAUSE: Duration = Duration::from_secs(1);
/// The first value and three that follow it.
const VALUES: usize = 4;
const TICKETS: [TicketKind; 2] = [TicketKind::Jsapi, TicketKind::WxCard];

/// How long a dead ticket may lie in an entry. It is found out when it is asked for next: within ten minutes while its birth is
/// unknown, else sooner. During an outage nothing is found out; after it the question is asked again that failed in it. A ticket
/// has either the one or the other to wait for: what is asked in ten minutes has not failed, and what failed is not put off so long.
fn found_out() -> Duration {
    let after_outage = TicketOutage::beyond(LIFETIME) + PAUSE;
    after_outage.max(MINUTE * 10) + TURN
}

/// One way to keep one credential: a format, for one of its parts, in one of its modes.
#[derive(Debug, Clone, Copy)]
struct Way {
    format: Format,
    module: Module,
    kind: Kind,
    stable_mode: bool,
    cache: PhpCache,
}

/// Every way that an SDK knows.
fn ways() -> Vec<Way> {
    let app: AppId = APP.parse().unwrap();
    let mut ways = Vec::new();
    for format in Format::ALL {
        let modules = [Module::Official, Module::Mini];
        for module in &modules[..1 + usize::from(format.has_modules())] {
            for kind in Kind::ALL {
                let spec = Spec::new(format, app, *module, kind);
                if matches!(Entry::new(&spec), Err(Unfit::NoPlace { .. })) {
                    continue;
                }
                let modes = format.has_stable_mode() && kind == Kind::AccessToken;
                for stable_mode in &[false, true][..1 + usize::from(modes)] {
                    let caches = [PhpCache::Serialize, PhpCache::Think5];
                    for cache in &caches[..1 + usize::from(format.has_php_cache())] {
                        ways.push(Way {
                            format,
                            module: *module,
                            kind,
                            stable_mode: *stable_mode,
                            cache: *cache,
                        });
                    }
                }
            }
        }
    }
    ways
}

impl Way {
    /// The table that keeps it.
    fn table(self, url: &str) -> String {
        let Self { format, kind, .. } = self;
        let mut lines =
            format!("[[app.redis]]\nurl = \"{url}\"\nformat = \"{format}\"\nkind = \"{kind}\"\n");
        if format.has_modules() {
            lines += &format!("module = \"{}\"\n", self.module.name());
        }
        if self.stable_mode {
            lines += "stable_mode = true\n";
        }
        // Where WxJava reads over Redisson its entry for an official account has the same key as without.
        if format.has_own_key()
            || (format == Format::RedissonKryo5 && self.module == Module::Official)
        {
            lines += &format!("key = \"own:{format}:{{kind}}:{{appid}}\"\n");
        }
        if self.cache == PhpCache::Think5 {
            lines += "cache = \"thinkphp5\"\nprefix = \"think:\"\n";
        }
        if format.holds_secret(kind) {
            lines += "reveal_app_secret = true\n";
        }
        lines
    }
}

/// What a reader asks.
struct Reader {
    connection: MultiplexedConnection,
    sinks: Vec<(String, RedisSinkConfig)>,
    reads: u64,
}

/// One look at one sink.
#[derive(Debug)]
struct Look {
    app: String,
    kind: Kind,
    format: Format,
    reading: Reading,
}

impl Reader {
    async fn of(place: &Place, redis: &Redis) -> Self {
        let config = config::load(&place.config(), &|_| None).unwrap();
        let sinks = config.apps.iter().flat_map(|app| {
            let id = app.appid.to_string();
            app.redis()
                .iter()
                .map(move |sink| (id.clone(), sink.clone()))
        });
        let client = redis::Client::open(redis.url()).unwrap();
        Self {
            connection: client.get_multiplexed_async_connection().await.unwrap(),
            sinks: sinks.collect(),
            reads: 0,
        }
    }

    /// Looks at every entry, as its SDK would.
    async fn look(&mut self) -> Vec<Look> {
        let mut ask = Pipeline::new();
        for (_, sink) in &self.sinks {
            for key in sink.place.keys() {
                let get = if is_hash(sink) { "HGETALL" } else { "GET" };
                ask.cmd(get).arg(key.as_bytes());
                ask.cmd("PTTL").arg(key.as_bytes());
            }
        }
        let answers: Vec<Value> = ask.query_async(&mut self.connection).await.unwrap();
        let mut answers = answers.into_iter();
        let now = wall();
        self.reads += self.sinks.len() as u64;
        let look = |(app, sink): &(String, RedisSinkConfig)| {
            let found: Vec<Found> = sink
                .place
                .keys()
                .iter()
                .map(|_| found(answers.next().unwrap(), answers.next().unwrap()))
                .collect();
            Look {
                app: app.clone(),
                kind: sink.kind,
                format: sink.place.format(),
                reading: sink.place.read(&found, now),
            }
        };
        self.sinks.iter().map(look).collect()
    }
}

/// Whether the SDK takes a value for expired so long before its end that it cannot be asked here: up to a minute, or the two
/// seconds of WxJava's, which are eight minutes of such a ticket's life. Tokens are renewed sooner than that.
const fn wants_more_life(look: &Look) -> bool {
    match look.format {
        Format::Wechatpy | Format::Senparc | Format::CoWechatApi => true,
        Format::WxjavaMp | Format::WxjavaMiniapp | Format::WxjavaCp | Format::RedissonKryo5 => {
            !matches!(look.kind, Kind::AccessToken)
        }
        Format::Silenceper
        | Format::Easywechat6
        | Format::Easywechat5
        | Format::Powerwechat
        | Format::Hash
        | Format::Raw => false,
    }
}

fn is_hash(sink: &RedisSinkConfig) -> bool {
    sink.place.format() == Format::Hash
}

fn found(value: Value, ttl: Value) -> Found {
    let ttl = match ttl {
        Value::Int(left) => u64::try_from(left).map_or(Ttl::Unset, Ttl::Left),
        other => panic!("{other:?}"),
    };
    let text = |value: Value| match value {
        Value::BulkString(text) => text,
        other => panic!("{other:?}"),
    };
    match value {
        Value::Nil => Found::Absent,
        Value::BulkString(text) => Found::Text(Content::new(text), ttl),
        Value::Array(flat) if flat.is_empty() => Found::Absent,
        Value::Array(flat) => {
            let mut texts = flat.into_iter().map(text);
            let mut fields = Vec::new();
            while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
                fields.push((name, Content::new(value)));
            }
            Found::Fields(fields, ttl)
        }
        other => panic!("{other:?}"),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "black box: embedded ends are by the machine's clock, and so is who reads them"
)]
fn wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Wall(u64::try_from(since.as_millis()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_every_format_and_both_lanes_token_and_tickets_are_there_through_three_renewals_and_outages()
 {
    let rules = Rules {
        stable_renewal: LIFETIME * 2 / 7,
        ..Rules::with_token_lifetime(LIFETIME)
    };
    let wechat = wechat(rules, 1).await;
    let world = wechat.world();
    let stable = generated_app(0);
    let redis = Redis::start(&["--notify-keyspace-events", "Kg$hxe"]).await;
    let place = Place::new(&wechat);
    let tables: String = ways()
        .into_iter()
        .map(|way| way.table(&redis.url()))
        .collect();
    let kinds = "kinds = [\"access_token\", \"jsapi_ticket\", \"card_ticket\"]\n";
    place.configure(&format!(
        "[log]\nlevel = \"trace\"\n{}{tables}[[app]]\nappid = \"{}\"\nsecret = \"{}\"\n{kinds}{tables}{CALLER}",
        app(&format!("lanes = [\"classic\"]\ntake_over = true\n{kinds}")),
        stable.appid,
        stable.secret,
    ));
    let server = Server::start(&place).await;
    let mut reader = Reader::of(&place, &redis).await;
    assert_eq!(reader.sinks.len(), 2 * ways().len());
    let held = |look: &Look| matches!(look.reading, Reading::Held(_));
    until_asked("every entry is there", PATIENCE, async || {
        reader.look().await.iter().all(held)
    })
    .await;

    let (begun, mut outage, mut renewal_fault) = (now(), None, None);
    let mut tickets: Vec<TicketOutage> = [APP, stable.appid.as_str()]
        .into_iter()
        .flat_map(|app| TICKETS.map(|kind| TicketOutage::of(app, kind, LIFETIME)))
        .collect();
    let mut heard = 0;
    let mut values: BTreeMap<(String, Kind), BTreeSet<String>> = BTreeMap::new();
    let mut dead_since: BTreeMap<String, Instant> = BTreeMap::new();
    let mut slowest = Duration::ZERO;
    while values.len() < 6
        || values.values().any(|seen| seen.len() < VALUES)
        || !tickets.iter().all(TicketOutage::is_over)
    {
        assert!(begun.elapsed() < LIFETIME * 8, "{} values", values.len());
        for look in reader.look().await {
            let Reading::Held(held) = &look.reading else {
                panic!(
                    "{:?} of {} after {:?}\n{}",
                    look,
                    look.app,
                    begun.elapsed(),
                    server.log()
                );
            };
            assert!(
                held.seen != Seen::Expired || wants_more_life(&look),
                "{} finds {}'s {} expired {:?} after the beginning\n{}",
                look.format,
                look.app,
                look.kind,
                begun.elapsed(),
                server.log()
            );
            let token = held.token.expose();
            values
                .entry((look.app.clone(), look.kind))
                .or_default()
                .insert(token.to_owned());
            let lane = match look.kind {
                Kind::AccessToken => None,
                Kind::JsapiTicket => Some(TicketKind::Jsapi),
                Kind::CardTicket => Some(TicketKind::WxCard),
            };
            let is_live = lane.map_or_else(
                || world.is_live(&look.app, token),
                |kind| {
                    let current = world.current_token(&look.app, Lane::Ticket(kind));
                    current.as_deref() == Some(token)
                },
            );
            if is_live {
                continue;
            }
            assert!(
                lane.is_some(),
                "a dead token in {}'s entry of {}\n{}",
                look.format,
                look.app,
                server.log()
            );
            // WeChat tells nobody that a ticket is over.
            let since = dead_since.entry(token.to_owned()).or_insert_with(now);
            slowest = slowest.max(since.elapsed());
            assert!(
                slowest < found_out(),
                "a {} of {} is dead for {slowest:?}\n{}",
                look.kind,
                look.app,
                server.log()
            );
        }
        // Both are due at two thirds of their lives.
        let left = world
            .ends_at(APP, Lane::Classic)
            .map(|end| end.since(world.now()));
        let due = LIFETIME / 3 + MINUTE * 3;
        match outage {
            None if left.is_some_and(|left| left < due) => {
                let everywhere = FaultScope::everywhere();
                renewal_fault = Some(world.set_fault(everywhere, Fault::DropBeforeMint, None));
                outage = Some(now());
            }
            Some(since) if since.elapsed() > OUTAGE => {
                if let Some(fault) = renewal_fault.take() {
                    assert!(world.clear_fault(fault));
                }
            }
            None | Some(_) => {}
        }
        let calls = world.log_since(heard);
        heard = calls.last().map_or(heard, |call| call.seq);
        for ticket in &mut tickets {
            ticket.go_on(world, &calls);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(outage.is_some_and(|since| since.elapsed() > OUTAGE));
    let unanswered: Vec<u64> = tickets.iter().map(TicketOutage::unanswered).collect();
    assert!(unanswered.iter().all(|asked| *asked > 0), "{unanswered:?}");
    println!(
        "{} reads of {} entries in {:.0?}: never absent, never a dead token; a ticket was found to be over within {slowest:.0?}",
        reader.reads,
        reader.sinks.len(),
        begun.elapsed()
    );
    // Nothing shows what lies there.
    let mut needles = Needles::default();
    for (name, secret) in [
        ("the AppSecret", SECRET),
        ("the other AppSecret", stable.secret.as_str()),
        ("the caller's key", KEY),
        ("the admin key", ADMIN_KEY),
    ] {
        needles.plant(name, secret.as_bytes());
    }
    for token in values.values().flatten() {
        needles.plant("a token", &token.as_bytes()[3..]);
    }
    for line in ["GET /metrics", "GET /admin/status", "GET /admin/apps"] {
        needles.none_in(line, &server.admin(line).await.whole());
    }
    assert!(server.stop().await.success());
    needles.none_in("the log", place.logs().as_bytes());
}
