//! The parts of the comparison, one function each.

use std::net::SocketAddr;

use wxtoken_bench::engine::{Asking, Pace};
use wxtoken_bench::hub;
use wxtoken_bench::process::Server;
use wxtoken_bench::report::{Figure, Goal, Line};
use wxtoken_bench::rivals::{haproxy, redis};
use wxtoken_bench::targets::{self, Target};
use wxtoken_bench::wire::Protocol;

use crate::rounds::{Bench, Side, constant_answers};
use crate::{BATCH, Part};

impl Bench {
    /// Runs one part; its lines go into the table.
    pub(crate) fn run(&self, part: Part) -> anyhow::Result<Vec<Line>> {
        match part {
            Part::Native => {
                let own_key = Asking::AtRandom(&self.world.keys);
                self.plain_reads("native", &self.native(), own_key)
            }
            // A caller who asks for the same app again within seconds says “my token has failed”. So many reads a second
            // need all callers in turn for that not to happen, though a connection then is everybody's.
            Part::Compat => {
                let in_turn = Asking::KeysInTurn(&self.world.keys);
                self.plain_reads("compatible", &self.compat(), in_turn)
            }
            Part::Redis => self.redis_reads(),
            Part::Tls => self.tls_reads(),
            Part::Batch => self.batch_reads(),
            Part::P99 => self.fixed_rate(),
            Part::Haproxy => self.haproxy_reads(),
            Part::Wrk => self.check_against_wrk(),
        }
    }

    fn plain_reads(
        &self,
        what: &str,
        list: &[Target],
        asking: Asking<'_>,
    ) -> anyhow::Result<Vec<Line>> {
        let (server, address, constant) = self.nginx(list, None)?;
        let asked = self.asked(list);
        let theirs = Side {
            asking,
            ..self.side(&server, address, &constant)
        };
        let ours = Side {
            asking,
            ..self.our_side(&asked)
        };
        let line = |&connections: &usize| {
            let goals = match connections {
                64 => vec![
                    Goal {
                        figure: Figure::Rate,
                        bound: 1.2,
                    },
                    Goal {
                        figure: Figure::Cpu,
                        bound: 0.82,
                    },
                ],
                16 | 256 => vec![Goal {
                    figure: Figure::Rate,
                    bound: 1.15,
                }],
                _ => Vec::new(),
            };
            self.triples(
                what,
                "nginx",
                [&ours, &theirs],
                connections,
                Pace::Closed,
                goals,
            )
        };
        self.connections().iter().map(line).collect()
    }

    fn redis(&self) -> anyhow::Result<(Server, SocketAddr, Vec<Target>)> {
        let list = self.each_app(|appid, _, token| Target {
            path: format!("wx:access_token:{appid}"),
            key: None,
            body: None,
            expect: vec![token.to_owned()],
        });
        let pairs: Vec<(String, String)> = list
            .iter()
            .map(|target| (target.path.clone(), target.expect.concat()))
            .collect();
        let (server, address) = redis::start(&self.world.folder, self.cores.server, &pairs)?;
        Ok((server, address, list))
    }

    fn redis_reads(&self) -> anyhow::Result<Vec<Line>> {
        let (server, address, list) = self.redis()?;
        let (asked, gets) = (self.asked(&self.native()), targets::redis(&list, 1));
        let theirs = Side {
            protocol: Protocol::Redis,
            ..self.side(&server, address, &gets)
        };
        let goals = vec![Goal {
            figure: Figure::Cpu,
            bound: 0.8,
        }];
        Ok(vec![self.triples(
            "native",
            "Redis GET",
            [&self.our_side(&asked), &theirs],
            64,
            Pace::Closed,
            goals,
        )?])
    }

    fn batch_reads(&self) -> anyhow::Result<Vec<Line>> {
        let (server, address, list) = self.redis()?;
        let keys = self.world.keys.iter().cycle();
        let batches: Vec<Target> = self
            .world
            .apps
            .chunks_exact(BATCH)
            .zip(keys)
            .map(|(group, key)| {
                let appids: Vec<&str> = group.iter().map(|(appid, _)| appid.as_str()).collect();
                let expect = appids
                    .iter()
                    .map(|appid| self.tokens[*appid].clone())
                    .collect();
                Target {
                    path: "/v1/read".to_owned(),
                    key: Some(key.clone()),
                    body: Some(hub::want(&appids)),
                    expect,
                }
            })
            .collect();
        let (asked, gets) = (self.asked(&batches), targets::redis(&list, BATCH));
        let theirs = Side {
            protocol: Protocol::Redis,
            ..self.side(&server, address, &gets)
        };
        let goals = vec![Goal {
            figure: Figure::Cpu,
            bound: 1.0,
        }];
        Ok(vec![self.triples(
            "batch of 16, per token",
            "Redis GETs pipelined by 16",
            [&self.our_side(&asked), &theirs],
            64,
            Pace::Closed,
            goals,
        )?])
    }

    fn fixed_rate(&self) -> anyhow::Result<Vec<Line>> {
        let list = self.native();
        let (server, address, constant) = self.nginx(&list, None)?;
        let asked = self.asked(&list);
        let theirs = self.side(&server, address, &constant);
        let rate = if self.arguments.quick {
            1_000.0
        } else {
            20_000.0
        };
        let goals = vec![Goal {
            figure: Figure::P99,
            bound: 1.1,
        }];
        let what = format!("native at {rate:.0}/s");
        Ok(vec![self.triples(
            &what,
            "nginx",
            [&self.our_side(&asked), &theirs],
            64,
            Pace::PerSecond(rate),
            goals,
        )?])
    }

    fn haproxy_reads(&self) -> anyhow::Result<Vec<Line>> {
        let list = self.native();
        let body = self.sample_reply(&list)?.body;
        let (server, address) = haproxy::start(&self.world.folder, self.cores.server, &body)?;
        let constant = self.asked(&constant_answers(&list));
        let asked = self.asked(&list);
        let theirs = self.side(&server, address, &constant);
        Ok(vec![self.triples(
            "native",
            "haproxy",
            [&self.our_side(&asked), &theirs],
            64,
            Pace::Closed,
            Vec::new(),
        )?])
    }
}
