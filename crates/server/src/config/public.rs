//! `[public]`: what browsers and WeChat may reach. Its form is checked; nothing serves it in this version.

use super::flaw::Flaw;
use super::phrase::Wanted;
use super::table::Table;

/// The keys of `[public]`.
pub(super) const KEYS: [&str; 3] = ["listen", "base_url", "verify_files"];

/// Checks the section's form, and says that it cannot be switched on yet. An empty section is fine: it is closed.
pub(super) fn refuse(top: &Table<'_>) {
    let Some(field) = top.get("public") else {
        return;
    };
    let Some(table) = field.table(Wanted::Section { name: "public" }, &KEYS) else {
        return;
    };
    let _form_only = table.get("listen").map(|f| f.listeners().len());
    let _form_only = table.get("base_url").and_then(|f| f.base_url());
    let _form_only = table.get("verify_files").and_then(|f| f.path());
    if KEYS.iter().any(|key| table.has(key)) {
        table.wrong("", Flaw::NotThere);
    }
}
