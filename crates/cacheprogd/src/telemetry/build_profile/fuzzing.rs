//! What fuzz/ checks of the reasons in a profile, which are made of what a build sent. ../../fuzzing.rs has the other state files.

use proto::ScopeDigest;
use proto::parts::Parts;
use proto::profile::Rejection;

use super::rejections::{Conditions, OwnConditions, Rejections};
use crate::limits::PROFILE_REJECTIONS;
use crate::telemetry::trace::event::Event;

/// The events of a trace, and a text that holds the parts of all its conditions, each from another line on. Offers get the rejections
/// of a profile, whatever their order.
pub(crate) fn rejections(events: &[Event], text: &[u8]) {
    let (mut conditions, mut offers, mut numbers) = (Conditions::default(), Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Condition(condition) => conditions.push(condition.clone()),
            Event::Has(number) => conditions.has(*number),
            Event::Share(share) => numbers.extend(share.condition),
            Event::Rejected(_, offered) => offers.push(offered.clone()),
            Event::Session(_) | Event::Get(_) | Event::Put(_) => {}
        }
    }
    let lines: Vec<_> = text.split_inclusive(|&byte| byte == b'\n').collect();
    let parts = |digest: &ScopeDigest| {
        let first = usize::from(digest.0[0]) % lines.len().max(1);
        (digest.0[1] != 0).then(|| Parts::read(&lines[first.min(lines.len())..].concat()))
    };
    let mut rejections = Rejections::new(&conditions, &parts);
    for offered in offers {
        let index = rejections.index(offered.clone());
        assert!(index.is_none_or(|index| usize::from(index) < rejections.list.len()));
        assert_eq!(rejections.index(offered.into_iter().rev().collect()), index);
    }
    assert!(rejections.list.len() <= PROFILE_REJECTIONS);
    assert!(rejections.list.iter().all(|one| one.differences.len() <= Rejection::NAMED));
    let mut own = OwnConditions::default();
    for number in numbers {
        let index = own.index(number, &conditions);
        assert!(index.is_none_or(|index| own.list[usize::from(index)].digest.len() == 16));
        assert_eq!(own.index(number, &conditions), index);
    }
}
