//! Users and groups of this machine, by name or number, from `/etc/passwd` and `/etc/group`.
//!
//! Must not know: what they own.

use std::path::Path;
use std::sync::OnceLock;

/// Both lists, each read when first asked.
#[derive(Default)]
pub(super) struct Accounts {
    users: OnceLock<String>,
    groups: OnceLock<String>,
}

impl Accounts {
    /// A user's number.
    pub(super) fn user(&self, name: &str) -> Option<u32> {
        number(name, &self.users, "/etc/passwd")
    }

    /// A group's number.
    pub(super) fn group(&self, name: &str) -> Option<u32> {
        number(name, &self.groups, "/etc/group")
    }
}

fn number(name: &str, list: &OnceLock<String>, path: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    // A machine without the file, as a bare container is, knows no names.
    let list = list.get_or_init(|| std::fs::read_to_string(Path::new(path)).unwrap_or_default());
    find(list, name)
}

/// Both files have the name first and the number third.
fn find(list: &str, name: &str) -> Option<u32> {
    let line = list
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_both_understood() {
        let list = "root:x:0:0:root:/root:/bin/bash\nshop:x:1007:100::/srv:/bin/sh\n";
        assert_eq!(find(list, "shop"), Some(1007));
        assert_eq!(find(list, "sho"), None);
        assert_eq!(Accounts::default().user("42"), Some(42));
        assert_eq!(Accounts::default().group("no-such-group-here"), None);
    }
}
