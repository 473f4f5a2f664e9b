//! When the account of a live build is made again, and how much of that strangers may cause. Pure: time is an argument.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::sync::lock;

/// How old an account may be though the build went on: making one reads a few thousand files.
const FRESH: Duration = Duration::from_secs(5);

/// What strangers may cause at once, in time of making accounts; and which part of all time in the long run. The accounts of twenty
/// live builds take a second.
const AT_ONCE: Duration = Duration::from_secs(2);
const PART: u32 = 10;

/// For whom an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Root and our own user, who wait for nobody.
    Ours,
    /// A build that asks why it missed.
    Build,
    /// Whoever reaches the status socket or the page.
    Anyone,
}

/// What is known of the account that was made of a build.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// How much the build had done, in bytes of its trace and requests, and when it was made. Held while one takes the place of another, for which nobody
    /// waits but who makes the same.
    made: Mutex<Option<(u64, Instant)>>,
}

impl Live {
    /// Whether there is one.
    pub(crate) fn is_made(&self) -> bool {
        lock(&self.made).is_some()
    }

    /// Whether it may be shown, of a build that has done so much.
    pub(crate) fn is_fresh(&self, done: u64, now: Instant) -> bool {
        lock(&self.made).is_some_and(|(covered, made)| covered == done || now.duration_since(made) < FRESH)
    }

    /// Puts one in place that covers so much, unless one is there that covers more.
    ///
    /// # Errors
    /// Those of `put`.
    pub(crate) fn replace<E>(&self, covers: u64, now: Instant, put: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let mut made = lock(&self.made);
        if made.is_none_or(|(covered, _)| covered <= covers) {
            put()?;
            *made = Some((covers, now));
        }
        Ok(())
    }
}

/// How much more may be made for strangers.
#[derive(Debug)]
pub(crate) struct Allowance {
    /// When all that was made is paid for, at one part of all time.
    paid: Option<Instant>,
}

impl Allowance {
    pub(crate) const fn new() -> Self {
        Self { paid: None }
    }

    /// Whether another one may be made now.
    pub(crate) fn allows(&self, now: Instant) -> bool {
        self.paid.is_none_or(|paid| paid <= now + AT_ONCE * PART)
    }

    /// One was made, which took so long.
    pub(crate) fn spend(&mut self, took: Duration, now: Instant) {
        self.paid = Some(self.paid.map_or(now, |paid| paid.max(now)) + took * PART);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_made_again_only_if_the_build_went_on_and_not_at_once() {
        let (live, start) = (Live::default(), Instant::now());
        let put = || Ok::<(), ()>(());
        assert!(!live.is_made() && !live.is_fresh(0, start));
        live.replace(100, start, put).unwrap();
        assert!(live.is_fresh(100, start + FRESH * 1000), "nothing was asked since");
        assert!(live.is_fresh(101, start + FRESH / 2));
        assert!(!live.is_fresh(101, start + FRESH));
        live.replace(99, start + FRESH, || -> Result<(), ()> { panic!("an older one takes no newer one's place") })
            .unwrap();
        assert_eq!(live.replace(101, start, || Err("no space")), Err("no space"));
        assert!(!live.is_fresh(101, start + FRESH), "what is not in place is not made");
    }

    #[test]
    fn strangers_have_some_at_once_and_a_part_of_the_time() {
        let (mut now, mut allowance, mut made) = (Instant::now(), Allowance::new(), Duration::ZERO);
        let start = now;
        let one = Duration::from_millis(300);
        for _ in 0..100_000 {
            if allowance.allows(now) {
                allowance.spend(one, now);
                made += one;
            }
            now += Duration::from_millis(10);
        }
        let most = (now - start) / PART + AT_ONCE + one;
        assert!(made <= most && made >= most - 2 * one, "{made:?} of {:?}", now - start);
        allowance.spend(AT_ONCE * 100, now);
        assert!(!allowance.allows(now + AT_ONCE), "one that takes long is paid for too");
        assert!(allowance.allows(now + AT_ONCE * 100 * PART), "in the end");
    }
}
