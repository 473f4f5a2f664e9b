//! What fuzz/ checks of the readers of this crate. The test runs each check on its seeds, without a fuzzer.

use proto::profile::BuildProfile;

use crate::{cause_text, earlier_builds, explain, groups, headline, verdict_text};

/// Profiles as the daemon sends them, a line each, the earlier build's second: each miss has one cause, whatever the profiles hold.
pub fn profile(bytes: &[u8]) {
    let mut profiles = bytes.split(|&byte| byte == b'\n').map(BuildProfile::read);
    let Some(new) = profiles.next().flatten() else { return };
    let old = profiles.next().flatten();
    compare(&new, None);
    compare(&new, Some(&new));
    if let Some(old) = &old {
        compare(&new, Some(old));
        let all = [old.build.clone(), new.build.clone()];
        assert!(earlier_builds(&new.build, &all).iter().all(|earlier| earlier.short != new.build.short));
    }
}

fn compare(new: &BuildProfile, old: Option<&BuildProfile>) {
    let packages = new.packages.iter().map(|package| &package.action);
    let actions = packages.chain(new.others.iter().map(|other| &other.action));
    let missed = explain(new, old);
    assert_eq!(missed.len(), actions.filter(|action| action.get.is_miss()).count());
    for one in &missed {
        let root = one.verdict.root.as_ref();
        assert!(root.is_none_or(|(_, why)| why.root.is_none()), "the deepest one has no deeper one");
        assert!(!cause_text(one.verdict.cause).is_empty());
        drop(verdict_text(&one.verdict));
    }
    assert_eq!(groups(&missed).iter().map(|group| group.misses).sum::<u64>(), missed.len() as u64);
    drop(headline(new, old));
}

#[test]
fn seeds_pass() {
    testkit::check_seeds("profile", profile);
}
