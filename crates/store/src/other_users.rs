//! What is there of an action for other users alone: for `why`, which says that it is not shared. Nothing of it is served.

use proto::ActionId;
use proto::wire::Toolchain;

use crate::error::StoreError;
use crate::format::namespace::{Namespace, Partition};
use crate::format::record::Record;
use crate::{Store, dirs};

impl Store {
    /// Where records under this toolchain are that are for one user alone, another one than that of `own`.
    ///
    /// # Errors
    /// A [`StoreError`] where they cannot be listed.
    pub fn namespaces_of_other_users(
        &self,
        own: Option<Partition>,
        toolchain: &Toolchain,
    ) -> Result<Vec<Namespace>, StoreError> {
        let dirs = dirs::subdirectories(&self.layout.all_records())?;
        let partitions = dirs.iter().map(|dir| (dir, Partition::of_namespace(dir)));
        let of_others = partitions.filter(|(_, of)| *of != Partition::Common && Some(*of) != own);
        let namespaces = of_others.map(|(dir, of)| (dir, Namespace::new(of, toolchain)));
        Ok(namespaces
            .filter(|(dir, namespace)| dir.ends_with(namespace.name()))
            .map(|(_, namespace)| namespace)
            .collect())
    }

    /// The records of an action in one namespace. It counts as no use of them.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn peek(&self, namespace: &Namespace, action: &ActionId) -> Result<Vec<Record>, StoreError> {
        self.records(namespace).read(action)
    }

    /// Whether the object of a record is there. Whether it is whole, [`Store::object`] finds out.
    #[must_use]
    pub fn is_there(&self, record: &Record) -> bool {
        self.layout.object(&record.output.id).exists()
    }
}
