//! Which namespaces one session reads and which one it writes: decided once, by the user that it is for and by its toolchain.
//! The only code that decides what everyone reads.

use proto::BuildId;
use proto::wire::Toolchain;

use crate::format::namespace::{Namespace, Partition};
use crate::format::origin::{BuildName, Origin};

/// The namespaces of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Where it looks, in this order.
    pub reads: Vec<Namespace>,
    /// Where its puts go.
    pub writes: Namespace,
}

impl View {
    /// The view of a session that shares with everyone.
    #[must_use]
    pub fn common(toolchain: &Toolchain) -> Self {
        Self::of(Partition::Common, toolchain)
    }

    /// The view of a session that writes to this partition: it reads that, and the common one.
    #[must_use]
    pub fn of(partition: Partition, toolchain: &Toolchain) -> Self {
        let writes = Namespace::new(partition, toolchain);
        let everyones = Namespace::new(Partition::Common, toolchain);
        let reads = if writes == everyones { vec![everyones] } else { vec![writes.clone(), everyones] };
        Self { reads, writes }
    }

    /// The origin of what is put with this view by a build of this machine.
    #[must_use]
    pub fn origin(&self, build: Option<BuildId>, name: &str) -> Origin {
        Origin { build, name: BuildName::new(name), partition: self.writes.partition(), key: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_reads_their_own_first_and_then_everyones() {
        let toolchain = Toolchain::default();
        let [common, user] = [Partition::Common, Partition::User(7)].map(|of| Namespace::new(of, &toolchain));
        assert_eq!(View::common(&toolchain), View { reads: vec![common.clone()], writes: common.clone() });
        let view = View::of(Partition::User(7), &toolchain);
        assert_eq!(view, View { reads: vec![user.clone(), common], writes: user });
        assert_eq!(view.origin(None, "x").partition, Partition::User(7));
    }
}
