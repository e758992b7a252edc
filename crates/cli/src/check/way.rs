//! Looks at the way to WeChat: DNS, connection, TLS, and whether the clocks agree. One call without a token, which counts for no app.

use std::time::Duration;

use bytes::Bytes;
use http::header::{DATE, HOST, HeaderValue};
use http::{Request, Response, Uri};
use http_body_util::Full;
use wxtoken_core::clock::{Clock, Now, millis};
use wxtoken_server::clock::SystemClock;
use wxtoken_server::config::Upstream;
use wxtoken_server::wechat::errcode::Endpoint;
use wxtoken_server::words::Sentence;

use super::finding::Way;
use crate::client::Target;
use crate::client::wire::{self, NoAnswer};

/// How long WeChat may take.
const WITHIN: Duration = Duration::from_secs(10);
/// More than this apart, values would be suspected (rule 5).
const CLOCKS_AGREE: i64 = 30;

/// Everything about the way there.
pub(super) async fn look(upstream: &Upstream) -> Vec<Way> {
    if let Some(proxy) = &upstream.proxy {
        let place = proxy.uri.authority().map_or("", |a| a.as_str());
        return vec![Way::Proxied(place.to_owned())];
    }
    let mut found = Vec::new();
    for base in std::iter::once(&upstream.base_url).chain(&upstream.fallback_urls) {
        found.extend(one(base.as_str(), base.uri()).await);
    }
    // The clock is told once, however many hosts answered.
    let clocks = |way: &Way| matches!(way, Way::ClockRight | Way::ClockOff(_));
    let first = found.iter().find(|way| clocks(way)).cloned();
    found.retain(|way| !clocks(way));
    found.extend(first);
    found
}

async fn one(url: &str, uri: &Uri) -> Vec<Way> {
    let Some(target) = Target::of_uri(uri) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if let Target::Net { host, port, .. } = &target
        && host.parse::<std::net::IpAddr>().is_err()
    {
        match tokio::net::lookup_host((host.as_str(), *port)).await {
            Ok(addresses) => found.push(Way::Resolved {
                host: host.clone(),
                addresses: addresses.count(),
            }),
            Err(error) => {
                found.push(Way::NotResolved {
                    host: host.clone(),
                    why: Sentence::of(&error),
                });
                return found;
            }
        }
    }
    found.extend(call(url, uri, &target).await);
    found
}

async fn call(url: &str, uri: &Uri, target: &Target) -> Vec<Way> {
    let url = url.to_owned();
    let path = format!(
        "{}{}",
        uri.path().trim_end_matches('/'),
        Endpoint::Probe.path()
    );
    let mut request = Request::new(Full::new(Bytes::new()));
    let (Ok(path), Ok(host)) = (path.parse(), HeaderValue::try_from(target.host_header())) else {
        return Vec::new();
    };
    *request.uri_mut() = path;
    request.headers_mut().insert(HOST, host);
    let before = SystemClock.now();
    match wire::send(target, None, request, WITHIN).await {
        Ok(answer) => judge(url, &answer, before, SystemClock.now()),
        Err(error @ (NoAnswer::Certificate(_) | NoAnswer::Tls(_))) => vec![Way::NotTrusted {
            url,
            why: Sentence::of(&error),
        }],
        Err(error) => vec![Way::NotReached {
            url,
            why: Sentence::of(&error),
        }],
    }
}

fn judge(url: String, answer: &Response<Bytes>, before: Now, after: Now) -> Vec<Way> {
    let said: Option<serde_json::Value> = serde_json::from_slice(answer.body()).ok();
    if !said.is_some_and(|said| said["errcode"].is_i64()) {
        let status = answer.status().as_u16();
        return vec![Way::NotWeChat { url, status }];
    }
    let took = after.boot.since(before.boot);
    let reached = Way::Reached {
        url,
        millis: took.into(),
    };
    let theirs = answer
        .headers()
        .get(DATE)
        .and_then(|date| date.to_str().ok())
        .and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    let Some(theirs) = theirs else {
        return vec![reached];
    };
    // Their clock was read at some time during the call: its middle is as good a guess as any.
    let ours = before.wall.plus(millis(Duration::from_millis(took / 2)));
    let ours = i64::try_from(ours.unix_seconds()).unwrap_or(i64::MAX);
    let ahead = ours - theirs.timestamp().as_second();
    let clock = if ahead.abs() <= CLOCKS_AGREE {
        Way::ClockRight
    } else {
        Way::ClockOff(ahead)
    };
    vec![reached, clock]
}

#[cfg(test)]
mod tests {
    use wxtoken_core::clock::{Boot, Wall};

    use super::*;

    /// 2026-11-22 15:00:00 UTC.
    const NOW: Now = Now {
        wall: Wall(1_795_359_600_000),
        boot: Boot(1000),
    };

    fn judged(date: &str, body: &'static str) -> Vec<Way> {
        let answer = Response::builder()
            .header(DATE, date)
            .body(Bytes::from_static(body.as_bytes()))
            .unwrap();
        judge("https://x".into(), &answer, NOW, NOW)
    }

    #[test]
    fn a_clock_that_is_off_is_told_with_its_direction() {
        let said = r#"{"errcode":41001,"errmsg":"access_token missing"}"#;
        assert_eq!(
            judged("Sun, 22 Nov 2026 15:00:20 GMT", said)[1],
            Way::ClockRight
        );
        assert_eq!(
            judged("Sun, 22 Nov 2026 14:00:00 GMT", said)[1],
            Way::ClockOff(3600)
        );
        assert_eq!(
            judged("Sun, 22 Nov 2026 15:01:00 GMT", said)[1],
            Way::ClockOff(-60)
        );
        assert_eq!(judged("yesterday", said).len(), 1);
    }

    #[test]
    fn what_does_not_speak_wechats_json_is_not_wechat() {
        let login = judged("Sun, 22 Nov 2026 15:00:00 GMT", "<html>log in</html>");
        assert!(matches!(login[..], [Way::NotWeChat { status: 200, .. }]));
    }
}
