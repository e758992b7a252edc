//! How fast the embedded store loads, and writes durably: `cargo run --profile quick -p wxtoken-server --example store_speed`.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Now, Wall};
use wxtoken_core::credential::{Generation, Lane, Token, ValueId};
use wxtoken_core::store::{Fence, HandedOut, Loaded, Record, RecordStore, StoredToken};
use wxtoken_server::clock::ManualClock;
use wxtoken_server::store::{EmbeddedStore, MasterKey};

const APPS: u64 = 100_000;

/// The store's clock stands still.
const NOW: Now = Now {
    wall: Wall(1_795_000_000_000),
    boot: Boot(0),
};

fn still() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(NOW))
}

type Failure = Box<dyn std::error::Error>;

#[expect(
    clippy::disallowed_methods,
    reason = "this program measures, so it needs a clock of its own"
)]
fn timer() -> Instant {
    Instant::now()
}

fn record(number: u64, generation: u64) -> Result<Record, Failure> {
    let mut record = Record {
        saved_at: Wall(1_795_000_000_000),
        ..Record::default()
    };
    let value = format!("68_{number:012}{}", "Ab9-".repeat(35));
    record.lanes[1] = Some(StoredToken {
        token: Token::new(&value)?,
        id: ValueId(number),
        sent: Wall(1_795_000_000_000),
        expires: Wall(1_795_007_200_000),
        lifetime: 7_200_000,
        dead: false,
        noted: None,
    });
    record.handed_out[0] = HandedOut {
        generation: Generation(generation),
        id: Some(ValueId(number)),
        lane: Some(Lane::Stable),
    };
    Ok(record)
}

async fn write(
    store: &EmbeddedStore,
    fence: Fence,
    number: u64,
    generation: u64,
) -> Result<(), Failure> {
    let app: AppId = format!("wx{number:016x}").parse()?;
    Ok(store
        .write(&app, &record(number, generation)?, fence)
        .await?)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut out = std::io::stdout();
    let folder = tempfile::tempdir()?;
    let key = MasterKey::generate()?;
    let open = || EmbeddedStore::open(folder.path(), key.clone().into(), still());

    let store = open()?;
    let fence = match store
        .lease(&"wx0".parse()?, std::time::Duration::MAX)
        .await?
    {
        wxtoken_core::store::Lease::Won { fence, .. } => fence,
        wxtoken_core::store::Lease::Taken { .. } => return Err("the store is taken".into()),
    };
    let begun = timer();
    for chunk in 0..APPS / 500 {
        let writes = (chunk * 500..(chunk + 1) * 500).map(|number| write(&store, fence, number, 1));
        join_all(writes)
            .await
            .into_iter()
            .collect::<Result<(), _>>()?;
    }
    let each = f64::from(u32::try_from(APPS)?) / begun.elapsed().as_secs_f64();
    writeln!(out, "durable writes, 500 at a time: {each:.0}/s")?;
    let mut generation = 1;
    for together in [1, 16, 64] {
        let begun = timer();
        let rounds = 3000 / together;
        for _ in 0..rounds {
            generation += 1;
            let writes = (0..together).map(|n| write(&store, fence, n * 997, generation));
            join_all(writes)
                .await
                .into_iter()
                .collect::<Result<(), _>>()?;
        }
        let count = f64::from(u32::try_from(rounds * together)?);
        let each = count / begun.elapsed().as_secs_f64();
        writeln!(out, "durable writes, {together} at a time: {each:.0}/s")?;
    }
    drop(store);
    let size = std::fs::metadata(EmbeddedStore::file_in(folder.path()))?.len();
    writeln!(out, "file: {} MiB for {APPS} apps", size >> 20)?;
    for _ in 0..3 {
        let begun = timer();
        let store = open()?;
        let opened = begun.elapsed();
        let mut held = Vec::with_capacity(usize::try_from(APPS)?);
        let mut each = |loaded| {
            if let Loaded::Record(app, record) = loaded {
                held.push((app, record));
            }
        };
        store.load_all(&mut each).await?;
        writeln!(
            out,
            "open {opened:?}, open and load {} records {:?}",
            held.len(),
            begun.elapsed()
        )?;
    }
    Ok(())
}
