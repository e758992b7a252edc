//! Somebody signs in through the relay and is asked about over the API, well and wrongly: nothing that is theirs, and nothing
//! that stands for them, is anywhere but in the answers that are for whoever asked.

use std::process::Command;

use wxtoken_simulator::Show;

use crate::canary::{MASTER, files, pages};
use crate::needles::Needles;
use crate::place::{APP, Place};
use crate::replicas::{Redis, Replicas};
use crate::server::Server;
use crate::signed_in::{Story, configured, world};

impl Story<'_> {
    /// What WeChat was told, where all of it belongs: the same search finds it there.
    fn finds(&self) {
        let calls = self.world().log();
        let told = calls.iter().map(|call| {
            let body = String::from_utf8_lossy(call.body()).into_owned();
            format!("{} {}\n{body}\n", call.path, call.query(Show::Raw))
        });
        let told: String = told.collect();
        let found = self.needles.in_text(told.as_bytes()).join(" ");
        for name in [
            "access_token",
            "refresh_token",
            "web code",
            "one-time code",
            "openid (",
            "openid of the mini program",
            "AppSecret",
        ] {
            assert!(found.contains(name), "{name} is not among {found}");
        }
    }

    /// All of it, and then what anybody may look at.
    async fn told(&mut self) {
        self.push_and_pages().await;
        self.redeemed().await;
        self.all_is_asked().await;
        self.relay_refuses().await;
        self.wechat_refuses().await;
        self.redeemed().await;
        self.wrongly_asked().await;
        self.wechat_is_away().await;
        self.over().await;
        self.finds();
        pages(self.server, true, &self.needles).await;
    }
}

/// The log was long enough to tell something, and told of users without telling who.
fn searched(log: &str, needles: &Needles) {
    assert!(log.contains("a user came back from WeChat"), "{log}");
    needles.none_in("the log", log.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_who_signed_in_is_in_a_file_a_log_or_what_others_are_told() {
    let wechat = world().await;
    let mut place = Place::new(&wechat);
    place.store = format!("master_key = \"{MASTER}\"");
    let (lines, public) = configured(&wechat, "text");
    place.configure(&lines);
    let server = Server::start(&place).await;
    let mut story = Story::new(&place, &server, &wechat, &public);
    story.told().await;
    let needles = story.needles;
    // Killed: what the journal holds is searched as well.
    server.kill();
    searched(&place.logs(), &needles);
    let mut names = Vec::new();
    files(place.folder.path(), &needles, &mut names);
    for name in ["users.db", "users.db-wal"] {
        assert!(names.iter().any(|file| file == name), "{name}: {names:?}");
    }
    std::fs::write(place.folder.path().join("phrase"), "a long phrase for this").unwrap();
    let exported = Server::program()
        .args(["export", "--config"])
        .arg(place.config())
        .arg("--to")
        .arg(place.folder.path().join("export"))
        .env_clear()
        .env(
            "WXTOKEN_PASSPHRASE_FILE",
            place.folder.path().join("phrase"),
        )
        .output()
        .unwrap();
    assert!(exported.status.success(), "{exported:?}");
    let said = [exported.stdout, exported.stderr].concat();
    needles.none_in("what export says", &said);
    let mut names = Vec::new();
    files(place.folder.path(), &needles, &mut names);
    assert!(names.iter().any(|file| file == "export"), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_who_signed_in_is_in_redis_in_the_clear() {
    let redis = Redis::start(&["--rdbcompression", "no"]).await;
    let wechat = world().await;
    let (lines, public) = configured(&wechat, "json");
    let mut replicas = Replicas::over(redis, wechat, 1, &lines);
    replicas.start_all().await;
    let mut story = Story::new(
        &replicas.places[0],
        replicas.at(0),
        &replicas.wechat,
        &public,
    );
    story.told().await;
    let (tab, redeem) = (story.tab().await, story.sign_in().await);
    let port = replicas.redis.port.to_string();
    let asked = |words: &[&str]| {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &port]).args(words).output().unwrap()
    };
    let keys = asked(&["KEYS", "*"]).stdout;
    assert!(keys.windows(APP.len()).any(|some| some == APP.as_bytes()));
    story.needles.none_in("the names of Redis' keys", &keys);
    // Everything Redis holds, as it would be on its disk.
    let saved = asked(&["SAVE"]);
    assert!(saved.status.success(), "{saved:?}");
    let dump = std::fs::read(replicas.redis.folder.path().join("dump.rdb")).unwrap();
    assert!(dump.len() > keys.len(), "it holds something");
    story.needles.none_in("what Redis holds", &dump);
    asked(&["SHUTDOWN", "NOSAVE"]);
    story.away("the store is away", tab, &redeem).await;
    pages(story.server, true, &story.needles).await;
    let needles = story.needles;
    replicas.stop(0).await;
    searched(&replicas.places[0].logs(), &needles);
}
