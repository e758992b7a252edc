//! One request's body: played to upstream as it comes in, kept as far as the limits allow, and played again from its
//! beginning if need be. What has not come in yet is then read on from the caller.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body as _, Frame, SizeHint};

use super::TapeLimits;
use super::buffers::Share;
use super::pieces::Pieces;
use super::playing::{Playing, Reading, Replay};
use super::spill::Spill;
use crate::gateway::headers::trailers_upwards;
use crate::gateway::look::HELD;

/// A body and what is kept of it. Clones are the same tape.
#[derive(Clone)]
pub(crate) struct Tape(Arc<Mutex<State>>);

pub(super) struct State {
    source: Body,
    pub(super) ended: bool,
    /// The caller's body broke off: what came of it is no body.
    broken: bool,
    limits: TapeLimits,
    share: Share,
    kept: Kept,
    pub(super) trailers: Option<HeaderMap>,
    /// Which playing may go on; an older one is over.
    pub(super) playing: u32,
    /// Of whoever reads the playing that may go on.
    pub(super) reader: Option<Waker>,
    /// Pieces that went up, again or for the first time: grows while anything moves.
    pub(super) moved: u64,
    size: SizeHint,
}

/// What is kept of a body so far.
enum Kept {
    Memory(Pieces),
    File {
        start: Pieces,
        spill: Spill,
        bytes: u64,
    },
    /// It grew beyond the limits, the disk failed, or it is not needed any more: it cannot be played again.
    Nothing,
}

impl Tape {
    /// A body that nobody has read from. `share` is what is set aside for it.
    pub(crate) fn new(source: Body, limits: TapeLimits, share: Share) -> Self {
        let size = source.size_hint();
        Self(Arc::new(Mutex::new(State {
            ended: source.is_end_stream(),
            broken: false,
            source,
            limits,
            share,
            kept: Kept::Memory(Pieces::default()),
            trailers: None,
            playing: 0,
            reader: None,
            moved: 0,
            size,
        })))
    }

    /// Whether there is room now for what will be kept in memory. It is not set aside.
    pub(crate) fn has_room(&self) -> bool {
        let mut state = self.state();
        let expected = state.size.upper().unwrap_or(HELD as u64);
        let expected = expected.min(state.limits.memory);
        let room = state.share.grow(usize::try_from(expected).unwrap_or(HELD));
        state.share.clear();
        room.is_ok()
    }

    /// The body for the first time.
    pub(crate) fn play(&self) -> Playing {
        let mut state = self.state();
        state.next_playing();
        Playing {
            tape: self.clone(),
            number: state.playing,
            size: state.size,
            replay: None,
        }
    }

    /// Some of it has gone up before, from elsewhere, and is kept there: that is what this room is for.
    pub(crate) fn was_played(&self, room: Share) {
        let mut state = self.state();
        state.moved += u64::from(!state.ended);
        state.share = room;
    }

    /// Whether the body could be played from its beginning now.
    pub(crate) fn is_kept(&self) -> bool {
        !matches!(self.state().kept, Kept::Nothing)
    }

    /// Grows while the body moves.
    pub(crate) fn moved(&self) -> u64 {
        self.state().moved
    }

    /// The body from its beginning; the playing before it is over. None if it is not kept.
    pub(crate) async fn replay(&self) -> Option<Playing> {
        let (mut playing, kept) = {
            let playing = self.play();
            let mut state = self.state();
            (playing, std::mem::replace(&mut state.kept, Kept::Nothing))
        };
        let (start, file) = match kept {
            Kept::Nothing => return None,
            Kept::Memory(start) => (start, None),
            Kept::File {
                start,
                spill,
                bytes,
            } => {
                let file = spill.finish().await.ok()?;
                let in_file = bytes - start.bytes();
                (start, Some(Reading::At(file, 0, in_file)))
            }
        };
        let start = start.into_queue();
        let keeps = false;
        playing.replay = Some(Replay { start, file, keeps });
        Some(playing)
    }

    /// The body from its beginning, as if it had not been played: what is kept of it in memory stays, for a replay. Of what
    /// is in a file this is the replay.
    pub(crate) async fn rewind(&self) -> Option<Playing> {
        match self.rewound() {
            Some(playing) => Some(playing),
            None => self.replay().await,
        }
    }

    fn rewound(&self) -> Option<Playing> {
        // The playing before it is over first: what it takes afterwards would be missed here.
        let mut playing = self.play();
        let start = match &mut *self.state() {
            State {
                kept: Kept::Memory(pieces),
                trailers: None,
                ..
            } => pieces.queue(),
            _ => return None,
        };
        playing.replay = Some(Replay {
            start,
            file: None,
            keeps: true,
        });
        Some(playing)
    }

    /// It will not be played again: what is kept is given back, and what is under way goes on.
    pub(crate) fn forget(&self) {
        self.state().give_up();
    }

    /// The call is answered: nothing more of its body is wanted, by whomever.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.next_playing();
        state.give_up();
        if !state.ended {
            state.ended = true;
            state.source = Body::empty();
        }
    }

    /// Whether its caller left in the middle of it.
    pub(crate) fn broke_off(&self) -> bool {
        self.state().broken
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Ends the playing under way, and wakes its reader to see that.
    fn next_playing(&mut self) {
        self.playing += 1;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Keeps a piece that has just come in, or gives up keeping.
    fn keep(&mut self, piece: &Bytes) {
        let length = piece.len() as u64;
        let (memory, total) = (self.limits.memory, self.limits.total);
        let kept = match std::mem::replace(&mut self.kept, Kept::Nothing) {
            Kept::Nothing => return,
            kept if self.share.grow(piece.len()).is_ok() => kept,
            Kept::Memory(_) | Kept::File { .. } => return self.give_up(),
        };
        self.kept = match kept {
            Kept::Memory(mut pieces) if pieces.bytes() + length <= memory => {
                pieces.push(piece);
                Kept::Memory(pieces)
            }
            Kept::Memory(start) if start.bytes() + length <= total => Kept::File {
                bytes: start.bytes() + length,
                spill: Spill::start(self.share.folder().to_owned(), piece),
                start,
            },
            Kept::File {
                start,
                mut spill,
                bytes,
            } if bytes + length <= total => {
                spill.take(piece);
                Kept::File {
                    start,
                    spill,
                    bytes: bytes + length,
                }
            }
            Kept::Memory(_) | Kept::File { .. } | Kept::Nothing => return self.give_up(),
        };
    }

    fn give_up(&mut self) {
        self.kept = Kept::Nothing;
        self.share.clear();
    }

    /// The caller will send no more: half a body must never look like a whole one.
    fn break_off(&mut self) {
        self.broken = true;
        self.give_up();
    }

    /// Waits until the disk can take another piece.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Kept::File { spill, .. } = &mut self.kept
            && ready!(spill.poll_ready(cx)).is_err()
        {
            self.give_up();
        }
        Poll::Ready(())
    }

    /// Trailers end the body.
    fn note_trailers(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        let Some(trailers) = frame.trailers_ref().map(trailers_upwards) else {
            return frame;
        };
        self.ended = true;
        self.trailers = Some(trailers.clone());
        Frame::trailers(trailers)
    }

    pub(super) fn poll_live(
        &mut self,
        cx: &mut Context<'_>,
        keep: bool,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.broken {
            let error = io::Error::from(io::ErrorKind::UnexpectedEof);
            return Poll::Ready(Some(Err(axum::Error::new(error))));
        }
        if self.ended {
            // Only a replay comes here with trailers left: they are the last thing it plays.
            let trailers = if keep { None } else { self.trailers.take() };
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        }
        ready!(self.poll_room(cx));
        let frame = ready!(Pin::new(&mut self.source).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                self.moved += 1;
                if let (Some(piece), true) = (frame.data_ref(), keep) {
                    self.keep(piece);
                }
            }
            None => self.ended = true,
            Some(Err(_)) => self.break_off(),
        }
        Poll::Ready(frame.map(|frame| frame.map(|frame| self.note_trailers(frame))))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::{StreamExt as _, stream};
    use http_body_util::BodyExt;
    use proptest::prelude::*;

    use super::*;
    use crate::gateway::body::Buffers;
    use crate::gateway::body::playing::PlayError;

    const SMALL: TapeLimits = TapeLimits {
        memory: 8,
        total: 32,
    };

    fn source(pieces: &[&[u8]]) -> Body {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|p| Ok::<_, io::Error>(Bytes::copy_from_slice(p)))
            .collect();
        Body::from_stream(stream::iter(pieces))
    }

    fn buffers(limit: u64) -> Arc<Buffers> {
        Buffers::new(limit, std::env::temp_dir())
    }

    async fn all(playing: Playing) -> Vec<u8> {
        playing.collect().await.unwrap().to_bytes().to_vec()
    }

    #[tokio::test]
    async fn a_body_is_played_again_from_memory_and_file() {
        let room = buffers(100);
        for pieces in [
            &[&b"abc"[..], b"de"][..],
            &[b"abcdef", b"ghijkl", b"m"],
            &[b"0123456789", b"abc"],
            &[],
        ] {
            let tape = Tape::new(source(pieces), SMALL, room.share(None));
            let whole = pieces.concat();
            assert_eq!(all(tape.play()).await, whole);
            assert_eq!(room.taken(), whole.len() as u64);
            assert_eq!(all(tape.replay().await.unwrap()).await, whole);
        }
        assert_eq!(room.taken(), 0);
    }

    #[tokio::test]
    async fn a_body_that_was_wound_back_is_kept_for_a_replay_as_far_as_memory_goes() {
        let room = buffers(100);
        for seen in 0..=3 {
            let tape = Tape::new(source(&[b"abc", b"de", b"fg"]), SMALL, room.share(None));
            let mut first = tape.play();
            for _ in 0..seen {
                first.frame().await.unwrap().unwrap();
            }
            assert_eq!(all(tape.rewind().await.unwrap()).await, b"abcdefg");
            assert_eq!(room.taken(), 7);
            assert_eq!(all(tape.replay().await.unwrap()).await, b"abcdefg");
        }
        let tape = Tape::new(source(&[b"abcdef", b"ghijkl"]), SMALL, room.share(None));
        assert_eq!(all(tape.play()).await, b"abcdefghijkl");
        assert_eq!(all(tape.rewind().await.unwrap()).await, b"abcdefghijkl");
        assert!(tape.rewind().await.is_none() && tape.replay().await.is_none());
        drop(tape);
        assert_eq!(room.taken(), 0);
    }

    #[tokio::test]
    async fn what_has_not_come_in_yet_follows_what_is_kept() {
        let tape = Tape::new(
            source(&[b"abcdef", b"ghijkl", b"mno"]),
            SMALL,
            buffers(100).share(None),
        );
        let mut first = tape.play();
        for _ in 0..2 {
            first.frame().await.unwrap().unwrap();
        }
        let again = tape.replay().await.unwrap();
        assert!(matches!(
            first.frame().await,
            Some(Err(PlayError::Superseded))
        ));
        assert_eq!(all(again).await, b"abcdefghijklmno");
    }

    #[tokio::test]
    async fn beyond_the_limits_a_body_passes_and_is_not_kept() {
        let room = buffers(100);
        let tape = Tape::new(source(&[&[7; 30], &[8; 3]]), SMALL, room.share(None));
        assert_eq!(all(tape.play()).await.len(), 33);
        assert!(!tape.is_kept() && tape.replay().await.is_none());
        assert_eq!(room.taken(), 0);
        let tape = Tape::new(source(&[&[7; 30]]), SMALL, buffers(20).share(None));
        assert_eq!(all(tape.play()).await.len(), 30);
        assert!(!tape.is_kept());
    }

    #[tokio::test]
    async fn half_a_body_is_never_played_as_a_whole_one() {
        let broken = || {
            let pieces = [Ok("abc"), Ok("def"), Err(io::Error::other("gone"))];
            Tape::new(
                Body::from_stream(stream::iter(pieces)),
                SMALL,
                buffers(100).share(None),
            )
        };
        let tape = broken();
        assert!(tape.play().collect().await.is_err());
        assert!(tape.replay().await.is_none());
        let tape = broken();
        tape.play().frame().await.unwrap().unwrap();
        let mut again = tape.replay().await.unwrap();
        for _ in 0..2 {
            again.frame().await.unwrap().unwrap();
        }
        for _ in 0..2 {
            assert!(matches!(
                again.frame().await,
                Some(Err(PlayError::Source(_)))
            ));
        }
    }

    #[tokio::test]
    async fn a_playing_that_waits_is_told_when_its_time_is_over() {
        let never = Body::from_stream(stream::pending::<io::Result<Bytes>>());
        let tape = Tape::new(never, SMALL, buffers(100).share(None));
        let mut first = tape.play();
        let waiting = tokio::spawn(async move { first.frame().await });
        tokio::task::yield_now().await;
        let mut second = tape.replay().await.unwrap();
        assert!(matches!(
            waiting.await.unwrap(),
            Some(Err(PlayError::Superseded))
        ));
        let waiting = tokio::spawn(async move { second.frame().await });
        tokio::task::yield_now().await;
        tape.stop();
        assert!(matches!(
            waiting.await.unwrap(),
            Some(Err(PlayError::Superseded))
        ));
    }

    #[tokio::test]
    async fn what_is_forgotten_gives_its_room_back_and_the_rest_still_goes_up() {
        let room = buffers(100);
        let tape = Tape::new(source(&[b"abc", b"def"]), SMALL, room.share(None));
        let mut playing = tape.play();
        playing.frame().await.unwrap().unwrap();
        assert_eq!(room.taken(), 3);
        tape.forget();
        assert_eq!(room.taken(), 0);
        assert_eq!(all(playing).await, b"def");
        assert_eq!(room.taken(), 0);
        assert!(!tape.is_kept() && tape.replay().await.is_none());
    }

    /// Tokio has 512 threads that may block: bodies that dawdle must not hold one each.
    #[test]
    fn a_body_that_dawdles_holds_no_thread() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .enable_time()
            .build();
        runtime.unwrap().block_on(async {
            let room = buffers(1000);
            let dawdling = |_| {
                let pieces: [io::Result<&[u8]>; 2] = [Ok(&[7; 9]), Ok(&[8; 3])];
                let source = stream::iter(pieces).chain(stream::pending());
                Tape::new(Body::from_stream(source), SMALL, room.share(None))
            };
            let tapes: Vec<Tape> = (0..8).map(dawdling).collect();
            let mut playings: Vec<Playing> = tapes.iter().map(Tape::play).collect();
            for playing in &mut playings {
                for _ in 0..2 {
                    playing.frame().await.unwrap().unwrap();
                }
            }
            // The last first: none of them waits for one that came before.
            for tape in tapes.iter().rev() {
                let again = tokio::time::timeout(Duration::from_secs(20), tape.replay());
                let mut again = again.await.expect("a free thread").unwrap();
                let piece = again.frame().await.unwrap().unwrap().into_data().unwrap();
                assert_eq!(piece, [&[7; 9][..], &[8; 3]].concat());
            }
        });
    }

    #[tokio::test]
    async fn a_disk_that_fails_costs_the_replay_alone() {
        let room = Buffers::new(100, "/nowhere/at/all".into());
        let tape = Tape::new(source(&[&[7; 9], &[8; 3]]), SMALL, room.share(None));
        assert_eq!(all(tape.play()).await.len(), 12);
        assert!(tape.replay().await.is_none());
    }

    #[tokio::test]
    async fn trailers_are_played_again_too() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "1".parse().unwrap());
        let body = http_body_util::Full::new(Bytes::from("abc"))
            .with_trailers(std::future::ready(Some(Ok(trailers.clone()))));
        let tape = Tape::new(Body::new(body), SMALL, buffers(100).share(None));
        let first = tape.play().collect().await.unwrap();
        assert_eq!(first.trailers(), Some(&trailers));
        let again = tape.rewind().await.unwrap().collect().await.unwrap();
        assert_eq!(again.trailers(), Some(&trailers));
        assert_eq!(again.to_bytes(), "abc");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_the_pieces_the_replay_is_the_same(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..6),
            seen in 0_usize..7,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let parts: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
                let tape = Tape::new(source(&parts), TapeLimits { memory: 8, total: 64 }, buffers(100).share(None));
                let mut first = tape.play();
                for _ in 0..seen {
                    let _ = first.frame().await;
                }
                let again = all(tape.replay().await.unwrap()).await;
                assert_eq!(again, pieces.concat());
            });
        }
    }
}
