//! A record as bytes: compact JSON in structs of its own, so that core's types may change without the format changing.
//!
//! Owns: the layout, field by field, of each format version. Must not know: sealing, stores.
//! A field added later gets `#[serde(default)]`; a change of meaning gets a new version in [`decode`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use wxtoken_core::budget::{Budgets, Count};
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::{Generation, Kind, Lane, Token, ValueId};
use wxtoken_core::store::{
    Contest, Fence, HandedOut, Intent, Record, Remembered, StoredTicket, StoredToken,
};
use zeroize::Zeroizing;

/// The version written now. Every version from 1 on can be read.
pub(crate) const VERSION: u8 = 1;

/// Why bytes are not a record. Never holds content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("it was written in format {0} by a newer wxtoken; this one reads up to {VERSION}")]
    Newer(u8),
    #[error("its content is not a record")]
    Shape,
    #[error("it holds a value no record can hold")]
    Value,
}

#[derive(Serialize, Deserialize)]
struct WireRecord<'a> {
    at: u64,
    #[serde(borrow)]
    lanes: [Option<WireToken<'a>>; 2],
    #[serde(borrow)]
    tickets: [Option<WireTicket<'a>>; 2],
    out: [WireHandedOut; 3],
    #[serde(default)]
    intents: [Option<WireIntent>; 2],
    budgets: WireBudgets,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    remembered: Vec<(u64, u8, u64)>,
    contest: WireContest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    late_mint: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct WireToken<'a> {
    #[serde(borrow)]
    value: Cow<'a, str>,
    id: u64,
    sent: u64,
    expires: u64,
    lifetime: u64,
    dead: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    noted: Option<WireIntent>,
}

#[derive(Serialize, Deserialize)]
struct WireTicket<'a> {
    #[serde(borrow)]
    value: Cow<'a, str>,
    id: u64,
    seen: u64,
    born_after: Option<u64>,
    expires: u64,
}

/// Generation, id, lane.
#[derive(Serialize, Deserialize)]
struct WireHandedOut(u64, Option<u64>, Option<u8>);

#[derive(Serialize, Deserialize)]
struct WireIntent {
    epoch: u64,
    number: u64,
    sent: u64,
    deadline: u64,
}

#[derive(Serialize, Deserialize)]
struct WireBudgets {
    /// Newest slot, calls per slot; by kind.
    counts: Vec<(u32, [u16; 5])>,
    forced: u64,
}

#[derive(Serialize, Deserialize)]
struct WireContest {
    kills: [u64; 3],
    leave_until: u64,
    yielded: bool,
    ours: bool,
}

/// The record in the newest format. The bytes hold secrets and are wiped when dropped.
pub(crate) fn encode(record: &Record) -> Result<Zeroizing<Vec<u8>>, WireError> {
    // Room for the largest usual record, so that growing leaves no copies of secrets behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    serde_json::to_writer(&mut *bytes, &WireRecord::from(record)).map_err(|_| WireError::Shape)?;
    Ok(bytes)
}

/// A record of any known version.
pub(crate) fn decode(version: u8, bytes: &[u8]) -> Result<Record, WireError> {
    match version {
        1 => serde_json::from_slice::<WireRecord<'_>>(bytes)
            .map_err(|_| WireError::Shape)?
            .into_record(),
        0 => Err(WireError::Shape),
        newer => Err(WireError::Newer(newer)),
    }
}

impl<'a> From<&'a Record> for WireRecord<'a> {
    fn from(record: &'a Record) -> Self {
        Self {
            at: record.saved_at.0,
            lanes: [0, 1].map(|lane| record.lanes[lane].as_ref().map(WireToken::from)),
            tickets: [0, 1].map(|ticket| record.tickets[ticket].as_ref().map(WireTicket::from)),
            out: record.handed_out.map(|out| {
                WireHandedOut(
                    out.generation.0,
                    out.id.map(|id| id.0),
                    out.lane.map(|lane| lane as u8),
                )
            }),
            intents: record.intents.map(|intent| intent.map(WireIntent::from)),
            budgets: WireBudgets {
                counts: record
                    .budgets
                    .counts
                    .iter()
                    .map(|count| (count.newest, count.slots))
                    .collect(),
                forced: record.budgets.last_forced.0,
            },
            remembered: record
                .remembered
                .iter()
                .map(|old| (old.id.0, old.kind as u8, old.ends.0))
                .collect(),
            contest: WireContest {
                kills: record.contest.kills.map(|at| at.0),
                leave_until: record.contest.leave_until.0,
                yielded: record.contest.yielded,
                ours: record.contest.classic_ours,
            },
            late_mint: record.late_mint.map(|at| at.0),
        }
    }
}

impl<'a> From<&'a StoredToken> for WireToken<'a> {
    fn from(token: &'a StoredToken) -> Self {
        Self {
            value: Cow::Borrowed(token.token.expose()),
            id: token.id.0,
            sent: token.sent.0,
            expires: token.expires.0,
            lifetime: token.lifetime,
            dead: token.dead,
            noted: token.noted.map(WireIntent::from),
        }
    }
}

impl<'a> From<&'a StoredTicket> for WireTicket<'a> {
    fn from(ticket: &'a StoredTicket) -> Self {
        Self {
            value: Cow::Borrowed(ticket.token.expose()),
            id: ticket.id.0,
            seen: ticket.first_seen.0,
            born_after: ticket.born_after.map(|at| at.0),
            expires: ticket.expires.0,
        }
    }
}

impl WireRecord<'_> {
    fn into_record(self) -> Result<Record, WireError> {
        let [classic, stable] = self.lanes;
        let [jsapi, card] = self.tickets;
        let mut handed_out = [HandedOut::default(); 3];
        for (out, wire) in handed_out.iter_mut().zip(self.out) {
            *out = wire.into_handed_out()?;
        }
        Ok(Record {
            saved_at: Wall(self.at),
            lanes: [into_token(classic)?, into_token(stable)?],
            tickets: [into_ticket(jsapi)?, into_ticket(card)?],
            handed_out,
            intents: self.intents.map(|intent| intent.map(Intent::from)),
            budgets: self.budgets.into_budgets()?,
            remembered: self
                .remembered
                .into_iter()
                .map(into_remembered)
                .collect::<Result<_, _>>()?,
            contest: Contest {
                kills: self.contest.kills.map(Wall),
                leave_until: Wall(self.contest.leave_until),
                yielded: self.contest.yielded,
                classic_ours: self.contest.ours,
            },
            late_mint: self.late_mint.map(Wall),
        })
    }
}

impl WireHandedOut {
    fn into_handed_out(self) -> Result<HandedOut, WireError> {
        Ok(HandedOut {
            generation: Generation(self.0),
            id: self.1.map(ValueId),
            lane: self.2.map(into_lane).transpose()?,
        })
    }
}

impl From<Intent> for WireIntent {
    fn from(intent: Intent) -> Self {
        Self {
            epoch: intent.fence.epoch,
            number: intent.fence.number,
            sent: intent.sent.0,
            deadline: intent.deadline.0,
        }
    }
}

impl From<WireIntent> for Intent {
    fn from(wire: WireIntent) -> Self {
        Self {
            fence: Fence {
                epoch: wire.epoch,
                number: wire.number,
            },
            sent: Wall(wire.sent),
            deadline: Wall(wire.deadline),
        }
    }
}

impl WireBudgets {
    fn into_budgets(self) -> Result<Budgets, WireError> {
        let mut budgets = Budgets {
            last_forced: Wall(self.forced),
            ..Budgets::default()
        };
        if self.counts.len() != budgets.counts.len() {
            return Err(WireError::Value);
        }
        for (count, (newest, slots)) in budgets.counts.iter_mut().zip(self.counts) {
            *count = Count { newest, slots };
        }
        Ok(budgets)
    }
}

fn into_token(wire: Option<WireToken<'_>>) -> Result<Option<StoredToken>, WireError> {
    wire.map(|wire| {
        Ok(StoredToken {
            token: Token::new(&wire.value).map_err(|_| WireError::Value)?,
            id: ValueId(wire.id),
            sent: Wall(wire.sent),
            expires: Wall(wire.expires),
            lifetime: wire.lifetime,
            dead: wire.dead,
            noted: wire.noted.map(Intent::from),
        })
    })
    .transpose()
}

fn into_ticket(wire: Option<WireTicket<'_>>) -> Result<Option<StoredTicket>, WireError> {
    wire.map(|wire| {
        Ok(StoredTicket {
            token: Token::new(&wire.value).map_err(|_| WireError::Value)?,
            id: ValueId(wire.id),
            first_seen: Wall(wire.seen),
            born_after: wire.born_after.map(Wall),
            expires: Wall(wire.expires),
        })
    })
    .transpose()
}

fn into_remembered((id, kind, ends): (u64, u8, u64)) -> Result<Remembered, WireError> {
    Ok(Remembered {
        id: ValueId(id),
        kind: *Kind::ALL.get(usize::from(kind)).ok_or(WireError::Value)?,
        ends: Wall(ends),
    })
}

fn into_lane(number: u8) -> Result<Lane, WireError> {
    Lane::ALL
        .get(usize::from(number))
        .copied()
        .ok_or(WireError::Value)
}

#[cfg(test)]
mod tests {
    use super::super::contract::records::{any_record, full_record};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_was(record in any_record()) {
            let bytes = encode(&record).unwrap();
            prop_assert_eq!(decode(VERSION, &bytes).unwrap(), record);
        }

        #[test]
        fn strange_bytes_are_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), version: u8) {
            prop_assert!(decode(version, &bytes).is_err());
        }
    }

    #[test]
    fn a_newer_format_is_named_as_such() {
        assert_eq!(decode(9, b"{}").unwrap_err(), WireError::Newer(9));
    }

    #[test]
    fn numbers_that_name_nothing_are_refused() {
        let text = String::from_utf8(encode(&full_record()).unwrap().to_vec()).unwrap();
        let odd = text.replacen("\"remembered\":[[", "\"remembered\":[[1,9,1],[", 1);
        assert_ne!(odd, text);
        assert_eq!(decode(1, odd.as_bytes()).unwrap_err(), WireError::Value);
    }

    #[test]
    fn a_field_of_the_future_is_passed_over() {
        let text = String::from_utf8(encode(&full_record()).unwrap().to_vec()).unwrap();
        let odd = text.replacen("{\"at\"", "{\"later\":[1,2],\"at\"", 1);
        assert_eq!(decode(1, odd.as_bytes()).unwrap(), full_record());
    }
}
