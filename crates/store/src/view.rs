//! Which namespaces one session reads and which one it writes: decided once, by the user that it is for and by its toolchain.
//! The only code that decides what everyone reads.

use proto::wire::Toolchain;
use proto::{BuildId, SigningKey};

use crate::format::namespace::{Namespace, Partition};
use crate::format::origin::{BuildName, Origin};

/// The namespaces of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Where it looks, in this order.
    pub reads: Vec<Namespace>,
    /// Where its puts go; `None`: nothing of it is for others.
    pub writes: Option<Namespace>,
    /// Whose entries of other machines it takes. Those that another key signed count as not there.
    pub signers: Vec<SigningKey>,
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
        let own = Namespace::new(partition, toolchain);
        let everyones = Namespace::new(Partition::Common, toolchain);
        let reads = if own == everyones { vec![everyones] } else { vec![own.clone(), everyones] };
        Self { reads, writes: Some(own), signers: Vec::new() }
    }

    /// The same, with what these keys signed.
    #[must_use]
    pub fn trusting(self, signers: Vec<SigningKey>) -> Self {
        Self { signers, ..self }
    }

    /// Whether it takes an entry of this origin.
    #[must_use]
    pub fn trusts(&self, origin: &Origin) -> bool {
        origin.key.is_none_or(|key| self.signers.contains(&key))
    }

    /// The same without writing.
    #[must_use]
    pub fn read_only(self) -> Self {
        Self { writes: None, ..self }
    }

    /// The view of a session with the same toolchain that reads what is for all users alone, and shares with everyone.
    #[must_use]
    pub fn of_all_users(&self) -> Self {
        let common: Vec<_> = self.reads.iter().filter(|one| one.partition() == Partition::Common).cloned().collect();
        Self { writes: common.first().cloned(), reads: common, signers: self.signers.clone() }
    }

    /// The partition to which it writes.
    #[must_use]
    pub fn partition(&self) -> Option<Partition> {
        self.writes.as_ref().map(Namespace::partition)
    }

    /// The origin of what is put with this view by a build of this machine. What no partition has is the build's own, and is read by
    /// no other.
    #[must_use]
    pub fn origin(&self, build: Option<BuildId>, name: &str) -> Origin {
        let partition = self.partition().unwrap_or(Partition::Common);
        Origin { build, name: BuildName::new(name), witness: None, partition, key: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_reads_their_own_first_and_then_everyones() {
        let toolchain = Toolchain::default();
        let [common, user] = [Partition::Common, Partition::User(7)].map(|of| Namespace::new(of, &toolchain));
        let everyone = View::common(&toolchain);
        assert_eq!((&everyone.reads, &everyone.writes), (&vec![common.clone()], &Some(common.clone())));
        let view = View::of(Partition::User(7), &toolchain);
        assert_eq!((&view.reads, &view.writes), (&vec![user.clone(), common], &Some(user)));
        assert_eq!(view.origin(None, "x").partition, Partition::User(7));
        let reader = view.clone().read_only();
        assert_eq!(reader.of_all_users(), everyone);
        assert_eq!((reader.partition(), reader.reads), (None, view.reads));
    }

    #[test]
    fn what_a_key_signed_is_taken_where_the_key_is_trusted() {
        let view = View::common(&Toolchain::default());
        let local = view.origin(None, "x");
        let signed = Origin { key: Some(SigningKey([1; 32])), ..local.clone() };
        assert!(view.trusts(&local) && !view.trusts(&signed));
        let view = view.trusting(vec![SigningKey([1; 32])]);
        assert!(view.trusts(&local) && view.trusts(&signed) && view.of_all_users().trusts(&signed));
        assert!(!view.trusts(&Origin { key: Some(SigningKey([2; 32])), ..local }));
    }
}
