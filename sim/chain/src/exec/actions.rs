//! Rules on the list of actions that the executor does not know.
//!
//! * From version 15 on only the masterchain may change libraries: an action phase that tries elsewhere fails with
//!   code 34 at that action (difference 12; the exact record is by specification, no reference of that version is at
//!   hand to compare with).
//! * Version 12 has no way to skip a message with an invalid mode, flag +2 or not: it fails with code 34. The executor
//!   follows version 13, which skips it. Both are decided here by looking at the modes before the phase runs.

use tycho_executor::phase::ActionPhaseFull;
use tycho_types::cell::{Cell, DynCell};
use tycho_types::models::{AccountStatusChange, ActionPhase, StorageUsedShort};
use tycho_types::num::Tokens;

const TAG_SEND_MESSAGE: u32 = 0x0ec3_c86d;
const TAG_CHANGE_LIBRARY: u32 = 0x26fa_1dd4;
/// The list has at most 255 actions; a longer one is for the phase itself to refuse.
const MAX_ACTIONS: usize = 255;
const CODE_INVALID_ACTION: i32 = 34;
const KNOWN_MODE_BITS: u8 = 0b1111_0011;
const MODE_IGNORE_ERRORS: u8 = 2;
const MODE_BOUNCE_ON_ERROR: u8 = 16;
const MODE_EXCLUSIVE: u8 = 64 | 128;

/// A failed phase when one of the rules above applies, none when the executor decides.
pub(super) fn refused(actions: &Cell, version: u32, masterchain: bool) -> Option<ActionPhaseFull> {
    let library_rule = version >= 15 && !masterchain;
    if !library_rule && version > 12 {
        return None;
    }
    let mut list: Vec<&DynCell> = Vec::new();
    let mut next = actions.as_ref();
    while next.bit_len() > 0 && !next.is_exotic() && list.len() <= MAX_ACTIONS {
        list.push(next);
        next = next.reference(0)?;
    }
    if list.len() > MAX_ACTIONS {
        return None;
    }
    list.reverse();
    for (index, action) in list.iter().enumerate() {
        let mut slice = action.as_slice().ok()?;
        let tag = slice.load_u32().ok()?;
        let (stop, bounce) = match tag {
            TAG_CHANGE_LIBRARY => (library_rule, false),
            TAG_SEND_MESSAGE => {
                let mode = slice.load_u8().ok()?;
                let invalid = mode & !KNOWN_MODE_BITS != 0 || mode & MODE_EXCLUSIVE == MODE_EXCLUSIVE;
                (
                    version <= 12 && invalid && mode & MODE_IGNORE_ERRORS != 0,
                    mode & MODE_BOUNCE_ON_ERROR != 0,
                )
            }
            _ => (false, false),
        };
        if stop {
            // An earlier action could fail first, with its own code: then the executor's order would matter. Such a
            // list fails either way and changes nothing; only the recorded code may differ.
            return Some(failed(actions, list.len(), index, bounce));
        }
    }
    None
}

fn failed(actions: &Cell, total: usize, index: usize, bounce: bool) -> ActionPhaseFull {
    ActionPhaseFull {
        action_phase: ActionPhase {
            success: false,
            valid: true,
            no_funds: false,
            status_change: AccountStatusChange::Unchanged,
            total_fwd_fees: None,
            total_action_fees: None,
            result_code: CODE_INVALID_ACTION,
            result_arg: i32::try_from(index).ok(),
            total_actions: u16::try_from(total).unwrap_or(u16::MAX),
            special_actions: 0,
            skipped_actions: 0,
            messages_created: 0,
            action_list_hash: *actions.repr_hash(),
            total_message_size: StorageUsedShort::ZERO,
        },
        action_fine: Tokens::ZERO,
        state_exceeds_limits: false,
        bounce,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tycho_types::cell::CellBuilder;

    fn list(items: &[&[u8]]) -> Cell {
        let mut list = Cell::default();
        for item in items {
            let mut builder = CellBuilder::new();
            builder.store_reference(list).unwrap();
            builder.store_raw(item, u16::try_from(item.len() * 8).unwrap()).unwrap();
            list = builder.build().unwrap();
        }
        list
    }

    const SEND: [u8; 4] = TAG_SEND_MESSAGE.to_be_bytes();

    fn send(mode: u8) -> Vec<u8> {
        [&SEND[..], &[mode]].concat()
    }

    #[test]
    fn libraries_are_for_the_masterchain_since_version_15() {
        let change = list(&[&send(1), &TAG_CHANGE_LIBRARY.to_be_bytes()]);
        let failed = refused(&change, 15, false).unwrap().action_phase;
        assert_eq!(
            (failed.result_code, failed.result_arg, failed.total_actions),
            (34, Some(1), 2)
        );
        assert!(refused(&change, 15, true).is_none());
        assert!(refused(&change, 14, false).is_none());
    }

    #[test]
    fn version_12_skips_no_invalid_mode() {
        for (mode, stops) in [
            (2, false),
            (3, false),
            (2 | 64 | 128, true),
            (2 | 4, true),
            (4, false),
            (64 | 2, false),
        ] {
            assert_eq!(
                refused(&list(&[&send(mode)]), 12, false).is_some(),
                stops,
                "mode {mode}"
            );
            assert!(refused(&list(&[&send(mode)]), 13, false).is_none());
        }
    }

    #[test]
    fn broken_lists_are_left_to_the_executor() {
        assert!(refused(&Cell::default(), 15, false).is_none());
        assert!(refused(&list(&[&[1, 2]]), 12, false).is_none());
    }
}
