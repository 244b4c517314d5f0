//! Puts a plan together: nodes, network, TEEs, workload, faults; runs it and says what happened
