//! Work on things that don't depend on each other, by several threads.

use std::{
    iter,
    panic::resume_unwind,
    sync::{Mutex, PoisonError},
    thread,
};

/// What so many threads come to, of which the calling one is the first: what is let go of there is room for what comes after, which the
/// memory of other threads is not. There may be fewer than asked for, so what is to be done is shared among those that there are.
pub fn run_on<R: Send>(threads: usize, work: impl Fn() -> R + Sync) -> Vec<R> {
    thread::scope(|scope| {
        // What the system has no thread for the others do.
        let others: Vec<_> = (1..threads).map_while(|_| thread::Builder::new().spawn_scoped(scope, &work).ok()).collect();
        let own = work();
        // One that panics took things with it: better no answer than one without them.
        let others = others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        iter::once(own).chain(others).collect()
    })
}

/// What a function makes of each item, in the order of the items. They are begun in that order too.
pub fn map<T: Send, R: Send>(threads: usize, items: Vec<T>, make: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = threads.min(items.len());
    let waiting = Mutex::new(items.into_iter().enumerate());
    // Whoever panicked did so outside of the lock.
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
