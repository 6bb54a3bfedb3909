/** How long our own client keeps connections, by a clock that the test holds. */
import assert from "node:assert/strict";
import { Socket } from "node:net";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { json, recordingUpstream, type RecordingUpstream } from "../../test/support/recording-upstream.ts";
import { sendTold, type Told } from "../../test/support/upstream-told.ts";
import { OwnUpstream } from "./upstream-own.ts";

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe("a kept connection", () => {
  let provider: RecordingUpstream;
  let upstream: OwnUpstream;
  let nowMs = 0;
  before(async () => {
    provider = await recordingUpstream(json({}));
  });
  after(() => provider.close());
  beforeEach(() => {
    nowMs = 0;
    provider.answer(json({}));
    upstream = new OwnUpstream({ env: {}, nowMs: () => nowMs });
    upstream.allow([provider.origin]);
  });
  afterEach(() => upstream.close());
  const call = async (): Promise<void> => {
    const told = sendTold(upstream, provider.origin);
    await told.over;
    assert.equal(told.ending, "end 200");
    // Free again once the event loop has looked at the socket.
    await turns(3);
  };
  /** Connections that these calls opened. */
  const opened = async (...atMs: readonly number[]): Promise<number> => {
    const before = provider.connections();
    for (const at of atMs) {
      nowMs = at;
      await call();
    }
    return provider.connections() - before;
  };

  it("is used while it was idle for less than 55 s", async () => assert.equal(await opened(0, 54_999), 1));
  it("is not used after 55 s of idling", async () => assert.equal(await opened(0, 55_000), 2));
  it("is not used beyond 60 s of age, however busy, so that the name is resolved anew", async () => assert.equal(await opened(0, 30_000, 59_999, 60_000), 2));

  it("is closed two seconds before the other side said that it would", async () => {
    provider.answer(json({}, 200, { "keep-alive": "timeout=5" }));
    assert.equal(await opened(0, 2_999), 1);
    assert.equal(await opened(10_000, 13_000), 2);
  });

  it("is not kept at all where the other side keeps it for two seconds or less", async () => {
    provider.answer(json({}, 200, { "keep-alive": "max=9, timeout=2" }));
    assert.equal(await opened(0, 0), 2);
  });

  it("is closed by the sweep when its time is over, and the origin forgotten when the configuration has", async () => {
    await call();
    upstream.sweep();
    assert.equal(upstream.openSockets(), 1);
    nowMs = 55_000;
    upstream.sweep();
    await turns(3);
    assert.equal(upstream.openSockets(), 0);
    assert.deepEqual(upstream.dialled(), [provider.origin]);
    upstream.allow([]);
    upstream.allow([]);
    upstream.sweep();
    assert.deepEqual(upstream.dialled(), []);
  });

  it("serves the newest first, so that the others can grow old", async () => {
    const before = provider.connections();
    await Promise.all([call(), call(), call()]);
    nowMs = 50_000;
    await call();
    nowMs = 56_000;
    upstream.sweep();
    await turns(3);
    assert.equal(upstream.openSockets(), 1);
    await call();
    assert.equal(provider.connections() - before, 3);
  });

  it("is not shared between accounts that wait differently long for a connection", async () => {
    const before = provider.connections();
    for (const connectTimeoutMs of [1_000, 2_000, 1_000]) {
      await sendTold(upstream, provider.origin, { connectTimeoutMs }).over;
      await turns(3);
    }
    assert.equal(provider.connections() - before, 2);
  });
});

describe("a connection that does not come about", () => {
  const blackhole = (): OwnUpstream => new OwnUpstream({ env: {}, connect: () => new Socket() });
  const send = (upstream: OwnUpstream, connectTimeoutMs: number): Told => {
    upstream.allow(["http://nowhere.invalid"]);
    return sendTold(upstream, "http://nowhere.invalid", { connectTimeoutMs });
  };

  it("fails after its time, with nothing sent", async () => {
    const upstream = blackhole();
    const told = send(upstream, 30);
    await told.over;
    assert.equal(told.ending, "network/connect_timeout unsent");
    assert.deepEqual(told.events, ["failure"]);
    await upstream.close();
    assert.equal(upstream.openSockets(), 0);
  });

  it("is given up when the call is aborted, or the gateway closes", async () => {
    const upstream = blackhole();
    const aborted = send(upstream, 60_000);
    aborted.call.abort();
    await turns(3);
    assert.equal(upstream.openSockets(), 0);
    assert.deepEqual(aborted.events, []);
    const closed = send(upstream, 60_000);
    await upstream.close();
    assert.equal(closed.ending, "network/closed unsent");
    const late = send(upstream, 60_000);
    await late.over;
    assert.equal(late.ending, "network/closed unsent");
  });
});
