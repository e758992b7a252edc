//! The formats against the bytes that the SDKs themselves write, there and back.

use std::num::NonZeroU64;

use proptest::prelude::*;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::{Kind, Token};

use super::*;
use crate::config::Secret;

const NOW: Wall = Wall(1_794_992_800_000);
const END: Wall = Wall(1_795_000_000_000);
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn app() -> AppId {
    "wx0123456789abcdef".parse().unwrap()
}

fn example(kind: Kind) -> Token {
    Token::new(match kind {
        Kind::AccessToken => "HUBTOKEN_EXAMPLE_0001",
        Kind::JsapiTicket | Kind::CardTicket => "HUBTICKET_EXAMPLE_0001",
    })
    .unwrap()
}

fn spec(format: Format, module: Module, kind: Kind) -> Spec<'static> {
    Spec::new(format, app(), module, kind)
}

/// The keys and texts that are written for the example.
fn written(spec: &Spec<'_>) -> Vec<(String, String)> {
    let (secret, token) = (Secret::new(SECRET), example(spec.kind));
    let place = Place::new(&Spec {
        secret: Some(&secret),
        ..spec.clone()
    })
    .unwrap();
    let value = Value::new(&token, END, NOW).unwrap();
    let entries = place.entries(&value);
    assert_eq!(entries.len(), place.keys().len());
    entries
        .iter()
        .map(|entry| {
            let without = spec.format == Format::Senparc;
            assert_eq!(entry.ttl, NonZeroU64::new(7_200_000).filter(|_| !without));
            (text(entry.key.as_bytes()), body(&entry.body))
        })
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn body(body: &Body) -> String {
    match body {
        Body::Text(bytes) => bytes
            .expose()
            .escape_ascii()
            .to_string()
            .replace("\\\"", "\""),
        Body::Fields(fields) => fields
            .iter()
            .map(|(name, value)| format!("{name}={} ", text(value.expose())))
            .collect(),
    }
}

/// One key and its text.
fn one(spec: &Spec<'_>) -> (String, String) {
    let written = written(spec);
    assert_eq!(written.len(), 1);
    written.into_iter().next().unwrap()
}

fn pair(key: &str, body: &str) -> (String, String) {
    (key.to_owned(), body.to_owned())
}

use Kind::{AccessToken, CardTicket, JsapiTicket};
use Module::{Mini, Official};

#[test]
fn wxjava_keeps_bare_values_under_colons() {
    let mp = |kind| one(&spec(Format::WxjavaMp, Official, kind));
    assert_eq!(
        mp(AccessToken),
        pair(
            "wx:access_token:wx0123456789abcdef",
            "HUBTOKEN_EXAMPLE_0001"
        )
    );
    assert_eq!(
        mp(JsapiTicket),
        pair(
            "wx:ticket:key:wx0123456789abcdef:jsapi",
            "HUBTICKET_EXAMPLE_0001"
        )
    );
    assert_eq!(mp(CardTicket).0, "wx:ticket:key:wx0123456789abcdef:wx_card");
    let mini = one(&spec(Format::WxjavaMiniapp, Mini, AccessToken));
    assert_eq!(
        mini,
        pair(
            "wa:access_token:wx0123456789abcdef",
            "HUBTOKEN_EXAMPLE_0001"
        )
    );
    let multi = Spec {
        prefix: Some("wx:mp:multi"),
        ..spec(Format::WxjavaMp, Official, AccessToken)
    };
    assert_eq!(one(&multi).0, "wx:mp:multi:access_token:wx0123456789abcdef");
}

#[test]
fn wxjava_for_wecom_joins_its_prefix_with_one_colon() {
    let agent = Module::Work {
        agent: Some(1_000_002),
    };
    for (prefix, head) in [("wx:cp", "wx:cp:"), ("p:", "p:"), ("", "")] {
        let spec = Spec {
            prefix: Some(prefix),
            ..spec(Format::WxjavaCp, agent, AccessToken)
        };
        let key = format!("{head}wechat_cp_access_token_key:wx0123456789abcdef:1000002");
        assert_eq!(one(&spec), pair(&key, "HUBTOKEN_EXAMPLE_0001"));
    }
}

#[test]
fn redisson_keeps_kryo_strings() {
    let mp = one(&spec(Format::RedissonKryo5, Official, AccessToken));
    let bytes = r"\x03HUBTOKEN_EXAMPLE_000\xb1";
    assert_eq!(mp, pair("wx:access_token:wx0123456789abcdef", bytes));
    let mini = one(&spec(Format::RedissonKryo5, Mini, AccessToken));
    assert_eq!(
        mini,
        pair("wa:wechat_ma_access_token_key:wx0123456789abcdef", bytes)
    );
}

#[test]
fn silenceper_has_two_underscores_and_keys_for_its_stable_mode() {
    let key = |module, kind, stable_mode| {
        one(&Spec {
            stable_mode,
            ..spec(Format::Silenceper, module, kind)
        })
        .0
    };
    assert_eq!(
        key(Official, AccessToken, false),
        "gowechat_officialaccount__access_token_wx0123456789abcdef"
    );
    assert_eq!(
        key(Mini, AccessToken, false),
        "gowechat_miniprogram__access_token_wx0123456789abcdef"
    );
    assert_eq!(
        key(Official, AccessToken, true),
        "gowechat_officialaccount__stable_access_token_wx0123456789abcdef"
    );
    assert_eq!(
        key(Mini, AccessToken, true),
        "gowechat_miniprogram__stable_access_token_wx0123456789abcdef"
    );
    assert_eq!(
        key(Official, JsapiTicket, false),
        "gowechat_officialaccount__jsapi_ticket_wx0123456789abcdef"
    );
}

#[test]
fn easywechat_6_has_the_secret_in_its_key_and_a_php_text() {
    let official = spec(Format::Easywechat6, Official, AccessToken);
    let key = "easywechat:official_account.access_token.wx0123456789abcdef.0123456789abcdef0123456789abcdef.0";
    assert_eq!(
        one(&official),
        pair(key, r#"s:21:"HUBTOKEN_EXAMPLE_0001";"#)
    );
    let stable_mini = Spec {
        prefix: Some(""),
        stable_mode: true,
        ..spec(Format::Easywechat6, Mini, AccessToken)
    };
    assert_eq!(
        one(&stable_mini).0,
        "mini_app.access_token.wx0123456789abcdef.0123456789abcdef0123456789abcdef.1"
    );
    assert_eq!(
        one(&spec(Format::Easywechat6, Official, JsapiTicket)),
        pair(
            "easywechat:official_account.jsapi_ticket.wx0123456789abcdef",
            r#"s:22:"HUBTICKET_EXAMPLE_0001";"#
        )
    );
}

#[test]
fn easywechat_5_has_an_md5_in_its_key_and_a_php_array() {
    let array =
        r#"a:2:{s:12:"access_token";s:21:"HUBTOKEN_EXAMPLE_0001";s:10:"expires_in";i:7200;}"#;
    let key = "easywechat:easywechat.kernel.access_token.63a7f48fe14d3f4d55882d4d65f3335b";
    let five = spec(Format::Easywechat5, Official, AccessToken);
    assert_eq!(one(&five), pair(key, array));
    let think = Spec {
        cache: PhpCache::Think5,
        ..five
    };
    assert_eq!(one(&think), pair(key, &format!("think_serialize:{array}")));
    let ticket = r#"a:4:{s:7:"errcode";i:0;s:6:"errmsg";s:2:"ok";s:6:"ticket";s:22:"HUBTICKET_EXAMPLE_0001";s:10:"expires_in";i:7200;}"#;
    let key = "easywechat:easywechat.basic_service.jssdk.ticket.wx_card.wx0123456789abcdef";
    assert_eq!(
        one(&spec(Format::Easywechat5, Official, CardTicket)),
        pair(key, ticket)
    );
}

#[test]
fn a_thinkphp_5_keeps_texts_bare() {
    let think = Spec {
        cache: PhpCache::Think5,
        ..spec(Format::Easywechat6, Official, JsapiTicket)
    };
    assert_eq!(one(&think).1, "HUBTICKET_EXAMPLE_0001");
}

#[test]
fn wechatpy_has_the_end_beside_the_value() {
    assert_eq!(
        written(&spec(Format::Wechatpy, Official, AccessToken)),
        [
            pair(
                "wechatpy:wx0123456789abcdef_access_token",
                r#""HUBTOKEN_EXAMPLE_0001""#
            ),
            pair(
                "wechatpy:wx0123456789abcdef_access_token_expires_at",
                "1795000000"
            ),
        ]
    );
    assert_eq!(
        written(&spec(Format::Wechatpy, Official, CardTicket)),
        [
            pair(
                "wechatpy:wx0123456789abcdef_jsapi_card_ticket",
                r#""HUBTICKET_EXAMPLE_0001""#
            ),
            pair(
                "wechatpy:wx0123456789abcdef_jsapi_card_ticket_expires_at",
                "1795000000"
            ),
        ]
    );
}

#[test]
fn powerwechat_has_an_md5_in_its_key_and_json() {
    assert_eq!(
        one(&spec(Format::Powerwechat, Mini, AccessToken)),
        pair(
            "powerwechat.access_token.9dd2ec3e8fe48143541c4ddbfd61b06a",
            r#"{"access_token":"HUBTOKEN_EXAMPLE_0001","expires_in":7200}"#
        )
    );
    assert_eq!(
        one(&spec(Format::Powerwechat, Official, JsapiTicket)),
        pair(
            "powerwechat.basic_service.jssdk.ticket.jsapi.wx0123456789abcdef",
            r#"{"errcode":0,"errmsg":"ok","ticket":"HUBTICKET_EXAMPLE_0001","expires_in":7200}"#
        )
    );
}

#[test]
fn senparc_keeps_the_secret_and_the_end_in_the_body() {
    let named = Spec {
        name: Some("demo"),
        ..spec(Format::Senparc, Official, AccessToken)
    };
    assert_eq!(
        one(&named),
        pair(
            "Senparc:DefaultCache:Container:Senparc.Weixin.MP.Containers.AccessTokenBag:wx0123456789abcdef",
            r#"{"Name":"demo","Key":"wx0123456789abcdef","CacheTime":"2026-11-18T17:06:40+08:00","AppId":"wx0123456789abcdef","AppSecret":"0123456789abcdef0123456789abcdef","AccessTokenExpireTime":"2026-11-18T19:06:40+08:00","AccessTokenResult":{"access_token":"HUBTOKEN_EXAMPLE_0001","expires_in":7200,"errcode":0,"errmsg":null}}"#
        )
    );
    let (key, body) = one(&spec(Format::Senparc, Mini, AccessToken));
    assert!(
        key.contains("Senparc.Weixin.WxOpen.Containers.AccessTokenBag"),
        "{key}"
    );
    assert!(body.contains(r#""WxOpenAppSecret":"#), "{body}");
    let (key, body) = one(&spec(Format::Senparc, Official, CardTicket));
    assert!(key.contains(".WxCardApiTicketBag:"), "{key}");
    assert!(
        body.contains(r#""WxCardApiTicketResult":{"ticket":"HUBTICKET_EXAMPLE_0001""#),
        "{body}"
    );
}

#[test]
fn keys_of_ones_own_hold_json_a_hash_or_the_bare_value() {
    let key: Template = "t:{appid}:{kind}".parse().unwrap();
    let own = |format, kind| {
        one(&Spec {
            key: Some(&key),
            ..spec(format, Official, kind)
        })
    };
    let name = "t:wx0123456789abcdef:access_token";
    assert_eq!(
        own(Format::CoWechatApi, AccessToken),
        pair(
            name,
            r#"{"accessToken":"HUBTOKEN_EXAMPLE_0001","expireTime":1795000000000}"#
        )
    );
    assert_eq!(
        own(Format::CoWechatApi, JsapiTicket).1,
        r#"{"ticket":"HUBTICKET_EXAMPLE_0001","expireTime":1795000000000}"#
    );
    assert_eq!(
        own(Format::Raw, AccessToken),
        pair(name, "HUBTOKEN_EXAMPLE_0001")
    );
    assert_eq!(
        own(Format::Hash, AccessToken).1,
        "value=HUBTOKEN_EXAMPLE_0001 expire=1795000000000 "
    );
}

#[test]
fn where_an_sdk_keeps_no_such_thing_there_is_no_place() {
    for (format, module, kind) in [
        (Format::Silenceper, Official, CardTicket),
        (Format::Silenceper, Mini, JsapiTicket),
        (Format::Easywechat6, Official, CardTicket),
        (Format::Easywechat5, Mini, JsapiTicket),
        (Format::WxjavaMiniapp, Mini, JsapiTicket),
        (Format::WxjavaCp, Official, AccessToken),
        (Format::Senparc, Mini, JsapiTicket),
        (Format::Wechatpy, Module::Work { agent: None }, AccessToken),
    ] {
        let refused = Place::new(&spec(format, module, kind)).unwrap_err();
        assert_eq!(
            refused,
            Unfit::NoPlace {
                format,
                module,
                kind
            }
        );
    }
    for format in [
        Format::Easywechat6,
        Format::Easywechat5,
        Format::Powerwechat,
        Format::Senparc,
    ] {
        let refused = Place::new(&spec(format, Official, AccessToken)).unwrap_err();
        assert_eq!(refused, Unfit::NeedsSecret);
    }
    for format in [Format::Raw, Format::Hash, Format::CoWechatApi] {
        let refused = Place::new(&spec(format, Official, AccessToken)).unwrap_err();
        assert_eq!(refused, Unfit::NeedsKey);
    }
}

#[test]
fn nothing_shows_a_secret_or_a_value() {
    let secret = Secret::new(SECRET);
    for format in [
        Format::Easywechat6,
        Format::Easywechat5,
        Format::Powerwechat,
        Format::Senparc,
    ] {
        let spec = Spec {
            secret: Some(&secret),
            ..spec(format, Official, AccessToken)
        };
        let place = Place::new(&spec).unwrap();
        let token = example(AccessToken);
        let value = Value::new(&token, END, NOW).unwrap();
        let found = found(&place, &value);
        let reading = place.read(&found, NOW);
        let shown = format!(
            "{place:?} {:?} {found:?} {reading:?} {}",
            place.entries(&value),
            place.keys()[0]
        );
        for hidden in [SECRET, "HUBTOKEN", "63a7f48f", "9dd2ec3e"] {
            assert!(!shown.contains(hidden), "{format}: {shown}");
        }
    }
}

#[test]
fn what_has_ended_is_not_written() {
    let token = example(AccessToken);
    assert!(Value::new(&token, NOW, NOW).is_none());
    assert!(Value::new(&token, Wall(0), NOW).is_none());
}

/// What lies in Redis once a place was written.
fn found(place: &Place, value: &Value<'_>) -> Vec<Found> {
    let lies = |entry: Entry| {
        let ttl = entry.ttl.map_or(Ttl::Unset, |ttl| Ttl::Left(ttl.get()));
        match entry.body {
            Body::Text(content) => Found::Text(content, ttl),
            Body::Fields(fields) => Found::Fields(
                fields
                    .into_iter()
                    .map(|(name, content)| (name.as_bytes().to_vec(), content))
                    .collect(),
                ttl,
            ),
        }
    };
    place.entries(value).into_iter().map(lies).collect()
}

/// Every place there is, with its spec.
fn every_place(look: &mut dyn FnMut(&Spec<'_>, &Place)) {
    let secret = Secret::new(SECRET);
    let key: Template = "keep:{appid}:{kind}".parse().unwrap();
    let agent = Module::Work { agent: Some(7) };
    let mut count = 0;
    for format in Format::ALL {
        for module in [Official, Mini, agent] {
            for kind in Kind::ALL {
                for stable_mode in [false, true] {
                    for cache in [PhpCache::Serialize, PhpCache::Think5] {
                        let spec = Spec {
                            secret: Some(&secret),
                            key: format.has_own_key().then_some(&key),
                            stable_mode,
                            cache,
                            ..spec(format, module, kind)
                        };
                        if let Ok(place) = Place::new(&spec) {
                            count += 1;
                            look(&spec, &place);
                        }
                    }
                }
            }
        }
    }
    assert!(count > 150, "{count}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_writers_bytes_are_read_by_its_reader(token in "[!-~]{1,512}", left in 61_000u64..7_200_000) {
        let token = Token::new(&token).unwrap();
        let value = Value::new(&token, NOW.plus(left), NOW).unwrap();
        every_place(&mut |spec, place| {
            let found = found(place, &value);
            let Reading::Held(held) = place.read(&found, NOW) else {
                panic!("{spec:?}");
            };
            assert_eq!(held.token, token, "{spec:?}");
            // Some keep whole seconds.
            let Seen::Until(end) = held.seen else {
                panic!("{spec:?}");
            };
            assert!(end <= value.expires() && end.0 + 1000 > value.expires().0, "{spec:?} {end:?}");
            // A second later it has ended.
            let later = value.expires().plus(1);
            let gone = vec![Found::Absent; found.len()];
            assert_eq!(place.read(&gone, later), Reading::Absent);
        });
    }

    #[test]
    fn any_bytes_can_be_looked_at(body in proptest::collection::vec(any::<u8>(), 0..60), ttl in proptest::option::of(any::<u64>())) {
        let ttl = ttl.map_or(Ttl::Unset, Ttl::Left);
        let text = Found::Text(Content::new(body.clone()), ttl);
        let fields = Found::Fields(vec![(b"value".to_vec(), Content::new(body.clone())), (body.clone(), Content::new(body))], ttl);
        every_place(&mut |_, place| {
            for found in [&text, &fields, &Found::Other] {
                let _ = place.read(&vec![found.clone(); place.keys().len()], NOW);
                for key in place.keys() {
                    let _ = recognise(key.as_bytes(), found, NOW);
                }
            }
        });
    }

    #[test]
    fn no_key_is_too_odd_for_the_recogniser(key in proptest::collection::vec(any::<u8>(), 0..60), tail in "[a-z_.:@{}]{0,20}(access_token|ticket|:Container:|__)?[a-z_.:@{}]{0,30}(wx0123456789abcdef)?[.:_@0-9a-f]{0,40}") {
        for found in [Found::Absent, Found::Other, Found::Text(Content::new(key.clone()), Ttl::Unset)] {
            let _ = recognise(&key, &found, NOW);
            let _ = recognise(tail.as_bytes(), &found, NOW);
        }
    }
}

#[test]
fn every_writers_keys_and_bytes_are_recognised() {
    let token = Token::new(&"68_Ab-c".repeat(20)).unwrap();
    let value = Value::new(&token, END, NOW).unwrap();
    every_place(&mut |spec, place| {
        let found = found(place, &value);
        for (number, (key, lies)) in place.keys().iter().zip(&found).enumerate() {
            let candidates = recognise(key.as_bytes(), lies, NOW);
            let fits = |candidate: &Candidate| candidate.format == spec.format;
            // A hash is known by the names two SDKs give it, not by a key of the operator's.
            if spec.format == Format::Hash {
                continue;
            }
            let Some(one) = candidates.iter().find(|candidate| fits(candidate)) else {
                panic!("{spec:?} {candidates:?}");
            };
            let kept = match (spec.module, number) {
                (Module::Work { .. }, _) => continue,
                (_, 0) => Kept::Credential(spec.kind),
                _ => Kept::EndOf(spec.kind),
            };
            assert_eq!(one.kept, kept, "{spec:?}");
            let md5 = !key.to_string().contains(spec.app.as_str());
            assert_eq!(one.app, (!md5).then_some(spec.app), "{spec:?}");
            if number > 0 {
                continue;
            }
            let Reading::Held(held) = &one.reading else {
                panic!("{spec:?} {one:?}");
            };
            assert_eq!(held.token, token, "{spec:?}");
            assert_eq!(
                one.cache == PhpCache::Think5,
                is_php(spec.format) && spec.cache == PhpCache::Think5
            );
            let stable =
                spec.stable_mode && spec.format.has_stable_mode() && spec.kind == AccessToken;
            assert_eq!(one.stable_mode, stable, "{spec:?}");
            if one.own_key {
                assert!(spec.format.has_own_key());
            } else {
                assert_eq!(
                    one.prefix.as_deref(),
                    Some(spec.format.usual_prefix(spec.module)),
                    "{spec:?}"
                );
                assert_eq!(one.key.to_string(), key.to_string(), "{spec:?}");
            }
        }
    });
}

const fn is_php(format: Format) -> bool {
    matches!(format, Format::Easywechat6 | Format::Easywechat5)
}

#[test]
fn a_value_is_seen_as_the_sdk_sees_it() {
    let token = example(AccessToken);
    let raw = |ttl| Found::Text(Content::new(token.expose()), ttl);
    let read = |format, found: &[Found]| {
        let place = Place::new(&spec(format, Official, AccessToken)).unwrap();
        match place.read(found, NOW) {
            Reading::Held(held) => Some(held.seen),
            Reading::Absent | Reading::Foreign => None,
        }
    };
    // WxJava takes an entry without a time to live, or with less than two seconds of it, for one that has ended.
    assert_eq!(
        read(Format::WxjavaMp, &[raw(Ttl::Unset)]),
        Some(Seen::Expired)
    );
    assert_eq!(
        read(Format::WxjavaMp, &[raw(Ttl::Left(1_999))]),
        Some(Seen::Expired)
    );
    assert_eq!(
        read(Format::WxjavaMp, &[raw(Ttl::Left(2_000))]),
        Some(Seen::Until(NOW.plus(2_000)))
    );
    // silenceper uses whatever lies there; an empty text was a token to older versions, and is none to us.
    assert_eq!(
        read(Format::Silenceper, &[raw(Ttl::Unset)]),
        Some(Seen::Always)
    );
    let empty = Found::Text(Content::new(""), Ttl::Left(1000));
    assert_eq!(read(Format::Silenceper, &[empty]), None);
    // wechatpy 2 fetches though the token lives, when the end beside it is not a minute away.
    let quoted = Found::Text(Content::new("\"HUBTOKEN\""), Ttl::Left(7_000_000));
    let end = |at: Wall| Found::Text(Content::new(at.unix_seconds().to_string()), Ttl::Unset);
    let wechatpy = |end: Found| read(Format::Wechatpy, &[quoted.clone(), end]);
    assert_eq!(wechatpy(end(NOW.plus(60_000))), Some(Seen::Expired));
    assert_eq!(
        wechatpy(end(NOW.plus(90_000))),
        Some(Seen::Until(NOW.plus(90_000)))
    );
    assert_eq!(
        wechatpy(Found::Absent),
        Some(Seen::Until(NOW.plus(7_000_000)))
    );
    assert_eq!(wechatpy(Found::Other), None);
}

#[test]
fn what_php_wrote_as_igbinary_is_read() {
    let secret = Secret::new(SECRET);
    let of = |format| {
        let spec = Spec {
            secret: Some(&secret),
            ..spec(format, Official, AccessToken)
        };
        Place::new(&spec).unwrap()
    };
    let read = |format, bytes: &[u8]| {
        let found = Found::Text(Content::new(bytes), Ttl::Left(7_000_000));
        match of(format).read(&[found], NOW) {
            Reading::Held(held) => Some(held.token.expose().to_owned()),
            Reading::Absent => panic!("something is there"),
            Reading::Foreign => None,
        }
    };
    // As php-igbinary 3.2 writes them: a text; a long text; the array that EasyWeChat 5 keeps.
    let short = b"\0\0\0\x02\x11\x15HUBTOKEN_EXAMPLE_0001";
    let token = "T".repeat(300);
    let long = [b"\0\0\0\x02\x12\x01\x2c".as_slice(), token.as_bytes()].concat();
    let array = b"\0\0\0\x02\x14\x02\x11\x0caccess_token\x11\x15HUBTOKEN_EXAMPLE_0001\x11\x0aexpires_in\x08\x1c\x20";
    let hub = Some("HUBTOKEN_EXAMPLE_0001".to_owned());
    assert_eq!(read(Format::Easywechat6, short), hub);
    assert_eq!(read(Format::Easywechat6, &long), Some(token));
    assert_eq!(read(Format::Easywechat5, array), hub);
    for cut in 1..array.len() {
        assert_eq!(read(Format::Easywechat5, &array[..cut]), None, "{cut}");
    }
    for cut in 1..short.len() {
        assert_eq!(read(Format::Easywechat6, &short[..cut]), None, "{cut}");
    }
}

#[test]
fn a_bag_that_was_just_registered_holds_nothing() {
    let secret = Secret::new(SECRET);
    let spec = Spec {
        secret: Some(&secret),
        ..spec(Format::Senparc, Official, AccessToken)
    };
    let place = Place::new(&spec).unwrap();
    for body in [
        r#"{"AppId":"wx","AccessTokenExpireTime":"0001-01-01T00:00:00+00:00","AccessTokenResult":{"access_token":null,"expires_in":0}}"#,
        r#"{"AppId":"wx","AccessTokenExpireTime":"0001-01-01T00:00:00","AccessTokenResult":null}"#,
    ] {
        let found = Found::Text(Content::new(body), Ttl::Unset);
        assert_eq!(place.read(&[found], NOW), Reading::Absent, "{body}");
    }
}

#[test]
fn what_is_not_held_here_is_still_named() {
    let bare = Found::Text(Content::new("HUBTOKEN_EXAMPLE_0001"), Ttl::Left(1));
    for (key, format, shown) in [
        (
            "wx:open:wechat_component_access_token:wx0123456789abcdef",
            Format::WxjavaMp,
            None,
        ),
        (
            "wx:cp:wechat_cp_access_token_key:ww0123456789abcdef:1000002",
            Format::WxjavaCp,
            None,
        ),
        (
            "gowechat_work__access_token_ww0123456789abcdef_1000002",
            Format::Silenceper,
            None,
        ),
        (
            "component_access_token_wx0123456789abcdef",
            Format::Silenceper,
            None,
        ),
        (
            "easywechat:work.access_token.ww0123456789abcdef.S3CRET",
            Format::Easywechat6,
            Some("easywechat:work.access_token.ww0123456789abcdef.***"),
        ),
        (
            "wechatpy:ww0123456789abcdef_S3CRET7890_access_token",
            Format::Wechatpy,
            Some("wechatpy:ww0123456789abcdef_***_access_token"),
        ),
        (
            "Senparc:DefaultCache:Container:Senparc.Weixin.Work.Containers.AccessTokenBag:ww0123456789abcdef@S3CRET",
            Format::Senparc,
            Some(
                "Senparc:DefaultCache:Container:Senparc.Weixin.Work.Containers.AccessTokenBag:ww0123456789abcdef@***",
            ),
        ),
    ] {
        let found = if format == Format::Wechatpy {
            Found::Absent
        } else {
            bare.clone()
        };
        let candidates = recognise(key.as_bytes(), &found, NOW);
        let one = candidates.first().unwrap_or_else(|| panic!("{key}"));
        assert!(matches!(one.kept, Kept::Other(_)), "{key}: {one:?}");
        assert_eq!(one.format, format, "{key}");
        assert_eq!(one.key.to_string(), shown.unwrap_or(key));
    }
    assert_eq!(recognise(b"session:4711", &bare, NOW), []);
    assert_eq!(recognise(b"\xff\xfe", &bare, NOW), []);
}

#[test]
fn a_secret_in_a_key_is_masked_wherever_it_may_stand() {
    let found = |body: &str| Found::Text(Content::new(body), Ttl::Left(60_000));
    let serialized = found("s:21:\"HUBTOKEN_EXAMPLE_0001\";");
    let bare = found("HUBTOKEN_EXAMPLE_0001");
    let head = "official_account.access_token.wx0123456789abcdef";
    for (key, lies, secret) in [
        // Part of the AppID, too.
        (
            format!("{head}.0123456789abcdef.0"),
            &serialized,
            ".0123456789abcdef",
        ),
        // As EasyWeChat 6 wrote it before it had a stable mode, through a cache that keeps texts bare.
        (
            format!("{head}.fedcba9876543210fedcba9876543210"),
            &bare,
            "fedcba98",
        ),
        (
            "my_app_access_token_fedcba9876543210fedcba9876543210".to_owned(),
            &bare,
            "fedcba98",
        ),
    ] {
        let candidates = recognise(key.as_bytes(), lies, NOW);
        assert!(!candidates.is_empty(), "{key}");
        for candidate in candidates {
            let shown = format!("{} {candidate:?}", candidate.key);
            assert!(
                candidate.key.holds_secret() && !shown.contains(secret),
                "{shown}"
            );
            assert_eq!(candidate.key.as_bytes(), key.as_bytes());
        }
    }
}

#[test]
fn a_key_that_may_hold_anybodys_secret_is_never_taken_over() {
    let bare = Found::Text(Content::new("HUBTOKEN_EXAMPLE_0001"), Ttl::Left(60_000));
    let first = |key: &str| {
        let candidates = recognise(key.as_bytes(), &bare, NOW);
        candidates.into_iter().next().unwrap()
    };
    for (key, shown) in [
        (
            "shop:access_token:550e8400-e29b-41d4-a716-446655440000",
            "shop:access_token:***",
        ),
        (
            "my_access_token_fedcba9876543210fedcba9876543210",
            "my_access_token_***",
        ),
        (
            "fedcba9876543210fedcba98:access_token:wx0123456789abcdef",
            "***:access_token:wx0123456789abcdef",
        ),
    ] {
        let one = first(key);
        assert_eq!(one.key.to_string(), shown);
        assert_eq!(one.taken_over(), Err(NotTakenOver::Secret), "{key}");
        assert!(!one.holds_secret, "it is not the app's own: {key}");
    }
    assert_eq!(
        first("shop:wx0123456789abcdef:access_token").taken_over(),
        Ok(AccessToken)
    );
}

#[test]
fn what_is_recognised_would_be_written_to_the_very_key_or_not_at_all() {
    let token = Token::new(&"68_Ab-c".repeat(20)).unwrap();
    let value = Value::new(&token, END, NOW).unwrap();
    every_place(&mut |spec, place| {
        let found = found(place, &value);
        let candidates = recognise(place.keys()[0].as_bytes(), &found[0], NOW);
        match candidates.first() {
            Some(one) if matches!(one.kept, Kept::Credential(_)) => {
                assert_eq!(one.taken_over(), Ok(spec.kind), "{spec:?} {one:?}");
            }
            _ => assert!(matches!(spec.module, Module::Work { .. }), "{spec:?}"),
        }
    });
    // No format of ours writes these, though they are known.
    let bag = br#"{"AppId":"wx0123456789abcdef","AccessTokenExpireTime":"2030-01-01T00:00:00+00:00","AccessTokenResult":{"access_token":"HUBTOKEN_EXAMPLE_0001","expires_in":7200}}"#;
    for (key, body) in [
        (
            "SenparcWeixin:DefaultCache:Container:Senparc.Weixin.MP.Containers.AccessTokenBag:wx0123456789abcdef",
            &bag[..],
        ),
        (
            "gowechat_miniprogram__jsapi_ticket_wx0123456789abcdef",
            b"HUBTICKET_EXAMPLE_0001",
        ),
        (
            "gowechat_officialaccount__access_token_wx0123456789abcdef_x",
            b"HUBTOKEN_EXAMPLE_0001",
        ),
        (
            "a\nb:access_token:wx0123456789abcdef",
            b"HUBTOKEN_EXAMPLE_0001",
        ),
    ] {
        let found = Found::Text(Content::new(body), Ttl::Left(60_000));
        let candidates = recognise(key.as_bytes(), &found, NOW);
        let why = candidates[0].taken_over();
        assert_eq!(why, Err(NotTakenOver::NoFormat), "{key}");
    }
}

#[test]
fn kryo_strings_under_a_mini_programs_plain_key_are_kept_at_that_key() {
    let token = example(AccessToken);
    let value = Value::new(&token, END, NOW).unwrap();
    let kryo = Place::new(&spec(Format::RedissonKryo5, Official, AccessToken)).unwrap();
    let lies = found(&kryo, &value).remove(0);
    for prefix in ["wa", "wh", "wx:ma:multi", "wx:channel", "wx:channel:multi"] {
        let key = format!("{prefix}:access_token:wx0123456789abcdef");
        let candidates = recognise(key.as_bytes(), &lies, NOW);
        let [one] = candidates.as_slice() else {
            panic!("{candidates:?}");
        };
        assert_eq!((one.format, one.own_key), (Format::RedissonKryo5, true));
        assert_eq!(one.template(), format!("{prefix}:access_token:{{appid}}"));
        assert_eq!(one.taken_over(), Ok(AccessToken));
    }
}

#[test]
fn a_hash_of_a_value_and_its_end_is_known_by_a_telling_name() {
    let hash = |end: u64| {
        let field = |name: &str, text: &str| (name.as_bytes().to_vec(), Content::new(text));
        let fields = vec![
            field("value", "HUBTOKEN_EXAMPLE_0001"),
            field("expire", &end.to_string()),
        ];
        Found::Fields(fields, Ttl::Left(7_200_000))
    };
    for (end, milliseconds) in [(END.0, true), (END.unix_seconds(), false)] {
        let candidates = recognise(b"token:wx0123456789abcdef", &hash(end), NOW);
        let [one] = candidates.as_slice() else {
            panic!("{candidates:?}");
        };
        assert_eq!((one.format, one.own_key), (Format::Hash, true));
        assert_eq!(one.fields.as_ref().unwrap().milliseconds, milliseconds);
        assert_eq!(
            (one.app, one.template()),
            (Some(app()), "token:{appid}".to_owned())
        );
        assert_eq!(one.taken_over(), Ok(AccessToken));
        let Reading::Held(held) = &one.reading else {
            panic!("{one:?}");
        };
        assert_eq!(held.seen, Seen::Until(Wall(END.unix_seconds() * 1000)));
    }
    for key in [
        "cart:wx0123456789abcdef",
        "token:refresh:wx0123456789abcdef",
    ] {
        assert_eq!(recognise(key.as_bytes(), &hash(END.0), NOW), []);
    }
}

#[test]
fn the_md5_of_an_appid_is_shown_to_those_who_know_the_appid() {
    let fields = |name: &str, end: &str| {
        let field = |name: &str, text: &str| (name.as_bytes().to_vec(), Content::new(text));
        let fields = vec![
            field(name, "HUBTOKEN_EXAMPLE_0001"),
            field(end, "1795000000"),
        ];
        Found::Fields(fields, Ttl::Left(7_000_000))
    };
    for (key, field, kind) in [
        (
            "BC8A9037BA7A495C80E355FD4600FFED",
            "access_token",
            AccessToken,
        ),
        ("C3B2F9D4E604CF8D2FCE6DE4B6400BB6", "jsticket", JsapiTicket),
    ] {
        let mut candidates = recognise(key.as_bytes(), &fields(field, "expired_at"), NOW);
        let one = &mut candidates[0];
        assert_eq!(one.kept, Kept::Credential(kind));
        one.is_perhaps("wx00000000000000aa".parse().unwrap());
        assert_eq!(
            (one.app, one.taken_over()),
            (None, Err(NotTakenOver::Secret))
        );
        one.is_perhaps(app());
        assert_eq!((one.app, one.taken_over()), (Some(app()), Ok(kind)));
        assert_eq!(one.key.to_string(), key);
    }
}
