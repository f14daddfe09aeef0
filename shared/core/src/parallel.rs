//! Runs independent work on several threads.

use std::{
    iter,
    panic::resume_unwind,
    sync::{Mutex, PoisonError},
    thread,
};

/// Runs a function once on each of `threads` threads and returns the results, that of the calling thread first.
///
/// The calling thread takes part, because memory that it frees can be used by what it does next, while allocators keep memory that other
/// threads free for those threads. If the system starts fewer threads, the function runs fewer times: it must take its work from a shared
/// queue, as [`map`] does, instead of counting on the number of threads.
pub fn run_on<R: Send>(threads: usize, work: impl Fn() -> R + Sync) -> Vec<R> {
    thread::scope(|scope| {
        // Stops at the first thread that the system refuses to start.
        let others: Vec<_> = (1..threads).map_while(|_| thread::Builder::new().spawn_scoped(scope, &work).ok()).collect();
        let own = work();
        // A panic is passed on: the items that its thread took would be missing from the results.
        let others = others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        iter::once(own).chain(others).collect()
    })
}

/// Applies a function to each item on several threads, and returns the results in the order of the items. Items are started in that order.
pub fn map<T: Send, R: Send>(threads: usize, items: Vec<T>, make: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = threads.min(items.len());
    let waiting = Mutex::new(items.into_iter().enumerate());
    // A poisoned lock can be used: `make` isn't called while it is held, so a panic leaves the iterator intact.
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let answers = run_on(threads, || -> Vec<(usize, R)> { iter::from_fn(next).map(|(index, item)| (index, make(item))).collect() });
    let mut answers: Vec<_> = answers.into_iter().flatten().collect();
    answers.sort_unstable_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Barrier};

    use super::*;

    #[test]
    fn the_answers_come_in_the_order_of_the_items_by_any_number_of_threads() {
        let squares: Vec<u64> = (0..100).map(|number| number * number).collect();
        for threads in [0, 1, 2, 7, 1000] {
            assert_eq!(map(threads, (0..100).collect(), |number: u64| number * number), squares, "{threads} threads");
        }
        assert_eq!(map(2, Vec::new(), |number: u64| number), Vec::<u64>::new());
    }

    #[test]
    fn two_threads_work_at_the_same_time() {
        // Neither gets past the barrier before the other has come to it.
        let barrier = Barrier::new(2);
        let by = map(2, vec![(), ()], |()| {
            barrier.wait();
            format!("{:?}", thread::current().id())
        });
        assert_eq!(by.into_iter().collect::<BTreeSet<_>>().len(), 2);
    }

    #[test]
    #[should_panic(expected = "three")]
    fn a_panic_of_another_thread_is_not_lost() {
        map(2, vec![1, 2, 3], |number| assert_ne!(number, 3, "three"));
    }
}
