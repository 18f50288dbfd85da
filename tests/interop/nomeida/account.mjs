// The npm package `hyperliquid`, unmodified: what an account can do beyond plain orders. It knows no builder's dex.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { ethers } from "ethers";
import { API_URL, control, KEY, say, step, truth, waitFor, WS_URL } from "./steps.mjs";

// Below Node 23 only its CommonJS build finds a WebSocket.
const { BASE_URLS, Hyperliquid, WSS_URLS } = createRequire(import.meta.url)("hyperliquid");
const BTC = "BTC-PERP";
const ETH = "ETH-PERP";
const SOL = "SOL-PERP";
const DONE = { status: "ok", response: { type: "default" } };
const manifest = new URL("./node_modules/hyperliquid/package.json", import.meta.url);
say({ client: "hyperliquid (npm)", version: JSON.parse(readFileSync(manifest)).version });

// Standard output is the report.
console.log = console.warn = console.error;
BASE_URLS.TESTNET = BASE_URLS.PRODUCTION = API_URL;
WSS_URLS.TESTNET = WSS_URLS.PRODUCTION = WS_URL;
const opened = [];
const client = async (privateKey, options = {}) => {
  const sdk = new Hyperliquid({ privateKey, testnet: true, disableAssetMapRefresh: true, ...options });
  assert.equal(sdk.getBaseUrl(), API_URL);
  opened.push(sdk);
  await sdk.connect();
  return sdk;
};
const user = new ethers.Wallet(KEY).address;
let sdk;
let mids;

const statuses = (answer) => {
  assert.equal(answer.status, "ok", JSON.stringify(answer));
  return answer.response.data.statuses;
};
const order = (coin, is_buy, sz, limit_px, order_type, reduce_only) =>
  ({ coin, is_buy, sz, limit_px, order_type, reduce_only });
const trigger = (coin, sz, px, tpsl) =>
  order(coin, false, sz, px, { trigger: { isMarket: true, triggerPx: px, tpsl } }, true);
const take = (coin, sz, is_buy = true, by = sdk) => {
  const px = Math.round(mids[coin] * (is_buy ? 1.03 : 0.97));
  return by.exchange.placeOrder(order(coin, is_buy, sz, px, { limit: { tif: "Ioc" } }, false));
};
const positionOf = async (coin, address = user) =>
  (await sdk.info.perpetuals.getClearinghouseState(address, true)).assetPositions.map((a) => a.position)
    .find((p) => p.coin === coin);
const waiting = () => sdk.info.getFrontendOpenOrders(user, true);
const statusOf = async (oid) => (await sdk.info.getOrderStatus(user, oid, true)).order.status;

await step("load markets", async () => {
  sdk = await client(KEY);
  mids = await sdk.info.getAllMids();
  assert.ok(mids[BTC] > 0);
}, { vital: true });
await step("an isolated position, margin added and taken out", async () => {
  assert.deepEqual(await sdk.exchange.updateLeverage(SOL, "isolated", 5), DONE);
  statuses(await take(SOL, 10));
  const before = await positionOf("SOL");
  assert.deepEqual([before.leverage.type, before.leverage.value], ["isolated", 5]);
  assert.deepEqual(await sdk.exchange.updateIsolatedMargin(SOL, true, 100e6), DONE);
  const added = await positionOf("SOL");
  assert.equal((Number(added.leverage.rawUsd) - Number(before.leverage.rawUsd)).toFixed(6), "100.000000");
  assert.deepEqual(await sdk.exchange.updateIsolatedMargin(SOL, true, -50e6), DONE);
  assert.equal((await sdk.exchange.updateIsolatedMargin(SOL, true, -1e12)).status, "err");
  statuses(await take(SOL, 10, false));
  assert.equal(await positionOf("SOL"), undefined);
});
await step("a parent with take profit and stop loss", async () => {
  const stopPx = Math.round(mids[ETH] * 0.9);
  const answer = await sdk.exchange.placeOrder({
    orders: [
      order(ETH, true, 0.5, Math.round(mids[ETH] * 1.02), { limit: { tif: "Gtc" } }, false),
      trigger(ETH, 0.5, Math.round(mids[ETH] * 1.1), "tp"),
      trigger(ETH, 0.5, stopPx, "sl"),
    ],
    grouping: "normalTpsl",
  });
  const [filled, ...children] = statuses(answer);
  assert.deepEqual([filled.filled.totalSz, ...children], ["0.5", "waitingForTrigger", "waitingForTrigger"]);
  const held = await waiting();
  const stop = held.find((o) => o.orderType === "Stop Market");
  const goal = held.find((o) => o.orderType === "Take Profit Market");
  await control("set_mark", { coin: "ETH", px: String(stopPx - 10) });
  await waitFor(async () => !(await waiting()).length, "both orders gone");
  await control("set_mark", { coin: "ETH", px: null });
  assert.deepEqual([await statusOf(stop.oid), await statusOf(goal.oid)], ["filled", "siblingFilledCanceled"]);
  assert.equal(await positionOf("ETH"), undefined);
});
await step("start and end a TWAP", async () => {
  const twap = { coin: BTC, is_buy: true, sz: 0.1, reduce_only: false, minutes: 5, randomize: false };
  const { twapId } = (await sdk.exchange.placeTwapOrder(twap)).response.data.status.running;
  await waitFor(async () => (await sdk.info.getUserTwapSliceFills(user, true)).length, "a slice");
  const ended = await sdk.exchange.cancelTwapOrder({ coin: BTC, twap_id: twapId });
  assert.equal(ended.response.data.status, "success");
  const [latest] = await sdk.info.twapHistory(user, true);
  assert.deepEqual([latest.twapId, latest.status.status], [twapId, "terminated"]);
  statuses(await take(BTC, Number((await positionOf("BTC")).szi), false));
  assert.equal(await positionOf("BTC"), undefined);
});
await step("move money between balances", async () => {
  assert.deepEqual(await sdk.exchange.transferBetweenSpotAndPerp(250, false), DONE);
  const { balances } = await sdk.info.spot.getSpotClearinghouseState(user, true);
  assert.equal(balances.find((b) => b.coin === "USDC").total, "250.0");
  assert.deepEqual(await sdk.exchange.transferBetweenSpotAndPerp(200, true), DONE);
  const other = ethers.Wallet.createRandom().address;
  assert.deepEqual(await sdk.exchange.usdTransfer(other, 12.5), DONE);
  const usdc = (await sdk.info.spot.getSpotMeta(true)).tokens.find((t) => t.name === "USDC");
  assert.deepEqual(await sdk.exchange.spotTransfer(other, `USDC:${usdc.tokenId}`, "7.5"), DONE);
  const received = await truth(other);
  assert.deepEqual([received.rawUsd, received.spot], ["12.5", { USDC: "7.5" }]);
  assert.deepEqual(await sdk.exchange.initiateWithdrawal(user, 20), DONE);
});
let sub;
await step("a sub-account with money of its own trades", async () => {
  sub = (await sdk.exchange.createSubAccount("second")).response.data;
  assert.deepEqual(await sdk.exchange.subAccountTransfer(sub, true, 5_000e6), DONE);
  const [listed] = await sdk.info.getSubAccounts(user, true);
  assert.deepEqual([listed.name, listed.subAccountUser], ["second", sub]);
  assert.equal(listed.clearinghouseState.marginSummary.accountValue, "5000.0");
  statuses(await take(ETH, 0.2, true, await client(KEY, { vaultAddress: sub })));
  assert.equal((await positionOf("ETH", sub)).szi, "0.2");
  assert.equal(await positionOf("ETH"), undefined);
});
await step("an agent trades for the account and its sub-account", async () => {
  const key = ethers.Wallet.createRandom();
  const approval = { agentAddress: key.address, agentName: "interop" };
  assert.deepEqual(await sdk.exchange.approveAgent(approval), DONE);
  assert.deepEqual((await sdk.info.extraAgents(user, true)).map((a) => a.name), ["interop"]);
  const agent = await client(key.privateKey, { walletAddress: user });
  statuses(await take(SOL, 5, true, agent));
  assert.equal((await positionOf("SOL")).szi, "5.0");
  statuses(await take(SOL, 5, false, agent));
  statuses(await take(ETH, 0.2, false, await client(key.privateKey, { vaultAddress: sub })));
  assert.equal(await positionOf("ETH", sub), undefined);
});
await step("final state is the venue's", async () => {
  for (const address of [user, sub]) {
    const venue = await truth(address);
    assert.deepEqual([venue.openOrders, venue.positions], [[], {}]);
    const { marginSummary } = await sdk.info.perpetuals.getClearinghouseState(address, true);
    const shown = { rawUsd: marginSummary.totalRawUsd, accountValue: marginSummary.accountValue };
    assert.deepEqual(shown, venue.dexes[""]);
    const { balances } = await sdk.info.spot.getSpotClearinghouseState(address, true);
    const spot = balances.filter((b) => Number(b.total)).map((b) => [b.coin, b.total]);
    assert.deepEqual(Object.fromEntries(spot), venue.spot);
    assert.equal((await sdk.info.getUserFills(address, true)).length, venue.fills);
  }
});
opened.forEach((each) => each.disconnect());
process.exit(0);
