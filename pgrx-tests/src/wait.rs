//! Waiting for conditions: poll until they hold, fail with words when they do not.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `predicate` is true; fails after `limit`, naming `what` was waited for.
pub async fn wait_until(limit: Duration, what: &str, mut predicate: impl AsyncFnMut() -> bool) -> Result<()> {
    wait_for(limit, what, async || predicate().await.then_some(())).await
}

/// Waits until `look` finds something; fails after `limit`, naming `what` was waited for.
pub async fn wait_for<T>(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        // A look that hangs (a lock, a dead server) must not outlive the deadline by much.
        let rest = limit.saturating_sub(start.elapsed()).max(PAUSE);
        if let Ok(Some(found)) = tokio::time::timeout(rest, look()).await {
            return Ok(found);
        }
        if start.elapsed() >= limit {
            bail!("waited {:.1} s in vain: {what}", limit.as_secs_f64());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn looks_until_it_holds() {
        let mut looks = 0;
        wait_until(Duration::from_secs(5), "three looks", async || {
            looks += 1;
            looks == 3
        })
        .await
        .unwrap();
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    async fn a_deadline_names_what_was_waited_for() {
        let limit = Duration::from_millis(30);
        let error = wait_until(limit, "the condition", async || false)
            .await
            .unwrap_err();
        assert!(error.to_string().ends_with("in vain: the condition"), "{error}");
    }

    #[tokio::test]
    async fn a_look_that_hangs_does_not_hang_the_test() {
        let limit = Duration::from_millis(30);
        assert!(
            wait_until(limit, "nothing", async || std::future::pending().await)
                .await
                .is_err()
        );
    }
}
