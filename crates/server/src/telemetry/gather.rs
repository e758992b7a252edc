//! Where lines go: to standard error, each at once; of a thread that asks for it many together, since a thread that serves
//! hundreds of calls in the time one write takes would spend more on telling of them than on all else of its own. They wait
//! [`A_WHILE`] at most: nobody who reads along notices, and no more is lost should the process be killed.
//!
//! Must not know: what is in a line.

use std::cell::RefCell;
use std::io::{self, Stderr, Write};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::time::Instant;

use super::outlet::Outlet;

static STANDARD_ERROR: LazyLock<Arc<Outlet<Stderr>>> = LazyLock::new(|| Outlet::new(io::stderr()));

/// Lines are not kept beyond this much.
const MUCH: usize = 64 * 1024;
/// Nor longer than this.
const A_WHILE: Duration = Duration::from_millis(10);

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept { gathers: false, lines: Vec::new(), due: None }) };
}

struct Kept {
    gathers: bool,
    lines: Vec<u8>,
    /// When to write them, once that was asked for.
    due: Option<Instant>,
}

impl Kept {
    /// Says when to ask again.
    fn write_due(&mut self, now: Instant) -> Option<Instant> {
        if self.lines.is_empty() {
            return None;
        }
        let due = *self.due.get_or_insert(now + A_WHILE);
        if due <= now {
            self.write_out();
        }
        self.due
    }

    fn write_out(&mut self) {
        self.due = None;
        if !self.lines.is_empty() {
            STANDARD_ERROR.put(&self.lines);
            self.lines.clear();
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.write_out();
    }
}

/// This thread's lines wait from now on until it says [`flush_due`] or [`flush`], or ends.
pub(crate) fn gather() {
    KEPT.with_borrow_mut(|kept| kept.gathers = true);
}

/// Writes what has waited for long enough; says when the rest will have.
pub(crate) fn flush_due(now: Instant) -> Option<Instant> {
    KEPT.with_borrow_mut(|kept| kept.write_due(now))
}

/// Writes what waits.
pub(crate) fn flush() {
    KEPT.with_borrow_mut(Kept::write_out);
}

/// Lines that are lost since the process began, because nobody took them.
pub(super) fn lost() -> u64 {
    STANDARD_ERROR.lost()
}

/// Waits for lines that nobody has taken yet, a second at most: for the end of a process.
pub fn last_lines() {
    STANDARD_ERROR.settle(Duration::from_secs(1));
}

/// Standard error, now or a little later.
pub(super) struct Paper;

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let kept = KEPT.try_with(|kept| {
            // A line about writing a line is nobody's.
            let Ok(mut kept) = kept.try_borrow_mut() else {
                return false;
            };
            if kept.gathers {
                kept.lines.extend_from_slice(bytes);
                if kept.lines.len() > MUCH {
                    kept.write_out();
                }
            }
            kept.gathers
        });
        if !kept.unwrap_or(false) {
            STANDARD_ERROR.put(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wait_until_they_are_asked_for() {
        let kept = || KEPT.with_borrow(|kept| kept.lines.clone());
        Paper.write_all(b"").unwrap();
        assert!(kept().is_empty(), "nobody gathers");
        gather();
        Paper.write_all(b"{\"a\":1}\n").unwrap();
        Paper.write_all(b"{\"a\":2}\n").unwrap();
        assert_eq!(kept(), b"{\"a\":1}\n{\"a\":2}\n");
        flush();
        assert!(kept().is_empty());
        Paper.write_all(&[b' '; MUCH + 1]).unwrap();
        assert!(kept().is_empty(), "no more than that is kept");
    }

    #[test]
    fn a_line_waits_no_longer_than_a_while_however_many_follow() {
        let kept = || KEPT.with_borrow(|kept| kept.lines.len());
        let start = Instant::now();
        gather();
        assert_eq!(flush_due(start), None, "nothing to wait for");
        Paper.write_all(b"{}\n").unwrap();
        let due = start + A_WHILE;
        assert_eq!(flush_due(start), Some(due));
        Paper.write_all(b"{}\n").unwrap();
        assert_eq!(flush_due(start + A_WHILE / 2), Some(due));
        assert_eq!(kept(), 6);
        assert_eq!(flush_due(due), None);
        assert_eq!(kept(), 0);
        Paper.write_all(b"{}\n").unwrap();
        assert_eq!(flush_due(due), Some(due + A_WHILE));
        Paper.write_all(&[b' '; MUCH + 1]).unwrap();
        Paper.write_all(b"{}\n").unwrap();
        let later = due + A_WHILE / 2;
        assert_eq!(
            flush_due(later),
            Some(later + A_WHILE),
            "what was full is forgotten"
        );
        flush();
    }
}
