//! How one copy fares: when it is to be written, whether that failed, and what was said of it. The same for files and Redis.
//!
//! Pure: must not know how a copy is written, or what can be found in its place.

use wxtoken_core::clock::Boot;

/// The longest pause between two tries, milliseconds.
const LONGEST: u64 = 60_000;

/// One copy's state; `S` is what can be found in its place.
#[derive(Debug)]
pub(super) struct Fare<S> {
    /// It has to be written, not before this.
    due: Option<Boot>,
    failures: u32,
    /// It was found changed, and that was reported.
    reported: bool,
    /// As it was found changed, and that was told to people.
    told: Option<S>,
}

/// What a look at a changed copy is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct News {
    /// Nobody was told of it.
    pub(super) to_tell: bool,
    /// It was not reported as evidence.
    pub(super) to_report: bool,
}

impl<S: PartialEq> Fare<S> {
    /// A copy to be written at that time, if at any.
    pub(super) const fn new(due: Option<Boot>) -> Self {
        Self {
            due,
            failures: 0,
            reported: false,
            told: None,
        }
    }

    /// It is to be written, not before that; what is found from now on is reported anew.
    pub(super) const fn want(&mut self, at: Boot) {
        self.due = Some(at);
        self.reported = false;
    }

    /// When it is to be written.
    pub(super) const fn due(&self) -> Option<Boot> {
        self.due
    }

    /// Whether it is to be written now; then it is taken as under way.
    pub(super) fn take(&mut self, now: Boot) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    /// It was written. Whether it could not be before.
    pub(super) fn written(&mut self) -> bool {
        self.told = None;
        std::mem::take(&mut self.failures) > 0
    }

    /// It could not be written: later again, and later each time. Whether that is new.
    pub(super) fn failed(&mut self, now: Boot) -> bool {
        self.failures = self.failures.saturating_add(1);
        let pause = 1000_u64 << self.failures.min(6);
        self.due = Some(now.plus(pause.min(LONGEST)));
        self.failures == 1
    }

    /// It is as it should be.
    pub(super) fn intact(&mut self) {
        self.told = None;
    }

    /// It is not.
    pub(super) fn found(&mut self, state: S) -> News {
        let to_tell = self.told.as_ref() != Some(&state);
        self.told = Some(state);
        News {
            to_tell,
            to_report: !std::mem::replace(&mut self.reported, true),
        }
    }

    /// The report was answered: what is found from now on is reported anew.
    pub(super) const fn answered(&mut self) {
        self.reported = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Boot = Boot(5_000);

    #[test]
    fn it_is_written_once_when_it_is_due() {
        let mut fare = Fare::<u8>::new(None);
        assert!(!fare.take(NOW));
        fare.want(NOW.plus(1));
        assert!(!fare.take(NOW));
        assert!(fare.take(NOW.plus(1)));
        assert!(!fare.take(NOW.plus(2)));
    }

    #[test]
    fn pauses_after_failures_grow_to_a_minute_and_the_first_alone_is_news() {
        let mut fare = Fare::<u8>::new(None);
        let pauses: Vec<(bool, u64)> = (0..8)
            .map(|_| (fare.failed(NOW), fare.due().unwrap().since(NOW)))
            .collect();
        let seconds = [2, 4, 8, 16, 32, 60, 60, 60];
        for (n, (first, pause)) in pauses.into_iter().enumerate() {
            assert_eq!((first, pause), (n == 0, seconds[n] * 1000));
        }
        assert!(fare.written() && !fare.written());
    }

    #[test]
    fn a_change_is_told_once_and_reported_until_it_is_answered() {
        let mut fare = Fare::new(None);
        let news = |to_tell, to_report| News { to_tell, to_report };
        assert_eq!(fare.found(1), news(true, true));
        assert_eq!(fare.found(1), news(false, false));
        assert_eq!(fare.found(2), news(true, false));
        fare.answered();
        assert_eq!(fare.found(2), news(false, true));
        fare.intact();
        assert_eq!(fare.found(2), news(true, false));
    }
}
