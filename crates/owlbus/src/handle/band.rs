//! Which handlers get an event before others do.

/// The band of a subscription: its events start after those above it have had a first try at them.
///
/// More is earlier. Any number does; the named ones leave room between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Band(pub i32);

impl Band {
    /// 100: before everybody else, as guards are.
    pub const CRITICAL: Band = Band(100);
    /// 50: earlier than usual.
    pub const HIGH: Band = Band(50);
    /// 0, the default.
    pub const NORMAL: Band = Band(0);
    /// -50: when the others had it, as logs and statistics may.
    pub const LOW: Band = Band(-50);
}

impl From<i32> for Band {
    fn from(number: i32) -> Self {
        Band(number)
    }
}
