// SPDX-License-Identifier: GPL-2.0-only

//! Memory barriers between CPUs. Goes with 7.2, whose `kernel::sync::barrier` has a function for
//! each kind of barrier.

#[cfg(not(before_7_3))]
pub use kernel::sync::barrier::{smp_mb, Read, Write};

#[cfg(before_7_3)]
pub use before_7_3::{smp_mb, Read, Write};

#[cfg(before_7_3)]
mod before_7_3 {
    use kernel::sync::barrier::{smp_rmb, smp_wmb};

    /// Orders reads against reads.
    pub struct Read;

    /// Orders writes against writes.
    pub struct Write;

    /// A kind of barrier.
    pub trait Kind {
        /// Executes a barrier of this kind.
        fn execute(self);
    }

    impl Kind for Read {
        #[inline(always)]
        fn execute(self) {
            smp_rmb();
        }
    }

    impl Kind for Write {
        #[inline(always)]
        fn execute(self) {
            smp_wmb();
        }
    }

    /// Executes a memory barrier of the given kind.
    #[inline(always)]
    pub fn smp_mb(kind: impl Kind) {
        kind.execute();
    }
}
