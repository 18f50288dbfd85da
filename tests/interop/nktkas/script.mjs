// @nktkas/hyperliquid, unmodified, trading on the simulated venue: HTTP for orders, WebSocket for streams and posts.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  ApiRequestError,
  ExchangeClient,
  HttpTransport,
  InfoClient,
  SubscriptionClient,
  WebSocketTransport,
} from "@nktkas/hyperliquid";
import { privateKeyToAccount } from "viem/accounts";
import WebSocket from "ws";
import { API_URL, control, KEY, refused, say, step, truth, waitFor, WS_URL } from "./steps.mjs";

const LONGEST_SWEEP = 50;
const CLOID = `0x${"cd".repeat(16)}`;
const manifest = new URL("./node_modules/@nktkas/hyperliquid/package.json", import.meta.url);
say({ client: "@nktkas/hyperliquid", version: JSON.parse(readFileSync(manifest)).version });

globalThis.WebSocket ??= WebSocket;
const wallet = privateKeyToAccount(KEY);
const user = wallet.address;
const http = new HttpTransport({ isTestnet: true, apiUrl: API_URL });
const socket = new WebSocketTransport({ isTestnet: true, url: WS_URL });
const info = new InfoClient({ transport: http });
const exchange = new ExchangeClient({ transport: http, wallet });
const overSocket = new ExchangeClient({ transport: socket, wallet });
const streams = new SubscriptionClient({ transport: socket });

const assets = {};
let far = 0;
const limit = (p, s, { tif = "Gtc", b = true, r = false, coin = "BTC", ...rest } = {}) => ({
  a: assets[coin],
  b,
  p: String(p),
  s: String(s),
  r,
  t: { limit: { tif } },
  ...rest,
});
const place = (...orders) => exchange.order({ orders, grouping: "na" });
const statuses = (answer) => answer.response.data.statuses;
const isOpen = async () => (await info.openOrders({ user })).map((o) => o.oid);

await step("load markets", async () => {
  const [meta, contexts] = await info.metaAndAssetCtxs();
  meta.universe.forEach((market, asset) => (assets[market.name] = asset));
  assert.equal(meta.universe[assets.BTC].szDecimals, 5);
  assert.equal(contexts.length, meta.universe.length);
  assert.ok(Array.isArray((await info.spotMeta()).tokens));
  far = Math.round(Number((await info.allMids()).BTC) * 0.9);
}, { vital: true });

const books = [];
const updates = [];
const fills = [];
const bests = [];
await step("stream books, order updates and fills", async () => {
  await streams.l2Book({ coin: "ETH" }, (m) => books.push(m));
  await streams.bbo({ coin: "ETH" }, (m) => bests.push(m));
  await streams.orderUpdates({ user }, (m) => updates.push(...m));
  await streams.userFills({ user }, (m) => fills.push(m));
  const [bids, asks] = (await waitFor(() => books.at(-1), "a book")).levels;
  assert.ok(Number(bids[0].px) < Number(asks[0].px));
  assert.equal((await waitFor(() => fills[0], "the snapshot of fills")).isSnapshot, true);
  assert.equal((await waitFor(() => bests.at(-1), "a best bid and offer")).coin, "ETH");
});
const updated = (oid, status) =>
  waitFor(() => updates.find((u) => u.order.oid === oid && u.status === status), `${status} of ${oid}`);

await step("update leverage", async () => {
  const answer = await exchange.updateLeverage({ asset: assets.ETH, isCross: true, leverage: 9 });
  assert.deepEqual(answer, { status: "ok", response: { type: "default" } });
  const { leverage } = await info.activeAssetData({ user, coin: "ETH" });
  assert.deepEqual(leverage, { type: "cross", value: 9 });
});
let oid;
await step("place a limit order", async () => {
  const answer = await place(limit(far, "0.01"));
  oid = statuses(answer)[0].resting.oid;
  assert.deepEqual(await isOpen(), [oid]);
  await updated(oid, "open");
});
await step("place with a client id, post-only", async () => {
  await place(limit(far, "0.02", { tif: "Alo", c: CLOID }));
  const found = await info.orderStatus({ user, oid: CLOID });
  assert.deepEqual([found.status, found.order.order.sz], ["order", "0.02"]);
});
await step("modify", async () => {
  const answer = await exchange.modify({ oid, order: limit(far - 10, "0.015") });
  assert.deepEqual(answer, { status: "ok", response: { type: "default" } });
  await updated(oid, "canceled");
  const moved = (await info.openOrders({ user })).find((o) => o.limitPx === `${far - 10}.0`);
  assert.equal(moved.sz, "0.015");
  oid = moved.oid;
});
await step("modify a batch by client id", async () => {
  const answer = await exchange.batchModify({
    modifies: [{ oid: CLOID, order: limit(far - 20, "0.021", { tif: "Alo", c: CLOID }) }],
  });
  const moved = statuses(answer)[0].resting.oid;
  assert.equal((await info.orderStatus({ user, oid: CLOID })).order.order.oid, moved);
});
await step("cancel by oid", async () => {
  const answer = await exchange.cancel({ cancels: [{ a: assets.BTC, o: oid }] });
  assert.deepEqual(statuses(answer), ["success"]);
  await updated(oid, "canceled");
});
await step("cancel by client id", async () => {
  const answer = await exchange.cancelByCloid({ cancels: [{ asset: assets.BTC, cloid: CLOID }] });
  assert.deepEqual(statuses(answer), ["success"]);
  assert.deepEqual(await isOpen(), []);
});
await step("cancel what is gone", () =>
  refused(
    () => exchange.cancel({ cancels: [{ a: assets.BTC, o: oid }] }),
    ApiRequestError,
    "never placed, already canceled, or filled",
  ));
await step("batch with one bad item", async () => {
  await refused(
    () => place(limit(far, "0.01"), limit(far * 2, "0.01", { tif: "Alo" })),
    ApiRequestError,
    "Post only order would have immediately matched",
  );
  assert.equal((await isOpen()).length, 1);
});
await step("cancel a batch", async () => {
  await place(limit(far - 1, "0.01"), limit(far - 2, "0.01"));
  const open = await isOpen();
  const answer = await exchange.cancel({ cancels: open.map((o) => ({ a: assets.BTC, o })) });
  assert.deepEqual(statuses(answer), ["success", "success", "success"]);
  assert.deepEqual((await truth(user)).openOrders, []);
});
await step("place and cancel over the WebSocket", async () => {
  const answer = await overSocket.order({ orders: [limit(far, "0.01")], grouping: "na" });
  const posted = statuses(answer)[0].resting.oid;
  assert.deepEqual(await isOpen(), [posted]);
  assert.deepEqual(statuses(await overSocket.cancel({ cancels: [{ a: assets.BTC, o: posted }] })), ["success"]);
});
await step("refusals of a single order", async () => {
  await refused(() => place(limit(far, "0.00001")), ApiRequestError, "minimum value of $10");
  await refused(() => place(limit(far, "100")), ApiRequestError, "Insufficient margin");
  await refused(() => place(limit(far, "0")), ApiRequestError, "zero size");
});
await step("take, with its fill on the stream", async () => {
  const [, asks] = (await info.l2Book({ coin: "ETH" })).levels;
  const answer = await place(limit(Math.round(Number(asks[0].px) * 1.02), "0.5", { tif: "Ioc", coin: "ETH" }));
  const { filled } = statuses(answer)[0];
  assert.equal(filled.totalSz, "0.5");
  const taken = await waitFor(() => fills.flatMap((m) => m.fills).find((f) => f.oid === filled.oid), "the fill");
  assert.equal(taken.crossed, true);
  await updated(filled.oid, "filled");
  const { assetPositions } = await info.clearinghouseState({ user });
  assert.deepEqual(assetPositions.map(({ position }) => [position.coin, position.szi]), [["ETH", "0.5"]]);
});
await step("be filled by a taker", async () => {
  const [bids] = (await info.l2Book({ coin: "ETH" })).levels;
  const mine = statuses(await place(limit(Number(bids[0].px), "0.1", { coin: "ETH" })))[0].resting.oid;
  for (let i = 0; i < LONGEST_SWEEP; i++) {
    await control("trade", { coin: "ETH", side: "A", sz: bids[0].sz });
    if ((await info.orderStatus({ user, oid: mine })).order.status === "filled") break;
  }
  await updated(mine, "filled");
  const made = await waitFor(() => fills.flatMap((m) => m.fills).find((f) => f.oid === mine), "the fill");
  assert.equal(made.crossed, false);
});
await step("close the position", async () => {
  const [bids] = (await info.l2Book({ coin: "ETH" })).levels;
  const px = Math.round(Number(bids[0].px) * 0.98);
  await place(limit(px, "0.6", { tif: "Ioc", coin: "ETH", b: false, r: true }));
  assert.deepEqual((await info.clearinghouseState({ user })).assetPositions, []);
});
await step("schedule cancel", async () => {
  const left = statuses(await place(limit(far, "0.01")))[0].resting.oid;
  await exchange.scheduleCancel({ time: Date.now() + 6_000 });
  await updated(left, "scheduledCancel");
  assert.equal((await info.orderStatus({ user, oid: left })).order.status, "scheduledCancel");
});
await step("too soon a scheduled cancel", () =>
  refused(() => exchange.scheduleCancel({ time: Date.now() + 100 }), ApiRequestError, "Scheduled cancel time"));
await step("final state is the venue's", async () => {
  const venue = await truth(user);
  const state = await info.clearinghouseState({ user });
  assert.deepEqual([venue.openOrders, venue.positions], [[], {}]);
  assert.equal(state.marginSummary.totalRawUsd, venue.rawUsd);
  assert.equal((await info.userFills({ user })).length, venue.fills);
  assert.deepEqual(await isOpen(), []);
  assert.ok((await info.userRateLimit({ user })).nRequestsUsed > 0);
});
await socket.close();
