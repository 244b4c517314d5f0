// Blockchain configurations made of numbers: the fees until and since 2026-04-29, and since then under congestion.
// Nothing else of a real network's configuration matters to an executor.
import { beginCell, Dictionary } from "@ton/core";

const TVM_VERSION = 12;
/// Capabilities of the public networks.
const CAPABILITIES = 494n;
const TON = 1_000_000_000n;

function gasPrices({ flatPrice, price, specialLimit, blockLimit }) {
  return beginCell()
    .storeUint(0xd1, 8).storeUint(100, 64).storeUint(flatPrice, 64)
    .storeUint(0xde, 8).storeUint(price, 64).storeUint(1_000_000, 64).storeUint(specialLimit, 64)
    .storeUint(10_000, 64).storeUint(blockLimit, 64).storeUint(TON / 10n, 64).storeUint(TON, 64)
    .endCell();
}

function forwardPrices(lump, bit, cell) {
  return beginCell()
    .storeUint(0xea, 8).storeUint(lump, 64).storeUint(bit, 64).storeUint(cell, 64)
    .storeUint(98304, 32).storeUint(21845, 16).storeUint(21845, 16)
    .endCell();
}

function storagePrices(since, bit, cell) {
  return beginCell()
    .storeUint(0xcc, 8).storeUint(since, 32).storeUint(bit, 64).storeUint(cell, 64)
    .storeUint(1000, 64).storeUint(500_000, 64)
    .endCell();
}

/// The basechain: without it no address there is a valid destination.
function workchains() {
  const basechain = beginCell()
    .storeUint(0xa6, 8).storeUint(0, 32).storeUint(0, 8).storeUint(0, 8).storeUint(4, 8)
    .storeBit(true).storeBit(true).storeBit(true).storeUint(0, 13)
    .storeUint(0, 256).storeUint(0, 256).storeUint(0, 32)
    .storeUint(1, 4).storeInt(-1, 32).storeUint(0, 64)
    .endCell();
  const entries = Dictionary.empty(Dictionary.Keys.Int(32), {
    serialize: (cell, builder) => builder.storeSlice(cell.beginParse()),
    parse: () => null,
  });
  entries.set(0, basechain);
  return entries;
}

function config({ gas, forward, storage }) {
  const storageEntries = Dictionary.empty(Dictionary.Keys.Uint(32), {
    serialize: (cell, builder) => builder.storeSlice(cell.beginParse()),
    parse: () => null,
  });
  // The executor insists that each entry stands under its own first second.
  for (const [since, ...prices] of storage) storageEntries.set(since, storagePrices(since, ...prices));
  const params = Dictionary.empty(Dictionary.Keys.Int(32), Dictionary.Values.Cell());
  params.set(0, beginCell().storeUint(0x55, 8).storeUint(0, 248).endCell());
  params.set(8, beginCell().storeUint(0xc4, 8).storeUint(TVM_VERSION, 32).storeUint(CAPABILITIES, 64).endCell());
  params.set(12, beginCell().storeDict(workchains()).endCell());
  params.set(18, beginCell().storeDictDirect(storageEntries).endCell());
  params.set(19, beginCell().storeInt(-239, 32).endCell());
  const masterchain = { flatPrice: 1_000_000, price: 10_000 * 65536, specialLimit: 70_000_000, blockLimit: 2_500_000 };
  params.set(20, gasPrices(masterchain));
  params.set(21, gasPrices({ ...gas, specialLimit: 1_000_000, blockLimit: 10_000_000 }));
  params.set(24, forwardPrices(10_000_000n, 655_360_000n, 65_536_000_000n));
  params.set(25, forwardPrices(...forward));
  params.set(31, beginCell().storeBit(false).endCell());
  return beginCell().storeDictDirect(params).endCell();
}

const storageBefore = [0, 1, 500];

export const CONFIGS = [
  // Before.
  config({
    gas: { flatPrice: 40_000, price: 400 * 65536 },
    forward: [400_000n, 26_214_400n, 2_621_440_000n],
    storage: [storageBefore],
  }),
  // Since.
  config({
    gas: { flatPrice: 6_667, price: 4_369_067 },
    forward: [66_667n, 4_369_067n, 436_906_667n],
    storage: [storageBefore, [1_777_500_000, 0, 135]],
  }),
  // Twenty times that.
  config({
    gas: { flatPrice: 133_340, price: 87_381_340 },
    forward: [1_333_340n, 87_381_340n, 8_738_133_340n],
    storage: [storageBefore, [1_777_500_000, 0, 135]],
  }),
];
