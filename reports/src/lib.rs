//! Run stores and what is computed from them
