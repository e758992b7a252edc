//! What a test may break between WeChat and its client.

use super::World;
use crate::faults::{ActiveFault, Fault, FaultId, FaultScope};

impl World {
    /// Sets a fault: for so many calls that it applies to, or until cleared.
    pub fn set_fault(&self, scope: FaultScope, fault: Fault, times: Option<u32>) -> FaultId {
        self.0.faults.set(scope, fault, times)
    }

    /// Clears every fault and releases what was held.
    pub fn clear_faults(&self) {
        self.0.faults.clear(None);
    }

    /// Clears one fault; held answers are released. False when it was gone already.
    pub fn clear_fault(&self, id: FaultId) -> bool {
        self.0.faults.clear(Some(id)) == 1
    }

    /// The faults that are set, with how often each has applied.
    pub fn faults(&self) -> Vec<ActiveFault> {
        self.0.faults.list()
    }

    /// Lets every held answer go.
    pub fn release_held(&self) {
        self.0.faults.release();
    }

    /// How many calls are held right now.
    pub fn held(&self) -> usize {
        *self.0.faults.held().borrow()
    }

    /// Waits until at least `n` calls are held.
    pub async fn held_reach(&self, n: usize) {
        let mut held = self.0.faults.held();
        // The sender lives as long as `self`, so this only ever returns when there are enough.
        let _enough = held.wait_for(|held| *held >= n).await;
    }
}
