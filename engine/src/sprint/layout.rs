//! Gives every word of a draft its place.

use super::{
    draft::{DEPTH, Draft, DraftOp, MAX_OPS, Value},
    passage::{End, Kind, Op, Place},
};

/// Places of the words of a draft.
#[derive(Debug)]
pub(super) struct Layout {
    /// Words below the top that the passage looks at.
    pub(super) needs: u8,
    /// Behind all that is used: for a word that others are moved around.
    pub(super) spare: u8,
    /// Where results are, by the number of their operation.
    results: [u8; MAX_OPS],
}

impl Layout {
    pub(super) fn of(draft: &Draft) -> Self {
        let Draft { lowest, highest, .. } = *draft;
        let needs = DEPTH - lowest;
        let mut layout =
            Self { needs: short(needs), spare: short(highest - lowest), results: [0; MAX_OPS] };
        let uses = Uses::of(draft);
        let mut has_place = [false; MAX_OPS];
        // A result may be put where it is wanted in the end, if nobody needs what is
        // there any more.
        for (at, word) in draft.stack[lowest..].iter().enumerate() {
            if let Value::Result(number) = *word
                && !has_place[usize::from(number)]
                && (at >= needs || uses.end_before(needs - 1 - at, number))
            {
                has_place[usize::from(number)] = true;
                layout.results[usize::from(number)] = short(at);
            }
        }
        for (number, op) in draft.ops.iter().enumerate() {
            if !has_place[number] && op.kind != Kind::STORE {
                layout.results[number] = layout.spare;
                layout.spare += 1;
            }
        }
        layout
    }

    pub(super) fn op(&self, number: usize, op: &DraftOp) -> Op {
        let (a, b) = (self.place(op.a), self.place(op.b));
        Op { kind: op.kind, to: self.results[number], a, b }
    }

    pub(super) fn place(&self, word: Value) -> Place {
        match word {
            Value::Input(depth) => Place::in_window(self.needs.saturating_sub(1 + depth)),
            Value::Constant(place) => place,
            Value::Result(number) => Place::in_window(self.results[usize::from(number)]),
        }
    }

    /// Adds moves to `ops` that put all words of the window where they are
    /// `wanted`, one after another, so that none is overwritten that is still to be
    /// moved.
    pub(super) fn arrange(&self, wanted: &[Value], ops: &mut Vec<Op>) {
        let first = ops.len();
        for (at, word) in wanted.iter().enumerate() {
            let (from, to) = (self.place(*word), short(at));
            if from != Place::in_window(to) {
                ops.push(Op { kind: Kind::MOVE, to, a: from, b: from });
            }
        }
        let mut done = first;
        while done < ops.len() {
            let open = &ops[done..];
            let is_free = |op: &Op| open.iter().all(|other| other.a != Place::in_window(op.to));
            if let Some(next) = open.iter().position(is_free) {
                ops.swap(done, done + next);
                done += 1;
                continue;
            }
            // They go round in circles: one steps aside.
            let (taken, aside) = (Place::in_window(open[0].to), Place::in_window(self.spare));
            for op in ops[done..].iter_mut().filter(|op| op.a == taken) {
                op.a = aside;
            }
            ops.insert(done, Op { kind: Kind::MOVE, to: self.spare, a: taken, b: taken });
            done += 1;
        }
    }
}

/// Until when what is on the stack at the start has to stay there.
struct Uses {
    /// The last operation that looks at each of the words below the top.
    last: [u8; DEPTH],
    /// The last operation that may fail: until then the stack can be needed as it
    /// was.
    last_to_fail: u8,
}

impl Uses {
    const FOR_EVER: u8 = u8::MAX;

    fn of(draft: &Draft) -> Self {
        let mut uses = Self { last: [0; DEPTH], last_to_fail: 0 };
        for (number, op) in draft.ops.iter().enumerate() {
            let number = short(number);
            uses.note(op.a, number);
            uses.note(op.b, number);
            if op.kind.may_fail() {
                uses.last_to_fail = number;
            }
        }
        if matches!(draft.end, End::Branch | End::Return) {
            uses.note(draft.test.a, Self::FOR_EVER);
            uses.note(draft.test.b, Self::FOR_EVER);
        }
        for (at, word) in draft.stack.iter().enumerate().skip(draft.lowest) {
            if *word != Value::Input(short(DEPTH.wrapping_sub(1 + at))) {
                uses.note(*word, Self::FOR_EVER);
            }
        }
        uses
    }

    fn note(&mut self, word: Value, number: u8) {
        if let Value::Input(depth) = word {
            let last = &mut self.last[usize::from(depth)];
            *last = number.max(*last);
        }
    }

    /// Whether operation `number` may write to where the word `depth` below the top
    /// was.
    fn end_before(&self, depth: usize, number: u8) -> bool {
        self.last[depth].max(self.last_to_fail) <= number
    }
}

/// Windows have less than 255 words.
fn short(at: usize) -> u8 {
    u8::try_from(at).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Words that were on the stack, in this test.
    const N: u8 = 9;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]

        #[test]
        fn words_change_places_at_once(
            wanted in prop::collection::vec(0..N + 3, 0..14),
            results in prop::array::uniform3(N..N + 8),
        ) {
            let mut layout = Layout { needs: N, spare: N + 8, results: [0; MAX_OPS] };
            layout.results[..3].copy_from_slice(&results);
            let word = |from: u8| match from.checked_sub(N) {
                None => Value::Input(from),
                Some(number) => Value::Result(number),
            };
            let wanted: Vec<Value> = wanted.into_iter().map(word).collect();
            let before: Vec<u8> = (0..=N + 8).collect();
            let index = |place: Place| before.iter().position(|at| Place::in_window(*at) == place);

            let mut moves = Vec::new();
            layout.arrange(&wanted, &mut moves);
            let mut window = before.clone();
            for one in &moves {
                window[usize::from(one.to)] = window[index(one.a).expect("in the window")];
            }
            for (at, word) in wanted.iter().enumerate() {
                prop_assert_eq!(window[at], before[index(layout.place(*word)).expect("in the window")]);
            }
        }
    }
}
