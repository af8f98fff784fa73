//! Independent items cut into shards, one for each thread.

/// What `work` makes of the items, in their order; it is called for consecutive items, on up to `threads` threads with at
/// least `least` items each. Threads are started anew, which costs some 30 us each: a shard should last far longer.
pub(crate) fn map<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    least: usize,
    work: impl Fn(&[T]) -> Vec<R> + Sync,
) -> Vec<R> {
    let shards = threads.min(items.len() / least.max(1));
    if shards < 2 {
        return work(items);
    }
    let mut shards = items.chunks(items.len().div_ceil(shards));
    let first = shards.next().unwrap_or_default();
    std::thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = shards.map(|shard| scope.spawn(move || work(shard))).collect();
        let mut results = work(first);
        for other in others {
            match other.join() {
                Ok(more) => results.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })
}

#[cfg(test)]
mod tests {
    use super::map;

    #[test]
    fn results_come_in_the_order_of_the_items_whatever_the_threads() {
        let items: Vec<u64> = (0..101).collect();
        let expected: Vec<u64> = items.iter().flat_map(|item| [*item, item * item]).collect();
        for (threads, least) in [(0, 0), (1, 1), (2, 1), (3, 40), (7, 1), (200, 1)] {
            let calls = std::sync::atomic::AtomicUsize::new(0);
            let results = map(&items, threads, least, |items| {
                assert!(items.len() >= least.min(items.len()) && (threads < 2 || items.len() < 101));
                calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                items.iter().flat_map(|item| [*item, item * item]).collect()
            });
            assert_eq!(results, expected);
            assert!(calls.into_inner() <= threads.max(1));
        }
        assert_eq!(map(&[], 4, 1, |items: &[u64]| items.to_vec()), Vec::<u64>::new());
    }
}
