//! When tokens died, as WeChat's log of what it minted tells.
//!
//! Must not know: who held them.

use std::sync::Arc;

use wxtoken_simulator::{Call, Lane, SimTime, World, fingerprint};

/// When a token died, by the log of what was minted, and the call that ended it before its time.
pub(crate) fn death(
    world: &World,
    app: &str,
    lane: Lane,
    token: &str,
) -> (SimTime, Option<Arc<Call>>) {
    let print = fingerprint(token);
    let minted = |call: &&Arc<Call>| {
        call.appid.as_deref() == Some(app)
            && call
                .minted
                .as_ref()
                .is_some_and(|minted| minted.lane == lane)
    };
    let log = world.log();
    let mut mints = log.iter().filter(minted);
    let own = mints.find(|call| call.minted.as_ref().unwrap().value == print);
    let own = own.unwrap_or_else(|| panic!("{app}: a token WeChat never minted: {print}"));
    let ends = own.minted.as_ref().and_then(|minted| minted.ends);
    let ends = ends.expect("it is a token");
    let next = mints.next();
    match (lane, next) {
        (Lane::Classic, Some(next)) => {
            let overlap = next.at.plus(world.rules().overlap);
            let third = mints.next().map_or(overlap, |third| third.at.min(overlap));
            (third.min(ends), (third < ends).then(|| Arc::clone(next)))
        }
        _ => (ends, None),
    }
}
