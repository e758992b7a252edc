//! A test in a process of its own: its memory is nobody else's, and so is its environment.

use std::process::Command;

/// Says to a test that it is the one in the process.
const ALONE: &str = "WXTOKEN_TEST_ALONE";

/// Runs a test of this binary again, alone, with these variables; true in the process where it is to do its work.
pub(crate) fn alone(name: &str, variables: &[(&str, &str)]) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([name, "--exact", "--nocapture"])
        .env(ALONE, "1");
    let done = command.envs(variables.iter().copied()).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let complained = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success() && said.contains("1 passed"),
        "{said}\n{complained}"
    );
    false
}

/// The memory this process has, in bytes.
pub(crate) fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let resident: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
    resident * 4096
}
