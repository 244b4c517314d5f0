// The recorded calls once more through the sandbox's executor, for `chrysalis bench chain`: prints how many transactions
// it made and the CPU seconds (user and system) that they took. Starting up and a first pass over all calls, in which the
// results are compared with the recorded ones, do not count.
//
//     node conformance/bench.mjs VECTORS.json.gz CALLS
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { Executor } from "@ton/sandbox/dist/executor/Executor.js";
import { Cell } from "@ton/core";

const [path, limit] = process.argv.slice(2);
const vectors = JSON.parse(gunzipSync(readFileSync(path)).toString());
const seed = Buffer.from(vectors.random_seed, "hex");
const hash = (text) => Cell.fromBase64(text).hash().toString("hex");
const calls = vectors.calls.slice(0, Number(limit)).map((fields) => {
  const [account, now, lt, config, before, message, transaction, after] = fields;
  return { account, now, lt: BigInt(lt), config: vectors.configs[config], before, message: Cell.fromBase64(message), transaction, after };
});
const executor = await Executor.create();

async function pass(check) {
  const accounts = new Map();
  let transactions = 0;
  for (const call of calls) {
    const known = accounts.get(call.account);
    const shardAccount = known?.hash === call.before ? known.boc : vectors.states[call.before];
    const { result } = await executor.runTransaction({
      config: call.config,
      libs: null,
      verbosity: "short",
      shardAccount,
      message: call.message,
      now: call.now,
      lt: call.lt,
      randomSeed: seed,
      ignoreChksig: false,
      debugEnabled: false,
    });
    if (result.success !== (call.transaction !== null)) throw new Error("a call ended otherwise than it was recorded");
    if (!result.success) continue;
    transactions += 1;
    accounts.set(call.account, { hash: call.after, boc: result.shardAccount });
    if (check && hash(result.shardAccount) !== call.after) throw new Error("an account is not the recorded one");
  }
  return transactions;
}

await pass(true);
const start = process.cpuUsage();
const transactions = await pass(false);
const used = process.cpuUsage(start);
console.log(JSON.stringify({ transactions, cpu_s: (used.user + used.system) / 1e6 }));
