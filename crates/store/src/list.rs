//! All that a view wrote, for what is handed on: to a daemon, or to other machines.

use std::time::SystemTime;

use proto::ActionId;

use crate::Store;
use crate::error::StoreError;
use crate::format::record::Record;
use crate::view::View;

impl Store {
    /// The records of what this view wrote with their actions, and when each was used last. Damaged ones are left out.
    ///
    /// # Errors
    /// A [`StoreError`] where a directory cannot be listed.
    pub fn list(&self, view: &View) -> Result<Vec<(ActionId, Record, SystemTime)>, StoreError> {
        self.written(view)?.list()
    }

    /// The same, of these actions, in their order.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] where the view writes nothing.
    pub fn list_of(
        &self,
        view: &View,
        actions: &[ActionId],
    ) -> Result<Vec<(ActionId, Record, SystemTime)>, StoreError> {
        Ok(self.written(view)?.list_of(actions))
    }

    /// An entry was not used here yet: it is as old as if it was used at this time, or as it is where that cannot be noted.
    pub fn mark_unused_since(&self, view: &View, action: &ActionId, time: SystemTime) {
        self.written(view).iter().for_each(|records| records.set_last_use(action, time));
    }
}
