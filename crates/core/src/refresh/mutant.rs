//! Deliberate mistakes, planted one at a time so that the simulated world can show that it would notice them.
//!
//! Compiled only with the feature `mutants`; without it every question here is a constant `false`.

/// The mistakes that can be planted.
#[cfg(feature = "mutants")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// A value is handed out before it is saved.
    PublishBeforeSave,
    /// No intent is written before a call that mints.
    NoIntent,
    /// Expiry is counted from when the answer arrived.
    ExpiryFromReceipt,
    /// Each lane has its own generations.
    GenerationPerLane,
    /// A report is believed without a probe.
    UnprobedEvidence,
    /// Everything is fetched anew at a restart.
    FetchAtRestart,
    /// Counted calls are forgotten at a restart.
    BudgetNotDurable,
    /// A value lives and dies by the wall clock.
    WallClockExpiry,
    /// An answer to an older question replaces a newer value.
    LateAnswerWins,
    /// A sink's entry is put back without a probe.
    SinkPutBackUnprobed,
    /// A ticket's `expires_in` is believed.
    TicketExpiryTrusted,
    /// A successor does not wait for another's open note.
    NoteNotWaitedFor,
    /// A writer that is refused does not say that it has minted.
    LateMintNotPosted,
    /// Where a store may have lost a note, an early death is another program's doing all the same.
    EpochNotDoubted,
}

#[cfg(feature = "mutants")]
impl Mutant {
    /// All fourteen.
    pub const ALL: [Self; 14] = [
        Self::PublishBeforeSave,
        Self::NoIntent,
        Self::ExpiryFromReceipt,
        Self::GenerationPerLane,
        Self::UnprobedEvidence,
        Self::FetchAtRestart,
        Self::BudgetNotDurable,
        Self::WallClockExpiry,
        Self::LateAnswerWins,
        Self::SinkPutBackUnprobed,
        Self::TicketExpiryTrusted,
        Self::NoteNotWaitedFor,
        Self::LateMintNotPosted,
        Self::EpochNotDoubted,
    ];
}

/// `planted!(rules, Name)`: whether this mistake is planted; `false` in every build that ships.
macro_rules! planted {
    ($rules:expr, $mutant:ident) => {{
        #[cfg(feature = "mutants")]
        {
            $rules.mutant == Some($crate::refresh::mutant::Mutant::$mutant)
        }
        #[cfg(not(feature = "mutants"))]
        {
            false
        }
    }};
}
pub(super) use planted;
