//! Looks at every state within the bounds, and says how many there are.

use std::time::Instant;

use clap::Parser;
use stateright::{Checker, HasDiscoveries, Model};
use wxtoken_model::Protocol;

/// Looks at every order of events in which replicas may share a Redis.
#[derive(Debug, Parser)]
struct Options {
    /// How many processes.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=3))]
    replicas: u8,
    /// How many faults, all together.
    #[arg(long, default_value_t = 2)]
    faults: u8,
    /// How many calls to WeChat.
    #[arg(long, default_value_t = 3)]
    calls: u8,
    /// Look from each state, too, at what comes of it once nothing goes wrong any more: half as long again.
    #[arg(long)]
    settling: bool,
    /// How many threads look.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

#[expect(clippy::print_stdout, reason = "what it found is what it is for")]
#[expect(
    clippy::disallowed_methods,
    reason = "how long it took is shown, and decides nothing"
)]
fn main() {
    let options = Options::parse();
    let mut protocol = Protocol::new(options.replicas, options.faults, options.calls);
    protocol.settling = options.settling;
    let begun = Instant::now();
    let checker = protocol
        .checker()
        .threads(options.threads)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    println!(
        "{} replicas, {} faults, {} calls: {} states, {} steps, depth {}, in {:.1?}",
        options.replicas,
        options.faults,
        options.calls,
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        begun.elapsed()
    );
    for (name, path) in checker.discoveries() {
        println!("{name}: {:?}", path.into_actions());
    }
    checker.assert_properties();
}
