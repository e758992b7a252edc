//! The model merges records as `wxtoken_core::merge` does.
#![cfg(test)]

use wxtoken_core::clock::Wall;
use wxtoken_core::credential::{Generation, Kind, Lane, Token, ValueId};
use wxtoken_core::merge::merged;
use wxtoken_core::store::{self, HandedOut, Intent, Remembered, StoredToken};
use wxtoken_model::state::{Moment, Record};

const HOUR: u64 = 3_600_000;

/// A moment, as a clock shows it.
const fn at(moment: Moment) -> Wall {
    Wall(HOUR + moment as u64)
}

fn real(record: Record) -> store::Record {
    let mut real = store::Record {
        saved_at: at(0),
        late_mint: (record.late > 0).then(|| at(record.late)),
        ..store::Record::default()
    };
    real.intents[0] = (record.note > 0).then(|| Intent {
        sent: at(record.note),
        deadline: at(record.note),
        fence: Default::default(),
    });
    let id = |value: Moment| ValueId(u64::from(value));
    if record.value > 0 {
        real.lanes[0] = Some(StoredToken {
            token: Token::new("value").unwrap(),
            id: id(record.value),
            sent: at(record.value),
            expires: at(record.value).plus(HOUR),
            lifetime: HOUR,
            dead: false,
            noted: None,
        });
        real.handed_out[0] = HandedOut {
            generation: Generation(u64::from(record.generation)),
            id: Some(id(record.value)),
            lane: Some(Lane::Classic),
        };
    }
    let replaced = (1..32).filter(|value| record.has_replaced(*value));
    real.remembered.extend(replaced.map(|value| Remembered {
        id: id(value),
        kind: Kind::AccessToken,
        ends: at(value).plus(HOUR),
    }));
    real
}

/// What the model keeps of a record.
fn kept(real: &store::Record) -> Record {
    let moment = |at: Wall| (at.0 - HOUR) as Moment;
    let value = real.lanes[0]
        .as_ref()
        .map_or(0, |value| value.id.0 as Moment);
    let remembered = real
        .remembered
        .iter()
        .filter(|old| old.id.0 != u64::from(value));
    Record {
        value,
        generation: real.handed_out[0].generation.0 as u8,
        note: real.intents[0].map_or(0, |note| moment(note.sent)),
        late: real.late_mint.map_or(0, moment),
        replaced: remembered.fold(0, |all, old| all | 1 << old.id.0),
    }
    .settled()
}

fn records() -> Vec<Record> {
    let mut all = vec![Record::default()];
    for value in 0..4 {
        for (note, late) in [(0, 0), (1, 0), (4, 0), (0, 3), (0, 4), (5, 4)] {
            for generation in u8::from(value > 0)..if value > 0 { 4 } else { 1 } {
                // Only what came before is replaced.
                for replaced in (0..1_u32 << value).filter(|replaced| replaced & 1 == 0) {
                    all.push(Record {
                        value,
                        generation,
                        note,
                        late,
                        replaced,
                    });
                }
            }
        }
    }
    all.into_iter().map(Record::settled).collect()
}

#[test]
fn the_model_merges_as_the_core_does() {
    let records = records();
    let mut merges = 0;
    for held in &records {
        for offered in &records {
            let model = Record::merged(*held, *offered);
            let core = kept(&merged(&real(*held), &real(*offered)));
            assert_eq!(model, core, "{held:?} and {offered:?}");
            merges += 1;
        }
    }
    assert!(merges > 10_000, "{merges}");
}
