//! How the name of a key is shown: what is not a word that people would choose may be somebody's secret, and is hidden.
//!
//! Must not know: whose key it is. WeChat's ids are no secrets, and stay readable.

use std::ops::Range;

use super::recognise::is_app;

/// What stands where a secret is.
pub(super) const MASK: &str = "***";
/// What a token may hold beside letters and digits: words on both sides of one of these may be parts of one.
const JOINTS: &[u8] = b"-_.~+/=";
/// Letters of one word; digits after it; digits alone, such as an agent's number or a date.
const MOST_LETTERS: usize = 16;
const MOST_DIGITS_AFTER: usize = 4;
const MOST_DIGITS: usize = 8;

/// Of words that are put together as `AccessTokenBag` is, longer ones hold one of these.
const SHORT: usize = 8;
const WORDS: [&str; 10] = [
    "token", "ticket", "access", "wechat", "weixin", "cache", "config", "redis", "session", "store",
];

/// How much is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// All that is no word: the key is nobody's that is known.
    All,
    /// Only what is as long as a token: the key is an SDK's, and what stands around it was configured by a person.
    Long,
}

/// A text as it is shown where nothing is known of it.
pub(crate) fn masked(text: &str) -> String {
    shown(text, suspects(text, Care::All))
}

/// A text without its hidden parts, and without anything that a terminal would obey.
pub(super) fn shown(text: &str, mut hidden: Vec<Range<usize>>) -> String {
    hidden.sort_by_key(|part| part.start);
    let (mut told, mut at) = (String::with_capacity(text.len()), 0);
    for part in hidden {
        if part.start >= at {
            told.push_str(text.get(at..part.start).unwrap_or_default());
            told.push_str(MASK);
        }
        at = at.max(part.end);
    }
    told.push_str(text.get(at..).unwrap_or_default());
    visible(&told)
}

/// What a terminal would obey is written out.
pub(super) fn visible(text: &str) -> String {
    if text.chars().all(is_shown) {
        return text.to_owned();
    }
    let mut told = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_shown(c) {
            told.push(c);
        } else {
            told.extend(c.escape_default());
        }
    }
    told
}

/// Whether a character shows and does nothing else: it neither controls a terminal nor turns the direction of a line.
#[must_use]
pub fn is_shown(c: char) -> bool {
    let turns = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    !turns && !c.is_control()
}

/// What may be a secret in a key.
pub(super) fn suspects(text: &str, care: Care) -> Vec<Range<usize>> {
    let is_long = |part: &Range<usize>| care == Care::All || part.len() >= MOST_LETTERS;
    let runs = runs(text);
    let parts = runs.iter().filter_map(|run| suspect(text, run));
    parts.filter(is_long).collect()
}

/// From the first word of a run that nobody would choose to its end, and before it what may belong to the same token.
fn suspect(text: &str, run: &[Range<usize>]) -> Option<Range<usize>> {
    let word = |at: &Range<usize>| text.get(at.clone()).unwrap_or_default();
    let mut first = run.iter().position(|at| !is_chosen(word(at)))?;
    let is_name = |at: &Range<usize>| {
        let mut letters = word(at).bytes();
        // Of `a` to `f` alone it may be the hex of a UUID.
        at.len() >= 3
            && letters.clone().any(|b| b > b'f')
            && letters.all(|b| b.is_ascii_lowercase())
    };
    while first > 0 && !is_name(&run[first - 1]) {
        first -= 1;
    }
    Some(run[first].start..run.last()?.end)
}

/// The words of a text, in runs that may be one token each.
fn runs(text: &str) -> Vec<Vec<Range<usize>>> {
    let mut runs: Vec<Vec<Range<usize>>> = Vec::new();
    let mut open = false;
    for word in words(text) {
        if text.get(word.clone()).and_then(is_app).is_some() {
            open = false;
            continue;
        }
        let before = |run: &Vec<Range<usize>>| {
            let end = run.last().map_or(0, |last| last.end);
            let gap = text.as_bytes().get(end..word.start).unwrap_or_default();
            gap.iter().all(|byte| JOINTS.contains(byte))
        };
        match runs.last_mut().filter(|run| open && before(run)) {
            Some(run) => run.push(word),
            None => runs.push(vec![word]),
        }
        open = true;
    }
    runs
}

fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .map(move |word| {
            let start = text.len().min(at);
            // The separator may be longer than a byte: go on from where it ends.
            let gap = text
                .get(start + word.len()..)
                .and_then(|rest| rest.chars().next());
            at = start + word.len() + gap.map_or(1, char::len_utf8);
            start..start + word.len()
        })
        .filter(|word| !word.is_empty())
}

/// Whether a person would have chosen this word: letters as they are spelled, maybe a short number after them, or one digit
/// in a short name, as in `h5mall`.
fn is_chosen(word: &str) -> bool {
    let inside = word.bytes().filter(u8::is_ascii_digit).count();
    if word.len() <= 6 && inside == 1 && !word.contains(|c: char| c.is_ascii_uppercase()) {
        return true;
    }
    let name = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = word.len() - name.len();
    if name.is_empty() {
        return digits <= MOST_DIGITS;
    }
    digits <= MOST_DIGITS_AFTER && is_spelled(name.as_bytes())
}

/// Letters in one case, maybe after a capital; or several words so put together, which if they are long speak of the matter.
fn is_spelled(name: &[u8]) -> bool {
    let small = |letters: &[u8]| letters.iter().all(u8::is_ascii_lowercase);
    let capitals = name.iter().all(u8::is_ascii_uppercase);
    if !name.iter().all(u8::is_ascii_alphabetic) {
        return false;
    }
    if capitals || small(name.get(1..).unwrap_or_default()) {
        return name.len() <= MOST_LETTERS;
    }
    if name.len() > SHORT {
        let lower = name.to_ascii_lowercase();
        let speaks = |word: &&str| {
            lower
                .windows(word.len())
                .any(|part| part == word.as_bytes())
        };
        return WORDS.iter().any(speaks) && name.len() <= 3 * MOST_LETTERS;
    }
    let all = |is: fn(&u8) -> bool| move |pair: &[u8]| pair.iter().all(is);
    let mut pairs = name.windows(2);
    let shaped = !pairs.clone().any(all(u8::is_ascii_uppercase))
        && name.last().is_some_and(u8::is_ascii_lowercase);
    shaped && (name.len() <= SHORT / 2 || pairs.any(all(u8::is_ascii_lowercase)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

    use super::*;

    #[test]
    fn words_and_ids_of_wechat_stay_readable() {
        for key in [
            "wx:access_token:wx0123456789abcdef",
            "shop_accessToken",
            "raw:ww0123456789abcdef:agent:1000002",
            "Senparc:DefaultCache:Container:Senparc.Weixin.WxOpen.Containers.WxCardApiTicketBag",
            "gowechat_officialaccount__access_token_wx0123456789abcdef",
            "my-shop.v2.JsApi.JSApiTicket.accessTokenURL:20261123",
            "h5mall:b2c:access_token",
            "商城:access_token:{shop2024}",
        ] {
            assert_eq!(masked(key), key);
        }
    }

    #[test]
    fn what_nobody_would_choose_for_a_word_is_hidden() {
        for (key, shown) in [
            (
                "oauth:access_token:98fjqwKd03mZpQ7x",
                "oauth:access_token:***",
            ),
            (
                "access_token:550e8400-e29b-41d4-a716-446655440000",
                "access_token:***",
            ),
            // A part of it might be a word, or several.
            ("t:550e8400-dead-beef-a716-446655440000-v2:x", "t:***:x"),
            ("shop_token_AbCd-eF--98fjqwKd03m_xyz:x", "shop_token_***:x"),
            (
                "token_68_AbCdEfGh-Ij01_kLm9:wx0123456789abcdef",
                "token_***:wx0123456789abcdef",
            ),
            ("shop_0123456789abcdef0123456789abcdef_t", "shop_***"),
            ("a:BC8A9037BA7A495C80E355FD4600FFED:b", "a:***:b"),
            ("access_token:13800138000123456", "access_token:***"),
            ("wx0123456789abcdeg:t", "***:t"),
            (
                "jwt:eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.SflKxwRJSMeKKF2QT4fw",
                "jwt:***",
            ),
            ("微信AbC9dE0fG1hI2jK3:票", "微信***:票"),
        ] {
            assert_eq!(masked(key), shown, "{key}");
        }
    }

    #[test]
    fn around_an_sdks_key_only_what_is_as_long_as_a_token_is_hidden() {
        let hidden = |text| shown(text, suspects(text, Care::Long));
        for (key, told) in [
            ("nI6WJ0wFpz:easywechat", "nI6WJ0wFpz:easywechat"),
            ("0123456789abcdef:easywechat", "***:easywechat"),
            (
                "550e8400-e29b-41d4-a716-446655440000:easywechat",
                "***:easywechat",
            ),
        ] {
            assert_eq!(hidden(key), told);
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(
            masked("a\u{1b}[3mb\nc\u{9b}d\u{202e}e\u{7f}"),
            r"a\u{1b}[3mb\nc\u{9b}d\u{202e}e\u{7f}"
        );
        assert_eq!(masked("一 b\\n"), "一 b\\n");
    }

    /// Texts whose letters are all as likely: hex, letters and digits, base64 of both alphabets; and UUIDs.
    fn tokens() -> impl Strategy<Value = String> {
        let hex = "0123456789abcdef";
        let plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let of = |letters: String, lengths: std::ops::Range<usize>| {
            let letters: Vec<char> = letters.chars().collect();
            let text = proptest::collection::vec(proptest::sample::select(letters), lengths);
            text.prop_map(|text| text.into_iter().collect::<String>())
        };
        prop_oneof![
            of(hex.to_owned(), 32..65),
            of(hex.to_uppercase(), 32..65),
            of(plain.to_owned(), 24..65),
            of(format!("{plain}-_"), 24..86),
            of(format!("{plain}+/"), 24..65),
            "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}",
        ]
    }

    #[test]
    fn of_a_token_of_any_make_no_more_is_shown_than_a_piece() {
        let same_each_time = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let config = ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(10_000)
        };
        let mut runner = TestRunner::new_with_rng(config, same_each_time);
        let ran = runner.run(&tokens(), |token| {
            let shown = masked(&format!("oauth:access_token:{token}"));
            for at in 0..=token.len() - 16 {
                let part = &token[at..at + 16];
                prop_assert!(!shown.contains(part), "{} {}", shown, token);
            }
            Ok(())
        });
        ran.unwrap_or_else(|why| panic!("{why}"));
    }

    proptest! {
        #[test]
        fn any_text_can_be_shown(text in any::<String>(), care in prop_oneof![Just(Care::All), Just(Care::Long)]) {
            let told = shown(&text, suspects(&text, care));
            prop_assert!(told.chars().all(is_shown));
        }
    }
}
