//! The parts of the comparison.

use std::net::SocketAddr;

use wxtoken_bench::engine::Asking;
use wxtoken_bench::exchange::Exchange;
use wxtoken_bench::process::Server;
use wxtoken_bench::report::{Figure, Goal, Line};
use wxtoken_bench::rivals::proxies::{self, Duties};
use wxtoken_bench::upstream::{self, ANSWER, TOKEN};

use crate::Part;
use crate::rounds::{Scene, Side};

const PATH: &str = "/cgi-bin/message/custom/send";
/// A text message to one user.
const MESSAGE: &str = r#"{"touser":"oABCD-0123456789abcdefghij","msgtype":"text","text":{"content":"你好，您的订单已发货。"}}"#;

impl Scene<'_> {
    /// Runs one part; its lines go into the table.
    pub(crate) fn run(&self, part: Part) -> anyhow::Result<Vec<Line>> {
        match part {
            Part::Nginx => self.calls("nginx", &self.nginx(Duties::Forward)?, |connections| {
                if connections == 1 {
                    vec![goal(Figure::P50, 1.0)]
                } else {
                    vec![goal(Figure::Rate, 1.1), goal(Figure::Cpu, 0.85)]
                }
            }),
            Part::Lua => {
                let duties = Duties::Lua {
                    keys: &self.world.keys,
                    token: TOKEN,
                };
                self.calls("nginx+Lua", &self.nginx(duties)?, |connections| {
                    if connections == 1 {
                        Vec::new()
                    } else {
                        vec![goal(Figure::Rate, 1.5)]
                    }
                })
            }
            Part::Haproxy => self.calls("haproxy", &self.haproxy()?, |_| Vec::new()),
            Part::Upload100k => self.uploads("100 KiB up", 100 << 10, 16, [5.0, 1.1]),
            Part::Upload10m => self.uploads("10 MiB up", 10 << 20, 4, [3.0, 1.2]),
        }
    }

    fn nginx(&self, duties: Duties<'_>) -> anyhow::Result<(Server, SocketAddr)> {
        proxies::nginx(&self.world.folder, self.cores.server, &self.behind, duties)
    }

    fn haproxy(&self) -> anyhow::Result<(Server, SocketAddr)> {
        proxies::haproxy(&self.world.folder, self.cores.server, &self.behind)
    }

    /// Small calls. Ours and Lua put the token in; the others are given it.
    fn calls(
        &self,
        rival: &str,
        (server, address): &(Server, SocketAddr),
        goals: impl Fn(usize) -> Vec<Goal>,
    ) -> anyhow::Result<Vec<Line>> {
        let key = &self.world.keys[0];
        let appid = &self.world.apps[0].0;
        let expect = || vec![ANSWER.as_bytes().to_vec()];
        let swapped = format!("{PATH}?access_token=put-in-by-the-gateway");
        let ours = call(
            &swapped,
            key,
            &format!("Wxtoken-App: {appid}\r\n"),
            expect(),
        );
        let given = format!("{PATH}?access_token={TOKEN}");
        let theirs = if rival == "nginx+Lua" {
            call(&swapped, key, "", expect())
        } else {
            call(&given, key, "", expect())
        };
        let (ours, theirs) = ([ours], [theirs]);
        let theirs = Side {
            server,
            address: *address,
            exchanges: &theirs,
            asking: Asking::AtRandom(&self.world.keys),
        };
        let line = |connections: &usize| {
            self.triples(
                "small call",
                rival,
                [&self.ours(&ours), &theirs],
                *connections,
                goals(*connections),
            )
        };
        self.arguments.connections.iter().map(line).collect()
    }

    fn uploads(
        &self,
        what: &str,
        size: usize,
        connections: usize,
        bounds: [f64; 2],
    ) -> anyhow::Result<Vec<Line>> {
        #[expect(clippy::cast_possible_truncation, reason = "any byte will do")]
        let body: Vec<u8> = (0..size).map(|at| (at * 7 % 251) as u8).collect();
        let expect = vec![upstream::receipt(&body).into_bytes()];
        let key = Some(self.world.keys[0].as_str());
        let path = format!("/cgi-bin/media/upload?type=image&access_token={TOKEN}");
        let upload = [Exchange::upload(&path, key, &body, expect)];
        let mut lines = Vec::new();
        for (rival, bound, (server, address)) in [
            ("nginx", bounds[0], self.nginx(Duties::Forward)?),
            ("haproxy", bounds[1], self.haproxy()?),
        ] {
            let theirs = Side {
                server: &server,
                address,
                exchanges: &upload,
                asking: Asking::InTurn,
            };
            let sides = [&self.ours(&upload), &theirs];
            let goals = vec![goal(Figure::Rate, bound)];
            lines.push(self.triples(what, rival, sides, connections, goals)?);
        }
        Ok(lines)
    }
}

fn call(path: &str, key: &str, header: &str, expect: Vec<Vec<u8>>) -> Exchange {
    let mut exchange = Exchange::http(path, Some(key), Some(MESSAGE), expect);
    let text = String::from_utf8_lossy(&exchange.request);
    exchange.request = text
        .replacen("\r\n", &format!("\r\n{header}"), 1)
        .into_bytes();
    exchange.with_key(key)
}

const fn goal(figure: Figure, bound: f64) -> Goal {
    Goal { figure, bound }
}
