//! A start reads what it expects before it looks at every key.

use std::sync::Mutex;

use wxtoken_core::store::Loaded;

use super::*;

#[tokio::test]
async fn what_is_expected_is_handed_out_before_the_other_keys_are_looked_at() {
    let server = Server::start().await;
    three_records(&server).await;
    let fill =
        "for i = 1, 3000 do redis.call('SET', 'wxtoken:{u001}:user:' .. i, i) end return 'OK'";
    let _: String = server.ask(&["EVAL", fill, "0"]).await;
    let fresh = store(&server.url(), QUICK);
    fresh.expect([app(2), app(9)]);
    let found = Mutex::new(Vec::new());
    let mut each = |loaded| match loaded {
        Loaded::Record(app, _) => found.lock().unwrap().push(app),
        Loaded::Damaged { reason, .. } => panic!("{reason}"),
    };
    fresh.load_all(&mut each).await.unwrap();
    let mut found = found.into_inner().unwrap();
    assert_eq!(found[0], app(2));
    found.sort_unstable();
    assert_eq!(found, [app(1), app(2), app(3)], "each once");
}
