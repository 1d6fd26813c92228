//! Ticks by a cron expression: behind the feature `cron`.

#[cfg(not(feature = "cron"))]
mod disabled;
#[cfg(feature = "cron")]
mod enabled;

#[cfg(not(feature = "cron"))]
pub(super) use disabled::rhythm;
#[cfg(feature = "cron")]
pub(super) use enabled::rhythm;
