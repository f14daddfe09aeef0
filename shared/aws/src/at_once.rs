//! Calls that are made at once, up to a number.

use std::future::Future;

use tokio::task::JoinSet;

use crate::error::{CallError, panicked};

/// Makes a call for each of `items`, at most this many at once, and hands over what they answer, in no order. The first error ends it.
pub(crate) async fn at_once<I, T, F>(
    most: usize,
    items: impl IntoIterator<Item = I>,
    call: impl Fn(I) -> F,
    mut take: impl FnMut(T),
) -> Result<(), CallError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, CallError>> + Send + 'static,
{
    let (mut waiting, mut running) = (items.into_iter(), JoinSet::new());
    loop {
        while running.len() < most
            && let Some(item) = waiting.next()
        {
            running.spawn(call(item));
        }
        match running.join_next().await {
            None => return Ok(()),
            Some(joined) => take(joined.map_err(panicked("wait for a call"))??),
        }
    }
}
