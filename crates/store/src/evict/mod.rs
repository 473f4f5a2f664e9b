//! Removing what is no longer wanted, beside programs that read and write the store.
//!
//! scan.rs looks at everything, plan.rs decides (pure), sweep.rs removes; limits.rs says what a store is kept within, `fair_share.rs`
//! what each user's entries may take of it. purge.rs removes what a person names.

pub(crate) mod amount;
pub(crate) mod fair_share;
#[cfg(test)]
mod fixture;
pub(crate) mod limits;
pub(crate) mod plan;
pub(crate) mod purge;
pub(crate) mod scan;
pub(crate) mod sweep;

use std::time::{SystemTime, UNIX_EPOCH};

use crate::counters::{Counters, Totals};
use crate::dry_run::Mode;
use crate::error::StoreError;
use crate::format::layout::Layout;

pub use limits::{Limits, LimitsError, Size, SizeError, Targets};
pub use plan::Reason;
pub use purge::{PurgeFilter, Purged};
pub use sweep::{Removed, Swept};

use scan::Scan;

/// Removes entries and objects of one store. Made from the store for one piece of work.
#[derive(Debug, Clone, Copy)]
pub struct Evictor<'a> {
    layout: &'a Layout,
    counters: &'a Counters,
}

impl<'a> Evictor<'a> {
    pub(crate) fn new(layout: &'a Layout, counters: &'a Counters) -> Self {
        Self { layout, counters }
    }

    /// How much is in the store, by a look at everything.
    ///
    /// # Errors
    /// A [`StoreError`] where a directory cannot be listed.
    pub fn count(&self) -> Result<Totals, StoreError> {
        scan::count(self.layout)
    }

    /// Brings the store to its targets, and collects what crashes have left. Corrects the counters, here and in `counts`.
    /// `go_on` is asked now and then; `None` if it answered no. It needs no space.
    ///
    /// # Errors
    /// A [`StoreError`] where a directory cannot be listed.
    pub fn sweep(
        &self,
        targets: &Targets,
        now: SystemTime,
        mode: Mode,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Swept>, StoreError> {
        let began = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let Some(scan) = Scan::take(self.layout, began.as_secs(), go_on)? else { return Ok(None) };
        let swept = sweep::sweep(self.layout, &scan, targets, (began, mode), go_on)?;
        if mode == Mode::Apply {
            self.counters.correct(swept.left);
        }
        Ok(Some(swept))
    }

    /// Removes the entries that the filter matches, and the objects that only they name. `progress` is called now and then with how many
    /// entries were looked at.
    ///
    /// # Errors
    /// A [`StoreError`] where a directory cannot be listed.
    pub fn purge(
        &self,
        filter: &PurgeFilter,
        now: SystemTime,
        mode: Mode,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Purged, StoreError> {
        let (purged, is_applied) = purge::purge(self.layout, filter, (now, mode), progress)?;
        if is_applied {
            self.counters.correct(self.count()?);
        }
        Ok(purged)
    }
}
