// One network on one chain: what the cases start from.
import { Address } from "@ton/core";
import {
  PARAMS, Proxy, TON, client, codes, keys, order, outgoing, readClient, readProxy, readWallet, readWorker, rootInit, walletInit,
} from "./network.mjs";

export const CALL = 7n * TON / 10n;

export class Network {
  constructor(world, profile, name, changes = {}) {
    world.reset(`${profile}/${name}`);
    Object.assign(this, { world, profile, hardened: profile === "hardened", query: 0 });
    this.codes = codes(profile);
    this.params = { ...PARAMS, ...changes };
    this.owner = world.person(0x11);
    this.workerOwner = world.person(0x22);
    this.clientOwner = world.person(0x33);
    this.otherOwner = world.person(0x34);
    this.rootOwner = world.person(0x44);
    this.stranger = world.person(0x55);
    this.submitter = world.person(0x66);
    this.key = keys(0x42);
    this.root = rootInit(this.codes.root, this.params, this.rootOwner, this.codes);
    this.proxy = new Proxy({ codes: this.codes, params: this.params, owner: this.owner, key: this.key, root: this.root.address });
    this.client = this.proxy.client(this.clientOwner);
    this.other = this.proxy.client(this.otherOwner);
    this.worker = this.proxy.worker(this.workerOwner);
    this.walletKey = keys(0x77);
    this.wallet = walletInit(this.codes.wallet, this.walletKey, this.owner);
  }

  next() {
    this.query += 1;
    return this.query;
  }

  async deploy(...names) {
    const value = { root: TON, proxy: TON, client: 8n * TON / 10n, other: 8n * TON / 10n, worker: 3n * TON / 10n, wallet: 50n * TON };
    for (const name of names) {
      await this.call(this.stranger, this[name].address, value[name], null, { init: this[name].init });
    }
    return this;
  }

  /// A call by a person; returns its transactions.
  async call(from, to, value, body, more = {}) {
    return this.world.send({ from, to, value, body, ...more });
  }

  /// A call whose first transaction must end with this exit code, or, for 0, that all of them succeed.
  async expect(exit, what, from, to, value, body, more = {}) {
    const transactions = await this.call(from, to, value, body, more);
    const found = transactions[0]?.exit;
    this.world.expect(found === exit, `${what}: exit ${found} instead of ${exit}`);
    if (exit === 0) {
      for (const t of transactions) {
        this.world.expect((t.exit === 0 || t.exit === null) && (t.action === 0 || t.action === null), `${what}: ${t.to.slice(0, 6)} exit ${t.exit} action ${t.action}`);
      }
    }
    return transactions;
  }

  async topUp(name, coins, owner) {
    return this.call(owner, this[name].address, CALL + coins, client.topUp(this.next(), coins, owner));
  }

  async count(op, name, tokens, { from = this.submitter, excesses = from, value = CALL, ...more } = {}) {
    return this.call(from, this[name].address, value, this.proxy.count(op, this.next(), tokens, this[name].address, excesses, more));
  }

  async close(op, { from = this.submitter, value = TON } = {}) {
    return this.call(from, this.proxy.address, value, this.proxy.close(op, this.next(), this.proxy.address, from));
  }

  async order(messages, { seqno = readWallet(this.world.data(this.wallet.address)).seqno, validUntil = this.world.now + 3600, key = this.walletKey, subwallet = 0 } = {}) {
    return this.world.external(this.wallet.address, order(key, seqno, validUntil, messages, subwallet));
  }

  clientState(name = "client") {
    return readClient(this.world.data(this[name].address));
  }

  workerState() {
    return readWorker(this.world.data(this.worker.address));
  }

  proxyState() {
    return readProxy(this.world.data(this.proxy.address));
  }

  balance(who) {
    return this.world.balance(who instanceof Address ? who : who.address);
  }

  /// What the pool owes to clients, to the proxy's owner, and for work that was charged.
  owed(...clients) {
    const p = this.proxyState();
    return clients.reduce((sum, name) => sum + this.clientState(name).balance, p.balance + p.stake + p.earned);
  }
}

export { outgoing };
