// The attacks T1 to T9 on coins. Each returns whether it worked: it must work on `reference`, or it proves nothing, and
// must not work on `hardened`.
import { OP, TON, client, outgoing } from "./network.mjs";
import { CALL, Network } from "./setup.mjs";

const HOUR = 3600;

export const ATTACKS = {
  /// A client is paid back a top-up that its contract has added to its balance, and withdraws it again.
  async T1(n) {
    await n.deploy("proxy", "client", "other");
    await n.topUp("other", 50n * TON, n.otherOwner);
    await n.close(OP.proxyClose);
    const [pool, mine] = [n.balance(n.proxy), n.balance(n.clientOwner)];
    const put = 40n * TON;
    await n.topUp("client", put, n.clientOwner);
    await n.call(n.clientOwner, n.client.address, CALL, client.withdraw(n.next(), n.clientOwner));
    n.world.expect(n.clientState("other").balance === 50n * TON, "T1: the other client's balance");
    // Whoever attacks leaves a stake behind; the pool must still hold it, and the other's deposit.
    return n.balance(n.proxy) < pool + n.clientState().balance - TON && n.balance(n.clientOwner) - mine > put;
  },

  /// The same race with the top-up still on its way when the balance is withdrawn.
  async T1_race(n) {
    await n.deploy("proxy", "client", "other");
    await n.topUp("other", 50n * TON, n.otherOwner);
    await n.close(OP.proxyClose);
    const mine = n.balance(n.clientOwner);
    const put = 40n * TON;
    n.world.inject({ from: n.clientOwner, to: n.client.address, value: CALL + put, body: client.topUp(n.next(), put, n.clientOwner) });
    n.world.inject({ from: n.clientOwner, to: n.client.address, value: CALL, body: client.withdraw(n.next(), n.clientOwner) });
    await n.world.settle();
    return n.balance(n.clientOwner) - mine > put;
  },

  /// The owner closes the proxy and takes the deposits of clients that are not closed yet.
  async T2(n) {
    await n.deploy("proxy", "client");
    await n.topUp("client", 50n * TON, n.clientOwner);
    await n.close(OP.proxyClose);
    n.world.now += 24 * HOUR;
    await n.close(OP.proxyCloseComplete);
    const mine = n.balance(n.clientOwner);
    await n.count(OP.grantRefund, "client", 0);
    return n.balance(n.owner) > 40n * TON && n.balance(n.clientOwner) - mine < TON;
  },

  /// A client that asks twice for its refund gets nothing, because the proxy has no stake.
  async T3(n) {
    await n.deploy("proxy", "client");
    await n.topUp("client", 15n * TON, n.clientOwner);
    await n.call(n.clientOwner, n.client.address, CALL, client.requestRefund(n.next(), n.clientOwner));
    n.world.now += 13 * HOUR;
    const mine = n.balance(n.clientOwner);
    await n.call(n.clientOwner, n.client.address, CALL, client.requestRefund(n.next(), n.clientOwner));
    n.world.expect(n.clientState().state === 2, "T3: closed");
    return n.balance(n.clientOwner) - mine < TON;
  },

  /// A worker's payout bounces from a pool that cannot pay, and the claim is lost.
  async T4(n) {
    await n.deploy("proxy", "client", "worker");
    const tokens = 1_000_000_000n;
    await n.count(OP.workerPayout, "worker", tokens);
    n.world.expect(n.balance(n.workerOwner) === 0n, "T4: an empty pool paid");
    await n.topUp("client", 100n * TON, n.clientOwner);
    await n.count(OP.charge, "client", tokens);
    await n.count(OP.workerLastPayout, "worker", tokens);
    return n.balance(n.workerOwner) < 16n * TON;
  },

  /// The same for a client: a refund that the pool cannot pay.
  async T4_client(n) {
    await n.deploy("proxy", "client");
    await n.topUp("client", 40n * TON, n.clientOwner);
    // The pool is gone, whatever took it.
    n.world.setBalance(n.proxy.address, TON / 10n);
    await n.call(n.clientOwner, n.client.address, CALL, client.withdraw(n.next(), n.clientOwner));
    n.world.expect(n.balance(n.clientOwner) < 2n * TON, "T4: an empty pool paid");
    return n.clientState().balance < 40n * TON;
  },

  /// A client uses more than it has; the worker is paid from the others' deposits.
  async T5(n) {
    await n.deploy("proxy", "client", "other", "worker");
    await n.topUp("other", 50n * TON, n.otherOwner);
    await n.topUp("client", 15n * TON, n.clientOwner);
    const tokens = 2_000_000_000n;
    await n.count(OP.charge, "client", tokens);
    await n.count(OP.workerPayout, "worker", tokens);
    return n.balance(n.proxy) < n.owed("client", "other");
  },

  /// A stranger submits a signed refund with its own address for the excesses and gets the contract's deposit.
  async T6(n) {
    await n.deploy("proxy", "client", "worker");
    await n.topUp("client", 15n * TON, n.clientOwner);
    await n.count(OP.grantRefund, "client", 0, { from: n.stranger, value: CALL });
    const client = n.balance(n.stranger);
    await n.count(OP.workerLastPayout, "worker", 0, { from: n.stranger, value: CALL });
    // More came back than was sent.
    return client > CALL && n.balance(n.stranger) > 2n * CALL;
  },

  /// A stranger submits a payment before its owner does, whose own submission then fails.
  async T7(n) {
    await n.deploy("proxy", "client", "worker");
    await n.topUp("client", 50n * TON, n.clientOwner);
    const body = (excesses) => n.proxy.count(OP.charge, 77, 1000, n.client.address, excesses);
    await n.call(n.stranger, n.client.address, CALL, body(n.stranger));
    const [charge] = await n.call(n.submitter, n.client.address, CALL, body(n.submitter));
    n.world.expect(n.clientState().tokens === 1000n, "T7: charged once");
    const grant = (excesses) => n.proxy.count(OP.grantRefund, 78, 1000, n.client.address, excesses);
    await n.call(n.stranger, n.client.address, CALL, grant(n.stranger));
    const [refund] = await n.call(n.submitter, n.client.address, CALL, grant(n.submitter));
    const last = (excesses) => n.proxy.count(OP.workerLastPayout, 79, 1000, n.worker.address, excesses);
    await n.call(n.stranger, n.worker.address, CALL, last(n.stranger));
    const [payout] = await n.call(n.submitter, n.worker.address, CALL, last(n.submitter));
    return [charge, refund, payout].every((t) => t.exit !== 0);
  },

  /// An order whose action fails is accepted again and again.
  async T8(n) {
    await n.deploy("wallet");
    const poor = [{ mode: 1, message: outgoing({ to: n.stranger, value: 1000n * TON }) }];
    const before = n.balance(n.wallet);
    for (let i = 0; i < 5; i += 1) await n.order(poor, { seqno: 0, validUntil: n.world.now + 60 });
    const repeated = before - n.balance(n.wallet);
    n.world.reset(n.world.name);
    const m = new Network(n.world, n.profile, "T8-mode");
    await m.deploy("wallet");
    const wrong = [{ mode: 64 + 128, message: outgoing({ to: m.stranger, value: TON }) }];
    const start = m.balance(m.wallet);
    for (let i = 0; i < 5; i += 1) await m.order(wrong, { seqno: 0, validUntil: m.world.now + 60 });
    // Once is what every order costs.
    return repeated > 1_000_000n || start - m.balance(m.wallet) > 400_000n;
  },

  /// The proxy's key signs a payout for work that nobody was charged for.
  async T9(n) {
    await n.deploy("proxy", "client", "other", "worker");
    await n.topUp("client", 50n * TON, n.clientOwner);
    await n.topUp("other", 50n * TON, n.otherOwner);
    await n.count(OP.workerPayout, "worker", 5_000_000_000n);
    return n.balance(n.workerOwner) > 0n || n.balance(n.proxy) < n.owed("client", "other");
  },
};

export async function attack(world, profile, name) {
  return ATTACKS[name](new Network(world, profile, name));
}
