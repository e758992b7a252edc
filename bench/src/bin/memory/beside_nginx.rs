//! Cold starts and memory at rest, each next to nginx.

use std::time::Duration;

use wxtoken_bench::ask::Peer;
use wxtoken_bench::host::{self, Cores};
use wxtoken_bench::hub::{Hub, Settings, World};
use wxtoken_bench::process::Server;
use wxtoken_bench::report::{Finding, Spread};
use wxtoken_bench::rivals::nginx::{self, Constant};

use crate::{Arguments, mib, settled, until_answered};

/// Cold starts with 10 apps, and memory at rest with 1,000, each next to nginx.
pub(crate) fn compare(
    arguments: &Arguments,
    world: &World,
    cores: Cores,
    found: &mut Vec<Finding>,
) -> anyhow::Result<()> {
    let (_simulator, upstream) = world.simulator(cores.load, None)?;
    let ten = Settings::new("ten", upstream, 10);
    let body = {
        let mut hub = Hub::start(world, &ten, cores.server)?;
        hub.tokens(&world.apps[..10], Duration::from_secs(60))?;
        hub.api
            .ask(&format!("/v1/apps/{}/access_token", world.apps[0].0), None)?
            .body
    };
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..arguments.starts {
        let before = cold_nginx(world, cores, &body)?;
        let mine = cold_hub(world, &ten, cores)?;
        let after = cold_nginx(world, cores, &body)?;
        ours.push(mine * 1e3);
        theirs.extend([before * 1e3, after * 1e3]);
        ratios.push(2.0 * mine / (before + after));
    }
    let (ours, theirs, ratio) = (Spread::of(ours), Spread::of(theirs), Spread::of(ratios));
    found.push(Finding::judged(
        "cold start with 10 stored apps to the first token answer, against nginx's first answer",
        format!(
            "{:.1} ms against {:.1} ms: {:.2} ({:.2}–{:.2})",
            ours.median, theirs.median, ratio.median, ratio.min, ratio.max
        ),
        "≤ 1.5",
        ratio.median <= 1.5,
    ));
    let mut hub = Hub::start(
        world,
        &Settings::new("thousand", upstream, 1_000),
        cores.server,
    )?;
    hub.tokens(&world.apps[..1_000], Duration::from_secs(120))?;
    let mine = settled(&hub)?;
    let (nginx, address) = nginx::start(&world.folder, cores.server, &Constant::of(&body), None)?;
    Peer::plain(address, None).ask("/", None)?;
    let rival = host::memory_of(nginx.pid())?;
    let (ratio, resident) = (
        mib(mine.pss) / mib(rival.pss),
        mib(mine.rss) / mib(rival.rss),
    );
    found.push(Finding::judged(
        "at rest with 1,000 apps, against nginx with a master and one worker, pages they share counted once",
        format!("{:.1} MiB against {:.1} MiB: {ratio:.2}", mib(mine.pss), mib(rival.pss)),
        "≤ 2.5",
        ratio <= 2.5,
    ));
    found.push(Finding::told(
        "… the same as the sum of resident memory, shared pages counted in each process",
        format!(
            "{:.1} MiB against {:.1} MiB: {resident:.2}",
            mib(mine.rss),
            mib(rival.rss)
        ),
    ));
    Ok(())
}

fn cold_hub(world: &World, settings: &Settings, cores: Cores) -> anyhow::Result<f64> {
    let (command, api, _) = Hub::prepare(world, settings)?;
    let server = Server::start_bare(settings.name, command, cores.server, &world.folder)?;
    until_answered(
        &server,
        &api,
        &format!("/v1/apps/{}/access_token", world.apps[0].0),
        Duration::from_secs(30),
    )
}

fn cold_nginx(world: &World, cores: Cores, body: &str) -> anyhow::Result<f64> {
    let (command, address) = nginx::prepare(&world.folder, &Constant::of(body), None)?;
    let server = Server::start_bare("nginx-cold", command, cores.server, &world.folder)?;
    until_answered(
        &server,
        &Peer::plain(address, None),
        "/",
        Duration::from_secs(30),
    )
}
