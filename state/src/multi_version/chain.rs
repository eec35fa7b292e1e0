//! Who wrote one location, and who read it.

use blockloom_scheduler::TxIdx;
use smallvec::SmallVec;

/// What the newest incarnation of a transaction left at a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry<V> {
    /// A write.
    Value(V),
    /// A write that was taken back and is expected again.
    Estimate,
}

/// What a reader will make of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// It depends on all of it.
    Whole,
    /// It hardly cares how rich the account is.
    Shape,
}

/// A reader, and the lowest transaction whose write decided what it saw;
/// `None` for the base state.
#[derive(Clone, Copy, Debug)]
struct Registration {
    tx: TxIdx,
    saw: Option<TxIdx>,
    interest: Interest,
}

/// One location's newest entry of every writer, in block order, and its
/// readers in no order.
///
/// Short in practice: most locations have no writer in a block, most others
/// one, and few have more than two readers in flight; so that many live inside
/// the cell. Searches start at the end, near where the frontier is.
#[derive(Debug)]
pub(super) struct Chain<V> {
    entries: SmallVec<[(TxIdx, Entry<V>); 1]>,
    readers: SmallVec<[Registration; 2]>,
}

impl<V> Default for Chain<V> {
    fn default() -> Self {
        Self { entries: SmallVec::new(), readers: SmallVec::new() }
    }
}

impl<V> Chain<V> {
    /// Entries of transactions below `reader`, newest first.
    pub(super) fn below(&self, reader: TxIdx) -> impl Iterator<Item = (TxIdx, &Entry<V>)> {
        let end = self.position(reader).unwrap_or_else(|at| at);
        self.entries[..end].iter().rev().map(|(tx, entry)| (*tx, entry))
    }

    /// The newest transaction below `reader` whose write is as `is` says.
    pub(super) fn newest_where(&self, reader: TxIdx, is: impl Fn(&V) -> bool) -> Option<TxIdx> {
        self.below(reader).find_map(|(tx, entry)| match entry {
            Entry::Value(value) if is(value) => Some(tx),
            _ => None,
        })
    }

    /// Notes that `tx` read here and that writes of `saw` and above matter to
    /// it; `None` if all do.
    pub(super) fn register(&mut self, tx: TxIdx, saw: Option<TxIdx>, interest: Interest) {
        self.readers.push(Registration { tx, saw, interest });
    }

    /// Puts `value` in place of what `writer` left before, and adds to
    /// `overtaken` the readers that saw something older and care: all of them,
    /// or only those who depend on the `Whole`.
    pub(super) fn publish(
        &mut self,
        writer: TxIdx,
        value: V,
        concerns: Interest,
        overtaken: &mut Vec<TxIdx>,
    ) {
        let entry = Entry::Value(value);
        match self.position(writer) {
            Ok(at) => self.entries[at].1 = entry,
            Err(at) => self.entries.insert(at, (writer, entry)),
        }
        self.collect_overtaken(writer, concerns, overtaken);
    }

    /// Drops what nobody needs once everything below `committed` is final:
    /// readers that are final themselves, and of each two neighbouring final
    /// entries the lower one, where `fold` can put both into the upper. Keeps
    /// a hot location as short as the number of transactions in flight.
    pub(super) fn trim(&mut self, committed: TxIdx, fold: impl Fn(&V, &mut V) -> bool) {
        self.readers.retain(|reader| reader.tx >= committed);
        let mut n_final = self.entries.partition_point(|(tx, _)| *tx < committed);
        // Ends: every round takes an entry out.
        while let [.., (_, Entry::Value(lower)), (_, Entry::Value(upper))] =
            &mut self.entries[..n_final]
            && fold(lower, upper)
        {
            n_final -= 1;
            self.entries.remove(n_final - 1);
        }
    }

    /// Takes away what `writer` left, and adds to `overtaken` those who saw it.
    pub(super) fn withdraw(&mut self, writer: TxIdx, overtaken: &mut Vec<TxIdx>) {
        if let Ok(at) = self.position(writer) {
            self.entries.remove(at);
            self.collect_overtaken(writer, Interest::Shape, overtaken);
        }
    }

    /// Turns what `writer` left into an estimate.
    pub(super) fn estimate(&mut self, writer: TxIdx) {
        if let Ok(at) = self.position(writer) {
            self.entries[at].1 = Entry::Estimate;
        }
    }

    fn collect_overtaken(&self, writer: TxIdx, concerns: Interest, overtaken: &mut Vec<TxIdx>) {
        let stale = |reader: &&Registration| {
            reader.tx > writer
                && reader.saw.is_none_or(|saw| saw <= writer)
                && (concerns == Interest::Shape || reader.interest == Interest::Whole)
        };
        overtaken.extend(self.readers.iter().filter(stale).map(|reader| reader.tx));
    }

    /// Where `tx` is, or would be inserted; looks from the end, because
    /// writers arrive nearly in order.
    fn position(&self, tx: TxIdx) -> Result<usize, usize> {
        match self.entries.last() {
            None => Err(0),
            Some((last, _)) if *last < tx => Err(self.entries.len()),
            Some(_) => self.entries.binary_search_by_key(&tx, |(writer, _)| *writer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tx(position: usize) -> TxIdx {
        TxIdx::new(position)
    }

    #[test]
    fn a_reader_sees_lower_writers_newest_first() {
        let mut chain = Chain::default();
        let mut overtaken = Vec::new();
        for writer in [5, 1, 3] {
            chain.publish(tx(writer), writer, Interest::Shape, &mut overtaken);
        }
        let seen: Vec<_> = chain.below(tx(5)).map(|(writer, _)| writer.position()).collect();
        assert_eq!(seen, [3, 1]);
        assert!(overtaken.is_empty());
    }

    #[test]
    fn a_write_overtakes_only_readers_above_that_saw_less() {
        let mut chain = Chain::default();
        chain.register(tx(2), None, Interest::Whole);
        chain.register(tx(6), None, Interest::Whole);
        chain.register(tx(7), Some(tx(5)), Interest::Whole);
        chain.register(tx(8), Some(tx(4)), Interest::Whole);
        let mut overtaken = Vec::new();
        chain.publish(tx(4), 0, Interest::Shape, &mut overtaken);
        assert_eq!(overtaken, [tx(6), tx(8)]);
    }

    #[test]
    fn withdrawing_overtakes_those_who_saw_it() {
        let mut chain = Chain::default();
        let mut overtaken = Vec::new();
        chain.publish(tx(1), 0, Interest::Shape, &mut overtaken);
        chain.register(tx(3), Some(tx(1)), Interest::Whole);
        chain.withdraw(tx(1), &mut overtaken);
        assert_eq!(overtaken, [tx(3)]);
        assert_eq!(chain.below(tx(3)).count(), 0);
    }

    #[test]
    fn a_write_that_concerns_few_overtakes_few() {
        let mut chain = Chain::default();
        chain.register(tx(3), None, Interest::Shape);
        chain.register(tx(4), None, Interest::Whole);
        let mut overtaken = Vec::new();
        chain.publish(tx(1), 0, Interest::Whole, &mut overtaken);
        assert_eq!(overtaken, [tx(4)]);
    }

    #[test]
    fn trimming_keeps_what_the_rest_can_still_see() {
        let mut chain = Chain::default();
        let mut overtaken = Vec::new();
        for writer in 0..6 {
            chain.publish(tx(writer), writer, Interest::Shape, &mut overtaken);
            chain.register(tx(writer), None, Interest::Whole);
        }
        chain.trim(tx(4), |lower, upper| {
            *upper += *lower;
            true
        });
        let seen: Vec<_> =
            chain.below(tx(9)).map(|(writer, entry)| (writer, entry.clone())).collect();
        let expected = [(5, 5), (4, 4), (3, 6)];
        assert_eq!(seen, expected.map(|(writer, value)| (tx(writer), Entry::Value(value))));
        assert_eq!(chain.readers.len(), 2);
    }
}
