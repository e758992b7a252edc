//! Users in an export: one frame each, written as they are met and read as they are taken, however many they are.
//!
//! Must not know: how frames are sealed.

use std::io::Write;

use wxtoken_core::clock::Wall;
use wxtoken_core::store::StoreError;
use wxtoken_core::user::{Grant, Held, Session, UserRecord, Written};

use super::super::users::{Everyone, Met, User};
use super::frame::Frames;
use super::{Became, ExportError, Exported};
use crate::words::Sentence;

/// Writes that may be overtaken by a running server, for one user.
const TRIES: u32 = 5;

/// Whether there is any.
pub(super) async fn are_there(users: &dyn Everyone) -> Result<bool, StoreError> {
    let mut found = false;
    let mut first = |_| {
        found = true;
        false
    };
    users.each(&mut first).await?;
    Ok(found)
}

pub(super) async fn export(
    users: &dyn Everyone,
    frames: &Frames,
    counts: &mut Exported,
    out: &mut (dyn Write + Send),
) -> Result<(), ExportError> {
    let mut trouble = None;
    let mut each = |met| {
        match met {
            Met::User(user) => {
                let number = counts.records + counts.users;
                trouble = frames.write_user(out, number, &user).err();
                counts.users += 1;
            }
            Met::Damaged => counts.damaged_users += 1,
        }
        trouble.is_none()
    };
    let walked = users.each(&mut each).await;
    trouble.map_or(Ok(()), Err)?;
    walked.map_err(|source| ExportError::Store { done: 0, source })
}

/// Takes one user: of grant and session what is newer, kept as long as either says.
pub(super) async fn take(users: &dyn Everyone, offered: &User) -> Result<Became, StoreError> {
    let User { app, openid, .. } = offered;
    let mut held = users.read(app, openid).await?;
    for _ in 0..TRIES {
        let (over, record, until) = match &held {
            None => (None, offered.record.clone(), offered.until),
            Some(Held { record, version }) => {
                let both = newer(record, &offered.record);
                if both == *record {
                    return Ok(Became::Kept);
                }
                let kept = users.kept_until(app, openid).await?;
                let until = offered.until.max(kept.unwrap_or(Wall(0)));
                (Some(*version), both, until)
            }
        };
        match users.write(app, openid, &record, over, until).await? {
            Written::Yes(_) if over.is_none() => return Ok(Became::New),
            Written::Yes(_) => return Ok(Became::Updated),
            Written::Overtaken(there) => held = there,
        }
    }
    Err(StoreError::Unavailable(Sentence::new(
        "一个用户正被运行中的 wxtoken 反复写入；过一会儿再试",
        "a running wxtoken keeps writing one of the users; try again in a while",
    )))
}

fn newer(held: &UserRecord, offered: &UserRecord) -> UserRecord {
    // A snapshot page's user is made up, and never takes the place of a real one.
    let rank = |grant: &Grant| (!grant.is_snapshot, grant.granted_at);
    UserRecord {
        grant: later(&held.grant, &offered.grant, rank),
        session: later(&held.session, &offered.session, |session: &Session| {
            session.since
        }),
    }
}

/// The held one, unless the offered one is later.
fn later<T: Clone, R: Ord>(
    held: &Option<T>,
    offered: &Option<T>,
    rank: impl Fn(&T) -> R,
) -> Option<T> {
    let is_later = offered.as_ref().map(&rank) > held.as_ref().map(&rank);
    if is_later { offered } else { held }.clone()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;

    use wxtoken_core::app::AppId;
    use wxtoken_core::user::{OpenId, UserStore};

    use super::super::super::keys::tests::key;
    use super::super::super::memory::MemoryStore;
    use super::super::super::users::MemoryUsers;
    use super::super::tests::{PASSPHRASE, contents, filled};
    use super::super::{ExportKey, Imported, Taken, export, import};
    use super::*;
    use crate::clock::SystemClock;
    use wxtoken_core::user::{RefreshToken, SessionKey, WebToken};

    const UNTIL: Wall = Wall(u64::MAX / 2);

    fn app() -> AppId {
        "wx0000000000000001".parse().unwrap()
    }

    fn openid(number: u64) -> OpenId {
        format!("oLVPpjqs9BhvzwPj5A-{number:06}").parse().unwrap()
    }

    fn record(number: u64, granted_at: u64, since: u64) -> UserRecord {
        UserRecord {
            grant: Some(Grant {
                openid: openid(number),
                unionid: None,
                scope: "snsapi_userinfo".into(),
                web_token: WebToken::new(format!("web-canary-{granted_at}")).unwrap(),
                web_expires: Wall(granted_at + 1),
                refresh_token: RefreshToken::new("refresh-canary").unwrap(),
                refresh_expires: Wall(granted_at + 2),
                granted_at: Wall(granted_at),
                is_snapshot: false,
                refused: None,
            }),
            session: Some(Session {
                unionid: None,
                session_key: SessionKey::new(format!("key{since}==")).unwrap(),
                since: Wall(since),
            }),
        }
    }

    async fn with_users(count: u64) -> MemoryUsers {
        let users = MemoryUsers::new(Arc::new(SystemClock));
        for number in 0..count {
            put(&users, number, &record(number, 10, 10)).await;
        }
        users
    }

    async fn put(users: &MemoryUsers, number: u64, record: &UserRecord) {
        let openid = openid(number);
        let written = users.write(&app(), &openid, record, None, UNTIL).await;
        assert!(matches!(written.unwrap(), Written::Yes(_)));
    }

    async fn imported(
        to: (&MemoryStore, &MemoryUsers),
        bytes: &[u8],
    ) -> Result<Imported, ExportError> {
        let hasher = key(1).value_hasher();
        import(
            contents(to.0, to.1),
            &hasher,
            PASSPHRASE,
            &mut Cursor::new(bytes),
        )
        .await
    }

    #[tokio::test]
    async fn users_move_with_their_apps_and_are_counted() {
        let (from, users) = (filled(&[10, 20]).await, with_users(450).await);
        let mut bytes = Vec::new();
        let told = export(contents(&from, &users), PASSPHRASE, &mut bytes).await;
        let told = told.unwrap();
        assert_eq!((told.records, told.users, told.damaged_users), (2, 450, 0));
        assert_eq!(bytes.windows(6).find(|part| part == b"canary"), None);
        let to = (&MemoryStore::new(), &with_users(0).await);
        let counts = imported(to, &bytes).await.unwrap();
        let all = |new| Taken {
            new,
            ..Taken::default()
        };
        assert_eq!((counts.records, counts.users), (all(2), all(450)));
        for number in [0, 199, 449] {
            let held = to.1.read(&app(), &openid(number)).await.unwrap().unwrap();
            assert_eq!(held.record, record(number, 10, 10));
            let until = to.1.kept_until(&app(), &openid(number)).await.unwrap();
            assert_eq!(until, Some(UNTIL));
        }
        let again = imported(to, &bytes).await.unwrap();
        assert_eq!((again.users.new, again.users.kept), (0, 450));
    }

    #[tokio::test]
    async fn of_each_user_what_was_given_later_is_held_afterwards() {
        let (from, users) = (MemoryStore::new(), with_users(3).await);
        let mut bytes = Vec::new();
        export(contents(&from, &users), PASSPHRASE, &mut bytes)
            .await
            .unwrap();
        let (to, held) = (MemoryStore::new(), with_users(0).await);
        put(&held, 0, &record(0, 20, 5)).await;
        let mut snapshot = record(1, 30, 30);
        snapshot.grant.as_mut().unwrap().is_snapshot = true;
        put(&held, 1, &snapshot).await;
        let counts = imported((&to, &held), &bytes).await.unwrap().users;
        assert_eq!((counts.new, counts.updated, counts.kept), (1, 2, 0));
        let record_of = async |number| held.read(&app(), &openid(number)).await.unwrap();
        assert_eq!(record_of(0).await.unwrap().record, record(0, 20, 10));
        assert_eq!(record_of(1).await.unwrap().record, record(1, 10, 30));
    }

    #[tokio::test]
    async fn a_file_without_users_is_as_it_always_was_and_one_with_them_cannot_be_cut_or_mixed() {
        let master = key(1);
        let (from, nobody) = (filled(&[10]).await, with_users(0).await);
        let mut plain = Vec::new();
        let with = ExportKey::Master(&master);
        export(contents(&from, &nobody), with, &mut plain)
            .await
            .unwrap();
        assert_eq!(plain[16], 1, "older versions read it");
        let (users, mut bytes) = (with_users(3).await, Vec::new());
        export(contents(&from, &users), with, &mut bytes)
            .await
            .unwrap();
        assert_eq!(bytes[16], 2);
        let hasher = key(1).value_hasher();
        for at in [16, 60, bytes.len() - 30, bytes.len() - 80, bytes.len() / 2] {
            for cut in [false, true] {
                let mut torn = bytes.clone();
                if cut {
                    torn.truncate(at);
                } else {
                    torn[at] ^= 3; // 2 becomes 1
                }
                let (to, held) = (MemoryStore::new(), with_users(0).await);
                let file = &mut Cursor::new(torn);
                let done = import(contents(&to, &held), &hasher, with, file).await;
                assert!(done.is_err(), "at {at}");
                assert!(!are_there(&held).await.unwrap());
            }
        }
    }
}
