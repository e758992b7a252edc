//! A small world for tests of this module: a shelf we fill ourselves, a clock moved by hand, a keeper whose loop is the test.

mod answer;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use wxtoken_core::app::{AppId, AppType};
use wxtoken_core::clock::{Boot, Clock, Now, Wall};
use wxtoken_core::credential::{Credential, CredentialKey, Generation, Kind, Lane, Token, ValueId};

use super::callers::Callers;
use super::condition::Condition;
use super::listen::{Limits, Site, Socket, serve};
use super::services::{Behind, RequestLimits, Services};
use super::stop::Stop;
use crate::clock::ManualClock;
use crate::config::{self, AppScope, Caller, KeyHash, Listen, Permission, Server, Upstream};
use crate::gateway::Gateway;
use crate::keeper::{Command, Keeper, Notice, Shelf};
use crate::relay::RelayKeys;
use crate::store::MasterKey;
use crate::store::users::MemoryUsers;
use crate::users::{self, Users};
use crate::wechat::{Base, Options, WeChat};

pub(crate) use answer::Answer;

pub(crate) const APP: &str = "wx0123456789abcdef";
pub(crate) const FOREIGN_APP: &str = "wx9999999999999999";
pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";
/// Of a caller with every right and no limits, for whom all apps are there.
pub(crate) const WIDE_KEY: &str = "ffffffffffffffffffffffffffffffff";
pub(crate) const NOW: Now = Now {
    wall: Wall(1_795_000_000_000),
    boot: Boot(50_000_000),
};

/// The hash tests use instead of a keyed one.
pub(crate) fn id_of(value: &str) -> ValueId {
    let mut id = 0xcbf2_9ce4_8422_2325_u64;
    for byte in value.bytes() {
        id = (id ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    ValueId(id)
}

pub(crate) fn credential_of(kind: Kind, token: &str, left: u64) -> Credential {
    Credential {
        kind,
        lane: (kind == Kind::AccessToken).then_some(Lane::Stable),
        token: Token::new(token).unwrap(),
        id: id_of(token),
        generation: Generation(NOW.wall.0),
        sent: NOW.boot,
        expires: NOW.boot.plus(left),
        adopted: false,
    }
}

/// The way to an upstream; to WeChat itself in tests that never ask it anything.
fn options(upstream: Option<SocketAddr>) -> Options {
    let mut options = Options::try_from(&Upstream::default()).unwrap();
    if let Some(address) = upstream {
        let url = format!("http://{address}").parse().unwrap();
        options.base_url = Base::of(&url).unwrap();
        options.fallback_urls.clear();
    }
    options
}

fn gateway(options: &Options) -> Arc<Gateway> {
    let keys = MasterKey::generate().unwrap().into();
    let gateway = Gateway::new(
        options,
        Arc::new(|_: &AppId| None),
        &config::Gateway::default(),
        std::env::temp_dir(),
        &keys,
        Arc::new(|_| {}),
    );
    Arc::new(gateway.unwrap())
}

/// Users in memory, of an app that may be asked about at the same upstream.
fn users(options: Options, keeper: &Keeper, clock: &Arc<ManualClock>) -> Arc<Users> {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let client = WeChat::new(options, |_: &AppId| None, Arc::new(id_of)).unwrap();
    Users::new(users::Parts {
        store: Arc::new(MemoryUsers::new(Arc::clone(&clock))),
        api: client.users(),
        keeper: keeper.clone(),
        type_of: Arc::new(|app| (app.as_str() == APP).then_some(AppType::Official)),
        remember: Arc::new(|_, _| {}),
        tell: Arc::new(|_, _| {}),
        token_wait: Duration::from_millis(1),
        grace: Duration::from_secs(5),
        retention: config::Users::default().retention,
        clock,
    })
}

/// Everything a test touches.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) services: Arc<Services>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) notices: broadcast::Sender<Notice>,
    pub(crate) stop: Stop,
}

pub(crate) fn caller(name: &str, key: &str, permissions: &[Permission]) -> Caller {
    let mut caller = Caller::new(name, KeyHash::of(key));
    for permission in permissions {
        caller.allow = caller.allow.with(*permission);
    }
    caller
}

/// The callers of most tests: one that may read and report for one app, and one for all apps.
pub(crate) fn usual_callers() -> Vec<Caller> {
    let mut narrow = caller("narrow", KEY, &[Permission::Report]);
    narrow.apps = AppScope::Some(Box::new([APP.parse().unwrap()]));
    narrow.path_key = true;
    vec![narrow, caller("wide", WIDE_KEY, &Permission::ALL)]
}

impl World {
    /// An app with a live token and a jsapi ticket, and the usual callers.
    pub(crate) fn new() -> Self {
        Self::with_callers(&usual_callers())
    }

    pub(crate) fn with_callers(callers: &[Caller]) -> Self {
        Self::with(callers, Server::default())
    }

    pub(crate) fn with(callers: &[Caller], server: Server) -> Self {
        Self::of(callers, server, None)
    }

    /// With an upstream to forward to.
    pub(crate) fn in_front_of(upstream: SocketAddr) -> Self {
        let mut callers = usual_callers();
        callers[0].allow = callers[0].allow.with(Permission::Call);
        Self::of(&callers, Server::default(), Some(upstream))
    }

    fn of(callers: &[Caller], mut server: Server, upstream: Option<SocketAddr>) -> Self {
        let clock = Arc::new(ManualClock::new(NOW));
        let shelf = Arc::new(Shelf::new(NOW));
        shelf.place(
            APP.parse().unwrap(),
            &[Kind::AccessToken, Kind::JsapiTicket],
            0,
        );
        let (asked, commands) = mpsc::channel(64);
        let notices = broadcast::Sender::new(8);
        let keeper = Keeper::new(
            Arc::clone(&shelf),
            Arc::clone(&clock) as Arc<dyn Clock>,
            Arc::new(id_of),
            asked,
            notices.clone(),
        );
        server.first_token_wait = Duration::from_millis(1);
        let stop = Stop::new();
        let options = options(upstream);
        let users = users(options.clone(), &keeper, &clock);
        let services = Services::new(
            keeper,
            Callers::new(callers),
            RequestLimits::from(&server),
            Arc::new(|app, secret| app.as_str() == APP && secret == "the-real-appsecret"),
            Condition {
                ready: Arc::new(|| Ok(())),
                copies: Arc::new(Vec::new),
                store: Arc::new(|| None),
            },
            stop.clone(),
            Behind {
                gateway: gateway(&options),
                users,
                relay: RelayKeys::new(&MasterKey::generate().unwrap().into()),
            },
        );
        let world = Self {
            clock,
            shelf,
            services,
            commands,
            notices,
            stop,
        };
        world.put(Kind::AccessToken, "TOKEN-1");
        world.put(Kind::JsapiTicket, "TICKET-1");
        world
    }

    pub(crate) fn put(&self, kind: Kind, token: &str) {
        let value = credential_of(kind, token, 7_200_000);
        self.shelf.own(0, &[], &[(value.id, kind)]);
        self.shelf
            .put(&APP.parse().unwrap(), kind, Some(Arc::new(value)));
    }

    pub(crate) fn take_down(&self, kind: Kind) {
        self.shelf.put(&APP.parse().unwrap(), kind, None);
    }

    pub(crate) fn caller(&self, key: &str) -> Arc<super::callers::Caller> {
        Arc::clone(self.services.callers.now().by_key(key.as_bytes()).unwrap())
    }

    pub(crate) fn key(kind: Kind) -> CredentialKey {
        CredentialKey {
            app: APP.parse().unwrap(),
            kind,
        }
    }

    pub(crate) async fn serve(&self) -> Running {
        self.serve_site(Site::api(&self.services), Server::default())
            .await
    }

    pub(crate) async fn serve_site(&self, site: Site, server: Server) -> Running {
        let place = Listen::Tcp("127.0.0.1:0".parse().unwrap());
        let socket = Socket::bind(&place).await.unwrap();
        let address = socket.address().unwrap();
        let serving = serve(socket, None, site, Limits::from(&server), self.stop.clone());
        Running {
            address,
            task: tokio::spawn(serving),
        }
    }
}

/// A server on a port of its own.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) task: JoinHandle<()>,
}

impl Running {
    /// Sends bytes on a connection of their own and reads until the server closes it.
    pub(crate) async fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        // A reset after the answer is an end too.
        let _ = stream.read_to_end(&mut answer).await;
        answer
    }

    /// One request with `Connection: close`.
    pub(crate) async fn ask(&self, line: &str, headers: &str, body: &str) -> Answer {
        let length = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        let request = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{length}{headers}\r\n{body}"
        );
        Answer::read(&self.raw(request.as_bytes()).await)
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Answer {
        self.ask(
            &format!("GET {path}"),
            &format!("Authorization: Bearer {key}\r\n"),
            "",
        )
        .await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &str) -> Answer {
        self.ask(
            &format!("POST {path}"),
            &format!("Authorization: Bearer {key}\r\n"),
            body,
        )
        .await
    }
}

pub(crate) fn one_at_a_time(mut caller: Caller) -> Caller {
    caller.concurrency = NonZeroU32::new(1);
    caller
}
