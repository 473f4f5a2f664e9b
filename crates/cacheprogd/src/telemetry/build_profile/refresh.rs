//! When the profile of a live build is made again, and how much of that unprivileged users may cause. Pure: time is an argument.
//!
//! Making and keeping profiles is make.rs's and `profile_store.rs`'s.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::limits::{PROFILE_BURST, PROFILE_MAX_AGE, PROFILE_TIME_SHARE};
use crate::mutex::lock;

/// For whom a profile is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requester {
    /// Root and the daemon's own user, who never wait for others.
    Admin,
    /// A build that asks why it missed.
    Build,
    /// Any user who reaches the status socket or the page.
    Anyone,
}

/// What is known of the profile that was made of a live build.
#[derive(Debug, Default)]
pub(crate) struct LiveProfile {
    /// How much the build had done (bytes of its trace and requests), and when the profile was made. Held while one replaces
    /// another: only threads that make a profile of the same build wait for it.
    made: Mutex<Option<(u64, Instant)>>,
}

impl LiveProfile {
    /// Whether there is one.
    pub(crate) fn exists(&self) -> bool {
        lock(&self.made).is_some()
    }

    /// Whether it may be shown for a build that has done so much.
    pub(crate) fn is_fresh(&self, done: u64, now: Instant) -> bool {
        lock(&self.made).is_some_and(|(covered, made)| covered == done || now.duration_since(made) < PROFILE_MAX_AGE)
    }

    /// Replaces it by one that covers so much, unless the present one covers more.
    ///
    /// # Errors
    /// Those of `write`.
    pub(crate) fn replace<E>(&self, covers: u64, now: Instant, write: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let mut made = lock(&self.made);
        if made.is_none_or(|(covered, _)| covered <= covers) {
            write()?;
            *made = Some((covers, now));
        }
        Ok(())
    }
}

/// The time for making profiles that unprivileged users may still cause.
#[derive(Debug)]
pub(crate) struct TimeBudget {
    /// When all time that was spent is regained, at one part in [`PROFILE_TIME_SHARE`] of all time.
    regained: Option<Instant>,
}

impl TimeBudget {
    pub(crate) const fn new() -> Self {
        Self { regained: None }
    }

    /// Whether another one may be made now.
    pub(crate) fn allows(&self, now: Instant) -> bool {
        self.regained.is_none_or(|regained| regained <= now + PROFILE_BURST * PROFILE_TIME_SHARE)
    }

    /// One was made, in so much time.
    pub(crate) fn spend(&mut self, time: Duration, now: Instant) {
        let from = self.regained.map_or(now, |regained| regained.max(now));
        self.regained = Some(from + time * PROFILE_TIME_SHARE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_made_again_only_if_the_build_went_on_and_not_at_once() {
        let (live, start) = (LiveProfile::default(), Instant::now());
        let write = || Ok::<(), ()>(());
        assert!(!live.exists() && !live.is_fresh(0, start));
        live.replace(100, start, write).unwrap();
        assert!(live.is_fresh(100, start + PROFILE_MAX_AGE * 1000), "nothing was asked since");
        assert!(live.is_fresh(101, start + PROFILE_MAX_AGE / 2));
        assert!(!live.is_fresh(101, start + PROFILE_MAX_AGE));
        live.replace(99, start + PROFILE_MAX_AGE, || -> Result<(), ()> {
            panic!("an older profile replaces no newer one")
        })
        .unwrap();
        assert_eq!(live.replace(101, start, || Err("no space")), Err("no space"));
        assert!(!live.is_fresh(101, start + PROFILE_MAX_AGE), "a profile that could not be written does not exist");
    }

    #[test]
    fn unprivileged_users_may_cause_a_burst_and_a_share_of_the_time() {
        let (mut now, mut budget, mut made) = (Instant::now(), TimeBudget::new(), Duration::ZERO);
        let start = now;
        let one = Duration::from_millis(300);
        for _ in 0..100_000 {
            if budget.allows(now) {
                budget.spend(one, now);
                made += one;
            }
            now += Duration::from_millis(10);
        }
        let most = (now - start) / PROFILE_TIME_SHARE + PROFILE_BURST + one;
        assert!(made <= most && made >= most - 2 * one, "{made:?} of {:?}", now - start);
        budget.spend(PROFILE_BURST * 100, now);
        assert!(!budget.allows(now + PROFILE_BURST), "a long one is counted too");
        assert!(budget.allows(now + PROFILE_BURST * 100 * PROFILE_TIME_SHARE), "in the end");
    }
}
