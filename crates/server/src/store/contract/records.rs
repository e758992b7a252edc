//! Records to test with.

use proptest::array::{uniform3, uniform5};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use wxtoken_core::app::AppId;
use wxtoken_core::budget::{Budgets, Count};
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::{Generation, Kind, Lane, Token, ValueId};
use wxtoken_core::store::{
    Contest, Fence, HandedOut, Intent, Record, Remembered, StoredTicket, StoredToken,
};

pub(crate) fn app(number: u32) -> AppId {
    format!("wx{number:016x}").parse().unwrap()
}

fn token(seed: u64) -> StoredToken {
    StoredToken {
        token: Token::new(&format!("{seed}_QUOTE\"BACK\\SLASH-{}", "Zk8~".repeat(30))).unwrap(),
        id: ValueId(u64::MAX - seed),
        sent: Wall(1_795_000_000_000 + seed),
        expires: Wall(1_795_007_200_000 + seed),
        lifetime: 7_200_000 + seed,
        dead: seed % 2 == 1,
        noted: seed.is_multiple_of(2).then(|| intent(seed)),
    }
}

fn intent(n: u64) -> Intent {
    Intent {
        fence: Fence {
            epoch: n,
            number: n + 1,
        },
        sent: Wall(n + 2),
        deadline: Wall(n + 3),
    }
}

fn ticket(seed: u64) -> StoredTicket {
    StoredTicket {
        token: Token::new(&format!("{seed}_TICKET_{}", "Xy7-".repeat(20))).unwrap(),
        id: ValueId(seed),
        first_seen: Wall(1_795_000_000_000 + seed),
        born_after: (seed % 2 == 1).then_some(Wall(1_794_999_999_999)),
        expires: Wall(1_795_007_200_000 + seed),
    }
}

/// Every field holds something, and no two the same where it could be mistaken.
pub(crate) fn full_record() -> Record {
    let out = |n: u64, lane| HandedOut {
        generation: Generation(1_795_000_000_000 + n),
        id: Some(ValueId(n)),
        lane,
    };
    let mut budgets = Budgets {
        last_forced: Wall(77),
        ..Budgets::default()
    };
    for (count, n) in budgets.counts.iter_mut().zip(1..) {
        *count = Count {
            newest: u32::from(n) * 1000,
            slots: [n, n + 1, n + 2, n + 3, n + 4],
        };
    }
    let remembered = |(n, kind)| Remembered {
        id: ValueId(n),
        kind,
        ends: Wall(n + 9),
    };
    Record {
        saved_at: Wall(1_795_000_000_123),
        lanes: [Some(token(1)), Some(token(2))],
        tickets: [Some(ticket(3)), Some(ticket(4))],
        handed_out: [out(5, Some(Lane::Stable)), out(6, None), out(7, None)],
        intents: [Some(intent(10)), Some(intent(20))],
        budgets,
        remembered: (30..).zip(Kind::ALL).map(remembered).collect(),
        contest: Contest {
            kills: [Wall(41), Wall(42), Wall(43)],
            leave_until: Wall(44),
            yielded: true,
            classic_ours: true,
        },
        late_mint: Some(Wall(45)),
    }
}

fn any_token() -> impl Strategy<Value = Token> {
    "[!-~]{1,512}".prop_map(|value| Token::new(&value).unwrap())
}

fn any_stored() -> impl Strategy<Value = StoredToken> {
    let any = (
        any_token(),
        any::<[u64; 4]>(),
        any::<bool>(),
        of(any_intent()),
    );
    any.prop_map(|(token, n, dead, noted)| StoredToken {
        token,
        id: ValueId(n[0]),
        sent: Wall(n[1]),
        expires: Wall(n[2]),
        lifetime: n[3],
        dead,
        noted,
    })
}

fn any_ticket() -> impl Strategy<Value = StoredTicket> {
    (any_token(), any::<[u64; 3]>(), any::<Option<u64>>()).prop_map(|(token, n, born)| {
        StoredTicket {
            token,
            id: ValueId(n[0]),
            first_seen: Wall(n[1]),
            born_after: born.map(Wall),
            expires: Wall(n[2]),
        }
    })
}

fn any_handed_out() -> impl Strategy<Value = HandedOut> {
    let lane = of(prop::sample::select(Lane::ALL.to_vec()));
    (any::<u64>(), any::<Option<u64>>(), lane).prop_map(|(generation, id, lane)| HandedOut {
        generation: Generation(generation),
        id: id.map(ValueId),
        lane,
    })
}

fn any_intent() -> impl Strategy<Value = Intent> {
    any::<[u64; 4]>().prop_map(|n| Intent {
        fence: Fence {
            epoch: n[0],
            number: n[1],
        },
        sent: Wall(n[2]),
        deadline: Wall(n[3]),
    })
}

fn any_budgets() -> impl Strategy<Value = Budgets> {
    let count = any::<(u32, [u16; 5])>().prop_map(|(newest, slots)| Count { newest, slots });
    (uniform5(count), any::<u64>()).prop_map(|(counts, forced)| Budgets {
        counts,
        last_forced: Wall(forced),
    })
}

fn any_remembered() -> impl Strategy<Value = Remembered> {
    let kind = prop::sample::select(Kind::ALL.to_vec());
    (any::<[u64; 2]>(), kind).prop_map(|(n, kind)| Remembered {
        id: ValueId(n[0]),
        kind,
        ends: Wall(n[1]),
    })
}

/// Any record at all.
pub(crate) fn any_record() -> impl Strategy<Value = Record> {
    let values = (
        [of(any_stored()), of(any_stored())],
        [of(any_ticket()), of(any_ticket())],
        uniform3(any_handed_out()),
        [of(any_intent()), of(any_intent())],
    );
    let rest = (
        any_budgets(),
        vec(any_remembered(), 0..12),
        any::<([u64; 3], u64, bool, bool)>(),
        any::<(u64, Option<u64>)>(),
    );
    (values, rest).prop_map(
        |((lanes, tickets, handed_out, intents), (budgets, remembered, contest, at))| Record {
            saved_at: Wall(at.0),
            lanes,
            tickets,
            handed_out,
            intents,
            budgets,
            remembered,
            contest: Contest {
                kills: contest.0.map(Wall),
                leave_until: Wall(contest.1),
                yielded: contest.2,
                classic_ours: contest.3,
            },
            late_mint: at.1.map(Wall),
        },
    )
}
