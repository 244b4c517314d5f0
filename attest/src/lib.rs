//! Attestation evidence, its appraisal, and TLS that carries it
