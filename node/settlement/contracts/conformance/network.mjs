// The network's cells, written apart from the Rust crate so that the two can disagree.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Address, beginCell, Cell } from "@ton/core";
import { keyPairFromSeed, sign } from "@ton/crypto";

export const TON = 1_000_000_000n;
const here = dirname(fileURLToPath(import.meta.url));

export const OP = {
  excesses: 0x2565934c, payout: 0xc59a7cd3, doNotProcess: 0x9a1247c0, stateCommit: 0x53109c0f,
  workerPayout: 0xa040ad28, workerLastPayout: 0xf5f26a36, workerRegister: 0x26ed7f65, workerRequest: 0x4d725d2c,
  payloadPayout: 0x08e7d036,
  topUp: 0xf172e6c2, secretAndTopUp: 0x8473b408, register: 0xc45f9f3b, changeSecret: 0xa9357034,
  increaseStake: 0x6a1f6a60, withdraw: 0xda068e78, requestRefund: 0xfafa6cc1, charge: 0xbb63ff93,
  grantRefund: 0xefd711e1, topUpReopen: 0x29111ceb, clientRequest: 0x65448ff4,
  payloadTopUp: 0x5cfc6b87, payloadRegister: 0xa35cb580, payloadGranted: 0xc68ebc7b, payloadForce: 0xf4c354c9,
  payloadSettle: 0xb5687306,
  proxyPayout: 0x7610e6eb, proxyStake: 0x9713f187, proxyOwnerClose: 0xb51d5a01, proxyClose: 0x636a4391,
  proxyCloseComplete: 0xe511abc7,
  addWorker: 0xe34b1c60, delWorker: 0x8d94a79a, addModel: 0xc146134d, delModel: 0x92b11c18, addProxy: 0x71860e80,
  delProxy: 0x3c41d0b2, registerProxy: 0x927c7cb5, unregisterProxy: 0x6d49eaf2, updateProxy: 0x9c7924ba,
  changeFees: 0xc52ed8d4, changeParams: 0x022fa189, upgradeContracts: 0xa2370f61, upgradeCode: 0x11aefd51,
  reset: 0x563c1d96, upgradeFull: 0x4f7c5789, changeOwner: 0xc4a1ae54, changeParamsFull: 0x9f1e69dc,
  walletSend: 0x9c69f376,
};

export function codes(profile) {
  const load = (role) => Cell.fromBoc(readFileSync(join(here, "../build", profile, `${role}.boc`)))[0];
  return { root: load("root"), proxy: load("proxy"), client: load("client"), worker: load("worker"), wallet: load("wallet") };
}

export const PARAMS = {
  structVersion: 3, paramsVersion: 7, uniqueId: 13, isTest: true, price: 20n, fee: 16n,
  multipliers: [10_000, 2000, 80_000, 80_000], proxyDelay: 86_400, clientDelay: 43_200,
  minProxyStake: TON, minClientStake: 15n * TON,
};

export function paramsCell(p, proxy = null, worker = null, client = null) {
  const b = beginCell()
    .storeUint(p.structVersion, 8).storeUint(p.paramsVersion, 32).storeUint(p.uniqueId, 32).storeBit(p.isTest)
    .storeCoins(p.price).storeCoins(p.fee);
  for (const multiplier of p.multipliers) b.storeUint(multiplier, 32);
  return b.storeUint(p.proxyDelay, 32).storeUint(p.clientDelay, 32)
    .storeCoins(p.minProxyStake).storeCoins(p.minClientStake)
    .storeMaybeRef(proxy).storeMaybeRef(worker).storeMaybeRef(client)
    .endCell();
}

export function deployed(code, data) {
  const init = beginCell().storeUint(0b00110, 5).storeRef(code).storeRef(data).endCell();
  return { init, address: new Address(0, init.hash()) };
}

export const keys = (byte) => keyPairFromSeed(Buffer.alloc(32, byte));

const head = (op, queryId) => beginCell().storeUint(op, 32).storeUint(queryId, 64);

export function rootInit(code, params, owner, c) {
  const registry = beginCell().storeUint(0, 2).storeUint(0, 32).storeUint(0, 2).endCell();
  const data = beginCell().storeAddress(owner).storeUint(0, 32).storeRef(registry)
    .storeRef(paramsCell(params, c.proxy, c.worker, c.client)).endCell();
  return deployed(code, data);
}

export function walletInit(code, key, owner) {
  return deployed(code, beginCell().storeUint(0, 64).storeBuffer(key.publicKey).storeUint(0, 32).storeAddress(owner).endCell());
}

/// A proxy with its key, and what belongs to it.
export class Proxy {
  constructor({ codes: c, params, owner, key, root }) {
    Object.assign(this, { codes: c, params, owner, key });
    const data = beginCell().storeAddress(owner).storeBuffer(key.publicKey).storeAddress(root)
      .storeUint(0, 2).storeCoins(0).storeCoins(0).storeUint(0, 32)
      .storeRef(paramsCell(params, null, c.worker, c.client)).endCell();
    Object.assign(this, deployed(c.proxy, data));
  }

  worker(owner) {
    const data = beginCell().storeAddress(owner).storeAddress(this.address).storeBuffer(this.key.publicKey)
      .storeUint(0, 66).storeRef(paramsCell(this.params)).endCell();
    return deployed(this.codes.worker, data);
  }

  client(owner) {
    const parties = beginCell().storeAddress(owner).storeAddress(this.address).storeBuffer(this.key.publicKey).endCell();
    const data = beginCell().storeUint(0, 2).storeCoins(0).storeCoins(this.params.minClientStake)
      .storeUint(0, 64).storeUint(0, 32).storeUint(0, 256).storeRef(parties).storeRef(paramsCell(this.params)).endCell();
    return deployed(this.codes.client, data);
  }

  count(op, queryId, tokens, my, excesses, { key = this.key, partOp = op, partQuery = queryId, trailing = false } = {}) {
    const part = head(partOp, partQuery).storeUint(tokens, 64).storeAddress(my);
    if (trailing) part.storeBit(true);
    return this.envelope(op, queryId, part.endCell(), excesses, key);
  }

  close(op, queryId, my, excesses, key = this.key) {
    return this.envelope(op, queryId, head(op, queryId).storeAddress(my).endCell(), excesses, key);
  }

  envelope(op, queryId, part, excesses, key) {
    return head(op, queryId).storeAddress(excesses).storeBuffer(sign(part.hash(), key.secretKey)).storeRef(part).endCell();
  }
}

export const plain = (op, queryId, excesses) => head(op, queryId).storeAddress(excesses).endCell();
export const amount = (op, queryId, coins, excesses) => head(op, queryId).storeCoins(coins).storeAddress(excesses).endCell();
export const text = (letter) => beginCell().storeUint(0, 32).storeStringTail(letter).endCell();
export const client = {
  topUp: (queryId, coins, excesses) => amount(OP.topUp, queryId, coins, excesses),
  secretAndTopUp: (queryId, coins, hash, excesses) =>
    head(OP.secretAndTopUp, queryId).storeCoins(coins).storeUint(hash, 256).storeAddress(excesses).endCell(),
  register: (queryId, nonce, excesses) => head(OP.register, queryId).storeUint(nonce, 64).storeAddress(excesses).endCell(),
  changeSecret: (queryId, hash, excesses) =>
    head(OP.changeSecret, queryId).storeUint(hash, 256).storeAddress(excesses).endCell(),
  increaseStake: (queryId, coins, excesses) => amount(OP.increaseStake, queryId, coins, excesses),
  withdraw: (queryId, excesses) => plain(OP.withdraw, queryId, excesses),
  requestRefund: (queryId, excesses) => plain(OP.requestRefund, queryId, excesses),
};
export const root = {
  hash: (op, queryId, hash) => head(op, queryId).storeUint(hash, 256).endCell(),
  registration: (value) => beginCell().storeUint(value.length, 8).storeBuffer(Buffer.from(value)),
  register: (queryId, value) => head(OP.registerProxy, queryId).storeBuilder(root.registration(value)).endCell(),
  update: (queryId, seqno, value) =>
    head(OP.updateProxy, queryId).storeUint(seqno, 32).storeBuilder(root.registration(value)).endCell(),
  unregister: (queryId, seqno) => head(OP.unregisterProxy, queryId).storeUint(seqno, 32).endCell(),
  fees: (queryId, price, fee) => head(OP.changeFees, queryId).storeCoins(price).storeCoins(fee).endCell(),
  params: (queryId, p) => head(OP.changeParams, queryId).storeCoins(p.price).storeCoins(p.fee)
    .storeUint(p.proxyDelay, 32).storeUint(p.clientDelay, 32).storeCoins(p.minProxyStake).storeCoins(p.minClientStake).endCell(),
  contracts: (queryId, c) => head(OP.upgradeContracts, queryId).storeRef(c.proxy).storeRef(c.worker).storeRef(c.client).endCell(),
  code: (queryId, code) => head(OP.upgradeCode, queryId).storeRef(code).endCell(),
  full: (queryId, data, code) => head(OP.upgradeFull, queryId).storeRef(data).storeRef(code).endCell(),
  reset: (queryId) => head(OP.reset, queryId).endCell(),
  owner: (queryId, owner) => head(OP.changeOwner, queryId).storeAddress(owner).endCell(),
};

/// A message as a wallet sends it.
export function outgoing({ to, value, body, bounce = true, init = null }) {
  const b = beginCell().storeUint(bounce ? 0x18 : 0x10, 6).storeAddress(to).storeCoins(value).storeUint(0, 105);
  if (init) b.storeUint(0b11, 2).storeRef(init);
  else b.storeBit(false);
  return b.storeBit(true).storeRef(body ?? beginCell().endCell()).endCell();
}

export function order(key, seqno, validUntil, messages, subwallet = 0) {
  const unsigned = beginCell().storeUint(subwallet, 32).storeUint(validUntil, 32).storeUint(seqno, 32);
  for (const { mode, message } of messages) unsigned.storeUint(mode, 8).storeRef(message);
  const cell = unsigned.endCell();
  return beginCell().storeBuffer(sign(cell.hash(), key.secretKey)).storeSlice(cell.beginParse()).endCell();
}

export function readClient(data) {
  const s = data.beginParse();
  return {
    state: s.loadUint(2), balance: s.loadCoins(), stake: s.loadCoins(), tokens: s.loadUintBig(64), unlock: s.loadUint(32),
    secret: s.loadUintBig(256),
  };
}

export function readWorker(data) {
  const s = data.beginParse();
  s.skip(267 * 2 + 256);
  return { state: s.loadUint(2), tokens: s.loadUintBig(64) };
}

export function readProxy(data) {
  const s = data.beginParse();
  s.skip(267 + 256 + 267);
  const read = { state: s.loadUint(2), balance: s.loadCoins(), stake: s.loadCoins(), unlock: s.loadUint(32) };
  s.loadRef();
  read.earned = s.remainingRefs > 0 ? s.loadRef().beginParse().loadCoins() : 0n;
  return read;
}

export function readRoot(data) {
  const s = data.beginParse();
  s.skip(267);
  const version = s.loadUint(32);
  const registry = s.loadRef().beginParse();
  const params = s.loadRef().beginParse();
  params.skip(8);
  const [proxies, registered] = [registry.loadMaybeRef(), registry.loadMaybeRef()];
  return {
    version, paramsVersion: params.loadUint(32), proxies, registered, lastSeqno: registry.loadUint(32),
    workers: registry.loadMaybeRef(), models: registry.loadMaybeRef(),
  };
}

export function readWallet(data) {
  const s = data.beginParse();
  const seqno = s.loadUint(32);
  s.skip(32 + 256);
  return { seqno, status: s.loadUint(32) };
}
