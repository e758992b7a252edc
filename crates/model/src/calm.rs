//! What happens once nothing goes wrong any more: everybody comes back, answers arrive, and whoever wants something does it.

use crate::protocol::Protocol;
use crate::state::{Fate, State};
use crate::steps::{Step, Who};

/// More than is ever needed: what is looked at would else not end.
const STEPS: usize = 100;

impl Protocol {
    /// Whether all comes to rest by itself, with what was minted last in everybody's hands.
    pub(crate) fn settles(&self, state: &State) -> bool {
        let mut calm = *self;
        calm.bounds.faults = 0;
        calm.bounds.calls = u8::MAX;
        let (mut state, mut steps) = (*state, Vec::new());
        for _ in 0..STEPS {
            steps.clear();
            calm.possible(&state, &mut steps);
            let helps = |step: &Step| calm.urgency(&state, *step);
            let Some(next) = steps
                .iter()
                .filter_map(|step| Some((helps(step)?, *step)))
                .min_by_key(|(urgency, _)| *urgency)
            else {
                return state.fate == Fate::Missed || state.is_at_rest() && state.is_agreed();
            };
            let after = calm.after(&state, next.1).observed(&state, next.1);
            state = after.canonical(usize::from(self.bounds.replicas));
        }
        false
    }

    /// The order in which things happen when all is calm; none for what nobody needs.
    fn urgency(&self, state: &State, step: Step) -> Option<u8> {
        let replica = |who: Who| &state.replicas[usize::from(who)];
        let changes = || self.after(state, step) != *state;
        match step {
            Step::Back(_) => Some(0),
            Step::Mint(_) | Step::Answer(_) => Some(1),
            Step::Offer(_) | Step::Learn(_) | Step::HearLost(_) => changes().then_some(2),
            Step::Ask(_) | Step::Save(_) | Step::GiveUp(_) => Some(3),
            Step::Note(who) => replica(who).mine.asks_for_more().then_some(4),
            Step::Release(_) | Step::LeaseEnds | Step::Deadline(_) => Some(5),
            Step::TakeLease(who) => {
                let replica = replica(who);
                (replica.is_dirty() || replica.mine.asks_for_more()).then_some(6)
            }
            Step::Keep(_) | Step::Vanish(_) | Step::PublishUnsaved(_) | Step::FailOver => None,
            Step::Lag | Step::Restart | Step::Emptied | Step::Cut(_) | Step::Kill(_) => None,
            Step::NoteUnheard(_)
            | Step::SaveUnheard(_)
            | Step::AskLate(_)
            | Step::AnswerLost(_) => None,
        }
    }
}
