//! Puts what was found in order: by app, kind and key; which belong together; which disagree.
//!
//! Pure: must not know Redis.

use std::collections::{BTreeMap, BTreeSet};

use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::Kind;

use super::{Clash, Find, Survey};
use crate::sdk::{Candidate, Format, Found, Held, Kept, Reading, Seen, masked, recognise};

/// What was found so far, each key once: a walk may meet a key more often.
#[derive(Default)]
pub(super) struct Sorted {
    finds: BTreeMap<Vec<u8>, Find>,
    /// As they are shown: of many that differ in what is masked there is one.
    unnamed: BTreeSet<String>,
    unreadable: BTreeSet<Vec<u8>>,
    /// Ends that lie beside their values, each with the time it was read.
    ends: BTreeMap<Vec<u8>, (Found, Wall)>,
}

impl Sorted {
    pub(super) fn add(&mut self, key: Vec<u8>, found: &Found, now: Wall) {
        if *found == Found::Absent {
            return;
        }
        let candidates = recognise(&key, found, now);
        match candidates.first() {
            Some(first) => {
                let app = first.app;
                if matches!(first.kept, Kept::EndOf(_)) {
                    self.ends.insert(key.clone(), (found.clone(), now));
                }
                self.finds.insert(key, Find { app, candidates });
            }
            None => {
                self.unnamed.insert(masked(&String::from_utf8_lossy(&key)));
            }
        }
    }

    /// A key of interest that the user must not read.
    pub(super) fn add_unreadable(&mut self, key: Vec<u8>) {
        self.unreadable.insert(key);
    }

    pub(super) fn count(&self) -> usize {
        self.finds.len()
    }

    pub(super) fn into_survey(mut self, keys: u64, whole: bool) -> Survey {
        for (key, find) in &mut self.finds {
            if let Some(one) = find.candidates.first_mut()
                && let Some((end, now)) = self.ends.get(&one.key_of_end(key))
            {
                one.ends_with(end, *now);
            }
        }
        let mut finds: Vec<Find> = self.finds.into_values().collect();
        name_by_md5(&mut finds);
        name_by_value(&mut finds);
        for find in finds.extract_if(.., |find| is_nobodys(find)) {
            self.unnamed
                .extend(find.likeliest().map(|one| one.key.to_string()));
        }
        // A key without an app comes last.
        finds.sort_by_cached_key(|find| {
            let likeliest = find.likeliest();
            let kind = likeliest.and_then(credential).map(Kind::index);
            let key = likeliest.map(|one| one.key.to_string());
            (find.app.is_none(), find.app, kind.is_none(), kind, key)
        });
        Survey {
            keys,
            whole,
            clashes: clashes(&finds),
            finds,
            unnamed: self.unnamed.into_iter().collect(),
            unreadable: self.unreadable.len(),
        }
    }
}

/// The credential a candidate holds; none for what is not held here.
fn credential(candidate: &Candidate) -> Option<Kind> {
    match candidate.kept {
        Kept::Credential(kind) => Some(kind),
        Kept::EndOf(_) | Kept::Other(_) => None,
    }
}

fn held(find: &Find) -> Option<(Kind, &Held)> {
    let candidate = find.likeliest()?;
    match &candidate.reading {
        Reading::Held(held) => Some((credential(candidate)?, held)),
        Reading::Absent | Reading::Foreign => None,
    }
}

/// Some keys are an MD5 of an AppID, which can be told from those that other keys name.
fn name_by_md5(finds: &mut [Find]) {
    let apps: BTreeSet<AppId> = finds.iter().filter_map(|find| find.app).collect();
    for find in finds.iter_mut().filter(|find| find.app.is_none()) {
        if let Some(one) = find.candidates.first_mut() {
            apps.iter().for_each(|app| one.is_perhaps(*app));
            find.app = one.app;
        }
    }
}

/// A guess by name alone, with what may be a secret in the key and no app: likely another system's token.
fn is_nobodys(find: &Find) -> bool {
    let guessed = |one: &Candidate| matches!(one.format, Format::Raw | Format::CoWechatApi);
    let likeliest = find.likeliest().filter(|one| guessed(one));
    find.app.is_none() && likeliest.is_some_and(|one| one.own_key && one.key.holds_secret())
}

/// Some keys are an MD5 and tell no app; the same value under a key that does is the same app's.
fn name_by_value(finds: &mut [Find]) {
    let known: Vec<(Kind, Held, AppId)> = finds
        .iter()
        .filter_map(|find| {
            let (kind, held) = held(find)?;
            Some((kind, held.clone(), find.app?))
        })
        .collect();
    for find in finds.iter_mut().filter(|find| find.app.is_none()) {
        let app = held(find).and_then(|(kind, held)| {
            let same = |(other, theirs, _): &&(Kind, Held, AppId)| {
                *other == kind && theirs.token == held.token
            };
            known.iter().find(same).map(|(.., app)| *app)
        });
        find.app = app;
    }
}

/// Entries that somebody would use, of one app, kind and mode, with different values. A stable token beside a classic one
/// is none.
fn clashes(finds: &[Find]) -> Vec<Clash> {
    let mut groups: BTreeMap<(AppId, Kind, bool), Vec<usize>> = BTreeMap::new();
    for (number, find) in finds.iter().enumerate() {
        if let (Some(app), Some((kind, held)), Some(one)) = (find.app, held(find), find.likeliest())
            && held.seen != Seen::Expired
        {
            let group = groups.entry((app, kind, one.stable_mode));
            group.or_default().push(number);
        }
    }
    let token = |number: &usize| Some(&held(finds.get(*number)?)?.1.token);
    groups
        .into_iter()
        .filter(|(_, numbers)| {
            numbers
                .windows(2)
                .any(|pair| token(&pair[0]) != token(&pair[1]))
        })
        .map(|((app, kind, _), finds)| Clash { app, kind, finds })
        .collect()
}

/// Whether a key may have to do with WeChat, by its name alone.
pub(super) fn is_of_interest(key: &[u8]) -> bool {
    let Ok(key) = std::str::from_utf8(key) else {
        return false;
    };
    if is_of_our_users(key) {
        return false;
    }
    let lower = key.to_ascii_lowercase();
    let upper_md5 = key.len() == 32
        && key
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
    let token = lower.contains("access") && lower.contains("token");
    token
        || upper_md5
        || lower.contains("ticket")
        || key.starts_with("maConfig:")
        || lower.contains("wechat")
        || lower.contains("weixin")
        || words(key).any(is_appid)
}

/// What wxtoken keeps of users, one key each, under whatever prefix: nothing an SDK writes.
fn is_of_our_users(key: &str) -> bool {
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let tagged = key
        .split_once(":{")
        .and_then(|(_, rest)| rest.split_once("}:"));
    tagged.is_some_and(
        |(tag, rest)| match (tag.split_at_checked(1), rest.split_once(':')) {
            (Some(("u", place)), Some(("user", name))) => is_hex(place, 3) && is_hex(name, 32),
            (Some(("n", note)), None) => is_hex(note, 64) && matches!(rest, "once" | "taken"),
            _ => false,
        },
    )
}

fn words(key: &str) -> impl Iterator<Item = &str> {
    key.split(|c: char| !c.is_ascii_alphanumeric())
}

fn is_appid(word: &str) -> bool {
    word.len() == 18 && (word.starts_with("wx") || word.starts_with("ww"))
}
