//! Nobody reads the log: the server goes on as if somebody did, and tells it all to who reads later.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use wxtoken_simulator::Rules;

use crate::place::{APP, KEY, Place, app, wechat};
use crate::server::Server;

const CALL: &str = "/cgi-bin/menu/get";
/// Their lines are several times what a pipe holds.
const MANY: usize = 1000;

async fn call(server: &Server, times: usize) {
    for _ in 0..times {
        let reply = server.ask(&format!("GET {CALL}"), "").await.json();
        assert_ne!(reply["errcode"], 40001, "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_stops_no_call_and_no_end_and_loses_nothing_it_has_room_for() {
    let wechat = wechat(Rules::default(), 0).await;
    let place = Place::new(&wechat);
    let caller = format!(
        "[[caller]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"{APP}\"]\nallow = [\"read\", \"call\"]\n"
    );
    place.configure(&format!("{}{caller}", app("")));
    let pipe = place.folder.path().join("log.pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut command = Command::new("sh");
    // Open both ways, it is there though nobody reads.
    let silent = "exec 2<>\"$0\"; exec \"$@\"";
    command
        .args(["-c", silent])
        .arg(&pipe)
        .arg(Server::program().get_program());
    let server = Server::start_by(&place, command).await;
    call(&server, MANY).await;

    let mut lines = BufReader::new(File::open(&pipe).unwrap()).lines();
    let mut told = 0;
    while told < MANY {
        let line = lines.next().unwrap().unwrap();
        assert!(
            serde_json::from_str::<serde_json::Value>(&line).is_ok(),
            "no whole line: {line}"
        );
        told += usize::from(line.contains(CALL));
    }
    let metrics = String::from_utf8(server.admin("GET /metrics").await.body).unwrap();
    assert!(
        metrics.contains("\nwxtoken_log_lines_lost_total 0\n"),
        "{metrics}"
    );

    call(&server, MANY).await;
    assert!(server.stop().await.success());
}
