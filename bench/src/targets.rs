//! The file that tells `load` what to ask for: one JSON object a line.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;

/// One line. For HTTP `path` is the target; for Redis it is the key of a GET.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// HTTP path and query, or Redis key.
    pub path: String,
    /// Bearer key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// JSON body; makes it a POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Strings that the answer must hold; for Redis exactly one, the value.
    #[serde(default)]
    pub expect: Vec<String>,
}

/// Reads a targets file.
///
/// # Errors
/// When it cannot be read, naming the line.
pub fn read(file: &Path) -> anyhow::Result<Vec<Target>> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let numbered = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    numbered
        .map(|(at, line)| {
            serde_json::from_str(line).with_context(|| format!("{}:{}", file.display(), at + 1))
        })
        .collect()
}

/// HTTP exchanges, one for each target.
#[must_use]
pub fn http(targets: &[Target]) -> Vec<Exchange> {
    let exchange = |target: &Target| {
        let expect = target
            .expect
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .collect();
        Exchange::http(
            &target.path,
            target.key.as_deref(),
            target.body.as_deref(),
            expect,
        )
    };
    targets.iter().map(exchange).collect()
}

/// Redis exchanges of `depth` GETs each.
#[must_use]
pub fn redis(targets: &[Target], depth: usize) -> Vec<Exchange> {
    let pair = |target: &'_ Target| (target.path.clone(), target.expect.concat());
    let pairs: Vec<(String, String)> = targets.iter().map(pair).collect();
    let group = |group: &[(String, String)]| {
        Exchange::redis(
            &group
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect::<Vec<_>>(),
        )
    };
    pairs
        .chunks(depth.max(1))
        .filter(|group| group.len() == depth.max(1))
        .map(group)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_targets_file_is_read_back_and_a_bad_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("targets.jsonl");
        fs::write(
            &file,
            "{\"path\":\"/a\",\"key\":\"k\",\"expect\":[\"x\"]}\n\n{\"path\":\"/b\"}\n",
        )
        .unwrap();
        let targets = read(&file).unwrap();
        assert_eq!((targets.len(), targets[0].key.as_deref()), (2, Some("k")));
        fs::write(&file, "{\"path\":\"/a\"}\n{\"pth\":\"/b\"}\n").unwrap();
        assert!(read(&file).unwrap_err().to_string().ends_with(":2"));
    }

    #[test]
    fn a_redis_batch_that_would_be_short_is_left_out() {
        let target = |key: &str| Target {
            path: key.to_owned(),
            key: None,
            body: None,
            expect: vec!["v".to_owned()],
        };
        let targets: Vec<Target> = ["a", "b", "c", "d", "e"].map(target).into();
        assert_eq!(redis(&targets, 2).len(), 2);
        assert_eq!(redis(&targets, 1).len(), 5);
    }
}
