// What an ordinary TON client does with a chain: reads, runs a get-method, sends, waits. Prints what it saw as one JSON
// object; whether that is right is judged by the test that runs it.
//
//     node client.mjs URL SECRET_SEED_HEX RECEIVER
import { Address, SendMode, internal } from "@ton/core";
import { keyPairFromSeed } from "@ton/crypto";
import { TonClient, WalletContractV4 } from "@ton/ton";

const [url, seed, to] = process.argv.slice(2);
const client = new TonClient({ endpoint: `${url}/api/v2/jsonRPC` });
const key = keyPairFromSeed(Buffer.from(seed, "hex"));
const wallet = WalletContractV4.create({ workchain: 0, publicKey: key.publicKey });
const receiver = Address.parse(to);
const opened = client.open(wallet);

const refusal = async (send) => {
  try {
    await send();
    return null;
  } catch (error) {
    return error.response?.data?.error ?? String(error);
  }
};

const order = (seqno, secretKey) => ({
  seqno,
  secretKey,
  sendMode: SendMode.PAY_GAS_SEPARATELY | SendMode.IGNORE_ERRORS,
  messages: [internal({ to: receiver, value: "1.5", bounce: false, body: "for tea" })],
});

const saw = {
  address: wallet.address.toString({ bounceable: false }),
  before: (await client.getBalance(wallet.address)).toString(),
  deployed: await client.isContractDeployed(wallet.address),
  seqno: await opened.getSeqno(),
  publicKey: (await client.runMethod(wallet.address, "get_public_key")).stack.readBigNumber().toString(16),
  block: (await client.getMasterchainInfo()).latestSeqno,
};
// Refused: a number of the future, and the signature of another key.
saw.wrongSeqno = await refusal(() => opened.sendTransfer(order(saw.seqno + 7, key.secretKey)));
const stranger = keyPairFromSeed(Buffer.alloc(32, 9));
saw.wrongKey = await refusal(() => opened.sendTransfer(order(saw.seqno, stranger.secretKey)));
saw.afterRefusals = (await client.getBalance(wallet.address)).toString();

await opened.sendTransfer(order(saw.seqno, key.secretKey));
for (let turn = 0; turn < 200 && saw.arrived !== "1500000000"; turn += 1) {
  await new Promise((done) => setTimeout(done, 50));
  saw.arrived = (await client.getBalance(receiver)).toString();
}
saw.seqnoAfter = await opened.getSeqno();
saw.repeated = await refusal(() => opened.sendTransfer(order(saw.seqno, key.secretKey)));
const [received] = await client.getTransactions(receiver, { limit: 5 });
const body = received.inMessage.body.beginParse();
saw.comment = body.loadUint(32) === 0 ? body.loadStringTail() : null;
saw.from = received.inMessage.info.src.toString({ bounceable: false });
const [sent] = await client.getTransactions(wallet.address, { limit: 1 });
saw.located = (await client.tryLocateResultTx(wallet.address, receiver, sent.outMessages.get(0).info.createdLt.toString())).lt.toString();
saw.receivedLt = received.lt.toString();
console.log(JSON.stringify(saw));
