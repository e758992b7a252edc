//! Reads over HTTPS, both servers with the same certificate.

use std::sync::Arc;
use std::time::Duration;

use wxtoken_bench::engine::Pace;
use wxtoken_bench::hub::{Hub, Settings};
use wxtoken_bench::report::{Figure, Goal, Line};
use wxtoken_bench::tls::{self, Certificate};

use crate::rounds::{Bench, Side};

impl Bench {
    pub(crate) fn tls_reads(&self) -> anyhow::Result<Vec<Line>> {
        let certificate = Certificate::generate(&self.world.folder)?;
        let client = tls::client_trusting(&certificate.cert)?;
        let mut settings = Settings::new("hub-tls", self.upstream, self.world.apps.len());
        settings.tls = Some(certificate.clone());
        let mut hub = Hub::start(&self.world, &settings, self.cores.server)?;
        // The stable lane gives the second server the tokens the first one has.
        let tokens = hub.tokens(&self.world.apps, Duration::from_secs(300))?;
        anyhow::ensure!(
            tokens == self.tokens,
            "two servers of one upstream hold different stable tokens"
        );
        let list = self.native();
        let (server, address, constant) = self.nginx(&list, Some(&certificate))?;
        let asked = self.asked(&list);
        let ours = Side {
            tls: Some(Arc::clone(&client)),
            ..self.side(&hub.server, hub.api.address, &asked)
        };
        let theirs = Side {
            tls: Some(client),
            ..self.side(&server, address, &constant)
        };
        let goal = |connections: usize| {
            if connections == 1 {
                Vec::new()
            } else {
                vec![Goal {
                    figure: Figure::Rate,
                    bound: 1.3,
                }]
            }
        };
        let line = |&connections: &usize| {
            self.triples(
                "native, HTTPS",
                "nginx",
                [&ours, &theirs],
                connections,
                Pace::Closed,
                goal(connections),
            )
        };
        self.connections().iter().map(line).collect()
    }
}
