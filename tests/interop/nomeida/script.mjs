// The npm package `hyperliquid`, unmodified, trading on the simulated venue: its own WebSocket client, ethers signatures.
// It has no option for an address: the tables of addresses it exports are set before it is constructed.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { ethers } from "ethers";
import { API_URL, control, KEY, say, step, truth, waitFor, WS_URL } from "./steps.mjs";

// Below Node 23 only its CommonJS build finds a WebSocket.
const { BASE_URLS, Hyperliquid, WSS_URLS } = createRequire(import.meta.url)("hyperliquid");
const LONGEST_SWEEP = 50;
const CLOID = `0x${"ef".repeat(16)}`;
const BTC = "BTC-PERP";
const ETH = "ETH-PERP";
const manifest = new URL("./node_modules/hyperliquid/package.json", import.meta.url);
say({ client: "hyperliquid (npm)", version: JSON.parse(readFileSync(manifest)).version });

// Standard output is the report.
console.log = console.warn = console.error;
BASE_URLS.TESTNET = BASE_URLS.PRODUCTION = API_URL;
WSS_URLS.TESTNET = WSS_URLS.PRODUCTION = WS_URL;
const sdk = new Hyperliquid({ privateKey: KEY, testnet: true, disableAssetMapRefresh: true });
assert.equal(sdk.getBaseUrl(), API_URL);
const user = new ethers.Wallet(KEY).address;
let far = 0;
const order = (sz, limit_px, { coin = BTC, is_buy = true, tif = "Gtc", reduce_only = false, ...rest } = {}) => ({
  coin,
  is_buy,
  sz,
  limit_px,
  order_type: { limit: { tif } },
  reduce_only,
  ...rest,
});
const statuses = (answer) => {
  assert.equal(answer.status, "ok", JSON.stringify(answer));
  return answer.response.data.statuses;
};
const place = async (...args) => statuses(await sdk.exchange.placeOrder(order(...args)));
const isOpen = async () => (await sdk.info.getUserOpenOrders(user, true)).map((o) => o.oid);

await step("load markets", async () => {
  await sdk.connect();
  const [meta, contexts] = await sdk.info.perpetuals.getMetaAndAssetCtxs(true);
  assert.equal(contexts.length, meta.universe.length);
  assert.deepEqual((await sdk.info.getAllAssets()).perp.slice(0, 2), [BTC, ETH]);
  assert.equal(await sdk.info.getAssetIndex(ETH), meta.universe.findIndex((market) => market.name === "ETH"));
  far = Math.round(Number((await sdk.info.getAllMids())[BTC]) * 0.9);
}, { vital: true });

const books = [];
const updates = [];
const fills = [];
await step("stream books, order updates and fills", async () => {
  await sdk.subscriptions.subscribeToL2Book(ETH, (m) => books.push(m));
  await sdk.subscriptions.subscribeToOrderUpdates(user, (m) => updates.push(...Object.values(m).filter((u) => u?.order)));
  await sdk.subscriptions.subscribeToUserFills(user, (m) => fills.push(m));
  const book = await waitFor(() => books.at(-1), "a book");
  assert.equal(book.coin, ETH);
  assert.ok(Number(book.levels[0][0].px) < Number(book.levels[1][0].px));
  assert.equal((await waitFor(() => fills[0], "the snapshot of fills")).isSnapshot, true);
});
const updated = (oid, status) =>
  waitFor(() => updates.find((u) => u.order.oid === oid && u.status === status), `${status} of ${oid}`);

await step("update leverage", async () => {
  const answer = await sdk.exchange.updateLeverage(ETH, "cross", 8);
  assert.deepEqual(answer, { status: "ok", response: { type: "default" } });
});
let oid;
await step("place a limit order", async () => {
  oid = (await place(0.01, far))[0].resting.oid;
  assert.deepEqual(await isOpen(), [oid]);
  await updated(oid, "open");
});
await step("place with a client id, post-only", async () => {
  const named = (await place(0.02, far, { tif: "Alo", cloid: CLOID }))[0].resting.oid;
  const found = await sdk.info.getOrderStatus(user, CLOID, true);
  assert.deepEqual([found.order.order.oid, found.order.status], [named, "open"]);
});
await step("modify", async () => {
  const answer = await sdk.exchange.modifyOrder(oid, order(0.015, far - 10));
  assert.equal(answer.status, "ok", JSON.stringify(answer));
  await updated(oid, "canceled");
  const moved = (await sdk.info.getUserOpenOrders(user, true)).find((o) => o.sz === "0.015");
  assert.equal(moved.limitPx, `${far - 10}.0`);
  oid = moved.oid;
});
await step("modify a batch", async () => {
  const answer = await sdk.exchange.batchModifyOrders([{ oid, order: order(0.016, far - 11) }]);
  oid = statuses(answer)[0].resting.oid;
  const found = await sdk.info.getOrderStatus(user, oid, true);
  assert.equal(found.order.order.sz, "0.016");
});
await step("cancel by oid", async () => {
  assert.deepEqual(statuses(await sdk.exchange.cancelOrder({ coin: BTC, o: oid })), ["success"]);
  await updated(oid, "canceled");
});
await step("cancel by client id", async () => {
  assert.deepEqual(statuses(await sdk.exchange.cancelOrderByCloid(BTC, CLOID)), ["success"]);
  assert.deepEqual(await isOpen(), []);
});
await step("cancel what is gone", async () => {
  const [gone] = statuses(await sdk.exchange.cancelOrder({ coin: BTC, o: oid }));
  assert.match(gone.error, /never placed, already canceled, or filled/);
});
await step("place and cancel a batch", async () => {
  const answer = await sdk.exchange.placeOrder({ orders: [order(0.01, far), order(0.01, far - 1), order(0.01, far - 2)] });
  const oids = statuses(answer).map((status) => status.resting.oid);
  assert.equal(new Set(oids).size, 3);
  const cancels = oids.map((o) => ({ coin: BTC, o }));
  assert.deepEqual(statuses(await sdk.exchange.cancelOrder(cancels)), ["success", "success", "success"]);
  assert.deepEqual((await truth(user)).openOrders, []);
});
await step("place over the WebSocket", async () => {
  const payload = await sdk.exchange.getOrderPayload(order(0.01, far));
  const answer = await sdk.subscriptions.postRequest("action", payload);
  const posted = await waitFor(isOpen, "the posted order");
  assert.ok(JSON.stringify(answer).includes(String(posted[0])), JSON.stringify(answer));
  await sdk.exchange.cancelOrder({ coin: BTC, o: posted[0] });
});
await step("refusals of a single order", async () => {
  const [[small], [crossing], [dear]] = [
    await place(0.00001, far),
    await place(0.01, far * 2, { tif: "Alo" }),
    await place(100, far),
  ];
  assert.match(small.error, /minimum value of \$10/);
  assert.match(crossing.error, /Post only order would have immediately matched/);
  assert.match(dear.error, /Insufficient margin/);
});
await step("take, with its fill on the stream", async () => {
  const answer = await sdk.custom.marketOpen(ETH, true, 0.5);
  const { filled } = statuses(answer)[0];
  assert.equal(filled.totalSz, "0.5");
  const taken = await waitFor(() => fills.flatMap((m) => m.fills).find((f) => f.oid === filled.oid), "the fill");
  assert.equal(taken.crossed, true);
  const { assetPositions } = await sdk.info.perpetuals.getClearinghouseState(user, true);
  assert.deepEqual(assetPositions.map(({ position }) => [position.coin, position.szi]), [["ETH", "0.5"]]);
});
await step("be filled by a taker", async () => {
  const [bids] = (await sdk.info.getL2Book(ETH, true)).levels;
  const mine = (await place(0.1, Number(bids[0].px), { coin: ETH }))[0].resting.oid;
  for (let i = 0; i < LONGEST_SWEEP; i++) {
    await control("trade", { coin: "ETH", side: "A", sz: bids[0].sz });
    if ((await sdk.info.getOrderStatus(user, mine, true)).order.status === "filled") break;
  }
  await updated(mine, "filled");
  const made = await waitFor(() => fills.flatMap((m) => m.fills).find((f) => f.oid === mine), "the fill");
  assert.equal(made.crossed, false);
});
await step("close the position", async () => {
  await sdk.custom.marketClose(ETH);
  assert.deepEqual((await sdk.info.perpetuals.getClearinghouseState(user, true)).assetPositions, []);
});
await step("schedule cancel", async () => {
  const left = (await place(0.01, far))[0].resting.oid;
  const answer = await sdk.exchange.scheduleCancel(Date.now() + 6_000);
  assert.equal(answer.status, "ok", JSON.stringify(answer));
  await updated(left, "scheduledCancel");
});
await step("final state is the venue's", async () => {
  const venue = await truth(user);
  const state = await sdk.info.perpetuals.getClearinghouseState(user, true);
  assert.deepEqual([venue.openOrders, venue.positions], [[], {}]);
  assert.equal(state.marginSummary.totalRawUsd, venue.rawUsd);
  assert.equal((await sdk.info.getUserFills(user, true)).length, venue.fills);
  assert.ok((await sdk.info.getUserRateLimit(user, true)).nRequestsUsed > 0);
});
sdk.disconnect();
process.exit(0);
