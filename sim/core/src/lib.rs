//! The deterministic world: executors, network, disks, clocks, entropy, event log
