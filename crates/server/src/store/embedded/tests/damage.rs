//! Bits that flip anywhere in the file, and what the raw bytes give away.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use futures_util::future::join_all;
use proptest::prelude::*;
use wxtoken_core::credential::Token;

use super::super::super::export::{Contents, ExportKey, export};
use super::super::super::users::MemoryUsers;
use super::file::{bytes, filled};
use super::*;

const APPS: u32 = 60;

type Records = BTreeMap<AppId, Record>;

/// A closed store's file, made once, and what is in it.
fn template() -> &'static (Vec<u8>, Records) {
    static TEMPLATE: OnceLock<(Vec<u8>, Records)> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let written = block_on(filled(folder.path(), APPS));
        let file = fs::read(EmbeddedStore::file_in(folder.path())).unwrap();
        (file, written)
    })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

/// What became of a store with these bits flipped: refused as a whole, or so many records lost.
fn opened_with(flips: &[(usize, u8)]) -> Option<usize> {
    let (file, written) = template();
    let folder = tempfile::tempdir().unwrap();
    let mut damaged = file.clone();
    for (at, bit) in flips {
        damaged[*at] ^= 1 << bit;
    }
    let path = EmbeddedStore::file_in(folder.path());
    fs::write(&path, &damaged).unwrap();
    let Ok(store) = try_open(folder.path(), 1) else {
        assert_eq!(fs::read(&path).unwrap(), damaged, "refused, so unchanged");
        return None;
    };
    block_on(async {
        let (records, reported) = load(&store).await;
        for (app, record) in &records {
            assert!(*record == written[app], "never a wrong value");
        }
        let lost = written.len() - records.len();
        assert!(lost == 0 || !reported.is_empty(), "a loss is reported");
        // Whatever happened, from here on everything can be written and is there at the next start.
        let writes = written.iter().map(async |(app, record)| {
            let (fence, _) = won(&store, app).await;
            store.write(app, record, fence).await.unwrap();
        });
        join_all(writes).await;
        drop(store);
        let again = open_in(folder.path());
        let (records, reported) = load(&again).await;
        assert_eq!(reported, vec![], "said once");
        assert!(records == *written, "{} there again", records.len());
        Some(lost)
    })
}

/// What damage to a page may cost at most: the records on a leaf, everything below an inner page or behind the file's
/// header, nothing elsewhere.
fn worst(page: usize) -> usize {
    let (file, written) = template();
    match file[page * 4096] {
        _ if page == 0 => written.len(), // it says how far the file goes
        0x0d if !is_vital(page) => 3,
        0x05 => written.len(),
        _ => 0,
    }
}

/// Whether the page holds the tables' definitions or the store's identity. Such damage may refuse the store as a whole.
fn is_vital(page: usize) -> bool {
    let content = &template().0[page * 4096..(page + 1) * 4096];
    page == 0 || content.windows(9).any(|window| window == b"key_check")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn flipped_bits_never_panic_never_give_a_wrong_value_and_the_rest_survives(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..6)
    ) {
        let length = template().0.len();
        let flips: Vec<_> = flips.iter().map(|(at, bit)| (at.index(length), *bit)).collect();
        let most: usize = flips.iter().map(|(at, _)| worst(at / 4096)).sum();
        let lost = opened_with(&flips);
        prop_assert!(lost.is_none_or(|lost| lost <= most), "{lost:?} of {most} lost by {flips:?}");
        prop_assert!(lost.is_some() || flips.iter().any(|(at, _)| is_vital(at / 4096)), "refused for {flips:?}");
    }
}

/// Where the inner page over the records' leaves points to its leaves: the last byte of each page number.
fn pointers_to_leaves(file: &[u8]) -> Vec<usize> {
    let number = |at: usize| usize::from(u16::from_be_bytes([file[at], file[at + 1]]));
    let inner = (0..file.len()).step_by(4096).find(|page| {
        // A table's inner page, each of whose cells is a page number of four bytes and a row number.
        file[*page] == 0x05 && *page > 0
    });
    let inner = inner.expect("so many records that they have an inner page");
    let cells = (0..number(inner + 3)).map(|cell| inner + number(inner + 12 + 2 * cell));
    cells.map(|cell| cell + 3).collect()
}

#[test]
fn rows_that_a_broken_page_shows_twice_are_counted_once() {
    let pointers = pointers_to_leaves(&template().0);
    assert!(pointers.len() > 10);
    for (nth, at) in pointers.into_iter().enumerate() {
        // Most of these lead to another leaf, whose rows are met a second time.
        let lost = opened_with(&[(at, u8::try_from(nth % 5).unwrap())]);
        assert!(lost.is_some_and(|lost| lost <= 3), "{lost:?} lost");
    }
}

#[test]
fn a_flip_inside_a_record_costs_that_record_alone() {
    let (file, written) = template();
    let (app, record) = written.iter().next().unwrap();
    let label = super::super::super::sealed::Label::of(*app, record, Fence::default());
    let name = label.app.as_str().as_bytes();
    let mut places = (0..file.len()).filter(|at| file[*at..].starts_with(name));
    let at = places.find(|at| worst(at / 4096) == 3); // the index of names holds it too
    assert_eq!(opened_with(&[(at.unwrap() + 200, 3)]), Some(1));
}

/// Where the cells of a table's leaf begin: a length of two bytes, then the row's number in one.
fn cells(page: usize) -> impl Iterator<Item = usize> {
    let file = &template().0[page * 4096..(page + 1) * 4096];
    let number = |at: usize| usize::from(u16::from_be_bytes([file[at], file[at + 1]]));
    (0..number(3)).map(move |cell| page * 4096 + number(8 + 2 * cell))
}

#[test]
fn a_damaged_row_number_hides_no_row_behind_a_broken_page() {
    let pages = 0..template().0.len() / 4096;
    let full = |page: &usize| worst(*page) == 3 && cells(*page).count() > 0;
    let leaves: Vec<_> = pages.filter(full).collect();
    let number = cells(leaves[0]).next().unwrap() + 2;
    for bit in 4..8 {
        let (near, far) = (leaves[1] * 4096, leaves[leaves.len() / 2] * 4096);
        for broken in [near, far] {
            let lost = opened_with(&[(number, bit), (broken, 7)]).unwrap();
            assert!(lost <= 6, "bit {bit}: {lost} of 6");
        }
    }
}

#[test]
fn a_header_that_forbids_writing_costs_nothing() {
    for bit in 2..8 {
        assert_eq!(opened_with(&[(18, bit)]), Some(0), "bit {bit}");
    }
}

#[test]
fn a_torn_page_costs_only_what_was_on_it() {
    let (file, _) = template();
    let pages = file.len() / 4096;
    let mut kept = 0;
    for page in 0..pages {
        let flips: Vec<_> = (0..4096).map(|at| (page * 4096 + at, 1)).collect();
        match opened_with(&flips) {
            Some(lost) => assert!(lost <= worst(page), "page {page}: {lost}"),
            None => assert!(is_vital(page), "page {page}"),
        }
        kept += usize::from(!is_vital(page) && file[page * 4096] != 0x05);
    }
    assert!(
        kept + 6 > pages,
        "all but {kept} of {pages} pages are vital"
    );
}

/// Every 12-character piece of a value, as it could be met: raw, in hex, in base64 at each of three offsets.
fn needles(values: &[String]) -> HashSet<Vec<u8>> {
    let mut needles = HashSet::new();
    for piece in values.iter().flat_map(|value| value.as_bytes().windows(12)) {
        needles.insert(piece.to_vec());
        let hex: String = piece[..6].iter().map(|b| format!("{b:02x}")).collect();
        needles.insert(hex.to_uppercase().into_bytes());
        needles.insert(hex.into_bytes());
    }
    for value in values {
        for offset in 0..3 {
            let text = STANDARD_NO_PAD.encode(&value.as_bytes()[offset..]);
            let inner = &text.as_bytes()[..text.len() - 2];
            needles.extend(inner.windows(12).map(<[u8]>::to_vec));
        }
    }
    needles
}

#[tokio::test]
async fn no_file_of_the_store_gives_a_piece_of_a_token_away() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(folder.path());
    let mut values = Vec::new();
    for number in 0..40u32 {
        let secret: String = (0..120)
            .map(|n| char::from(b'!' + (number.wrapping_mul(7919) + n * n * 31 + n) as u8 % 94))
            .collect();
        let mut record = full_record();
        record.lanes[0].as_mut().unwrap().token = Token::new(&secret).unwrap();
        values.push(secret);
        for token in record.lanes.iter().flatten() {
            values.push(token.token.expose().to_owned());
        }
        for ticket in record.tickets.iter().flatten() {
            values.push(ticket.token.expose().to_owned());
        }
        let (fence, _) = won(&store, &app(number)).await;
        store.write(&app(number), &record, fence).await.unwrap();
    }
    let mut exported = Vec::new();
    let words = ExportKey::Passphrase("five random words are enough");
    let contents = Contents {
        records: &store,
        users: &MemoryUsers::new(still(NOW)),
    };
    export(contents, words, &mut exported).await.unwrap();
    let mut files = bytes(folder.path());
    assert!(
        files["wxtoken.db-wal"].len() > 40_000,
        "the journal is searched while it is full"
    );
    drop(store);
    tamper(
        folder.path(),
        "UPDATE record SET fence = fence + 1 WHERE id < 9",
    );
    assert_eq!(load(&open_in(folder.path())).await.1.len(), 8);
    let closed = bytes(folder.path());
    files.extend(
        closed
            .into_iter()
            .map(|(name, content)| (format!("closed {name}"), content)),
    );
    files.insert("export".into(), exported);
    let needles = needles(&values);
    for (name, content) in files {
        let found = content
            .windows(12)
            .filter(|window| needles.contains(*window))
            .count();
        assert_eq!(found, 0, "{name}");
    }
}
