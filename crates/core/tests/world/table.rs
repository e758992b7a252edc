//! What was hit: every kind of fault, in every phase of a process.

use std::fmt;

use crate::phase::Phase;

/// What can go wrong, or be done to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Crash,
    Reboot,
    Stall,
    WallStep,
    StoreRefuses,
    StoreSlow,
    StoreCut,
    StoreEmptied,
    StoreFailsOver,
    LeaseEnds,
    Unreachable,
    Cut,
    Busy,
    LostAnswer,
    LateRequest,
    DelayedAnswer,
    Refused,
    QuotaUsedUp,
    ForeignFetch,
    ForeignForce,
    AllBad,
    StuckStable,
    FalseReport,
    LateReport,
    SinkTampered,
    Nudge,
    Force,
    Reconfigure,
}

impl Fault {
    pub(crate) const ALL: [Self; 28] = [
        Self::Crash,
        Self::Reboot,
        Self::Stall,
        Self::WallStep,
        Self::StoreRefuses,
        Self::StoreSlow,
        Self::StoreCut,
        Self::StoreEmptied,
        Self::StoreFailsOver,
        Self::LeaseEnds,
        Self::Unreachable,
        Self::Cut,
        Self::Busy,
        Self::LostAnswer,
        Self::LateRequest,
        Self::DelayedAnswer,
        Self::Refused,
        Self::QuotaUsedUp,
        Self::ForeignFetch,
        Self::ForeignForce,
        Self::AllBad,
        Self::StuckStable,
        Self::FalseReport,
        Self::LateReport,
        Self::SinkTampered,
        Self::Nudge,
        Self::Force,
        Self::Reconfigure,
    ];

    /// What happens only where replicas share a store.
    pub(crate) const OF_A_SHARED_STORE: [Self; 4] = [
        Self::StoreCut,
        Self::StoreEmptied,
        Self::StoreFailsOver,
        Self::LeaseEnds,
    ];

    /// Whether it can happen to a process in this phase: nothing more can be done to one that is not there, and one that
    /// stands still cannot be stopped.
    pub(crate) const fn possible(self, phase: Phase) -> bool {
        match phase {
            Phase::Down => !self.needs_process(),
            Phase::Stalled => !matches!(self, Self::Stall),
            _ => true,
        }
    }

    /// Whether it means anything to a process that is not there.
    pub(crate) const fn needs_process(self) -> bool {
        matches!(
            self,
            Self::Crash
                | Self::Stall
                | Self::FalseReport
                | Self::LateReport
                | Self::SinkTampered
                | Self::Nudge
                | Self::Force
                | Self::Reconfigure
        )
    }
}

/// What worlds have lived through.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(crate) hits: [[u64; 11]; 28],
    pub(crate) millis: u64,
    pub(crate) steps: u64,
    pub(crate) calls: u64,
    pub(crate) worlds: u64,
}

impl Table {
    pub(crate) fn hit(&mut self, fault: Fault, phase: Phase) {
        self.hits[fault as usize][phase as usize] += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.hits.iter_mut().zip(&other.hits) {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs;
            }
        }
        self.millis += other.millis;
        self.steps += other.steps;
        self.calls += other.calls;
        self.worlds += other.worlds;
    }

    pub(crate) fn faults(&self) -> u64 {
        self.hits.iter().flatten().sum()
    }

    pub(crate) fn years(&self) -> f64 {
        self.millis as f64 / (365.25 * 86_400_000.0)
    }

    /// The least hit of all that can be hit.
    pub(crate) fn least(&self) -> u64 {
        Fault::ALL
            .into_iter()
            .flat_map(|fault| Phase::ALL.map(|phase| (fault, phase)))
            .filter(|(fault, phase)| fault.possible(*phase))
            .map(|(fault, phase)| self.hits[fault as usize][phase as usize])
            .min()
            .unwrap_or(0)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:14}", "fault \\ phase")?;
        for phase in Phase::ALL {
            write!(f, "{:>11}", format!("{phase:?}"))?;
        }
        writeln!(f)?;
        for fault in Fault::ALL {
            write!(f, "{:14}", format!("{fault:?}"))?;
            for phase in Phase::ALL {
                if fault.possible(phase) {
                    write!(f, "{:>11}", self.hits[fault as usize][phase as usize])?;
                } else {
                    write!(f, "{:>11}", "impossible")?;
                }
            }
            writeln!(f)?;
        }
        let days = self.millis as f64 / 86_400_000.0;
        writeln!(
            f,
            "{:.0} simulated years in {} worlds: {} steps, {} calls, {} faults ({:.1} a day); least hit {}",
            self.years(),
            self.worlds,
            self.steps,
            self.calls,
            self.faults(),
            self.faults() as f64 / days,
            self.least()
        )
    }
}
