//! Many items at once, results in order.
//!
//! Items are handed to plain threads, not to a rayon pool: every engine has a
//! pool of its own, and a task of one pool that waits for another pool keeps
//! a thread from work.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{Mutex, PoisonError, mpsc},
    thread,
};

/// Runs `work` on every item, on `n_threads` threads, and gives each result to
/// `consume` in item order, as soon as all results before it are there.
///
/// `start` makes what one thread reuses from item to item. The first error of
/// `consume` ends the run early and is returned.
pub(crate) fn in_order<Item, Context, Outcome: Send, Error>(
    items: impl Iterator<Item = Item> + Send,
    n_threads: NonZeroUsize,
    start: impl Fn() -> Context + Sync,
    work: impl Fn(&mut Context, Item) -> Outcome + Sync,
    mut consume: impl FnMut(Outcome) -> Result<(), Error>,
) -> Result<(), Error> {
    let queue = Mutex::new(items.enumerate());
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..n_threads.get() {
            let send = send.clone();
            let (queue, start, work) = (&queue, &start, &work);
            scope.spawn(move || {
                let mut context = None;
                // Ends with the queue, or when nobody listens any more.
                loop {
                    // Items are handed out, or not; none is left half taken.
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((position, item)) = next else { return };
                    let context = context.get_or_insert_with(start);
                    if send.send((position, work(context, item))).is_err() {
                        return;
                    }
                }
            });
        }
        // The threads have their own senders; with this one gone, the loop
        // below ends when they do.
        drop(send);
        let mut early = BTreeMap::new();
        let mut next = 0;
        for (position, outcome) in receive {
            early.insert(position, outcome);
            while let Some(outcome) = early.remove(&next) {
                consume(outcome)?;
                next += 1;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREADS: NonZeroUsize = NonZeroUsize::new(4).unwrap();

    #[test]
    fn results_arrive_in_item_order() {
        let items: Vec<u64> = (0..200).collect();
        let mut seen = Vec::new();
        let done: Result<(), ()> = in_order(
            items.iter().copied(),
            THREADS,
            || 0_u64,
            |calls, item| {
                *calls += 1;
                // Early items take longest, so later ones finish first.
                (0..(200 - item) * 1000).fold(item, |sum, n| std::hint::black_box(sum ^ n));
                item
            },
            |item| {
                seen.push(item);
                Ok(())
            },
        );
        assert_eq!(done, Ok(()));
        assert_eq!(seen, items);
    }

    #[test]
    fn an_error_of_the_consumer_ends_the_run() {
        let items: Vec<u64> = (0..1000).collect();
        let mut consumed = 0;
        let done = in_order(
            items.into_iter(),
            THREADS,
            || (),
            |(), item| item,
            |item| {
                consumed += 1;
                if item == 3 { Err("enough") } else { Ok(()) }
            },
        );
        assert_eq!(done, Err("enough"));
        assert_eq!(consumed, 4);
    }

    #[test]
    fn no_items_no_threads() {
        let done: Result<(), ()> =
            in_order([].into_iter(), THREADS, || panic!("unused"), |(), ()| (), |()| Ok(()));
        assert_eq!(done, Ok(()));
    }
}
