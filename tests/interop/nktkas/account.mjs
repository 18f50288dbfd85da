// @nktkas/hyperliquid, unmodified: what an account can do beyond plain orders on the main dex.

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
import { SymbolConverter } from "@nktkas/hyperliquid/utils";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import WebSocket from "ws";
import { API_URL, control, KEY, refused, say, step, truth, waitFor, WS_URL } from "./steps.mjs";

const manifest = new URL("./node_modules/@nktkas/hyperliquid/package.json", import.meta.url);
say({ client: "@nktkas/hyperliquid", version: JSON.parse(readFileSync(manifest)).version });

globalThis.WebSocket ??= WebSocket;
const wallet = privateKeyToAccount(KEY);
const user = wallet.address;
const transport = new HttpTransport({ isTestnet: true, apiUrl: API_URL });
const info = new InfoClient({ transport });
const exchange = new ExchangeClient({ transport, wallet });
const socket = new WebSocketTransport({ isTestnet: true, url: WS_URL });
const streams = new SubscriptionClient({ transport: socket });
const DONE = { status: "ok", response: { type: "default" } };

let asset;
let mids;
const statuses = (answer) => answer.response.data.statuses;
const limit = (coin, b, p, s, tif = "Gtc") => ({
  a: asset(coin),
  b,
  p: String(p),
  s: String(s),
  r: false,
  t: { limit: { tif } },
});
const trigger = (coin, b, p, s, tpsl) => ({
  a: asset(coin),
  b,
  p: String(p),
  s: String(s),
  r: true,
  t: { trigger: { isMarket: true, triggerPx: String(p), tpsl } },
});
const place = (orders, grouping = "na", client = exchange) => client.order({ orders, grouping });
const take = (coin, s, b = true, client = exchange, decimals = 0) =>
  place([limit(coin, b, (Number(mids[coin]) * (b ? 1.03 : 0.97)).toFixed(decimals), s, "Ioc")], "na", client);
const positionOf = async (coin, address = user, dex = "") =>
  (await info.clearinghouseState({ user: address, dex })).assetPositions.map((a) => a.position)
    .find((p) => p.coin === coin);
const orderOf = async (oid) => (await info.orderStatus({ user, oid })).order;

await step("markets of both dexes", async () => {
  const symbols = await SymbolConverter.create({ transport, dexs: true });
  asset = (coin) => symbols.getAssetId(coin);
  assert.equal(asset("tst:GOLD"), 110000);
  const dexes = await info.perpDexs();
  assert.deepEqual([dexes[0], dexes[1].name], [null, "tst"]);
  mids = { ...(await info.allMids()), ...(await info.allMids({ dex: "tst" })) };
  assert.ok(Number(mids["tst:GOLD"]) > 0);
}, { vital: true });

await step("an isolated position, margin added and taken out", async () => {
  assert.deepEqual(await exchange.updateLeverage({ asset: asset("SOL"), isCross: false, leverage: 5 }), DONE);
  await take("SOL", "10");
  const before = await positionOf("SOL");
  assert.deepEqual([before.leverage.type, before.leverage.value], ["isolated", 5]);
  assert.deepEqual(await exchange.updateIsolatedMargin({ asset: asset("SOL"), isBuy: true, ntli: 100e6 }), DONE);
  const added = await positionOf("SOL");
  assert.equal((Number(added.leverage.rawUsd) - Number(before.leverage.rawUsd)).toFixed(6), "100.000000");
  assert.ok(Number(added.liquidationPx) < Number(before.liquidationPx));
  assert.deepEqual(await exchange.updateIsolatedMargin({ asset: asset("SOL"), isBuy: true, ntli: -50e6 }), DONE);
  await refused(
    () => exchange.updateIsolatedMargin({ asset: asset("SOL"), isBuy: true, ntli: -1e12 }),
    ApiRequestError,
    "Insufficient margin to transfer",
  );
  assert.deepEqual(await exchange.topUpIsolatedOnlyMargin({ asset: asset("SOL"), leverage: "2" }), DONE);
  await refused(
    () => exchange.updateLeverage({ asset: asset("SOL"), isCross: true, leverage: 5 }),
    ApiRequestError,
    "Cannot switch leverage type with open position",
  );
  await take("SOL", "10", false);
  assert.equal(await positionOf("SOL"), undefined);
});

let stop;
await step("a parent with take profit and stop loss", async () => {
  const mid = Number(mids.ETH);
  const answer = await place([
    limit("ETH", true, Math.round(mid * 1.02), "0.5"),
    trigger("ETH", false, Math.round(mid * 1.1), "0.5", "tp"),
    trigger("ETH", false, Math.round(mid * 0.9), "0.5", "sl"),
  ], "normalTpsl");
  assert.equal(statuses(answer)[0].filled.totalSz, "0.5");
  assert.deepEqual(statuses(answer).slice(1), ["waitingForTrigger", "waitingForTrigger"]);
  const waiting = await info.frontendOpenOrders({ user });
  assert.deepEqual(new Set(waiting.map((o) => o.orderType)), new Set(["Take Profit Market", "Stop Market"]));
  assert.ok(waiting.every((o) => o.isTrigger && o.reduceOnly && o.tif === null));
  stop = waiting.find((o) => o.orderType === "Stop Market");
});
await step("the stop fires and its sibling goes", async () => {
  await control("set_mark", { coin: "ETH", px: String(Number(stop.triggerPx) - 10) });
  await waitFor(async () => !(await info.frontendOpenOrders({ user })).length, "both orders gone");
  await control("set_mark", { coin: "ETH", px: null });
  const left = (await info.historicalOrders({ user })).filter((o) => o.order.coin === "ETH");
  assert.ok(left.some((o) => o.order.oid !== stop.oid && o.status === "siblingFilledCanceled"));
  assert.equal((await orderOf(stop.oid)).status, "filled");
  assert.equal(await positionOf("ETH"), undefined);
  mids = { ...mids, ...(await info.allMids()) };
});
await step("orders that protect the whole position", async () => {
  await take("ETH", "0.5");
  const answer = await place([trigger("ETH", false, Math.round(Number(mids.ETH) * 0.8), "0.5", "sl")], "positionTpsl");
  assert.deepEqual(statuses(answer), ["waitingForTrigger"]);
  const [waiting] = await info.frontendOpenOrders({ user });
  assert.deepEqual([waiting.isPositionTpsl, waiting.isTrigger], [true, true]);
  await place([{ ...limit("ETH", false, Math.round(Number(mids.ETH) * 0.95), "0.5", "Ioc"), r: true }]);
  assert.equal((await orderOf(waiting.oid)).status, "reduceOnlyCanceled");
});
await step("a trigger that is reached already", () =>
  refused(
    () => place([{ ...trigger("BTC", true, Math.round(Number(mids.BTC) * 0.9), "0.01", "sl"), r: false }]),
    ApiRequestError,
    "Invalid TP/SL price",
  ));

await step("start and end a TWAP", async () => {
  const answer = await exchange.twapOrder({ twap: { a: asset("BTC"), b: true, s: "0.1", r: false, m: 5, t: false } });
  const { twapId } = answer.response.data.status.running;
  await waitFor(async () => (await info.userTwapSliceFills({ user })).length, "a slice");
  const ended = await exchange.twapCancel({ a: asset("BTC"), t: twapId });
  assert.equal(ended.response.data.status, "success");
  const [latest] = await info.twapHistory({ user });
  assert.deepEqual([latest.twapId, latest.status.status], [twapId, "terminated"]);
  const { szi } = await positionOf("BTC");
  assert.equal(szi, latest.state.executedSz);
  await refused(() => exchange.twapCancel({ a: asset("BTC"), t: twapId }), ApiRequestError, "TWAP was never placed");
  await take("BTC", szi, false);
});

await step("trade on the builder's dex", async () => {
  const books = [];
  const states = [];
  const fillsHeard = [];
  await streams.l2Book({ coin: "tst:GOLD" }, (m) => books.push(m));
  await streams.clearinghouseState({ user, dex: "tst" }, (m) => states.push(m));
  await streams.userFills({ user }, (m) => fillsHeard.push(...m.fills));
  assert.equal((await waitFor(() => books.at(-1), "a book of the dex")).coin, "tst:GOLD");
  await take("tst:GOLD", "0.1", true, exchange, 1);
  assert.equal((await positionOf("tst:GOLD", user, "tst")).szi, "0.1");
  await waitFor(() => fillsHeard.find((f) => f.coin === "tst:GOLD"), "its fill on the stream");
  const held = (m) => m.dex === "tst" && m.clearinghouseState.assetPositions[0]?.position.szi === "0.1";
  await waitFor(() => states.find(held), "the position on the stream");
  const far = (Number(mids["tst:GOLD"]) * 0.9).toFixed(0);
  const { oid } = statuses(await place([limit("tst:GOLD", true, far, "0.1", "Alo")]))[0].resting;
  assert.deepEqual(await info.openOrders({ user }), []);
  const [mine] = await info.openOrders({ user, dex: "tst" });
  assert.deepEqual([mine.oid, mine.coin], [oid, "tst:GOLD"]);
  assert.deepEqual(statuses(await exchange.cancel({ cancels: [{ a: asset("tst:GOLD"), o: oid }] })), ["success"]);
  await take("tst:GOLD", "0.1", false, exchange, 1);
  const fills = (await info.userFills({ user })).filter((f) => f.coin === "tst:GOLD");
  assert.deepEqual(new Set(fills.map((f) => f.feeToken)), new Set(["TUSD"]));
});
await step("a market of that dex that is isolated only", () =>
  refused(
    () => exchange.updateLeverage({ asset: asset("tst:OIL"), isCross: true, leverage: 3 }),
    ApiRequestError,
    "Cross margin is not allowed",
  ));

await step("be liquidated, and hear of it", async () => {
  const notices = [];
  const events = [];
  await streams.notification({ user }, (m) => notices.push(m));
  await streams.userEvents({ user }, (m) => events.push(m));
  await exchange.updateLeverage({ asset: asset("SOL"), isCross: false, leverage: 20 });
  await take("SOL", "10");
  await control("set_mark", { coin: "SOL", px: (Number(mids.SOL) * 0.94).toFixed(2) });
  await waitFor(async () => !(await positionOf("SOL")), "the end of the position");
  await control("set_mark", { coin: "SOL", px: null });
  const { liquidation } = await waitFor(() => events.find((m) => "liquidation" in m), "the event");
  assert.equal(liquidation.liquidated_user, user.toLowerCase());
  assert.match((await waitFor(() => notices[0], "the notification")).notification, /^Liquidated/);
  const closing = (await info.userFills({ user })).find((f) => f.coin === "SOL" && f.liquidation);
  assert.equal(closing.liquidation.liquidatedUser, user.toLowerCase());
});

await step("move money between balances", async () => {
  assert.deepEqual(await exchange.usdClassTransfer({ amount: "250", toPerp: false }), DONE);
  const { balances } = await info.spotClearinghouseState({ user });
  assert.equal(balances.find((b) => b.coin === "USDC").total, "250.0");
  assert.deepEqual(await exchange.usdClassTransfer({ amount: "250", toPerp: true }), DONE);
  const token = `TUSD:${(await info.spotMeta()).tokens.find((t) => t.name === "TUSD").tokenId}`;
  const send = { destination: user, sourceDex: "tst", destinationDex: "spot", token, amount: "40" };
  assert.deepEqual(await exchange.sendAsset({ ...send, fromSubAccount: "" }), DONE);
  const spot = (await info.spotClearinghouseState({ user })).balances;
  assert.equal(spot.find((b) => b.coin === "TUSD").total, "40.0");
  const other = privateKeyToAccount(generatePrivateKey()).address;
  assert.deepEqual(await exchange.usdSend({ destination: other, amount: "12.5" }), DONE);
  assert.equal((await truth(other)).rawUsd, "12.5");
  assert.deepEqual(await exchange.withdraw3({ destination: user, amount: "20" }), DONE);
});

let sub;
await step("a sub-account with money of its own trades", async () => {
  sub = (await exchange.createSubAccount({ name: "second" })).response.data;
  assert.deepEqual(await exchange.subAccountTransfer({ subAccountUser: sub, isDeposit: true, usd: 5_000e6 }), DONE);
  const [listed] = await info.subAccounts({ user });
  assert.deepEqual([listed.name, listed.subAccountUser, listed.master], ["second", sub, user.toLowerCase()]);
  assert.equal(listed.clearinghouseState.marginSummary.accountValue, "5000.0");
  const forSub = new ExchangeClient({ transport, wallet, defaultVaultAddress: sub });
  await take("ETH", "0.2", true, forSub);
  assert.equal((await positionOf("ETH", sub)).szi, "0.2");
  assert.equal(await positionOf("ETH"), undefined);
  assert.deepEqual(await info.userRole({ user: sub }), { role: "subAccount", data: { master: user.toLowerCase() } });
});
await step("an agent trades for the account and its sub-account", async () => {
  const key = privateKeyToAccount(generatePrivateKey());
  assert.deepEqual(await exchange.approveAgent({ agentAddress: key.address, agentName: "interop" }), DONE);
  const [listed] = await info.extraAgents({ user });
  assert.deepEqual([listed.name, listed.address], ["interop", key.address.toLowerCase()]);
  const agent = new ExchangeClient({ transport, wallet: key });
  await take("SOL", "5", true, agent);
  assert.equal((await positionOf("SOL")).szi, "5.0");
  await take("SOL", "5", false, agent);
  await take("ETH", "0.2", false, new ExchangeClient({ transport, wallet: key, defaultVaultAddress: sub }));
  assert.equal(await positionOf("ETH", sub), undefined);
  await refused(
    () => agent.usdSend({ destination: user, amount: "1" }),
    ApiRequestError,
    "Must deposit before performing actions",
  );
});
await step("an unnamed agent", async () => {
  const key = privateKeyToAccount(generatePrivateKey());
  assert.deepEqual(await exchange.approveAgent({ agentAddress: key.address }), DONE);
  assert.deepEqual(await new ExchangeClient({ transport, wallet: key }).noop(), DONE);
});

await step("final state is the venue's", async () => {
  for (const address of [user, sub]) {
    const venue = await truth(address);
    assert.deepEqual([venue.openOrders, venue.positions], [[], {}]);
    for (const [dex, { rawUsd, accountValue }] of Object.entries(venue.dexes)) {
      const { marginSummary, assetPositions } = await info.clearinghouseState({ user: address, dex });
      assert.deepEqual(assetPositions, []);
      assert.deepEqual([marginSummary.totalRawUsd, marginSummary.accountValue], [rawUsd, accountValue]);
    }
    const spot = (await info.spotClearinghouseState({ user: address })).balances.map((b) => [b.coin, b.total]);
    assert.deepEqual(Object.fromEntries(spot.filter(([, total]) => Number(total))), venue.spot);
    assert.equal((await info.userFills({ user: address })).length, venue.fills);
  }
});
await socket.close();
