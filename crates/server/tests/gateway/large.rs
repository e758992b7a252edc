//! Bodies larger than memory should hold, and more of them than the buffers take.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use crate::alone::{alone, resident};
use crate::harness::{APP, KEY, PATIENCE, VIRTUAL_KEY, World, callers};
use crate::scripted::{FINE, json};
use crate::wire::Wire;

const GIB: usize = 1 << 30;
const PIECE: &[u8] = &[b'x'; 256 * 1024];
/// What a gigabyte may cost on its way.
const CONSTANT: usize = 24 << 20;

fn authorized(line: &str, rest: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n{rest}\r\n")
}

/// Reads so many bytes and forgets them; the most memory seen meanwhile.
async fn swallowed(wire: &mut Wire, length: usize) -> usize {
    let mut most = 0;
    for _ in 0..16 {
        wire.skip(length / 16).await.unwrap();
        most = most.max(resident());
    }
    most
}

#[test]
fn a_gigabyte_comes_down_in_constant_memory() {
    if !alone("large::a_gigabyte_comes_down_in_constant_memory", &[]) {
        return;
    }
    run(async {
        let (world, _upstream) = World::scripted(&callers(), |mut wire, _| async move {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n";
            wire.send(format!("{head}Content-Length: {GIB}\r\n\r\n"))
                .await
                .ok()?;
            for _ in 0..GIB / PIECE.len() {
                wire.send(PIECE).await.ok()?;
            }
            Some(wire)
        })
        .await;
        let before = resident();
        let mut caller = Wire::connect(&world.url).await;
        caller
            .send(authorized("GET /cgi-bin/media/get", ""))
            .await
            .unwrap();
        assert_eq!(caller.head().await.unwrap().status(), 200);
        let most = swallowed(&mut caller, GIB).await;
        assert!(most < before + CONSTANT, "{before} grew to {most}");
    });
}

#[test]
fn a_gigabyte_goes_up_in_constant_memory_and_says_that_it_could_not_have_been_sent_again() {
    let name = "large::a_gigabyte_goes_up_in_constant_memory_and_says_that_it_could_not_have_been_sent_again";
    if !alone(name, &[]) {
        return;
    }
    run(async {
        let rest = format!("[gateway]\nreplay_limit = \"8MiB\"\n{}", callers());
        let (world, _upstream) = World::scripted(&rest, |mut wire, _| async move {
            swallowed(&mut wire, GIB).await;
            wire.send(json(FINE)).await.ok()?;
            Some(wire)
        })
        .await;
        let before = resident();
        let mut caller = Wire::connect(&world.url).await;
        let length = format!("Content-Length: {GIB}\r\n");
        caller
            .send(authorized("POST /cgi-bin/media/upload", &length))
            .await
            .unwrap();
        let mut most = 0;
        for round in 0..GIB / PIECE.len() {
            caller.send(PIECE).await.unwrap();
            if round.is_multiple_of(64) {
                most = most.max(resident());
            }
        }
        let (head, body) = caller.answer("POST").await;
        assert_eq!(String::from_utf8_lossy(&body.bytes), FINE);
        assert_eq!(head.get("wxtoken-replay"), Some("off"));
        assert!(most < before + CONSTANT, "{before} grew to {most}");
    });
}

#[tokio::test]
async fn where_the_buffers_are_full_more_uploads_are_told_to_come_later() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let (arrived, mut arrives) = mpsc::unbounded_channel();
    let limits = "[gateway]\nreplay_memory = \"64KiB\"\nreplay_limit = \"256KiB\"\nbuffers_total = \"1MiB\"\n";
    let one = format!(
        "[[caller]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"{APP}\"]\nallow = [\"call\"]\n"
    );
    let (world, _upstream) = World::scripted(&format!("{limits}{one}"), move |mut wire, head| {
        let (held, arrived) = (Arc::clone(&held), arrived.clone());
        async move {
            wire.body(&head).await.ok()?;
            if head.method() == "POST" {
                arrived.send(()).unwrap();
                held.acquire().await.unwrap().forget();
            }
            wire.send(json(FINE)).await.ok()?;
            Some(wire)
        }
    })
    .await;
    let world = Arc::new(world);
    let upload = || {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            world
                .post("/cgi-bin/media/upload", vec![7; 256 << 10])
                .await
        })
    };
    let uploads: Vec<_> = (0..4).map(|_| upload()).collect();
    for _ in 0..4 {
        arrives.recv().await.unwrap();
    }
    for _ in 0..20 {
        let told = world
            .post("/cgi-bin/media/upload", vec![7; 256 << 10])
            .await;
        assert_eq!(told.errcode(), 45011);
        assert!(told.errmsg().contains("buffers_total"), "{}", told.errmsg());
    }
    assert_eq!(
        world.get("/cgi-bin/menu/get").await.errcode(),
        0,
        "nothing to keep"
    );
    gate.add_permits(5);
    for upload in uploads {
        let told = upload.await.unwrap();
        assert_eq!(told.errcode(), 0);
        assert!(!told.headers.contains_key("wxtoken-replay"));
    }
    assert_eq!(upload().await.unwrap().errcode(), 0, "there is room again");
}

#[tokio::test]
async fn what_is_kept_on_the_disk_has_no_name_and_is_nobody_elses_to_read() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let (arrived, mut arrives) = mpsc::unbounded_channel();
    let (world, _upstream) = World::scripted(&callers(), move |mut wire, head| {
        let (held, arrived) = (Arc::clone(&held), arrived.clone());
        async move {
            wire.body(&head).await.ok()?;
            arrived.send(()).unwrap();
            held.acquire().await.unwrap().forget();
            wire.send(json(FINE)).await.ok()?;
            Some(wire)
        }
    })
    .await;
    let folder = world.folder().to_owned();
    let call = world.post("/cgi-bin/media/upload", vec![7; 4 << 20]);
    let looked = async {
        arrives.recv().await.unwrap();
        // All of it may have gone up before the disk has the first of it.
        let kept = async {
            loop {
                let kept = spilled(&folder);
                if !kept.is_empty() {
                    return kept;
                }
                tokio::task::yield_now().await;
            }
        };
        let kept = tokio::time::timeout(PATIENCE, kept).await;
        gate.add_permits(1);
        kept
    };
    let (told, kept) = tokio::join!(call, looked);
    assert_eq!(told.errcode(), 0);
    let kept = kept.expect("a body of this length goes to the disk");
    let [mode] = kept[..] else {
        panic!("{} files", kept.len());
    };
    assert_eq!(mode & 0o777, 0o600);
    let gone = async {
        while !spilled(&folder).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone)
        .await
        .expect("it goes with the call");
}

/// The modes of this process's open files that had, or never had, a name in a folder.
fn spilled(folder: &std::path::Path) -> Vec<u32> {
    use std::os::unix::fs::PermissionsExt;
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let nameless = open.filter_map(|entry| {
        let path = entry.ok()?.path();
        let leads_to = std::fs::read_link(&path).ok()?;
        let nameless = leads_to.to_str()?.ends_with(" (deleted)");
        let mode = std::fs::metadata(&path).ok()?.permissions().mode();
        (nameless && leads_to.starts_with(folder)).then_some(mode)
    });
    nameless.collect()
}

#[tokio::test]
async fn a_caller_with_many_uploads_leaves_room_for_the_others() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let (arrived, mut arrives) = mpsc::unbounded_channel();
    let limits = "[gateway]\nreplay_memory = \"64KiB\"\nreplay_limit = \"256KiB\"\nbuffers_total = \"1MiB\"\n";
    let rest = format!("{limits}{}", callers());
    let (world, _upstream) = World::scripted(&rest, move |mut wire, head| {
        let (held, arrived) = (Arc::clone(&held), arrived.clone());
        async move {
            wire.body(&head).await.ok()?;
            if head.target().contains("slow") {
                arrived.send(()).unwrap();
                held.acquire().await.unwrap().forget();
            }
            wire.send(json(FINE)).await.ok()?;
            Some(wire)
        }
    })
    .await;
    let world = Arc::new(world);
    let upload = async |world: Arc<World>, key: &str, slow: bool| {
        let target = format!("/cgi-bin/media/upload?x={}", if slow { "slow" } else { "" });
        let request = world
            .request(http::Method::POST, &target)
            .header("authorization", format!("Bearer {key}"));
        world.send(request, vec![7; 256 << 10]).await.errcode()
    };
    let greedy: Vec<_> = (0..2)
        .map(|_| tokio::spawn(upload(Arc::clone(&world), KEY, true)))
        .collect();
    for _ in 0..2 {
        arrives.recv().await.unwrap();
    }
    for _ in 0..5 {
        assert_eq!(upload(Arc::clone(&world), KEY, false).await, 45011);
        assert_eq!(upload(Arc::clone(&world), VIRTUAL_KEY, false).await, 0);
    }
    gate.add_permits(2);
    for upload in greedy {
        assert_eq!(upload.await.unwrap(), 0);
    }
    assert_eq!(upload(world, KEY, false).await, 0, "there is room again");
}

#[test]
fn many_uploads_at_once_take_no_more_memory_than_the_buffers_allow() {
    let name = "large::many_uploads_at_once_take_no_more_memory_than_the_buffers_allow";
    if !alone(name, &[]) {
        return;
    }
    run(async {
        const UPLOADS: usize = 100;
        const LENGTH: usize = 2 << 20;
        let limits = "[gateway]\nreplay_memory = \"2MiB\"\nreplay_limit = \"2MiB\"\nbuffers_total = \"16MiB\"\n";
        let rest = format!("{limits}{}", callers());
        let (world, _upstream) = World::scripted(&rest, |mut wire, _| async move {
            swallowed(&mut wire, LENGTH).await;
            wire.send(json(FINE)).await.ok()?;
            Some(wire)
        })
        .await;
        let before = resident();
        let url: Arc<str> = world.url.as_str().into();
        let uploads: Vec<_> = (0..UPLOADS)
            .map(|_| tokio::spawn(uploaded(Arc::clone(&url), LENGTH)))
            .collect();
        let (mut fine, mut most) = (0, 0);
        for upload in uploads {
            let (answer, seen) = upload.await.unwrap();
            assert!(
                answer == FINE || answer.contains("\"errcode\":45011"),
                "{answer}"
            );
            fine += usize::from(answer == FINE);
            most = most.max(seen);
        }
        assert!(fine >= 4, "{fine} came through");
        // 16 MiB of buffers, and what is on its way through the connections at both ends and here.
        assert!(
            most < before + (16 << 20) + UPLOADS * (400 << 10),
            "{before} grew to {most}"
        );
    });
}

/// Uploads that much; the answer, and the most memory seen.
async fn uploaded(url: Arc<str>, length: usize) -> (String, usize) {
    let mut caller = Wire::connect(&url).await;
    let head = format!("Content-Length: {length}\r\n");
    caller
        .send(authorized("POST /cgi-bin/media/upload", &head))
        .await
        .unwrap();
    let mut most = 0;
    for _ in 0..length / PIECE.len() {
        // One that is refused may find the connection closed.
        if caller.send(PIECE).await.is_err() {
            break;
        }
        most = most.max(resident());
    }
    let (_, body) = caller.answer("POST").await;
    (String::from_utf8(body.bytes).unwrap(), most)
}

fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(work);
}
