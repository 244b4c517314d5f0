// Random lifecycles from a seed, with what must hold after every step.
import { OP, TON, amount, client, plain, root, text } from "./network.mjs";
import { CALL, Network, outgoing } from "./setup.mjs";

/// xorshift32: enough to choose, and the same everywhere.
function random(seed) {
  let state = seed >>> 0 || 1;
  const next = () => {
    state ^= state << 13; state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5; state >>>= 0;
    return state;
  };
  return { below: (limit) => next() % limit, pick: (list) => list[next() % list.length], chance: (percent) => next() % 100 < percent };
}

export async function lifecycle(world, profile, seed, steps) {
  const n = new Network(world, profile, `lifecycle${seed}`);
  const r = random(seed * 2_654_435_761);
  world.config = r.below(3);
  await n.deploy("root", "proxy", "client", "other", "worker", "wallet");
  const used = { client: 0n, other: 0n };
  let paid = 0n;
  const owners = { client: n.clientOwner, other: n.otherOwner };
  const tokens = () => BigInt(r.below(400_000_000));
  const actions = {
    topUp: async (name) => n.topUp(name, BigInt(r.below(30)) * TON + BigInt(r.below(1000)), owners[name]),
    poorTopUp: async (name) => n.call(n.stranger, n[name].address, TON, client.topUp(n.next(), TON, n.stranger)),
    charge: async (name) => { used[name] += tokens(); return n.count(OP.charge, name, used[name]); },
    replay: async (name) => n.count(OP.charge, name, used[name] / 2n),
    payout: async () => { paid += tokens(); return n.count(OP.workerPayout, "worker", paid, { from: n.workerOwner }); },
    withdraw: async (name) => n.call(owners[name], n[name].address, CALL, client.withdraw(n.next(), owners[name])),
    secret: async (name) => n.call(owners[name], n[name].address, CALL, client.changeSecret(n.next(), tokens(), owners[name])),
    register: async (name) => n.call(owners[name], n[name].address, TON, client.register(n.next(), tokens(), owners[name])),
    stake: async (name) => n.call(owners[name], n[name].address, CALL, client.increaseStake(n.next(), BigInt(r.below(30)) * TON, owners[name])),
    proxyPayout: async () => n.call(n.stranger, n.proxy.address, TON / 5n, plain(OP.proxyPayout, n.next(), n.stranger)),
    proxyStake: async () => n.call(n.owner, n.proxy.address, 3n * TON, amount(OP.proxyStake, n.next(), 2n * TON, n.owner)),
    textWithdraw: async () => n.call(n.owner, n.proxy.address, TON / 5n, text("w")),
    refund: async (name) => n.call(owners[name], n[name].address, CALL, client.requestRefund(n.next(), owners[name])),
    grant: async (name) => n.count(OP.grantRefund, name, used[name]),
    lastPayout: async () => n.count(OP.workerLastPayout, "worker", paid),
    close: async () => n.close(OP.proxyClose),
    closeComplete: async () => n.close(OP.proxyCloseComplete),
    wait: async () => { world.now += r.below(3) * 20_000; },
    walletOrder: async () => n.order([{ mode: r.below(2), message: outgoing({ to: n.client.address, value: CALL + TON, body: client.topUp(n.next(), TON, n.wallet.address) }) }]),
    wallet: async () => n.call(n.owner, n.wallet.address, TON / 10n, text(r.pick(["b", "u"]))),
    root: async () => n.call(n.rootOwner, n.root.address, TON / 10n, root.hash(r.pick([OP.addModel, OP.delModel, OP.addWorker]), n.next(), BigInt(r.below(6)))),
    poor: async (name) => n.call(n.stranger, n[name].address, BigInt(r.below(10_000_000)), client.topUp(n.next(), 0n, n.stranger)),
    /// Several messages at once, so that they cross.
    burst: async (name) => {
      for (let i = 0; i < 3; i += 1) {
        world.inject({ from: owners[name], to: n[name].address, value: CALL + TON, body: r.pick([
          client.topUp(n.next(), TON, owners[name]), client.withdraw(n.next(), owners[name]), client.requestRefund(n.next(), owners[name]),
        ]) });
        paid += 1000n;
        world.inject({ from: n.stranger, to: n.worker.address, value: CALL, body: n.proxy.count(OP.workerPayout, n.next(), paid, n.worker.address, n.stranger) });
      }
      return world.settle();
    },
  };
  const late = new Set(["refund", "grant", "lastPayout", "close", "closeComplete"]);
  const names = Object.keys(actions);
  for (let step = 0; step < steps; step += 1) {
    let name = r.pick(names);
    // Endings are rare at first.
    while (late.has(name) && step < steps * 0.6 && !r.chance(8)) name = r.pick(names);
    await actions[name](r.pick(["client", "other"]));
    check(n, `${name} at step ${step}`);
  }
  for (const name of ["client", "other"]) await world.get(n[name].address, "get_cocoon_client_data");
  await world.get(n.proxy.address, "get_cocoon_proxy_data");
  await world.get(n.worker.address, "get_cocoon_worker_data");
  await world.get(n.wallet.address, "seqno");
}

/// The pool covers what it owes: always in `hardened`; in `reference` the attacks show that it does not.
function check(n, when) {
  if (!n.hardened) return;
  n.world.expect(n.balance(n.proxy) >= n.owed("client", "other"), `pool ${n.balance(n.proxy)} owes ${n.owed("client", "other")} after ${when}`);
}
