//! The schedules of a bus, by name.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{ScheduleError, plan::Plan};

/// Every schedule of a bus that has not ended.
#[derive(Default)]
pub(crate) struct Schedules(Mutex<Table>);

#[derive(Default)]
struct Table {
    plans: BTreeMap<Arc<str>, Arc<Plan>>,
    closed: bool,
}

impl Schedules {
    /// Adds a schedule, unless another one has its name.
    pub(super) fn add(&self, plan: &Arc<Plan>) -> Result<(), ScheduleError> {
        let mut table = self.lock();
        if table.closed {
            return Err(ScheduleError::Closed);
        }
        if table.plans.contains_key(&plan.name) {
            return Err(ScheduleError::NameTaken { name: plan.name.to_string() });
        }
        table.plans.insert(Arc::clone(&plan.name), Arc::clone(plan));
        Ok(())
    }

    /// Ends a schedule; says whether it had not ended yet.
    pub(super) fn end(&self, plan: &Arc<Plan>) -> bool {
        let mut table = self.lock();
        // The name may be another's by now.
        if table.plans.get(&plan.name).is_some_and(|other| Arc::ptr_eq(other, plan)) {
            table.plans.remove(&plan.name);
        }
        drop(table);
        plan.end()
    }

    /// Every schedule, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Plan>> {
        self.lock().plans.values().cloned().collect()
    }

    /// Ends all of them, for good.
    pub(crate) fn close(&self) {
        let mut table = self.lock();
        table.closed = true;
        let plans = std::mem::take(&mut table.plans);
        drop(table);
        plans.values().for_each(|plan| _ = plan.end());
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
