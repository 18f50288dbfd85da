// What the JavaScript clients share: reporting one request at a time, and the venue's own view of the world.

import assert from "node:assert/strict";

export const HANG_MS = 120_000;
const POLL_MS = 50;

// A client without an address would talk to the real exchange.
function onLoopback(name) {
  const url = process.env[name];
  assert.equal(new URL(url).hostname, "127.0.0.1", `${name} is not on loopback`);
  return url;
}

export const API_URL = onLoopback("PERPMAKER_API");
export const WS_URL = onLoopback("PERPMAKER_WS");
export const CONTROL_URL = onLoopback("PERPMAKER_CONTROL");
export const KEY = process.env.PERPMAKER_KEY;
assert.match(KEY, /^0x[0-9a-f]{64}$/);

export const say = (record) => process.stdout.write(`${JSON.stringify(record)}\n`);

/** Report whether the body held, and go on either way unless the step is vital. */
export async function step(request, body, { vital = false } = {}) {
  const begin = performance.now();
  const ms = () => Math.round(performance.now() - begin);
  try {
    await body();
    say({ request, ms: ms(), passed: true });
  } catch (error) {
    say({ request, ms: ms(), passed: false, why: String(error?.stack ?? error).slice(-3000) });
    if (vital) process.exit(1);
  }
}

/** The call must throw an error of `kind` whose message holds `text`. */
export async function refused(call, kind, text) {
  let answer;
  try {
    answer = await call();
  } catch (error) {
    assert.ok(error instanceof kind, `not a ${kind.name}: ${error?.stack ?? error}`);
    assert.ok(String(error.message).includes(text), `${text} is not in: ${error.message}`);
    return;
  }
  assert.fail(`was accepted: ${JSON.stringify(answer)}`);
}

/** The first true value of `look`. Throws naming what never came. */
export async function waitFor(look, what) {
  const giveUp = performance.now() + HANG_MS;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    assert.ok(performance.now() < giveUp, `never came: ${what}`);
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}

/** Run an operation of the venue's control port and return its result. */
export async function control(op, fields = {}) {
  const answer = await fetch(CONTROL_URL, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ op, ...fields }),
  });
  const { ok, result, error } = await answer.json();
  assert.ok(ok, `${op}: ${JSON.stringify(error)}`);
  return result;
}

/** The venue's own record of an account: rawUsd, positions, openOrders, fills. No invariant is broken. */
export async function truth(address) {
  const state = await control("dump_state");
  assert.deepEqual(state.violations, []);
  return state.accounts[address.toLowerCase()];
}
