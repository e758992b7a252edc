//! How Redis is: what is wrong, and since when.
//!
//! Must not know: what was asked, who is told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wxtoken_core::clock::{Clock, Now, Wall};

use super::trouble::Trouble;

/// How Redis is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// What is wrong, and since when.
    pub trouble: Option<(Trouble, Wall)>,
    /// Connections that were opened after the first.
    pub reconnects: u64,
    /// Records that were put back into a store there that had lost them.
    pub refilled: u64,
}

/// Keeps an eye on it.
pub(crate) struct Watch {
    clock: Arc<dyn Clock>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    trouble: Option<(Trouble, Now)>,
    opened: u64,
    /// Where the connection leads.
    at: String,
}

impl Watch {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            seen: Mutex::default(),
        }
    }

    pub(crate) fn look(&self) -> Health {
        let seen = self.lock();
        let trouble = seen.trouble.as_ref();
        Health {
            trouble: trouble.map(|(trouble, since)| (trouble.clone(), since.wall)),
            reconnects: seen.opened.saturating_sub(1),
            refilled: 0,
        }
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.lock()
            .trouble
            .as_ref()
            .map(|(trouble, _)| trouble.clone())
    }

    /// A question came to nothing. Whether that is something new.
    pub(super) fn failed(&self, trouble: &Trouble) -> bool {
        let now = self.clock.now();
        let mut seen = self.lock();
        let known = seen
            .trouble
            .as_ref()
            .map(|(trouble, since)| (trouble.name(), *since));
        // Since when goes by the first, where one turns into another.
        seen.trouble = Some((trouble.clone(), known.map_or(now, |(_, since)| since)));
        known.is_none_or(|(name, _)| name != trouble.name())
    }

    /// Something went well: what it shows to be over, if anything, and how long that was.
    pub(super) fn over(
        &self,
        is_over: impl FnOnce(&Trouble) -> bool,
    ) -> Option<(Trouble, Duration)> {
        let mut seen = self.lock();
        let (trouble, since) = seen.trouble.take_if(|(trouble, _)| is_over(trouble))?;
        let lasted = self.clock.now().boot.since(since.boot);
        Some((trouble, Duration::from_millis(lasted)))
    }

    /// Where the newest connection leads.
    pub(super) fn leads_to(&self, at: &str) {
        at.clone_into(&mut self.lock().at);
    }

    pub(super) fn at(&self) -> String {
        self.lock().at.clone()
    }

    /// A connection was opened.
    pub(super) fn opened(&self) {
        self.lock().opened += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_trouble_that_turns_into_another_lasts_since_the_first() {
        let clock = Arc::new(ManualClock::new(Now::default()));
        let watch = Watch::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let begun = clock.now().wall;
        assert!(watch.failed(&Trouble::Loading) && !watch.failed(&Trouble::Loading));
        clock.advance(Duration::from_secs(5));
        assert!(watch.failed(&Trouble::Full));
        assert_eq!(watch.look().trouble, Some((Trouble::Full, begun)));
        assert_eq!(watch.over(|trouble| !trouble.is_of_writing()), None);
        let five = Duration::from_secs(5);
        assert_eq!(watch.over(|_| true), Some((Trouble::Full, five)));
        assert_eq!(watch.look(), Health::default());
        watch.opened();
        watch.opened();
        assert_eq!(watch.look().reconnects, 1);
    }
}
