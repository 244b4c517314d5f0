//! madsim's executor.
