//! The limits of a store as people write them, and the targets that they mean on its disk now. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;

use crate::disk::Disk;

/// What a store is kept within, before it is known how large the disk is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// What it may take on the disk; `None`: any size.
    pub max_size: Option<Size>,
    /// How long an entry stays unused; `None`: for ever.
    pub max_age: Option<Duration>,
    /// Free space to leave on the disk.
    pub min_free: Size,
}

impl Default for Limits {
    /// Safe on a small disk, and enough for many programs on a large one.
    fn default() -> Self {
        Self {
            max_size: Some(Size::Part { percent: 10, at_most: 50 << 30 }),
            max_age: Some(Duration::from_secs(60 * 24 * 3600)),
            min_free: Size::Part { percent: 5, at_most: 10 << 30 },
        }
    }
}

/// What a store is to be brought to now, on the disk as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Targets {
    /// Bytes on the disk (as [`crate::Totals::bytes`]) above which entries go, down to nine tenths of it. `None`: any number.
    pub max_size: Option<u64>,
    /// Entries unused for longer go. `None`: none for their age.
    pub max_age: Option<Duration>,
    /// Bytes to free whatever the size, as the disk has too little free space.
    pub bytes_to_free: u64,
    /// Files to remove whatever the size, as the disk has too few free inodes.
    pub inodes_to_free: u64,
    /// Entries used within this time stay, whatever the other targets: their paths may have been given out.
    pub grace: Duration,
}

impl Limits {
    /// The defaults with another size, or `none`: the value of `NIX_GOCACHEPROG_MAX_SIZE`, for a store of the user's own.
    ///
    /// # Errors
    /// A [`SizeError`] where the text is neither.
    pub fn with_max_size(text: &str) -> Result<Self, SizeError> {
        let max_size = if text == "none" { None } else { Some(text.parse()?) };
        Ok(Self { max_size, ..Self::default() })
    }

    /// What the store may take on this disk, in bytes.
    #[must_use]
    pub fn max_size(&self, disk: Disk) -> Option<u64> {
        self.max_size.map(|size| size.of(disk.size))
    }

    /// What is to be left free on this disk, in bytes.
    #[must_use]
    pub fn min_free(&self, disk: Disk) -> u64 {
        self.min_free.of(disk.size)
    }

    /// Inodes to be left free on this disk: the same part of all as of its bytes.
    #[must_use]
    pub fn min_free_inodes(&self, disk: Disk) -> u64 {
        let part = u128::from(disk.inodes) * u128::from(self.min_free(disk).min(disk.size));
        u64::try_from(part / u128::from(disk.size.max(1))).unwrap_or(u64::MAX)
    }

    /// Whether the disk has too few bytes or inodes left.
    #[must_use]
    pub fn is_short(&self, disk: Disk) -> bool {
        let targets = self.targets(disk);
        targets.bytes_to_free > 0 || targets.inodes_to_free > 0
    }

    /// Whether they make sense on this disk.
    ///
    /// # Errors
    /// A [`LimitsError`] that names the setting.
    pub fn check(&self, disk: Disk) -> Result<(), LimitsError> {
        let floor = self.min_free(disk);
        if disk.size > 0 && floor > disk.size / 10 * 9 {
            return Err(LimitsError { floor: ByteSize(floor), disk: ByteSize(disk.size) });
        }
        Ok(())
    }

    /// What has to go now. Where space is short, a tenth more is freed, so that it is not short again at once.
    #[must_use]
    pub fn targets(&self, disk: Disk) -> Targets {
        let missing = |all, free, floor: u64| {
            if all > 0 && free < floor { floor.saturating_add(floor / 10) - free } else { 0 }
        };
        let bytes_to_free = missing(disk.size, disk.free, self.min_free(disk));
        let inodes_to_free = missing(disk.inodes, disk.free_inodes, self.min_free_inodes(disk));
        let (max_size, max_age) = (self.max_size(disk), self.max_age);
        Targets { max_size, max_age, bytes_to_free, inodes_to_free, ..Targets::default() }
    }
}

/// Limits that would leave no room for anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "min-free ({floor}) leaves no room for the cache on a disk of {disk}: write a smaller size, or a percentage such as 5%"
)]
pub struct LimitsError {
    floor: ByteSize,
    disk: ByteSize,
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub enum Size {
    /// So many.
    Bytes(u64),
    /// A part of the disk.
    Part {
        /// In hundredths.
        percent: u8,
        /// In bytes.
        at_most: u64,
    },
}

/// The least that makes sense: Go's standard library alone takes more.
const LEAST: u64 = 64 << 20;

impl Size {
    fn of(self, disk: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            // Some file systems do not say how large they are.
            Self::Part { at_most, .. } if disk == 0 => at_most,
            Self::Part { percent, at_most } => (disk / 100).saturating_mul(percent.into()).min(at_most),
        }
    }
}

/// What is wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// Not a size.
    #[error("write a size such as 50GiB or 800MB, or a percentage of the disk such as 10% or \"10%, at most 50GiB\"")]
    NoSize,
    /// No part of a disk.
    #[error("write a percentage from 1% to 90%")]
    Percent,
    /// Too little to be of use.
    #[error("write a size of at least 64MiB")]
    Little,
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let bytes = |text: &str| match text.parse::<ByteSize>() {
            Ok(size) if size.as_u64() < LEAST => Err(SizeError::Little),
            Ok(size) => Ok(size.as_u64()),
            Err(_) => Err(SizeError::NoSize),
        };
        let Some((percent, rest)) = text.split_once('%') else { return bytes(text).map(Self::Bytes) };
        let Ok(percent @ 1..=90) = percent.trim().parse() else { return Err(SizeError::Percent) };
        let at_most = match rest.trim() {
            "" => u64::MAX,
            rest => bytes(rest.strip_prefix(", at most ").ok_or(SizeError::NoSize)?)?,
        };
        Ok(Self::Part { percent, at_most })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{bytes}B"),
            Self::Part { percent, at_most: u64::MAX } => write!(f, "{percent}%"),
            Self::Part { percent, at_most } => write!(f, "{percent}%, at most {at_most}B"),
        }
    }
}

impl TryFrom<String> for Size {
    type Error = SizeError;

    fn try_from(text: String) -> Result<Self, SizeError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: Disk = Disk { size: 100 << 30, free: 20 << 30, inodes: 0, free_inodes: 0 };

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let bytes = |text: &str| text.parse().map(|size: Size| size.of(DISK.size));
        assert_eq!(bytes("50GiB"), Ok(50 << 30));
        assert_eq!(bytes("1.5 GiB"), Ok(3 << 29));
        assert_eq!(bytes("800MB"), Ok(800_000_000));
        assert_eq!(bytes("10%"), Ok(DISK.size / 100 * 10));
        assert_eq!(bytes("10%, at most 5GiB"), Ok(5 << 30));
        for bad in ["", "-1GiB", "50 potatoes", "GiB", "10% of it", "10%, at most many"] {
            assert_eq!(bytes(bad), Err(SizeError::NoSize), "{bad}");
        }
        for bad in ["0%", "100%", "-5%", "x%"] {
            assert_eq!(bytes(bad), Err(SizeError::Percent), "{bad}");
        }
        assert_eq!(bytes("63MiB"), Err(SizeError::Little));
        for size in [
            Size::Bytes(1 << 33),
            Size::Part { percent: 7, at_most: u64::MAX },
            Size::Part { percent: 7, at_most: 1 << 33 },
        ] {
            assert_eq!(size.to_string().parse(), Ok(size));
        }
    }

    #[test]
    fn a_size_alone_leaves_the_other_limits() {
        let limits = Limits::with_max_size("2GiB").unwrap();
        assert_eq!(limits, Limits { max_size: Some(Size::Bytes(2 << 30)), ..Limits::default() });
        assert_eq!(Limits::with_max_size("none").unwrap().max_size, None);
        assert_eq!(Limits::with_max_size("much"), Err(SizeError::NoSize));
    }

    #[test]
    fn limits_become_targets_on_this_disk() {
        let limits = Limits { max_size: None, max_age: None, min_free: "30%".parse().unwrap() };
        let floor = DISK.size / 100 * 30;
        assert_eq!(
            limits.targets(DISK),
            Targets { bytes_to_free: floor + floor / 10 - DISK.free, ..Targets::default() }
        );
        let limits = Limits::default();
        assert_eq!((limits.max_size(DISK), limits.min_free(DISK)), (Some(DISK.size / 100 * 10), DISK.size / 100 * 5));
        let large = Disk { size: 1 << 44, free: 1 << 43, ..DISK };
        assert_eq!((limits.max_size(large), limits.min_free(large)), (Some(50 << 30), 10 << 30));
        assert_eq!(limits.targets(large).bytes_to_free, 0);
        let greedy = Limits { min_free: Size::Bytes(99 << 30), ..limits };
        assert!(
            greedy
                .check(DISK)
                .unwrap_err()
                .to_string()
                .contains("min-free (99.0 GiB) leaves no room for the cache on a disk of 100.0 GiB")
        );
        assert_eq!((limits.check(DISK), greedy.check(large)), (Ok(()), Ok(())));
        let unknown = Disk { size: 0, free: 0, ..DISK };
        assert_eq!(
            limits.targets(unknown),
            Targets { max_size: Some(50 << 30), max_age: limits.max_age, ..Targets::default() }
        );
    }

    #[test]
    fn inodes_are_left_free_as_bytes_are_where_a_file_system_counts_them() {
        let limits = Limits { max_size: None, max_age: None, min_free: "5%".parse().unwrap() };
        let disk = Disk { inodes: 1000, free_inodes: 50, ..DISK };
        assert_eq!(
            (limits.min_free_inodes(disk), limits.targets(disk).inodes_to_free, limits.is_short(disk)),
            (50, 0, false)
        );
        let short = Disk { free_inodes: 0, ..disk };
        assert_eq!(limits.targets(short), Targets { inodes_to_free: 55, ..Targets::default() });
        assert!(limits.is_short(short));
        assert_eq!(limits.min_free_inodes(Disk { free: 0, ..DISK }), 0, "btrfs");
        assert_eq!(limits.targets(Disk { size: 0, ..short }).inodes_to_free, 0, "a part of an unknown size is unknown");
        // A limit that stands for a small part of a large disk does so for its inodes.
        let limits = Limits { min_free: "5%, at most 1GiB".parse().unwrap(), ..limits };
        assert_eq!(limits.min_free_inodes(disk), 10);
    }
}
