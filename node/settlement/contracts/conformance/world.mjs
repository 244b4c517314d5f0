// A chain of one queue around the sandbox's executor. Every call of the executor is recorded.
import { Executor } from "@ton/sandbox/dist/executor/Executor.js";
import { Address, beginCell, Cell, loadMessage, loadShardAccount, loadTransaction, storeShardAccount } from "@ton/core";
import { CONFIGS } from "./config.mjs";

const SEED = Buffer.alloc(32);
const LT_STEP = 1_000_000n;

/// An account that nobody has ever touched: `account_none`. (The sandbox's own `Blockchain` would start it as "uninit
/// with zero cells", which no chain does.)
const NONE = beginCell()
  .storeRef(beginCell().storeBit(false).endCell())
  .storeUint(0, 256)
  .storeUint(0, 64)
  .endCell();

const fromBase64 = (text) => Cell.fromBase64(text);

export class World {
  constructor(executor) {
    this.executor = executor;
    this.configs = CONFIGS.map((cell) => cell.toBoc().toString("base64"));
    this.calls = [];
    this.getters = [];
    this.failures = [];
    this.statistics = { transactions: 0, refused: 0, exitCodes: {} };
    this.reset("start");
  }

  static async create() {
    return new World(await Executor.create());
  }

  /// A new chain; what was recorded stays.
  reset(name) {
    this.name = name;
    this.chain = (this.chain ?? -1) + 1;
    this.accounts = new Map();
    this.received = new Map();
    this.people = new Set();
    this.queue = [];
    this.now = 1_790_000_000;
    this.lt = 1_000n * LT_STEP;
    this.config = 1;
    this.fees = 0n;
    this.last = [];
  }

  /// An address whose messages are made by the recorder and whose coins are only counted.
  person(byte) {
    const address = new Address(0, Buffer.alloc(32, byte));
    this.people.add(address.toRawString());
    return address;
  }

  state(address) {
    return this.accounts.get(address.toRawString()) ?? NONE;
  }

  account(address) {
    return loadShardAccount(this.state(address).beginParse()).account;
  }

  /// Gives an account another balance, as if coins had vanished: a start state that the vectors hold in full.
  setBalance(address, coins) {
    const shard = loadShardAccount(this.state(address).beginParse());
    const { storage, storageStats } = shard.account;
    // The account's own count of what it uses includes the bits of its balance.
    const bits = (amount) => beginCell().storeCoins(amount).bits;
    storageStats.used.bits += BigInt(bits(coins) - bits(storage.balance.coins));
    storage.balance.coins = coins;
    this.accounts.set(address.toRawString(), beginCell().store(storeShardAccount(shard)).endCell());
  }

  balance(address) {
    if (this.people.has(address.toRawString())) return this.received.get(address.toRawString()) ?? 0n;
    return this.account(address)?.storage.balance.coins ?? 0n;
  }

  data(address) {
    const state = this.account(address)?.storage.state;
    return state?.type === "active" ? state.state.data : null;
  }

  /// An internal message from a person, or made up: it enters the queue.
  inject({ from, to, value, body, bounce = true, bounced = false, init = null, extraFlags = 0 }) {
    this.lt += LT_STEP;
    const flags = extraFlags === 0 ? beginCell().storeUint(0, 4) : beginCell().storeUint(1, 4).storeUint(extraFlags, 8);
    const message = beginCell()
      .storeUint(0b01, 2).storeBit(bounce).storeBit(bounced)
      .storeAddress(from).storeAddress(to).storeCoins(value)
      .storeBit(false).storeBuilder(flags).storeCoins(66_667n).storeUint(this.lt, 64).storeUint(this.now, 32);
    if (init) message.storeUint(0b11, 2).storeRef(init);
    else message.storeBit(false);
    message.storeBit(true).storeRef(body ?? beginCell().endCell());
    this.queue.push(message.endCell());
  }

  /// Delivers everything that is in the queue and what follows from it. Returns the transactions.
  async settle(limit = 200) {
    const transactions = [];
    while (this.queue.length > 0) {
      if (transactions.length >= limit) throw new Error("messages without end");
      const transaction = await this.deliver(this.queue.shift());
      if (transaction) transactions.push(transaction);
    }
    this.last = transactions;
    return transactions;
  }

  async send(message) {
    this.inject(message);
    return this.settle();
  }

  /// An external message; returns the transaction or null if the account did not accept it.
  async external(to, body, init = null) {
    const message = beginCell().storeUint(0b1000, 4).storeAddress(to).storeUint(0, 4);
    if (init) message.storeUint(0b11, 2).storeRef(init);
    else message.storeBit(false);
    const cell = message.storeBit(true).storeRef(body).endCell();
    const transaction = await this.deliver(cell);
    const rest = await this.settle();
    return transaction && [transaction, ...rest];
  }

  async deliver(cell) {
    const message = loadMessage(cell.beginParse());
    const key = message.info.dest.toRawString();
    const before = this.accounts.get(key) ?? NONE;
    this.lt += LT_STEP;
    const { result } = await this.executor.runTransaction({
      config: this.configs[this.config],
      libs: null,
      verbosity: "short",
      shardAccount: before.toBoc().toString("base64"),
      message: cell,
      now: this.now,
      lt: this.lt,
      randomSeed: SEED,
      ignoreChksig: false,
      debugEnabled: false,
    });
    const call = {
      chain: this.chain,
      account: key,
      message: cell,
      before,
      now: this.now,
      lt: this.lt,
      config: this.config,
    };
    this.calls.push(call);
    if (!result.success) {
      if (process.env.DEBUG_RECORDER) process.stderr.write(`${this.name}: ${result.error}\n`);
      call.refused = result.vmResults?.vmExitCode ?? null;
      this.statistics.refused += 1;
      this.lastRefusal = call.refused;
      return null;
    }
    const after = fromBase64(result.shardAccount);
    const transactionCell = fromBase64(result.transaction);
    const transaction = loadTransaction(transactionCell.beginParse());
    this.accounts.set(key, after);
    const compute = transaction.description.computePhase;
    call.after = after;
    call.transaction = transactionCell;
    call.exit = compute?.type === "vm" ? compute.exitCode : null;
    call.gas = compute?.type === "vm" ? Number(compute.gasUsed) : null;
    this.statistics.transactions += 1;
    const label = String(call.exit ?? compute?.reason ?? "none");
    this.statistics.exitCodes[label] = (this.statistics.exitCodes[label] ?? 0) + 1;
    this.fees += transaction.totalFees.coins;
    transaction.exit = call.exit;
    transaction.to = key;
    transaction.gas = call.gas;
    transaction.action = transaction.description.actionPhase?.resultCode ?? null;
    for (const out of transaction.outMessages.values()) this.route(transactionCell, out);
    return transaction;
  }

  route(transactionCell, out) {
    const dest = out.info.dest.toRawString();
    if (this.people.has(dest)) {
      this.received.set(dest, (this.received.get(dest) ?? 0n) + out.info.value.coins);
      return;
    }
    // The very cell that the transaction holds, not one that was built anew.
    const wanted = out.info.createdLt;
    for (const cell of outgoing(transactionCell)) {
      const info = loadMessage(cell.beginParse()).info;
      if (info.type === "internal" && info.createdLt === wanted) this.queue.push(cell);
    }
  }

  async get(address, method, stack = []) {
    const state = this.account(address).storage.state.state;
    const args = {
      code: state.code,
      data: state.data,
      methodId: typeof method === "number" ? method : methodId(method),
      stack,
      config: this.configs[this.config],
      verbosity: "short",
      address,
      unixTime: this.now,
      balance: this.balance(address),
      randomSeed: SEED,
      gasLimit: 10_000_000n,
      debugEnabled: false,
    };
    const { output } = await this.executor.runGetMethod(args);
    if (!output.success) throw new Error(output.error);
    this.getters.push({ args, name: method, exit: output.vm_exit_code, gas: Number(output.gas_used), stack: output.stack });
    return Cell.fromBase64(output.stack);
  }

  expect(condition, what) {
    if (!condition) this.failures.push(`${this.name}: ${what}`);
  }
}

/// Cells of the outgoing messages of a transaction.
function outgoing(transaction) {
  const messages = transaction.refs[0];
  const slice = messages.beginParse();
  if (slice.loadBit()) slice.loadRef();
  const cells = [];
  if (!slice.loadBit()) return cells;
  const walk = (cell, left) => {
    const node = cell.beginParse();
    // Labels of a dictionary with keys of 15 bits.
    let length = 0;
    if (!node.loadBit()) {
      while (node.loadBit()) length += 1;
      node.skip(length);
    } else {
      const kind = node.loadBit();
      if (kind) node.skip(1);
      length = node.loadUint(Math.ceil(Math.log2(left + 1)));
      if (!kind) node.skip(length);
    }
    if (left - length === 0) cells.push(node.loadRef());
    else {
      walk(node.loadRef(), left - length - 1);
      walk(node.loadRef(), left - length - 1);
    }
  };
  walk(slice.loadRef(), 15);
  return cells;
}

function methodId(name) {
  let crc = 0;
  for (const byte of Buffer.from(name)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  }
  return (crc & 0xffff) | 0x10000;
}
