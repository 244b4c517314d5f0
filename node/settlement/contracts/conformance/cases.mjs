// Directed cases: every message of every contract, and every reason to refuse one. Each runs in both profiles; where
// the profiles differ on purpose the expectation says so.
import { beginCell, Cell } from "@ton/core";
import { OP, TON, client, keys, order, outgoing, plain, amount, readRoot, readWallet, root, text } from "./network.mjs";
import { CALL, Network } from "./setup.mjs";

const MIN = TON / 10n;
const head = (op, query = 1) => beginCell().storeUint(op, 32).storeUint(query, 64);
const withBit = (cell) => beginCell().storeSlice(cell.beginParse()).storeBit(true).endCell();
const withoutBit = (cell) => {
  const s = cell.beginParse();
  const b = beginCell().storeBits(s.loadBits(s.remainingBits - 1));
  while (s.remainingRefs > 0) b.storeRef(s.loadRef());
  return b.endCell();
};

/// What every contract takes without doing anything.
async function ignored(n, name) {
  const to = n[name].address;
  await n.expect(0, "empty body", n.stranger, to, MIN, null);
  await n.expect(0, "do not process", n.stranger, to, MIN, head(OP.doNotProcess).storeUint(7, 9).endCell());
  await n.expect(0, "bounced, short", n.stranger, to, MIN, beginCell().storeUint(0xffffffff, 32).storeUint(1, 96).endCell(), { bounced: true, bounce: false });
  await n.expect(9, "half an operation", n.stranger, to, MIN, beginCell().storeUint(1, 16).endCell());
}

export const CASES = {
  async root(n) {
    await n.deploy("root");
    await ignored(n, "root");
    const { address } = n.root;
    const own = (what, body, exit = 0) => n.expect(exit, what, n.rootOwner, address, MIN, body);
    await n.expect(1010, "a stranger", n.stranger, address, MIN, root.reset(1));
    await n.expect(1010, "a stranger's unknown operation", n.stranger, address, MIN, head(0x12345678).endCell());
    await own("unknown operation", head(0x12345678).endCell(), 1012);
    await own("full parameters are not handled", head(OP.changeParamsFull).endCell(), 1012);
    let hash = 1n;
    for (const op of [OP.addWorker, OP.addModel, OP.addProxy, OP.addWorker, OP.delWorker, OP.delModel, OP.delProxy, OP.delProxy]) {
      await own(`hash ${op.toString(16)}`, root.hash(op, n.next(), hash));
      await own(`hash ${op.toString(16)}, longer`, withBit(root.hash(op, n.next(), hash)), 9);
      hash += op === OP.addProxy ? 1n : 0n;
    }
    for (let i = 0n; i < 20n; i += 1n) await own("many hashes", root.hash(OP.addModel, n.next(), i * 0x9e3779b97f4a7c15f39cc0605cedc834n));
    await own("register", root.register(n.next(), "10.0.0.1:9000"));
    await own("register two", root.register(n.next(), "10.0.0.1:9000 10.0.0.2:9001"));
    await own("register nothing", root.register(n.next(), ""));
    await own("reserved bit", head(OP.registerProxy).storeUint(0x81, 8).storeUint(0, 8).endCell(), 1004);
    await own("text too short", head(OP.registerProxy).storeUint(5, 8).storeUint(0, 8).endCell(), 9);
    await own("text too long", withBit(root.register(n.next(), "a:1")), 9);
    await own("update", root.update(n.next(), 2, "10.0.0.3:9000"));
    await own("update of an absent one", root.update(n.next(), 9, "10.0.0.3:9000"), 2000);
    await own("unregister", root.unregister(n.next(), 1));
    await own("unregister an absent one", root.unregister(n.next(), 1));
    n.world.expect(readRoot(n.world.data(address)).lastSeqno === 3, "numbers are not reused");
    await own("fees", root.fees(n.next(), 30n, 31n));
    await own("fees, absurd", root.fees(n.next(), (1n << 119n), 0n));
    await own("params", root.params(n.next(), { ...n.params, price: 21n, proxyDelay: 1 }));
    await own("contracts", root.contracts(n.next(), n.codes));
    await own("contracts, two only", head(OP.upgradeContracts).storeRef(n.codes.proxy).storeRef(n.codes.worker).endCell(), 9);
    for (const method of ["get_cocoon_data", "get_cur_params", "last_proxy_seqno"]) await n.world.get(address, method);
    for (const value of [0n, 1n, 5n]) {
      for (const method of ["proxy_hash_is_valid", "worker_hash_is_valid", "model_hash_is_valid"]) {
        await n.world.get(address, method, [{ type: "int", value }]);
      }
    }
    await n.world.get(address, "no_such_method");
    await own("reset", root.reset(n.next()));
    const emptied = readRoot(n.world.data(address));
    n.world.expect(emptied.models === null && emptied.registered === null && emptied.lastSeqno === 3, "reset empties the lists");
    await own("reset, longer", withBit(root.reset(n.next())), 9);
    await own("owner", root.owner(n.next(), n.owner));
    await own("the old owner", root.reset(n.next()), 1010);
    const version = readRoot(n.world.data(address)).version;
    await n.expect(0, "own code", n.owner, address, MIN, root.code(n.next(), n.codes.root));
    n.world.expect(readRoot(n.world.data(address)).version === version, "new code leaves the version");
    await n.expect(0, "data and code", n.owner, address, MIN, root.full(n.next(), n.world.data(address), n.codes.root));
    await n.expect(0, "another code", n.owner, address, MIN, root.code(n.next(), n.codes.wallet));
    await n.expect(9, "a wallet does not read a root's data", n.stranger, address, MIN, text("w"));
  },

  async rootDamaged(n) {
    const broken = { ...n.params, structVersion: 2 };
    n.root = (await import("./network.mjs")).rootInit(n.codes.root, broken, n.rootOwner, n.codes);
    await n.deploy("root");
    await n.expect(1008, "parameters of another version", n.rootOwner, n.root.address, MIN, root.fees(1, 1n, 1n));
    await n.expect(0, "lists do not need them", n.rootOwner, n.root.address, MIN, root.hash(OP.addModel, 2, 5n));
    await n.world.get(n.root.address, "get_cur_params");
  },

  async proxy(n) {
    await n.deploy("proxy");
    await ignored(n, "proxy");
    const { address } = n.proxy;
    const any = (exit, what, body, value = MIN) => n.expect(exit, what, n.stranger, address, value, body);
    await any(1012, "unknown operation", head(0x12345678).endCell());
    await any(1013, "unknown text", text("x"));
    await any(9, "long text", text("close"));
    await any(1010, "a stranger's close", text("c"));
    await any(1010, "a stranger's withdrawal", text("w"));
    await any(1003, "payout, low value", plain(OP.proxyPayout, 1, n.stranger), MIN - 1n);
    await any(0, "payout of nothing", plain(OP.proxyPayout, 2, n.stranger));
    await any(9, "payout, longer", withBit(plain(OP.proxyPayout, 2, n.stranger)));
    await any(9, "payout, shorter", withoutBit(plain(OP.proxyPayout, 2, n.stranger)));
    await any(1003, "stake, low value", amount(OP.proxyStake, 3, TON, n.stranger), TON + MIN - 1n);
    await any(0, "stake", amount(OP.proxyStake, 4, TON, n.stranger), TON + MIN);
    n.world.expect(n.proxyState().stake === TON, "the stake grew");
    await any(1010, "owner close by a stranger", plain(OP.proxyOwnerClose, 5, n.stranger));
    // Announcements without a payload: anyone may send them.
    const worker = beginCell().storeUint(OP.workerRequest, 32).storeUint(1, 64).storeAddress(n.workerOwner).storeUint(0, 2).storeUint(9, 64);
    await any(0, "worker, no payload", beginCell().storeBuilder(worker).storeBit(false).endCell());
    await any(9, "worker, trailing", beginCell().storeBuilder(worker).storeUint(0, 2).endCell());
    const payout = beginCell().storeUint(OP.payloadPayout, 32).storeCoins(1).storeCoins(1).storeAddress(n.stranger).endCell();
    await any(1014, "worker, forged", beginCell().storeBuilder(worker).storeMaybeRef(payout).endCell());
    const state = beginCell().storeUint(0, 2).storeCoins(0).storeCoins(0).storeUint(0, 64).storeUint(0, 256).endCell();
    const request = (payload) => beginCell().storeUint(OP.clientRequest, 32).storeUint(1, 64).storeAddress(n.clientOwner).storeRef(state).storeMaybeRef(payload).endCell();
    await any(0, "client, no payload", request(null));
    await any(1014, "client, forged", request(beginCell().storeUint(OP.payloadRegister, 32).storeUint(5, 64).endCell()));
    const fromClient = (exit, what, payload, value = MIN) => n.expect(exit, what, n.client.address, address, value, request(payload));
    n.world.people.add(n.client.address.toRawString());
    await fromClient(1012, "unknown payload", beginCell().storeUint(0x12345678, 32).endCell());
    await fromClient(0, "register", beginCell().storeUint(OP.payloadRegister, 32).storeUint(5, 64).endCell());
    const settle = beginCell().storeUint(OP.payloadSettle, 32).storeCoins(3).storeCoins(0).storeAddress(n.stranger).endCell();
    await fromClient(n.hardened ? 0 : 1012, "settle", settle);
    for (const op of [OP.payloadTopUp, OP.payloadGranted, OP.payloadForce]) {
      const payload = (coins) => beginCell().storeUint(op, 32).storeCoins(coins).storeAddress(n.stranger).endCell();
      await fromClient(0, "a little", payload(1000n), TON);
      await fromClient(9, "trailing payload", withBit(payload(5n)));
      const huge = (1n << 119n);
      const exit = op === OP.payloadGranted || (op === OP.payloadForce && n.hardened) ? 5 : undefined;
      if (exit) await fromClient(exit, "more than the pool", payload(huge));
      else await n.call(n.client.address, address, MIN, request(payload(huge)));
    }
    n.world.people.delete(n.client.address.toRawString());
    await n.world.get(address, "get_cocoon_proxy_data");
    // Signed messages.
    const signed = (op, changes = {}) => n.proxy.close(op, n.next(), changes.my ?? address, n.stranger, changes.key);
    await any(1007, "another key", signed(OP.proxyClose, { key: keys(1) }));
    await any(1003, "close, low value", signed(OP.proxyClose), MIN - 1n);
    await any(1015, "close of another", signed(OP.proxyClose, { my: n.root.address }));
    await any(1006, "complete before close", signed(OP.proxyCloseComplete));
    const mixed = n.proxy.close(OP.proxyCloseComplete, 8, address, n.stranger).refs[0];
    await any(1005, "another operation inside", n.proxy.envelope(OP.proxyClose, 8, mixed, n.stranger, n.key));
    await any(1005, "another query id inside", n.proxy.envelope(OP.proxyCloseComplete, 9, mixed, n.stranger, n.key));
    await any(9, "trailing signed part", n.proxy.envelope(OP.proxyClose, 8, withBit(signed(OP.proxyClose).refs[0]), n.stranger, n.key).refs[0]);
    await any(0, "close", signed(OP.proxyClose));
    n.world.expect(n.proxyState().unlock === n.world.now + n.params.proxyDelay, "the unlock time");
    await any(1006, "close again", signed(OP.proxyClose));
    await n.expect(1006, "owner close again", n.owner, address, MIN, plain(OP.proxyOwnerClose, 5, n.owner));
    await n.expect(1006, "text close again", n.owner, address, MIN, text("c"));
    await any(1011, "complete too early", signed(OP.proxyCloseComplete));
    n.world.now += n.params.proxyDelay - 1;
    await any(1011, "complete a second too early", signed(OP.proxyCloseComplete));
    n.world.now += 1;
    await any(1015, "complete of another", signed(OP.proxyCloseComplete, { my: n.root.address }));
    await any(0, "complete", signed(OP.proxyCloseComplete));
    const after = n.proxyState();
    n.world.expect(after.state === 2 && after.stake === 0n && after.balance === 0n && after.unlock === 0, "closed");
    await any(1006, "complete again", signed(OP.proxyCloseComplete));
    await any(1006, "stake in a closed one", amount(OP.proxyStake, 4, 1n, n.stranger), MIN + 1n);
    await any(n.hardened ? 0 : 1006, "payout of a closed one", plain(OP.proxyPayout, 2, n.stranger));
    await n.expect(n.hardened ? 0 : 1006, "text withdrawal of a closed one", n.owner, address, MIN, text("w"));
    await n.world.get(address, "get_cocoon_proxy_data");
  },

  async proxyTexts(n) {
    await n.deploy("proxy", "client", "worker");
    await n.topUp("client", 30n * TON, n.clientOwner);
    await n.count(OP.charge, "client", 500_000_000);
    await n.count(OP.workerPayout, "worker", 500_000_000);
    n.world.expect(n.proxyState().balance === 2n * TON, "the proxy's share");
    await n.expect(1003, "withdraw, low value", n.owner, n.proxy.address, MIN - 1n, text("w"));
    await n.expect(0, "withdraw", n.owner, n.proxy.address, MIN, text("w"));
    n.world.expect(n.balance(n.owner) > 2n * TON && n.proxyState().balance === 0n, "the share was paid");
    await n.expect(0, "close", n.owner, n.proxy.address, MIN, text("c"));
    await n.expect(0, "withdraw while closing", n.owner, n.proxy.address, MIN, text("w"));
    const m = new Network(n.world, n.profile, "ownerClose");
    await m.deploy("proxy");
    await m.expect(1003, "owner close, low value", m.owner, m.proxy.address, MIN - 1n, plain(OP.proxyOwnerClose, 5, m.owner));
    await m.expect(0, "owner close", m.owner, m.proxy.address, MIN, plain(OP.proxyOwnerClose, 5, m.stranger));
  },

  async worker(n) {
    await n.deploy("proxy", "client", "worker");
    await ignored(n, "worker");
    const { address } = n.worker;
    await n.topUp("client", 60n * TON, n.clientOwner);
    await n.count(OP.charge, "client", 2_000_000_000);
    const any = (exit, what, body, value = CALL) => n.expect(exit, what, n.stranger, address, value, body);
    const pay = (tokens, more = {}) => n.proxy.count(more.op ?? OP.workerPayout, n.next(), tokens, more.my ?? address, n.stranger, more);
    await any(1012, "unknown operation", head(0x12345678).endCell());
    await any(1012, "operation 0", head(0).endCell());
    await any(1010, "register by a stranger", plain(OP.workerRegister, 1, n.stranger));
    await n.expect(1003, "register, low value", n.workerOwner, address, MIN, plain(OP.workerRegister, 1, n.workerOwner));
    await n.expect(0, "register", n.workerOwner, address, CALL, plain(OP.workerRegister, 1, n.workerOwner));
    await n.expect(9, "register, longer", n.workerOwner, address, CALL, withBit(plain(OP.workerRegister, 1, n.workerOwner)));
    await any(1007, "another key", pay(5, { key: keys(1) }));
    await any(1005, "another operation inside", pay(5, { partOp: OP.workerLastPayout }));
    await any(1005, "another query id inside", pay(5, { partQuery: 1234 }));
    await any(9, "trailing signed part", pay(5, { trailing: true }));
    await any(1003, "value not above the commission", pay(5), MIN);
    await any(1015, "for another", pay(5, { my: n.client.address }));
    await any(n.hardened ? 0 : 1000, "nothing new", pay(0));
    const before = n.balance(n.workerOwner);
    await any(0, "payout", pay(1_000_000_000));
    n.world.expect(n.balance(n.workerOwner) - before === 16n * TON, "the worker's share");
    await any(1000, "an older payout", pay(999_999_999));
    await any(n.hardened ? 0 : 1000, "the same payout", pay(1_000_000_000));
    await n.world.get(address, "get_cocoon_worker_data");
    await any(1000, "an older last payout", pay(5, { op: OP.workerLastPayout }));
    await any(0, "last payout", pay(1_500_000_000, { op: OP.workerLastPayout }));
    n.world.expect(n.workerState().state === 2 && n.balance(n.workerOwner) >= 24n * TON, "the last share");
    await any(1006, "payout of a closed one", pay(1_600_000_000));
    await any(1006, "register of a closed one", plain(OP.workerRegister, 1, n.stranger));
    await any(1006, "unknown operation of a closed one", head(0x12345678).endCell());
    await any(n.hardened ? 0 : 1006, "the same last payout", pay(1_500_000_000, { op: OP.workerLastPayout }));
    await n.world.get(address, "get_cocoon_worker_data");
  },

  async workerFeeAbovePrice(n) {
    await n.deploy("proxy", "worker");
    await n.expect(5, "a negative share", n.stranger, n.worker.address, CALL, n.proxy.count(OP.workerPayout, 1, 10, n.worker.address, n.stranger));
    await n.expect(5, "a negative share", n.stranger, n.worker.address, CALL, n.proxy.count(OP.workerLastPayout, 2, 10, n.worker.address, n.stranger));
    await n.expect(0, "nothing", n.stranger, n.worker.address, CALL, n.proxy.count(OP.workerLastPayout, 3, 0, n.worker.address, n.stranger));
  },

  async client(n) {
    await n.deploy("proxy", "client");
    await ignored(n, "client");
    const { address } = n.client;
    const own = (exit, what, body, value = CALL) => n.expect(exit, what, n.clientOwner, address, value, body);
    const any = (exit, what, body, value = CALL) => n.expect(exit, what, n.stranger, address, value, body);
    const count = (op, tokens, more = {}) => n.proxy.count(op, n.next(), tokens, more.my ?? address, n.stranger, more);
    const to = n.clientOwner;
    await any(1012, "unknown operation", head(0x12345678).endCell());
    await any(1012, "reopening is not handled", head(OP.topUpReopen).endCell());
    await any(1003, "top up, low value", client.topUp(1, TON, to), TON + MIN - 1n);
    await any(0, "top up by anyone", client.topUp(2, 20n * TON, to), 20n * TON + MIN);
    await any(9, "top up, longer", withBit(client.topUp(2, 1n, to)));
    await any(1010, "secret and top up by a stranger", client.secretAndTopUp(3, TON, 5n, to), 2n * TON);
    await own(1003, "secret and top up, low value", client.secretAndTopUp(3, TON, 5n, to), TON);
    await own(0, "secret and top up", client.secretAndTopUp(3, TON, 5n, to), 2n * TON);
    n.world.expect(n.clientState().secret === 5n && n.clientState().balance === 21n * TON, "secret and top up");
    const ops = {
      register: client.register(4, 77, to), changeSecret: client.changeSecret(5, 6n, to),
      increaseStake: client.increaseStake(6, 16n * TON, to), withdraw: client.withdraw(7, to), requestRefund: client.requestRefund(8, to),
    };
    for (const [name, body] of Object.entries(ops)) {
      const refused = name === "withdraw" || name === "requestRefund" ? 1009 : 1010;
      await any(refused, `${name} by a stranger`, body);
      await own(1003, `${name}, low value`, body, MIN - 1n);
      await own(9, `${name}, longer`, withBit(body));
      await own(9, `${name}, shorter`, withoutBit(body));
    }
    await own(0, "register", ops.register);
    await own(0, "change secret", ops.changeSecret);
    await own(0, "increase stake", ops.increaseStake);
    await own(1003, "decrease stake", ops.increaseStake);
    await own(0, "withdraw", ops.withdraw);
    await own(1001, "nothing to withdraw", ops.withdraw);
    await n.world.get(address, "get_cocoon_client_data");
    await any(1007, "charge, another key", count(OP.charge, 5, { key: keys(1) }));
    await any(1005, "charge, another operation inside", count(OP.charge, 5, { partOp: OP.grantRefund }));
    await any(1015, "charge for another", count(OP.charge, 5, { my: n.other.address }));
    await any(9, "charge, trailing", count(OP.charge, 5, { trailing: true }));
    await any(1003, "charge, low value", count(OP.charge, 5), MIN - 1n);
    await any(0, "charge", count(OP.charge, 100_000_000));
    await any(1000, "an older charge", count(OP.charge, 99_999_999));
    await any(n.hardened ? 0 : 1000, "the same charge", count(OP.charge, 100_000_000));
    await any(1000, "an older grant", count(OP.grantRefund, 99_999_999));
    await any(1015, "a grant for another", count(OP.grantRefund, 100_000_000, { my: n.other.address }));
    await own(0, "request refund", ops.requestRefund);
    n.world.expect(n.clientState().state === 1, "closing");
    await own(1006, "withdraw while closing", ops.withdraw);
    await own(1011, "request refund again, too early", ops.requestRefund);
    await own(0, "register while closing", ops.register);
    await any(0, "charge while closing", count(OP.charge, 110_000_000));
    await any(0, "grant", count(OP.grantRefund, 120_000_000));
    n.world.expect(n.clientState().state === 2 && n.clientState().balance === 0n, "closed");
    for (const [name, body] of Object.entries(ops)) await own(1006, `${name}, closed`, body);
    await any(1006, "top up, closed", client.topUp(2, TON, to), 2n * TON);
    await own(1006, "secret and top up, closed", client.secretAndTopUp(3, TON, 5n, to), 2n * TON);
    await any(1006, "charge, closed", count(OP.charge, 130_000_000));
    await any(n.hardened ? 0 : 1006, "the same grant", count(OP.grantRefund, 120_000_000));
    await any(1006, "another grant", count(OP.grantRefund, 130_000_000));
    await n.world.get(address, "get_cocoon_client_data");
  },

  async clientForced(n) {
    await n.deploy("proxy", "client");
    await n.expect(0, "stake of the proxy", n.owner, n.proxy.address, 10n * TON + MIN, amount(OP.proxyStake, 1, 10n * TON, n.owner));
    await n.topUp("client", 20n * TON, n.clientOwner);
    await n.expect(0, "request", n.clientOwner, n.client.address, CALL, client.requestRefund(2, n.clientOwner));
    n.world.expect(n.clientState().balance === 15n * TON, "the surplus was refunded at once");
    n.world.now += n.params.clientDelay;
    await n.expect(1011, "force in the very second", n.clientOwner, n.client.address, CALL, client.requestRefund(3, n.clientOwner));
    n.world.now += 1;
    const before = n.balance(n.clientOwner);
    await n.expect(0, "force", n.clientOwner, n.client.address, CALL, client.requestRefund(4, n.clientOwner));
    const paid = n.balance(n.clientOwner) - before;
    n.world.expect(paid >= (n.hardened ? 15n : 10n) * TON && paid < (n.hardened ? 16n : 11n) * TON, `forced refund of ${paid}`);
    n.world.expect(n.proxyState().stake === (n.hardened ? 10n * TON : 0n), "the proxy's stake");
  },

  async clientLowContractBalance(n) {
    await n.deploy("proxy");
    await n.call(n.stranger, n.client.address, TON / 100n, null, { init: n.client.init });
    await n.expect(1001, "too little beside what stays", n.clientOwner, n.client.address, MIN, client.register(1, 5, n.clientOwner));
    await n.expect(1001, "top up", n.clientOwner, n.client.address, TON + MIN, client.topUp(2, TON, n.clientOwner));
    await n.expect(0, "enough", n.clientOwner, n.client.address, MIN * 3n, client.register(3, 5, n.clientOwner));
  },

  async wallet(n) {
    await n.deploy("wallet", "client", "proxy");
    const { address } = n.wallet;
    await ignored(n, "client");
    const to = (value, more = {}) => ({ mode: 0, message: outgoing({ to: n.stranger, value, ...more }) });
    const seqno = () => readWallet(n.world.data(address)).seqno;
    const refused = async (exit, what, messages, more = {}) => {
      const result = await n.order(messages, more);
      n.world.expect(result === null && n.world.lastRefusal === exit, `${what}: ${n.world.lastRefusal} instead of ${exit}`);
    };
    await refused(1030, "expired", [to(TON)], { validUntil: n.world.now });
    await refused(1032, "another number", [to(TON)], { seqno: 5 });
    await refused(1033, "another subwallet", [to(TON)], { subwallet: 1 });
    await refused(1034, "another key", [to(TON)], { key: keys(1) });
    for (let messages = 0; messages <= 4; messages += 1) await n.order(Array(messages).fill(to(TON / 100n)));
    n.world.expect(seqno() === 5, `number ${seqno()}`);
    await n.order([to(TON, { bounce: false }), { mode: 1, message: outgoing({ to: n.client.address, value: 1n, body: head(OP.doNotProcess).endCell() }) }]);
    await n.order([{ mode: 0, message: outgoing({ to: n.client.address, value: CALL + TON, body: client.topUp(1, TON, address) }) }]);
    await n.order([{ mode: 0, message: outgoing({ to: n.worker.address, value: TON, init: n.worker.init, bounce: false }) }]);
    await n.order([{ mode: 0, message: outgoing({ to: n.worker.address, value: TON, body: plain(OP.workerRegister, 1, address) }) }]);
    await n.order([{ mode: 3, message: outgoing({ to: n.stranger, value: 1000n * TON }) }]);
    const own = (exit, what, body, value = MIN) => n.expect(exit, what, n.owner, address, value, body);
    for (const op of [OP.excesses, OP.payout, OP.doNotProcess]) await n.expect(0, "notice", n.stranger, address, MIN, head(op).endCell());
    await n.expect(1040, "a stranger", n.stranger, address, MIN, text("w"));
    await own(1041, "unknown operation", head(0x12345678).endCell());
    await own(1041, "unknown text", text("x"));
    await own(9, "long text", text("withdraw"));
    await own(0, "send", beginCell().storeUint(OP.walletSend, 32).storeUint(1, 64).storeUint(1, 8).storeRef(outgoing({ to: n.stranger, value: TON })).endCell());
    await own(0, "block", text("b"));
    await refused(1031, "blocked", [to(TON)]);
    await own(0, "unblock", text("u"));
    await n.order([to(TON)]);
    for (const method of ["seqno", "get_public_key", "get_owner_address"]) await n.world.get(address, method);
    await own(0, "withdraw", text("w"));
    n.world.expect(n.balance(address) === TON / 100n, "what is left");
    await refused(1035, "too little", [to(TON)]);
    // Deployed by its own first order.
    const m = new Network(n.world, n.profile, "walletSelfDeploy");
    await m.call(m.stranger, m.wallet.address, 10n * TON, null, { bounce: false });
    await m.world.external(m.wallet.address, order(m.walletKey, 0, m.world.now + 60, [{ mode: 0, message: outgoing({ to: m.stranger, value: TON }) }]), m.wallet.init);
    m.world.expect(readWallet(m.world.data(m.wallet.address)).seqno === 1, "deployed by its first order");
  },

  async bounces(n) {
    await n.deploy("proxy", "client", "worker");
    await n.topUp("client", 30n * TON, n.clientOwner);
    const forged = beginCell().storeUint(0xfffffffe, 32).storeRef(Cell.EMPTY).storeRef(Cell.EMPTY).storeUint(0, 41).endCell();
    for (const name of ["client", "worker", "proxy"]) {
      for (const body of [forged, beginCell().storeUint(0xfffffffe, 32).endCell(), Cell.EMPTY]) {
        await n.expect(0, "a stranger's bounce", n.stranger, n[name].address, MIN, body, { bounced: true, bounce: false });
      }
    }
    const before = n.clientState();
    // Refused by a proxy that is not there: everything bounces.
    const m = new Network(n.world, n.profile, "noProxy");
    await m.deploy("client", "worker");
    await m.topUp("client", 30n * TON, m.clientOwner);
    m.world.expect(m.clientState().balance === (m.hardened ? 0n : 30n * TON), "a top-up that came back");
    if (m.hardened) m.world.expect(m.balance(m.clientOwner) > 30n * TON - CALL, "and its coins");
    await m.count(OP.charge, "client", 5);
    m.world.expect(m.clientState().tokens === (m.hardened ? 0n : 5n), "a charge that came back");
    await m.count(OP.workerPayout, "worker", 1000);
    m.world.expect(m.workerState().tokens === (m.hardened ? 0n : 1000n), "a payout that came back");
    await m.count(OP.workerLastPayout, "worker", 2000);
    m.world.expect(m.workerState().state === (m.hardened ? 0 : 2), "a last payout that came back");
    await m.count(OP.grantRefund, "client", 10);
    m.world.expect(before.balance === 30n * TON, "the other chain's client");
    // Refunds, also forced ones, can be asked for again.
    const k = new Network(n.world, n.profile, "insolvent");
    await k.deploy("proxy", "client");
    await k.topUp("client", 15n * TON, k.clientOwner);
    await k.call(k.clientOwner, k.client.address, CALL, client.requestRefund(1, k.clientOwner));
    k.world.now += k.params.clientDelay + 1;
    k.world.setBalance(k.proxy.address, TON / 10n);
    await k.call(k.clientOwner, k.client.address, CALL, client.requestRefund(2, k.clientOwner));
    if (k.hardened) {
      k.world.expect(k.clientState().state === 2 && k.clientState().balance === 15n * TON, "a forced refund that came back");
      k.world.setBalance(k.proxy.address, 20n * TON);
      await k.call(k.clientOwner, k.client.address, CALL, client.requestRefund(3, k.clientOwner));
      k.world.expect(k.clientState().balance === 0n && k.balance(k.clientOwner) >= 15n * TON, "and was paid at last");
    }
  },

  /// A top-up that comes back after its coins were withdrawn from the pool: they go where they were taken.
  async bouncedTopUpAfterWithdrawal(n) {
    await n.deploy("proxy", "client", "other");
    await n.topUp("other", 100n * TON, n.otherOwner);
    await n.topUp("client", 20n * TON, n.clientOwner);
    const pool = n.balance(n.proxy);
    await n.call(n.clientOwner, n.client.address, CALL, client.withdraw(n.next(), n.clientOwner));
    const payload = beginCell().storeUint(OP.payloadTopUp, 32).storeCoins(20n * TON).storeAddress(n.clientOwner).endCell();
    const request = beginCell().storeUint(OP.clientRequest, 32).storeUint(5, 64).storeAddress(n.clientOwner).storeRef(Cell.EMPTY).storeMaybeRef(payload).endCell();
    const info = beginCell().storeCoins(20n * TON).storeBit(false).storeUint(0, 96).endCell();
    const bounced = beginCell().storeUint(0xfffffffe, 32).storeRef(request).storeRef(info).storeUint(1, 8).storeInt(13, 32).storeBit(false).endCell();
    await n.expect(0, "the bounce", n.proxy.address, n.client.address, 20n * TON + TON / 2n, bounced, { bounced: true, bounce: false });
    if (n.hardened) {
      n.world.expect(n.clientState().balance === 0n, "what was left of the balance");
      n.world.expect(n.balance(n.proxy) > pool - TON / 10n, "the pool is whole again");
    }
  },

  async storage(n) {
    await n.deploy("proxy", "client", "worker", "wallet", "root");
    await n.topUp("client", 20n * TON, n.clientOwner);
    const YEAR = 31_557_600;
    // Old prices are high enough to eat a deposit within a life.
    n.world.config = 0;
    for (const years of [1, 5, 20, 40]) {
      n.world.now += Math.floor(years * YEAR / 8);
      await n.call(n.clientOwner, n.client.address, CALL, client.register(1, 5, n.clientOwner));
      await n.count(OP.workerPayout, "worker", years);
      await n.call(n.stranger, n.proxy.address, MIN, plain(OP.proxyPayout, 2, n.stranger));
      await n.call(n.rootOwner, n.root.address, MIN, root.hash(OP.addModel, 3, BigInt(years)));
    }
    // A worker that was closed keeps 0.01: it falls into debt, is frozen, and can be thawed or not.
    await n.count(OP.workerLastPayout, "worker", 100);
    for (const years of [2, 10, 20]) {
      n.world.now += years * YEAR;
      await n.call(n.stranger, n.worker.address, TON / 1000n, null);
    }
    await n.call(n.stranger, n.worker.address, 3n * TON, plain(OP.workerRegister, 1, n.stranger));
    await n.call(n.stranger, n.worker.address, 3n * TON, null, { init: n.worker.init });
    await n.call(n.stranger, n.client.address, TON, null, { init: n.worker.init });
  },

  async strangeMessages(n) {
    await n.deploy("proxy", "client", "worker");
    // To an account without code: bounced or kept.
    const nobody = n.wallet.address;
    await n.call(n.stranger, nobody, TON, head(5).endCell());
    await n.call(n.stranger, nobody, TON, head(5).endCell(), { bounce: false });
    await n.call(n.stranger, nobody, 1n, null);
    await n.call(n.stranger, nobody, 0n, null, { bounce: false });
    await n.call(n.stranger, nobody, TON, null, { init: n.root.init });
    // Too little for gas, in steps.
    for (const value of [0n, 1n, 1000n, 30_000n, 100_000n, 300_000n, 600_000n, 1_000_000n]) {
      await n.call(n.stranger, n.client.address, value, client.topUp(1, 5n, n.stranger));
      await n.call(n.stranger, n.client.address, value, client.topUp(1, 5n, n.stranger), { bounce: false });
    }
    // The new form of bounces, asked for by the sender.
    for (const extraFlags of [1, 3]) {
      await n.call(n.stranger, n.client.address, TON, head(0x12345678).storeRef(beginCell().storeUint(1, 8).endCell()).endCell(), { extraFlags });
      await n.call(n.stranger, nobody, TON, head(0x12345678).endCell(), { extraFlags });
      await n.call(n.stranger, n.client.address, 100_000n, client.topUp(1, 5n, n.stranger), { extraFlags });
    }
    await n.world.external(n.client.address, head(1).endCell());
    await n.world.external(n.proxy.address, Cell.EMPTY);
  },

  /// Addresses that the proxy contract derives must hold for other parameters too.
  async otherParameters(n) {
    for (const [index, changes] of [
      { price: 0n, fee: 0n }, { price: 1n << 62n, fee: 1n }, { minClientStake: 0n, minProxyStake: (1n << 64n) - 1n },
      { isTest: false, uniqueId: 0xffffffff, paramsVersion: 0, proxyDelay: 0, clientDelay: 0 },
    ].entries()) {
      const m = new Network(n.world, n.profile, `parameters${index}`, changes);
      await m.deploy("proxy", "client", "worker");
      await m.topUp("client", 20n * TON, m.clientOwner);
      m.world.expect(m.balance(m.proxy) > 20n * TON, "the proxy knows the client");
      await m.count(OP.charge, "client", 1);
      await m.count(OP.workerPayout, "worker", 1);
      await m.call(m.owner, m.proxy.address, MIN, text("c"));
      await m.close(OP.proxyCloseComplete);
      await m.world.get(m.proxy.address, "get_cocoon_proxy_data");
    }
  },
};

/// Changes of the parameters that a case needs.
export const CASE_PARAMETERS = { workerFeeAbovePrice: { price: 16n, fee: 20n } };
