//! The cookies of sign-ins under way: one each, so that two tabs do not disturb each other, and few at a time.

use http::HeaderMap;
use http::header::COOKIE;

use crate::relay::Nonce;

/// Longer than a state is good, so that a user who took too long can go on with one press.
const KEPT_SECONDS: u32 = 1800;
/// Sign-ins of one browser that are remembered besides a new one: all cookies together must fit into a request's head.
const OTHERS: usize = 2;
/// Hex digits of a nonce in a cookie's name.
const SHORT: usize = 16;

/// What cookies are called, and what is said of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jar {
    secure: bool,
}

impl Jar {
    /// With `__Host-` where browsers come by https: no other host, and no path, can set or overwrite one.
    pub(super) const fn new(secure: bool) -> Self {
        Self { secure }
    }

    const fn prefix(self) -> &'static str {
        if self.secure {
            "__Host-wxtoken-"
        } else {
            "wxtoken-"
        }
    }

    /// What a browser is told to keep for a flow, and of which older ones to let go.
    pub(super) fn keep(self, headers: &HeaderMap, nonce: &Nonce, value: &str) -> Vec<String> {
        let mut others: Vec<&str> = all(headers)
            .filter_map(|(name, _)| name.strip_prefix(self.prefix()))
            .filter(|short| short.len() == SHORT && short.bytes().all(|b| b.is_ascii_hexdigit()))
            .collect();
        others.sort_unstable();
        others.dedup();
        others.truncate(others.len().saturating_sub(OTHERS));
        let old = others.into_iter().map(|short| self.set(short, "", 0));
        let new = self.set(&nonce.short(), value, KEPT_SECONDS);
        std::iter::once(new).chain(old).collect()
    }

    fn set(self, short: &str, value: &str, seconds: u32) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!(
            "{}{short}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}",
            self.prefix()
        )
    }

    /// What a browser kept for a flow. More than one, where somebody meddled: the seal tells which is ours.
    pub(super) fn find<'h>(
        self,
        headers: &'h HeaderMap,
        nonce: &Nonce,
    ) -> impl Iterator<Item = &'h str> {
        let name = format!("{}{}", self.prefix(), nonce.short());
        all(headers)
            .filter(move |(other, _)| *other == name)
            .map(|(_, value)| value)
    }
}

fn all(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(COOKIE).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use wxtoken_core::clock::Wall;

    use super::*;

    fn headers(line: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(line).unwrap());
        headers
    }

    #[test]
    fn a_cookie_is_for_this_host_over_https_and_out_of_reach_of_scripts() {
        let nonce = Nonce::new([1; 16], Wall(0));
        let set = Jar::new(true).keep(&HeaderMap::new(), &nonce, "v");
        let short = nonce.short();
        assert_eq!(
            set,
            [format!(
                "__Host-wxtoken-{short}=v; Path=/; Max-Age=1800; HttpOnly; SameSite=Lax; Secure"
            )]
        );
        let plain = Jar::new(false).keep(&HeaderMap::new(), &nonce, "v");
        assert!(plain[0].starts_with("wxtoken-") && !plain[0].contains("Secure"));
    }

    #[test]
    fn of_many_sign_ins_the_oldest_are_let_go() {
        let shorts: Vec<String> = (0..5).map(|n| format!("{n:016x}")).collect();
        let line: Vec<String> = shorts
            .iter()
            .map(|short| format!("__Host-wxtoken-{short}=x"))
            .collect();
        let line = format!("other=1; {}; __Host-wxtoken-zz\"=x", line.join("; "));
        let set = Jar::new(true).keep(&headers(&line), &Nonce::new([1; 16], Wall(0)), "v");
        assert_eq!(set.len(), 4);
        for (gone, short) in set[1..].iter().zip(&shorts) {
            assert!(gone.starts_with(&format!("__Host-wxtoken-{short}=; Path=/; Max-Age=0;")));
        }
    }

    #[test]
    fn a_flow_finds_its_own_cookie_alone() {
        let (one, two) = (Nonce::new([1; 16], Wall(0)), Nonce::new([2; 16], Wall(0)));
        let line = format!(
            "__Host-wxtoken-{}=a; __Host-wxtoken-{}=b",
            one.short(),
            two.short()
        );
        let headers = headers(&line);
        let jar = Jar::new(true);
        assert_eq!(jar.find(&headers, &one).collect::<Vec<_>>(), ["a"]);
        assert_eq!(jar.find(&headers, &two).collect::<Vec<_>>(), ["b"]);
        assert_eq!(Jar::new(false).find(&headers, &one).count(), 0);
    }
}
