//! Pricing, signed payments, contract addresses; no I/O
