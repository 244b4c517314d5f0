//! What drives a world: an executor polls tasks and moves time; it holds no network, disk or fault code.

#[cfg(madsim)]
mod madsim;
mod native;

use crate::{config::EngineKind, error::SimErrorKind, task::TaskKey, world::World};
use std::{any::Any, sync::Arc};

/// Polls tasks and moves time until the main task is done or the run fails.
trait Executor {
    fn drive(&mut self, world: &Arc<World>, main: TaskKey);
}

/// Runs a world whose main task is spawned. Failures are left in the state.
pub(crate) fn drive(engine: EngineKind, world: &Arc<World>, main: TaskKey) -> Result<(), SimErrorKind> {
    match engine {
        EngineKind::Native => native::Native::new().drive(world, main),
        #[cfg(madsim)]
        EngineKind::Madsim => madsim::Madsim.drive(world, main),
        #[cfg(not(madsim))]
        EngineKind::Madsim => return Err(SimErrorKind::EngineUnavailable),
    }
    Ok(())
}

/// What a panic said.
fn panic_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(a panic without a text)".to_owned())
}
