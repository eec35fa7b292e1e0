//! The contract of the traits, on any block: whatever a caller does and
//! whatever fails, executors that run ahead show what those do that they wrap.

use super::{
    chain::{Chain, ahead},
    drive::{Caller, Faults, Transcript, assert_same, drive},
};
use blockloom_engine::{
    Mode, Receipt,
    client::{Ahead, BlockPlan},
};
use std::sync::{Arc, LazyLock};

/// Callers that see every result, and one that sees none.
const ALWAYS: [Caller; 2] = [Caller::WholeBlock, Caller::Apart];

/// The others, which take turns.
const IN_TURN: [Caller; 6] = [
    Caller::OneByOne,
    Caller::Indexed,
    Caller::Picky,
    Caller::Leaping,
    Caller::Swapping,
    Caller::HalfWay,
];

/// Blocks in which every caller comes round, one in so many.
const ALL_EVERY: usize = 8;

/// Workers are started once: most blocks take less time than that.
static AHEAD: LazyLock<Ahead> = LazyLock::new(|| ahead(3, Mode::Parallel));

/// What came of a check.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Checked {
    /// Runs that were compared.
    pub(crate) runs: usize,
    /// Those that ended with an error.
    pub(crate) errors: usize,
}

impl Checked {
    pub(crate) const fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.errors += other.errors;
    }
}

/// Compares executors on the block of `chain`, which is the `turn`-th: for some
/// callers, for a database and a hook that fail at some point, and for the same
/// transactions in reverse, most of which are not valid.
#[track_caller]
pub(crate) fn check(chain: &Chain, turn: usize, what: &str) -> Checked {
    let mut checked = Checked::default();
    let mut expect = |chain: &Chain, caller, faults: Faults| {
        let what = format!("{what}, {caller:?}, {faults:?}");
        let transcript = compare(chain, caller, faults, &what);
        checked.runs += 1;
        checked.errors += usize::from(transcript.end.is_err());
        transcript
    };
    let whole = expect(chain, Caller::WholeBlock, usize::MAX.into());
    let in_turn = if turn.is_multiple_of(ALL_EVERY) { &IN_TURN } else { &IN_TURN[turn % 6..][..1] };
    for caller in ALWAYS[1..].iter().chain(in_turn) {
        expect(chain, *caller, usize::MAX.into());
    }
    let caller = [Caller::WholeBlock, Caller::Picky][turn % 2];
    if let Some(question) = (turn * 31).checked_rem(chain.payments(&whole.asked)) {
        expect(chain, caller, question.into());
    }
    if let Some(hook) = (turn * 13).checked_rem(whole.hooks.len()) {
        expect(chain, caller, Faults { hook, ..usize::MAX.into() });
    }
    if chain.block.senders.len() > 1 {
        let mut block = chain.block.clone();
        block.block.body.transactions.reverse();
        block.senders.reverse();
        let reversed = Chain { spec: chain.spec.clone(), block, base: Arc::clone(&chain.base) };
        expect(&reversed, [Caller::OneByOne, Caller::Picky][turn % 2], usize::MAX.into());
    }
    checked
}

/// Runs the block as `caller` does, on the inner executor and on one that runs
/// ahead, and gives what both show.
#[track_caller]
fn compare(chain: &Chain, caller: Caller, faults: Faults, what: &str) -> Transcript<Receipt> {
    let mut expected = drive(&chain.stock(), chain, caller, faults);
    let ahead = AHEAD.clone().with_snapshots(chain.snapshots());
    let factory = chain.wrapped_by(ahead).with_parent_of(|ctx| ctx.parent_hash);
    if caller != Caller::WholeBlock {
        let plan = BlockPlan::new(None, chain.transactions());
        factory.announce(&chain.env().block_env, plan);
    }
    let mut actual = drive(&factory, chain, caller, faults);
    // After the first failure the same question is asked once more.
    for transcript in [&mut actual, &mut expected] {
        transcript.asked.truncate(faults.question);
    }
    assert_same(&actual, &expected, what);
    expected
}
