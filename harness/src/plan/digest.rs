//! The hash that identifies a plan.

use chrysalis_world::plan::Plan;
use sha2::{Digest as _, Sha256};

/// SHA-256 of a version tag and the plan as compact JSON, in hexadecimal. JSON of a plan is canonical: fields in the
/// order of the type, integers only, no maps.
///
/// # Errors
/// None in practice: every plan is JSON.
pub fn of(plan: &Plan) -> Result<String, serde_json::Error> {
    let mut hash = Sha256::new_with_prefix("chrysalis plan 1\n");
    hash.update(serde_json::to_vec(plan)?);
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
