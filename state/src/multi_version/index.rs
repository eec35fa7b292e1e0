//! From a location's key to its dense index, without locks.

use crate::sync::{AtomicU64, Mutex, OnceLock, Ordering};
use alloy_primitives::map::HashMap;

/// Entries of a bucket: one cache line of words.
const BUCKET: usize = 8;

/// Levels of tables. Each but the first two is twice as large as the one
/// before, so that all together hold 340 times as many keys as were expected.
const LEVELS: usize = 8;

/// Expected entries per bucket of the first level. With three on average, one
/// bucket in two hundred is full and sends a key to the next level.
const EXPECTED_PER_BUCKET: usize = 3;

/// An index and 32 bits of its key's hash; zero while the place is free.
///
/// | call     | by               | ordering | pairs with                        |
/// |----------|------------------|----------|-----------------------------------|
/// | `get`    | everybody        | `SeqCst` | `claim`: the cell behind an index that was read is there |
/// | `claim`  | whoever adds     | `SeqCst` | `claim` by another: one of them wins a place |
#[derive(Debug, Default)]
struct Place(AtomicU64);

impl Place {
    fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Fills the place, or says what fills it already.
    fn claim(&self, word: u64) -> Result<(), u64> {
        self.0.compare_exchange(0, word, Ordering::SeqCst, Ordering::SeqCst).map(|_| ())
    }

    const fn reset(&mut self) {
        self.0 = AtomicU64::new(0);
    }
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Bucket([Place; BUCKET]);

const fn pack(hash: u64, idx: u32) -> u64 {
    (hash & !0xffff_ffff) | (idx as u64 + 1)
}

/// The index in `word`, if it belongs to a key with this hash, as far as the
/// word tells.
#[expect(clippy::cast_possible_truncation, reason = "the low half of a word is an index plus one")]
const fn unpack(word: u64, hash: u64) -> Option<u32> {
    if word >> 32 == hash >> 32 { Some((word as u32).wrapping_sub(1)) } else { None }
}

/// A map from keys to dense indices that only grows; whoever uses it keeps the
/// keys, in the cells that the indices name.
///
/// # Why a key gets one index only
///
/// A key's places are the buckets its hash names, level by level, each from
/// front to back. Places are filled once and never freed. Whoever adds a key
/// takes the first free place of that sequence, having seen that none before
/// holds the key. Of two that add the same key, say A takes place `a` and B
/// finds `b` free, with `b` before `a`: A found `b` filled, so B, which comes
/// to `b` by a compare-and-swap, finds it filled as well and goes on. So both
/// end at the same place, one of them loses it, and takes what the other put
/// there. The cell it had made stays unused.
#[derive(Debug)]
pub(super) struct Index {
    levels: [OnceLock<Box<[Bucket]>>; LEVELS],
    /// Buckets of the first level, a power of two.
    first: usize,
    /// By hash, the keys that found every place of theirs filled: there are
    /// very many keys, or somebody found more than 64 with one hash.
    rest: Mutex<HashMap<u64, Vec<u32>>>,
}

impl Index {
    /// A map for about `expected` keys; it takes any number.
    pub(super) fn new(expected: usize) -> Self {
        let first = (expected / EXPECTED_PER_BUCKET).next_power_of_two();
        Self { levels: [const { OnceLock::new() }; LEVELS], first, rest: Mutex::default() }
    }

    fn bucket(&self, level: usize, hash: u64) -> Option<&Bucket> {
        let buckets = self.levels[level].get()?;
        #[expect(clippy::cast_possible_truncation, reason = "the mask keeps less than that")]
        Some(&buckets[hash as usize & (buckets.len() - 1)])
    }

    fn bucket_or_grow(&self, level: usize, hash: u64) -> &Bucket {
        self.levels[level].get_or_init(|| {
            let n_buckets = self.first << level.saturating_sub(1);
            (0..n_buckets).map(|_| Bucket::default()).collect()
        });
        self.bucket(level, hash).expect("the level was just made")
    }

    /// The index of the key with this hash for which `is` holds.
    pub(super) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        for level in 0..LEVELS {
            for place in &self.bucket(level, hash)?.0 {
                match place.get() {
                    0 => return None,
                    word => match unpack(word, hash) {
                        Some(idx) if is(idx) => return Some(idx),
                        _ => {}
                    },
                }
            }
        }
        self.rest.lock().get(&hash)?.iter().copied().find(|idx| is(*idx))
    }

    /// The index of the key with this hash for which `is` holds; `make` gives
    /// it one if it has none.
    pub(super) fn find_or_add(
        &self,
        hash: u64,
        is: impl Fn(u32) -> bool,
        make: impl Fn() -> u32,
    ) -> u32 {
        let mut made = None;
        for level in 0..LEVELS {
            for place in &self.bucket_or_grow(level, hash).0 {
                let mut word = place.get();
                if word == 0 {
                    let idx = *made.get_or_insert_with(&make);
                    match place.claim(pack(hash, idx)) {
                        Ok(()) => return idx,
                        Err(other) => word = other,
                    }
                }
                match unpack(word, hash) {
                    Some(idx) if is(idx) => return idx,
                    _ => {}
                }
            }
        }
        let mut rest = self.rest.lock();
        let same_hash = rest.entry(hash).or_default();
        if let Some(idx) = same_hash.iter().copied().find(|idx| is(*idx)) {
            return idx;
        }
        let idx = *made.get_or_insert_with(make);
        same_hash.push(idx);
        idx
    }

    /// Makes an empty map fit for about `expected` keys; keeps its space if
    /// that is about right.
    pub(super) fn fit(&mut self, expected: usize) {
        let wanted = Self::new(expected);
        if !(wanted.first..=16 * wanted.first).contains(&self.first) {
            *self = wanted;
        }
    }

    /// Forgets all keys and keeps the space.
    pub(super) fn clear(&mut self) {
        self.rest.get_mut().clear();
        for level in &mut self.levels {
            let Some(buckets) = level.get_mut() else { return };
            buckets.iter_mut().flat_map(|bucket| &mut bucket.0).for_each(Place::reset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Mutex;

    /// An index over keys that are kept in a vector.
    struct Keys {
        index: Index,
        keys: Mutex<Vec<u64>>,
        /// Bits of the key that the hash is made of.
        mask: u64,
    }

    impl Keys {
        fn new(expected: usize, mask: u64) -> Self {
            Self { index: Index::new(expected), keys: Mutex::default(), mask }
        }

        fn hash(&self, key: u64) -> u64 {
            (key & self.mask).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        }

        fn is(&self, key: u64) -> impl Fn(u32) -> bool {
            move |idx| self.keys.lock()[idx as usize] == key
        }

        fn add(&self, key: u64) -> u32 {
            self.index.find_or_add(self.hash(key), self.is(key), || {
                let mut keys = self.keys.lock();
                keys.push(key);
                u32::try_from(keys.len() - 1).unwrap()
            })
        }

        fn find(&self, key: u64) -> Option<u32> {
            self.index.find(self.hash(key), self.is(key))
        }
    }

    fn each_key_has_one_index(keys: &Keys, n: u64) {
        let added: Vec<_> = (0..n).map(|key| keys.add(key)).collect();
        let expected: Vec<_> = (0..u32::try_from(n).unwrap()).collect();
        assert_eq!(added, expected);
        let found: Vec<_> = (0..n).map(|key| keys.find(key).unwrap()).collect();
        assert_eq!(found, expected);
        assert_eq!((0..n).map(|key| keys.add(key)).collect::<Vec<_>>(), expected);
        assert_eq!(keys.find(n), None);
    }

    #[test]
    fn it_grows_far_beyond_what_was_expected() {
        each_key_has_one_index(&Keys::new(1, u64::MAX), 50_000);
    }

    #[test]
    fn keys_with_one_hash_stay_apart() {
        each_key_has_one_index(&Keys::new(64, 0), 100);
    }

    #[test]
    fn clearing_forgets_everything() {
        let mut keys = Keys::new(1, u64::MAX);
        each_key_has_one_index(&keys, 500);
        keys.index.clear();
        keys.keys.lock().clear();
        assert_eq!(keys.find(3), None);
        each_key_has_one_index(&keys, 500);
    }

    #[test]
    fn an_empty_index_adapts_its_size() {
        for (before, after) in [(1, 10_000), (10_000, 1)] {
            let mut keys = Keys::new(before, u64::MAX);
            each_key_has_one_index(&keys, 500);
            keys.index.clear();
            keys.index.fit(after);
            keys.keys.lock().clear();
            assert_eq!(keys.index.first, Index::new(after).first);
            each_key_has_one_index(&keys, 500);
        }
    }

    #[test]
    fn threads_that_add_the_same_keys_agree() {
        let keys = Keys::new(8, 0xff);
        let add = || (0..2000).map(|key| keys.add(key)).collect::<Vec<_>>();
        let (one, other) = std::thread::scope(|scope| {
            let other = scope.spawn(add);
            (add(), other.join().unwrap())
        });
        assert_eq!(one, other);
    }
}
