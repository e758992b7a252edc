//! A network of its own for each replica: namespaces, and between them cables that can be pulled. What is lost then is lost
//! in silence: nobody is told that a connection has ended.
//!
//! A namespace lives as long as a process in it, which ends when we do, so that none is ever left behind.
//!
//! Must not know: what passes.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use wxtoken_simulator::Upstream;

use crate::place::{Place, free_port};
use crate::replicas::{Redis, Shared};
use crate::server::Server;
use crate::wires::{Cut, Line, Lines, forward, loopback};

/// What the tools may stand in.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// One namespace, and a thread in it that makes sockets.
struct Network {
    keeper: Child,
    threads: Option<Runtime>,
}

impl Network {
    /// A new one in which nothing is up but loopback; or why there can be none.
    fn new() -> Result<Self, String> {
        let mut command = Command::new("unshare");
        // It waits until we close its input, which we do at the latest by ending.
        command.args(["--net", "sh", "-c", "echo here; exec cat"]);
        let spawned = command
            .env("PATH", PATH)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut network = Self {
            keeper: spawned.map_err(|why| format!("unshare: {why}"))?,
            threads: None,
        };
        network.is_there()?;
        network.threads = Some(network.inside()?);
        network.ip("link set lo up")?;
        Ok(network)
    }

    /// Waits until it is there.
    fn is_there(&mut self) -> Result<(), String> {
        use std::io::Read;
        let mut here = [0; 5];
        let out = self.keeper.stdout.as_mut().expect("piped");
        if out.read_exact(&mut here).is_ok() {
            return Ok(());
        }
        let mut why = String::new();
        let err = self.keeper.stderr.as_mut().expect("piped");
        let _unreadable = err.read_to_string(&mut why);
        Err(why.trim().to_owned())
    }

    fn pid(&self) -> String {
        self.keeper.id().to_string()
    }

    /// A runtime whose threads are in it.
    fn inside(&self) -> Result<Runtime, String> {
        let path = format!("/proc/{}/ns/net", self.pid());
        let net = File::open(&path).map_err(|why| format!("{path}: {why}"))?;
        let enter = move || {
            let entered = move_into_link_name_space(net.as_fd(), Some(LinkNameSpaceType::Network));
            entered.expect("who may make a namespace may enter it");
        };
        let threads = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .on_thread_start(enter)
            .build();
        threads.map_err(|why| why.to_string())
    }

    fn handle(&self) -> &Handle {
        self.threads.as_ref().expect("made with it").handle()
    }

    /// A command that is carried out in it.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid(), "--net", program]);
        command.env("PATH", PATH);
        command
    }

    /// `ip` with these words.
    fn ip(&self, words: &str) -> Result<(), String> {
        let asked = self.command("ip").args(words.split(' ')).output();
        let asked = asked.map_err(|why| format!("nsenter: {why}"))?;
        let told = String::from_utf8_lossy(&asked.stderr).trim().to_owned();
        match asked.status.success() {
            true => Ok(()),
            false => Err(format!("ip {words}: {told}")),
        }
    }

    /// The same where nothing can go wrong any more.
    fn set(&self, words: &str) {
        self.ip(words).unwrap_or_else(|why| panic!("{why}"));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
        // It may have ended already.
        let _gone = self.keeper.kill();
        let _reaped = self.keeper.wait();
    }
}

/// Replicas in networks of their own. Each has a cable to a switch behind which Redis is, and another to one behind which
/// WeChat is; both switches are in a network in the middle.
pub(crate) struct Networks {
    pub(crate) redis: Redis,
    replicas: Vec<Network>,
    middle: Network,
    /// Where both are in the middle, and where each replica finds WeChat on its own loopback.
    ports: [u16; 2],
    wechat: u16,
    /// Nothing here is ever cut but by pulling a cable.
    whole: watch::Sender<Cut>,
}

const fn name(line: Line) -> &'static str {
    match line {
        Line::Redis => "redis",
        Line::WeChat => "wechat",
    }
}

/// The one in the middle has 1, replica 0 has 10.
const fn address(line: Line, host: u8) -> Ipv4Addr {
    match line {
        Line::Redis => Ipv4Addr::new(10, 77, 1, host),
        Line::WeChat => Ipv4Addr::new(10, 77, 2, host),
    }
}

const LINES: [Line; 2] = [Line::Redis, Line::WeChat];

impl Networks {
    /// Why there can be none here, if so.
    pub(crate) fn impossible() -> Option<String> {
        let tried = Network::new().and_then(|one| one.ip("link add switch type bridge"));
        tried.err()
    }

    pub(crate) fn new(redis: Redis, wechat: &Upstream, replicas: usize) -> Self {
        let network = || Network::new().unwrap_or_else(|why| panic!("{why}"));
        let all = Self {
            ports: [free_port(), free_port()],
            wechat: free_port(),
            middle: network(),
            replicas: (0..replicas).map(|_| network()).collect(),
            whole: watch::Sender::new(Cut::Nothing),
            redis,
        };
        let here = Handle::current();
        let behind = [all.redis.port, wechat.address().port()];
        for (at, line) in LINES.into_iter().enumerate() {
            let switch = name(line);
            // With an address of its own: else it has that of a cable, and takes another when that one is pulled, of which the
            // others hear late.
            let own = format!("02:77:00:00:00:0{at}");
            all.middle
                .set(&format!("link add {switch} address {own} type bridge"));
            all.middle
                .set(&format!("addr add {}/24 dev {switch}", address(line, 1)));
            all.middle.set(&format!("link set {switch} up"));
            let listens = SocketAddr::from((address(line, 1), all.ports[at]));
            let to = (&here, loopback(behind[at]));
            forward((all.middle.handle(), listens), to, all.whole.subscribe());
            for replica in 0..replicas {
                all.connect(replica, line);
            }
        }
        all
    }

    /// A cable from a replica to a switch.
    fn connect(&self, at: usize, line: Line) {
        let (network, plug, switch) = (&self.replicas[at], plug(at, line), name(line));
        let host = 10 + u8::try_from(at).unwrap();
        let pid = network.pid();
        self.middle.set(&format!(
            "link add {plug} type veth peer name {switch} netns {pid}"
        ));
        self.middle
            .set(&format!("link set {plug} master {switch} up"));
        network.set(&format!("addr add {}/24 dev {switch}", address(line, host)));
        network.set(&format!("link set {switch} up"));
    }
}

/// The end of a replica's cable in the middle.
fn plug(at: usize, line: Line) -> String {
    format!("{}{at}", name(line))
}

impl Lines for Networks {
    fn set(&self, at: usize, line: Line, cut: Cut) {
        let (plug, switch) = (plug(at, line), name(line));
        let host = address(line, 10 + u8::try_from(at).unwrap());
        match cut {
            // It stays plugged in, and the switch knows it no more: nobody sees that the line is dead.
            Cut::Everything => self.middle.set(&format!("link set {plug} nomaster")),
            Cut::Answers => self.middle.set(&format!("route add blackhole {host}/32")),
            Cut::Nothing => {
                self.middle.set(&format!("link set {plug} master {switch}"));
                // It may not be there.
                let _not_there = self.middle.ip(&format!("route del blackhole {host}/32"));
            }
        }
    }
}

impl Shared for Networks {
    fn url(&self, _at: usize) -> String {
        format!("redis://{}:{}/0", address(Line::Redis, 1), self.ports[0])
    }

    /// On its own loopback, for WeChat's address must be one of HTTPS elsewhere; the cable comes behind.
    fn wechat(&self, at: usize, _wechat: &Upstream) -> String {
        let inside = self.replicas[at].handle();
        let to = SocketAddr::from((address(Line::WeChat, 1), self.ports[1]));
        let listens = (inside, loopback(self.wechat));
        forward(listens, (inside, to), self.whole.subscribe());
        format!("http://127.0.0.1:{}", self.wechat)
    }

    /// Its listeners are reached at the same ports of our own loopback.
    fn placed(&self, at: usize, place: &Place) {
        let (here, inside) = (Handle::current(), self.replicas[at].handle());
        for address in [&place.api, &place.admin] {
            let address = address.parse().unwrap();
            forward((&here, address), (inside, address), self.whole.subscribe());
        }
    }

    fn program(&self, at: usize) -> Command {
        let program = Server::program();
        let path = program.get_program().to_str().expect("a path of ours");
        self.replicas[at].command(path)
    }
}
