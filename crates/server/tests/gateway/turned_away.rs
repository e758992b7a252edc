//! An HTTP/2 upstream that turns calls away before it does anything with them, and what of that is sent again.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;

use crate::alone::alone;
use crate::harness::{APP, KEY, Shared, World, callers};
use crate::scripted::{BAD_TOKEN, FINE};
use crate::secure::{acceptor, sign};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END: u8 = 1;
const ACK: u8 = 1;

const MOST_STREAMS: u16 = 3;

const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;

/// What becomes of the calls of a test.
#[derive(Clone, Copy)]
enum Plan {
    /// Each is refused when it comes for the first time.
    RefuseOnce,
    /// Each is refused whenever it comes.
    RefuseAlways,
    /// Each is broken off with an error that does not say whether anything was done.
    BreakOff,
    /// Each is refused when it comes for the first time, and its token is called bad the second time.
    RefuseThenBadToken,
    /// The first connection takes so many, of all that are to come on it, and goes away.
    GoAway { took: usize, of: usize },
}

/// What an upstream does and has done.
struct State {
    plan: Mutex<Option<Plan>>,
    /// How often each body has been dealt with.
    done: Mutex<HashMap<Bytes, usize>>,
    /// How often each has come, whole.
    came: Mutex<HashMap<Bytes, usize>>,
    connections: AtomicUsize,
    /// How many may be open at one time on a connection.
    places: u32,
}

/// An upstream that speaks HTTP/2, frame by frame, to who asks for it; others are a simulator's.
struct Upstream {
    url: String,
    state: Arc<State>,
}

impl Upstream {
    async fn start(folder: &Path, behind: String, places: u32) -> Self {
        let acceptor = acceptor(folder, &[b"h2", b"http/1.1"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            plan: Mutex::default(),
            done: Mutex::default(),
            came: Mutex::default(),
            connections: AtomicUsize::new(0),
            places,
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (acceptor, state) = (acceptor.clone(), Arc::clone(&shared));
                let behind = behind.trim_start_matches("http://").to_owned();
                tokio::spawn(async move {
                    let mut stream = acceptor.accept(stream).await.ok()?;
                    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                        return Connection::new(stream, state).serve().await;
                    }
                    let mut plain = TcpStream::connect(behind).await.ok()?;
                    copy_bidirectional(&mut stream, &mut plain).await.ok()?;
                    Some(())
                });
            }
        });
        let url = format!("https://localhost:{port}");
        Self { url, state }
    }

    /// What becomes of calls from now on; what was done before is forgotten.
    fn plan(&self, plan: Plan) {
        *self.state.plan.lock().unwrap() = Some(plan);
        self.state.done.lock().unwrap().clear();
        self.state.came.lock().unwrap().clear();
    }

    fn done(&self) -> Vec<usize> {
        self.state.done.lock().unwrap().values().copied().collect()
    }

    fn came(&self) -> Vec<usize> {
        self.state.came.lock().unwrap().values().copied().collect()
    }

    fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

/// One connection that speaks HTTP/2.
struct Connection {
    stream: TlsStream<TcpStream>,
    state: Arc<State>,
    /// What has come of each request.
    bodies: HashMap<u32, Vec<u8>>,
    /// Those that are there, whole, and not answered.
    whole: Vec<u32>,
    /// Its place in the order of all.
    number: usize,
    /// Streams behind this one are not looked at.
    last: u32,
}

impl Connection {
    fn new(stream: TlsStream<TcpStream>, state: Arc<State>) -> Self {
        Self {
            stream,
            state,
            bodies: HashMap::new(),
            whole: Vec::new(),
            number: 0,
            last: u32::MAX,
        }
    }

    /// Until it ends.
    async fn serve(mut self) -> Option<()> {
        let mut preface = [0; 24];
        self.stream.read_exact(&mut preface).await.ok()?;
        assert!(preface.starts_with(b"PRI * HTTP/2.0"));
        self.number = self.state.connections.fetch_add(1, Ordering::SeqCst);
        let mut settings = MOST_STREAMS.to_be_bytes().to_vec();
        settings.extend_from_slice(&self.state.places.to_be_bytes());
        self.send(SETTINGS, 0, 0, &settings).await?;
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let (kind, flags) = (head[3], head[4]);
            let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let mut payload = vec![0; length as usize];
            self.stream.read_exact(&mut payload).await.ok()?;
            match kind {
                SETTINGS if flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]).await?,
                HEADERS => drop(self.bodies.insert(id, Vec::new())),
                DATA => {
                    self.bodies.get_mut(&id).unwrap().extend(payload);
                    for id in [0, id] {
                        let more = length.max(1).to_be_bytes();
                        self.send(WINDOW_UPDATE, 0, id, &more).await?;
                    }
                }
                _ => {}
            }
            if matches!(kind, HEADERS | DATA) && flags & END != 0 && id <= self.last {
                self.whole.push(id);
                self.has_come(id).await?;
            }
        }
    }

    /// A request is there.
    async fn has_come(&mut self, id: u32) -> Option<()> {
        let body = Bytes::from(self.bodies[&id].clone());
        let plan = *self.state.plan.lock().unwrap();
        let times = {
            let mut came = self.state.came.lock().unwrap();
            let times = came.entry(body.clone()).or_default();
            *times += 1;
            *times
        };
        match plan {
            Some(Plan::RefuseOnce | Plan::RefuseThenBadToken) if times == 1 => {
                self.reset(id, REFUSED_STREAM).await
            }
            Some(Plan::RefuseAlways) => self.reset(id, REFUSED_STREAM).await,
            Some(Plan::BreakOff) => self.reset(id, INTERNAL_ERROR).await,
            Some(Plan::RefuseThenBadToken) if times == 2 => self.answer(id, BAD_TOKEN).await,
            Some(Plan::GoAway { took, of }) if self.number == 0 => self.go_away(took, of).await,
            _ => self.answer(id, FINE).await,
        }
    }

    /// Goes away once so many requests are there, and answers the first of them.
    async fn go_away(&mut self, took: usize, of: usize) -> Option<()> {
        if self.whole.len() < of {
            return Some(());
        }
        let mut calls = std::mem::take(&mut self.whole);
        calls.sort_unstable();
        self.last = calls[took - 1];
        let mut payload = self.last.to_be_bytes().to_vec();
        payload.extend_from_slice(&0_u32.to_be_bytes());
        self.send(GOAWAY, 0, 0, &payload).await?;
        for id in &calls[..took] {
            self.answer(*id, FINE).await?;
        }
        Some(())
    }

    async fn answer(&mut self, id: u32, text: &str) -> Option<()> {
        self.whole.retain(|whole| *whole != id);
        let body = Bytes::from(self.bodies[&id].clone());
        *self.state.done.lock().unwrap().entry(body).or_default() += 1;
        // `:status: 200`, which stands in the protocol's own table.
        self.send(HEADERS, 4, id, &[0x88]).await?;
        self.send(DATA, END, id, text.as_bytes()).await
    }

    async fn reset(&mut self, id: u32, why: u32) -> Option<()> {
        self.send(RESET, 0, id, &why.to_be_bytes()).await
    }

    async fn send(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) -> Option<()> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend_from_slice(&id.to_be_bytes());
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame).await.ok()?;
        self.stream.flush().await.ok()
    }
}

/// A world before such an upstream, in a process that trusts its certificate.
fn in_a_world(name: &str, places: u32, test: impl AsyncFnOnce(Shared, Upstream)) {
    let folder = tempfile::tempdir().unwrap();
    sign(folder.path());
    let authority = folder.path().join("ca.pem").display().to_string();
    let place = folder.path().display().to_string();
    let name = format!("turned_away::{name}");
    if !alone(&name, &[("SSL_CERT_FILE", &authority), ("PLACE", &place)]) {
        return;
    }
    let place = std::env::var_os("PLACE").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let upstream = async |behind: String| {
            let upstream = Upstream::start(Path::new(&place), behind, places).await;
            (upstream.url.clone(), upstream)
        };
        let (world, upstream) = World::behind("", &callers(), upstream).await;
        test(Arc::new(world), upstream).await;
    });
}

/// So many at once, each with a body of its own; what the callers of those that failed were told.
async fn posts(world: &Shared, count: usize) -> Vec<String> {
    let calls = (0..count).map(|number| {
        let world = Arc::clone(world);
        tokio::spawn(async move {
            let body = format!("{{\"call\":{number}}}");
            world.post("/cgi-bin/message/custom/send", body).await
        })
    });
    let told = join_all(calls).await.into_iter().map(Result::unwrap);
    let failed = told.filter(|told| told.errcode() != 0);
    failed.map(|told| told.errmsg()).collect()
}

const NONE: [&str; 0] = [];
const MANY: usize = 60;

#[test]
fn posts_that_an_http2_upstream_refused_are_sent_once_more_and_done_once() {
    let name = "posts_that_an_http2_upstream_refused_are_sent_once_more_and_done_once";
    in_a_world(name, 1000, async |world, upstream| {
        assert_eq!(world.post("/cgi-bin/menu/create", "{}").await.errcode(), 0);
        upstream.plan(Plan::RefuseOnce);
        assert_eq!(posts(&world, MANY).await, NONE);
        assert_eq!(upstream.came(), vec![2; MANY]);
        assert_eq!(upstream.done(), vec![1; MANY]);
        // Also a body that is kept in a file.
        let long = vec![7; 3_000_000];
        upstream.plan(Plan::RefuseOnce);
        let told = world.post("/cgi-bin/media/upload", long).await;
        assert_eq!(told.errcode(), 0, "{}", told.errmsg());
        assert_eq!((upstream.came(), upstream.done()), (vec![2], vec![1]));
        upstream.plan(Plan::RefuseAlways);
        assert_eq!(posts(&world, 1).await.len(), 1);
        assert_eq!((upstream.came(), upstream.done()), (vec![2], vec![]));
    });
}

#[test]
fn posts_behind_the_last_one_that_an_http2_upstream_took_are_sent_elsewhere_and_done_once() {
    let name =
        "posts_behind_the_last_one_that_an_http2_upstream_took_are_sent_elsewhere_and_done_once";
    in_a_world(name, 1000, async |world, upstream| {
        assert_eq!(world.post("/cgi-bin/menu/create", "{}").await.errcode(), 0);
        let took = MANY / 3;
        upstream.plan(Plan::GoAway { took, of: MANY });
        assert_eq!(posts(&world, MANY).await, NONE);
        assert_eq!(upstream.done(), vec![1; MANY]);
        assert!(upstream.connections() > 1);
    });
}

#[test]
fn posts_that_wait_for_a_place_on_an_http2_connection_that_goes_away_are_done_once_elsewhere() {
    let name =
        "posts_that_wait_for_a_place_on_an_http2_connection_that_goes_away_are_done_once_elsewhere";
    in_a_world(name, 20, async |world, upstream| {
        assert_eq!(world.post("/cgi-bin/menu/create", "{}").await.errcode(), 0);
        upstream.plan(Plan::GoAway { took: 7, of: 20 });
        assert_eq!(posts(&world, MANY).await, NONE);
        assert_eq!(upstream.done(), vec![1; MANY]);
    });
}

#[test]
fn a_post_that_was_refused_and_then_finds_its_token_dead_is_still_made_again() {
    let name = "a_post_that_was_refused_and_then_finds_its_token_dead_is_still_made_again";
    in_a_world(name, 1000, async |world, upstream| {
        assert_eq!(world.post("/cgi-bin/menu/create", "{}").await.errcode(), 0);
        world.kill().await;
        upstream.plan(Plan::RefuseThenBadToken);
        let told = world.post("/cgi-bin/menu/create", "{\"a\":1}").await;
        assert_eq!(told.errcode(), 0, "{}", told.errmsg());
        assert_eq!(told.headers["wxtoken-replayed"], "1");
        assert_eq!(upstream.came(), vec![3]);
    });
}

#[test]
fn an_exchange_that_was_refused_and_a_post_that_may_have_been_done_are_not_sent_again() {
    let name = "an_exchange_that_was_refused_and_a_post_that_may_have_been_done_are_not_sent_again";
    in_a_world(name, 1000, async |world, upstream| {
        assert_eq!(world.post("/cgi-bin/menu/create", "{}").await.errcode(), 0);
        upstream.plan(Plan::BreakOff);
        assert_eq!(posts(&world, 1).await.len(), 1);
        assert_eq!((upstream.came(), upstream.done()), (vec![1], vec![]));
        upstream.plan(Plan::RefuseAlways);
        let exchange = format!(
            "/sns/oauth2/access_token?appid={APP}&secret={KEY}&code=c&grant_type=authorization_code"
        );
        assert_eq!(world.get(&exchange).await.errcode(), -1);
        assert_eq!((upstream.came(), upstream.done()), (vec![1], vec![]));
    });
}
