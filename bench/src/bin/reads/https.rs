//! Reads over HTTPS, both servers with the same certificate.

use std::sync::Arc;
use std::time::Duration;

use wxtoken_bench::engine::Pace;
use wxtoken_bench::hub::{Hub, Settings};
use wxtoken_bench::report::{Figure, Goal, Line};
use wxtoken_bench::rivals::nginx;
use wxtoken_bench::tls::{self, Certificate};
use wxtoken_bench::wire::Protocol;

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
        let body = self.sample_body(&list[0])?;
        let (server, address) = nginx::start(
            &self.world.folder,
            self.cores.server,
            &body,
            Some(&certificate),
        )?;
        let (asked, constant) = (self.asked(&list), Self::constant_target(&body));
        let ours = Side {
            server: &hub.server,
            address: hub.api.address,
            tls: Some(Arc::clone(&client)),
            protocol: Protocol::Http,
            exchanges: &asked,
        };
        let theirs = Side {
            server: &server,
            address,
            tls: Some(client),
            protocol: Protocol::Http,
            exchanges: &constant,
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
