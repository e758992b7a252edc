//! Users and their records, for tests.

use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::user::{
    AskAgain, AskAgainReason, Grant, OpenId, RefreshToken, Session, SessionKey, UserRecord,
    WebToken,
};

pub(in super::super) fn app(number: u32) -> AppId {
    format!("wx{number:016}").parse().unwrap()
}

pub(in super::super) fn openid(number: u32) -> OpenId {
    format!("oLVPpjqs9BhvzwPj5A-vT_{number:06}")
        .parse()
        .unwrap()
}

/// Of whom nothing is known.
pub(in super::super) fn empty() -> UserRecord {
    UserRecord::default()
}

/// A grant and a session; another number, another record.
pub(in super::super) fn full(number: u32) -> UserRecord {
    UserRecord {
        grant: Some(grant(number)),
        session: sessions_alone(number).session,
    }
}

pub(in super::super) fn sessions_alone(number: u32) -> UserRecord {
    UserRecord {
        grant: None,
        session: Some(Session {
            unionid: Some(
                format!("o6_bmasdasdsad6_2sgVt7hMZ{number}")
                    .parse()
                    .unwrap(),
            ),
            session_key: SessionKey::new(format!("tiihtNczf5v6AKRyjwEUh{number:02}==")).unwrap(),
            since: Wall(1_795_000_000_777),
        }),
    }
}

fn grant(number: u32) -> Grant {
    let at = 1_795_000_000_000 + u64::from(number);
    Grant {
        openid: openid(number),
        unionid: Some("o6_bmasdasdsad6_2sgVt7hMZOPfL".parse().unwrap()),
        scope: "snsapi_userinfo".into(),
        web_token: WebToken::new(format!("98_canary-web-token-{number}")).unwrap(),
        web_expires: Wall(at + 7_200_000),
        refresh_token: RefreshToken::new(format!("98_canary-refresh-{number}")).unwrap(),
        refresh_expires: Wall(at + Grant::REFRESH_LIFETIME),
        granted_at: Wall(at),
        is_snapshot: false,
        refused: None,
    }
}

/// Records with every field in every state.
pub(in super::super) fn all_kinds() -> Vec<UserRecord> {
    let of = |grant| UserRecord {
        grant: Some(grant),
        session: None,
    };
    let refused = AskAgainReason::ALL.map(|reason| {
        let since = Wall(1_795_000_000_999);
        of(Grant {
            refused: Some(AskAgain { reason, since }),
            ..grant(3)
        })
    });
    let longest = of(Grant {
        web_token: WebToken::new("w".repeat(1024)).unwrap(),
        refresh_token: RefreshToken::new("\"\\!~".repeat(256)).unwrap(),
        scope: "snsapi_base,snsapi_userinfo".into(),
        web_expires: Wall(u64::MAX),
        refresh_expires: Wall(0),
        ..grant(4)
    });
    let bare = of(Grant {
        unionid: None,
        scope: "".into(),
        is_snapshot: true,
        ..grant(5)
    });
    let mut session = sessions_alone(6);
    session.session = session.session.map(|session| Session {
        unionid: None,
        ..session
    });
    let mut all = vec![empty(), full(1), sessions_alone(2), longest, bare, session];
    all.extend(refused);
    all
}
