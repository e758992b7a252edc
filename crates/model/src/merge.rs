//! Two records as one: `crates/core/src/merge.rs`.

use crate::state::Record;

impl Record {
    /// Two records as one, as `wxtoken_core::merge::merged` makes it: a test compares them.
    #[must_use]
    pub fn merged(held: Self, offered: Self) -> Self {
        let takes_theirs = match (held.value, offered.value) {
            (0, _) => true,
            (_, 0) => false,
            _ if offered.has_replaced(held.value) => true,
            _ if held.has_replaced(offered.value) => false,
            _ if offered.generation != held.generation => offered.generation > held.generation,
            _ => offered.value > held.value,
        };
        let is_over = |one: Self, by: Self| one.value == 0 || by.has_replaced(one.value);
        let apart =
            held.value != offered.value && !is_over(held, offered) && !is_over(offered, held);
        let apart = if apart {
            held.value.max(offered.value)
        } else {
            0
        };
        let value = if takes_theirs { offered } else { held }.value;
        Self {
            value,
            generation: held.generation.max(offered.generation),
            note: held.note.max(offered.note),
            late: held.late.max(offered.late).max(apart),
            replaced: (held.replaced | offered.replaced) & !(1 << value),
        }
        .settled()
    }
}
