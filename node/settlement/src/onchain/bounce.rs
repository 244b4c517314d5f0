//! Messages that came back.

use tycho_types::cell::Cell;

use super::{Coins, ExitCode, LayoutError, fields::Fields, opcodes};
use crate::cells::build;

/// First bits of a bounced body, short form: 256 bits of the original body follow.
const SHORT: u32 = 0xffff_ffff;
/// First bits of a bounced body, whole form (`extra_flags`, global version 12).
const WHOLE: u32 = 0xffff_fffe;

/// A body that came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bounced {
    /// The first 256 bits of the original body, or fewer.
    Short {
        /// Those bits.
        head: Cell,
    },
    /// All of it.
    Whole {
        /// The original body; without references if only its root was asked for.
        original: Cell,
        /// Coins that the original message carried.
        value: Coins,
        /// Logical time of the original message.
        created_lt: u64,
        /// Unix seconds of the original message.
        created_at: u32,
        /// Phase that failed: 0 no compute phase, 1 compute, 2 action.
        phase: u8,
        /// Why.
        exit_code: ExitCode,
        /// Gas and steps, where the machine ran.
        compute: Option<ComputeUsed>,
    },
}

/// What a failed compute phase has used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComputeUsed {
    /// Gas.
    pub gas: u32,
    /// Instructions.
    pub steps: u32,
}

impl Bounced {
    /// Reads the body of a message whose bounced flag is set.
    ///
    /// # Errors
    /// Neither form.
    pub fn parse(body: &Cell) -> Result<Self, LayoutError> {
        let mut fields = Fields::of(body)?;
        match fields.u32()? {
            SHORT => Ok(Self::Short { head: fields.rest() }),
            WHOLE => {
                let original = fields.reference()?;
                let info = fields.reference()?;
                let phase = fields.u8()?;
                let exit_code = ExitCode(i32::from_be_bytes(fields.bytes()?));
                let compute = if fields.bit()? {
                    Some(ComputeUsed {
                        gas: fields.u32()?,
                        steps: fields.u32()?,
                    })
                } else {
                    None
                };
                fields.finish()?;
                let mut info = Fields::of(&info)?;
                let value = info.coins()?;
                // Extra currencies: none in this network, but others may send them.
                info.maybe_reference()?;
                let created_lt = info.u64()?;
                let created_at = info.u32()?;
                info.finish()?;
                Ok(Self::Whole {
                    original,
                    value,
                    created_lt,
                    created_at,
                    phase,
                    exit_code,
                    compute,
                })
            }
            op => Err(LayoutError::UnknownOp { op }),
        }
    }

    /// The body that is known, or its beginning.
    pub const fn known(&self) -> &Cell {
        match self {
            Self::Short { head } => head,
            Self::Whole { original, .. } => original,
        }
    }

    /// Operation of the original body.
    pub fn op(&self) -> Option<u32> {
        Fields::of(self.known()).ok()?.u32().ok()
    }

    /// Query id of the original body; texts have none.
    pub fn query_id(&self) -> Option<u64> {
        let mut fields = Fields::of(self.known()).ok()?;
        if fields.u32().ok()? == opcodes::TEXT {
            return None;
        }
        fields.u64().ok()
    }

    /// The short form of a body, as the chain makes it: for tests and simulations.
    pub fn short_form(original: &Cell) -> Cell {
        build(|cell| {
            cell.store_u32(SHORT)?;
            let mut slice = original.as_slice()?;
            let bits = slice.size_bits().min(256);
            cell.store_slice(slice.load_prefix(bits, 0)?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{contracts::vectors, onchain::message::ClientMessage};

    fn body() -> Cell {
        let excesses = vectors::OWNER;
        ClientMessage::Withdraw { query_id: 77, excesses }.to_cell()
    }

    fn whole(phase: u8) -> Cell {
        let info = build(|cell| {
            cell.store_small_uint(1, 4)?;
            cell.store_u8(9)?;
            cell.store_bit(false)?;
            cell.store_u64(5)?;
            cell.store_u32(6)
        });
        build(|cell| {
            cell.store_u32(WHOLE)?;
            cell.store_reference(body())?;
            cell.store_reference(info)?;
            cell.store_u8(phase)?;
            cell.store_u32(1006)?;
            cell.store_bit(true)?;
            cell.store_u32(1700)?;
            cell.store_u32(40)
        })
    }

    #[test]
    fn both_forms_say_what_failed() {
        for bounced in [Bounced::short_form(&body()), whole(1)] {
            let bounced = Bounced::parse(&bounced).unwrap();
            assert_eq!(bounced.op(), Some(opcodes::CLIENT_WITHDRAW));
            assert_eq!(bounced.query_id(), Some(77));
        }
        let Bounced::Whole {
            original,
            value,
            exit_code,
            compute,
            ..
        } = Bounced::parse(&whole(1)).unwrap()
        else {
            panic!("the whole form");
        };
        assert_eq!(original, body());
        assert_eq!((value, exit_code), (Coins::from(9), ExitCode(1006)));
        assert_eq!(compute, Some(ComputeUsed { gas: 1700, steps: 40 }));
    }

    #[test]
    fn other_bodies_are_refused() {
        assert_eq!(
            Bounced::parse(&body()),
            Err(LayoutError::UnknownOp {
                op: opcodes::CLIENT_WITHDRAW
            })
        );
        assert_eq!(Bounced::parse(&Cell::default()), Err(LayoutError::Short));
        let empty = Bounced::parse(&Bounced::short_form(&Cell::default())).unwrap();
        assert_eq!((empty.op(), empty.query_id()), (None, None));
        for longer in crate::onchain::arbitrary::longer(&whole(0)) {
            assert!(Bounced::parse(&longer).is_err());
        }
        assert!(Bounced::parse(&crate::onchain::arbitrary::shorter(&whole(0))).is_err());
    }
}
