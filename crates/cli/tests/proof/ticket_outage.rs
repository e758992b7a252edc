//! An outage for one ticket: WeChat answers nothing that is asked for it around the end of its third value.
//!
//! It is placed by what WeChat was asked, in WeChat's own time, and by no other ticket's: they drift apart.

use std::time::Duration;

use wxtoken_simulator::{
    Call, Fault, FaultId, FaultScope, Lane, Minted, Show, SimTime, TicketKind, World,
};

/// The value around whose end it is: by then its birth is known as well as ever.
const THIRD: usize = 3;

/// One ticket, and the outage around the end of its third value.
pub(crate) struct TicketOutage {
    appid: String,
    kind: TicketKind,
    lifetime: Duration,
    /// Values born so far.
    born: usize,
    /// When the third value ends.
    ends: Option<SimTime>,
    now: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ahead,
    On(FaultId),
    /// How many questions it left without an answer.
    Over(u64),
}

impl TicketOutage {
    pub(crate) fn of(appid: &str, kind: TicketKind, lifetime: Duration) -> Self {
        Self {
            appid: appid.to_owned(),
            kind,
            lifetime,
            born: 0,
            ends: None,
            now: State::Ahead,
        }
    }

    /// How much longer than its ticket an outage lasts: two minutes of two hours.
    pub(crate) fn beyond(lifetime: Duration) -> Duration {
        lifetime / 60
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.now, State::Over(_))
    }

    /// How many questions it left without an answer.
    pub(crate) fn unanswered(&self) -> u64 {
        match self.now {
            State::Over(unanswered) => unanswered,
            State::Ahead | State::On(_) => 0,
        }
    }

    /// Hears what WeChat was asked since the last time, and begins or ends the outage when it is time.
    pub(crate) fn go_on(&mut self, world: &World, calls: &[impl AsRef<Call>]) {
        for call in calls {
            self.hear(world, call.as_ref());
        }
        let (State::On(fault), Some(ends)) = (self.now, self.ends) else {
            return;
        };
        if world.now() < ends.plus(Self::beyond(self.lifetime)) {
            return;
        }
        let set = world.faults();
        let hits = set.iter().find(|set| set.id == fault).unwrap().hits;
        assert!(world.clear_fault(fault));
        self.now = State::Over(hits);
    }

    /// It begins when the ticket was the answer in the last ten minutes of its two hours. Who heard that believes it for
    /// twenty minutes, eight more than the outage lasts; had it begun sooner, there might be no time left to ask again after it.
    fn hear(&mut self, world: &World, call: &Call) {
        if !self.is_answered_by(call) {
            return;
        }
        let mints = |minted: &Minted| minted.lane == Lane::Ticket(self.kind);
        if call.minted.as_ref().is_some_and(mints) {
            self.born += 1;
            if self.born == THIRD {
                self.ends = Some(call.at.plus(self.lifetime));
            }
            return;
        }
        let Some(ends) = self.ends.filter(|_| self.now == State::Ahead) else {
            return;
        };
        if call.at.plus(self.lifetime / 12) >= ends {
            let fault = world.set_fault(self.scope(), Fault::DropBeforeMint, None);
            self.now = State::On(fault);
            let set = world.now();
            assert!(set < ends, "an outage came {:?} late", set.since(ends));
        }
    }

    fn is_answered_by(&self, call: &Call) -> bool {
        let asks = |pair: &str| pair == self.parameter();
        call.appid.as_deref() == Some(&self.appid)
            && &*call.path == PATH
            && call.errcode == Some(0)
            && call.query(Show::Masked).split('&').any(asks)
    }

    fn scope(&self) -> FaultScope {
        FaultScope::app(self.appid.as_str())
            .and_path(PATH)
            .and_query(self.parameter())
    }

    const fn parameter(&self) -> &'static str {
        match self.kind {
            TicketKind::Jsapi => "type=jsapi",
            TicketKind::WxCard => "type=wx_card",
        }
    }
}

const PATH: &str = "/cgi-bin/ticket/getticket";
