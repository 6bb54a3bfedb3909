import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BudgetBook } from "./book.ts";
import type { HoldAsk } from "./book.ts";
import { SliceAuthority } from "./slice-authority.ts";
import { SliceBook } from "./slice-book.ts";
import { grantNanoUsd, outNanoUsd } from "./slices.ts";
import type { Slice, SliceReply, SliceReport } from "./slices.ts";
import { naiveKey } from "./test-naive.ts";
import type { Budget } from "./types.ts";

const START = Date.UTC(2026, 10, 23, 12);
const HOUR_MS = 3_600_000;
const SCOPES = ["tenant/default", "key/app"];

function budget(id: string, limitNanoUsd: number, more: Partial<Budget> = {}): Budget {
  return { id, scopes: ["tenant/default"], period: "total", timeZone: "UTC", limitNanoUsd, kind: "hard", alertsAtPermille: [], cheaperFromPermille: null, ...more };
}

/** What one process really holds and has spent, whatever anybody believes. */
interface TrueHold {
  readonly ask: HoldAsk;
  state: "open" | "settled" | "released";
  costNanoUsd: number;
}
/** A process with its journal: the holds survive, the rest is made anew at a restart. */
interface Joiner {
  name: string;
  epoch: number;
  holds: TrueHold[];
  slices: SliceBook;
}
type Message = { readonly report: SliceReport } | { readonly reply: SliceReply };

/** An authority that writes what it is told to, joiners with journals, and a network that can do anything with a message. */
class World {
  readonly budgets: readonly Budget[];
  nowMs = START;
  made = 0;
  authority!: { book: BudgetBook; slices: SliceAuthority };
  joiners: Joiner[];
  network: Message[] = [];
  /** Holds of the authority's own, and of processes whose journal is gone. */
  own: TrueHold[] = [];
  gone: TrueHold[] = [];
  /** What is on the authority's disk. */
  readonly rows = new Map<string, Slice>();
  readonly balances = new Map<string, { settledNanoUsd: number; overrunNanoUsd: number }>();

  constructor(budgets: readonly Budget[], joiners: number) {
    this.budgets = budgets;
    this.startAuthority();
    this.joiners = Array.from({ length: joiners }, (_, index) => ({ name: `j${index}`, epoch: 0, holds: [], slices: this.newSlices(`j${index}`, 0, []) }));
  }

  startAuthority(): void {
    const book = new BudgetBook();
    book.configure(this.budgets, ({ id }, key) => this.balances.get(`${id} ${key}`), this.nowMs);
    const slices = new SliceAuthority(book);
    slices.restore(this.rows.values());
    book.restore(this.own.filter(({ state }) => state === "open").map(({ ask }) => ask));
    this.authority = { book, slices };
  }

  newSlices(name: string, epoch: number, holds: readonly TrueHold[]): SliceBook {
    const slices = new SliceBook(name, epoch);
    slices.configure(this.budgets, (of, key) => settledIn(of, key, holds), this.nowMs);
    const known = holds.flatMap(({ ask }) => this.budgets.map((of) => ({ budgetId: of.id, periodKey: naiveKey(of, ask.wallMs) })));
    slices.resume(known, holds.filter(({ state }) => state === "open").map(({ ask }) => ask));
    return slices;
  }

  ask(boundNanoUsd: number): HoldAsk {
    this.made += 1;
    return { attemptId: `a${this.made}`, requestId: `r${this.made}`, scopes: SCOPES, boundNanoUsd, wallMs: this.nowMs };
  }

  /** True where it was admitted; else what is missing is on its way. */
  admit(joiner: Joiner, boundNanoUsd: number): boolean {
    const ask = this.ask(boundNanoUsd);
    const admission = joiner.slices.admit(ask);
    if (admission.kind === "admitted") joiner.holds.push({ ask, state: "open", costNanoUsd: 0 });
    if (admission.kind === "wanting") this.network.push(...admission.reports.map((report) => ({ report })));
    return admission.kind === "admitted";
  }

  admitOwn(boundNanoUsd: number): boolean {
    const ask = this.ask(boundNanoUsd);
    const isAdmitted = this.authority.book.admit(ask).kind === "admitted";
    if (isAdmitted) this.own.push({ ask, state: "open", costNanoUsd: 0 });
    return isAdmitted;
  }

  settle(joiner: Joiner, hold: TrueHold, costNanoUsd: number): void {
    joiner.slices.settle(hold.ask.attemptId, costNanoUsd, this.nowMs);
    Object.assign(hold, { state: "settled", costNanoUsd });
  }

  settleOwn(hold: TrueHold, costNanoUsd: number): void {
    this.write(this.authority.book.deltas(hold.ask.attemptId, costNanoUsd));
    this.authority.book.settle(hold.ask.attemptId, costNanoUsd, this.nowMs);
    Object.assign(hold, { state: "settled", costNanoUsd });
  }

  deliver(message: Message): void {
    if ("reply" in message) {
      for (const joiner of this.joiners) if (joiner.name === message.reply.joiner) joiner.slices.take(message.reply);
      return;
    }
    const answer = this.authority.slices.answer(message.report);
    this.write(answer.deltas);
    if (answer.slice !== null) this.writeSlice(answer.slice);
    this.authority.slices.apply(answer);
    this.network.push({ reply: answer.reply });
  }

  writeSlice(slice: Slice): void {
    this.rows.set(`${slice.joiner} ${slice.budgetId} ${slice.periodKey}`, slice);
  }

  write(deltas: readonly { budgetId: string; periodKey: string; settledNanoUsd: number; overrunNanoUsd: number }[]): void {
    for (const { budgetId, periodKey, settledNanoUsd, overrunNanoUsd } of deltas) {
      const row = this.balances.get(`${budgetId} ${periodKey}`) ?? { settledNanoUsd: 0, overrunNanoUsd: 0 };
      this.balances.set(`${budgetId} ${periodKey}`, { settledNanoUsd: row.settledNanoUsd + settledNanoUsd, overrunNanoUsd: row.overrunNanoUsd + overrunNanoUsd });
    }
  }

  tick(joiner: Joiner): void {
    this.network.push(...joiner.slices.reports(this.nowMs).map((report) => ({ report })));
  }

  restart(joiner: Joiner): void {
    joiner.epoch += 1;
    joiner.slices = this.newSlices(joiner.name, joiner.epoch, joiner.holds);
  }

  /** The disk is gone: what was held goes on at the provider and may cost all of its bound; another takes its place. */
  loseJournal(joiner: Joiner): string {
    for (const hold of joiner.holds) if (hold.state === "open") Object.assign(hold, { state: "settled", costNanoUsd: hold.ask.boundNanoUsd ?? 0 });
    this.gone.push(...joiner.holds);
    const name = joiner.name;
    this.made += 1;
    joiner.name = `new${this.made}`;
    joiner.epoch = 0;
    joiner.holds = [];
    joiner.slices = this.newSlices(joiner.name, 0, []);
    return name;
  }

  writeOff(joiner: string): void {
    for (const loss of this.authority.slices.lose(joiner)) {
      this.write(loss.deltas);
      this.writeSlice(loss.slice);
      this.authority.slices.applyLoss(loss);
    }
  }

  /** Everything is said and heard. */
  quiet(): void {
    for (let round = 0; round < 6; round += 1) {
      for (const joiner of this.joiners) this.tick(joiner);
      for (let message = this.network.shift(); message !== undefined; message = this.network.shift()) this.deliver(message);
    }
  }

  /** The promise: whatever was lost or repeated, what is really spent and held is within the limit, overruns apart. */
  check(): void {
    const all = [...this.own, ...this.gone, ...this.joiners.flatMap(({ holds }) => holds)];
    for (const of of this.budgets) {
      for (const key of new Set(all.map(({ ask }) => naiveKey(of, ask.wallMs)))) {
        const within = all.filter(({ ask }) => naiveKey(of, ask.wallMs) === key);
        const spent = within.reduce((sum, { state, costNanoUsd, ask }) => sum + (state === "open" ? (ask.boundNanoUsd ?? 0) : state === "settled" ? Math.min(costNanoUsd, ask.boundNanoUsd ?? 0) : 0), 0);
        assert.ok(spent <= of.limitNanoUsd, `${of.id} ${key}: ${spent} of ${of.limitNanoUsd}`);
      }
    }
  }
}

function settledIn(of: Budget, key: string, holds: readonly TrueHold[]): { settledNanoUsd: number; overrunNanoUsd: number } {
  const sum = { settledNanoUsd: 0, overrunNanoUsd: 0 };
  for (const { ask, state, costNanoUsd } of holds) {
    if (state !== "settled" || naiveKey(of, ask.wallMs) !== key) continue;
    sum.settledNanoUsd += costNanoUsd;
    sum.overrunNanoUsd += Math.max(0, costNanoUsd - (ask.boundNanoUsd ?? 0));
  }
  return sum;
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index % items.length];
  assert.ok(item !== undefined, "nothing to choose from");
  return item;
}

type Draw = readonly [number, number, number];
const draw: fc.Arbitrary<Draw> = fc.tuple(fc.nat(99), fc.nat(9_999), fc.nat(9_999));

/** Any thing that can happen. Lost journals only where `mayLose`: what is held in one that was written off cannot be summed up to the last. */
function happen(world: World, [what, a, b]: Draw, mayLose: boolean): void {
  const joiner = at(world.joiners, a);
  const open = joiner.holds.filter(({ state }) => state === "open");
  const ownOpen = world.own.filter(({ state }) => state === "open");
  if (what < 25) world.admit(joiner, b % 40);
  else if (what < 40) {
    if (open.length > 0) world.settle(joiner, at(open, b), b % 23 === 0 ? 60 : b % ((at(open, b).ask.boundNanoUsd ?? 0) + 1));
  } else if (what < 43) {
    const hold = open.length > 0 ? at(open, b) : null;
    if (hold !== null) joiner.slices.release(hold.ask.attemptId);
    if (hold !== null) hold.state = "released";
  } else if (what < 70) {
    for (let n = 0; n < 6 && world.network.length > 0; n += 1) {
      // In any order, twice, or never.
      const index = (a * (n + 1)) % world.network.length;
      const message = at(world.network, index);
      if ((b + n) % 5 !== 0) world.network.splice(index, 1);
      if ((b + n) % 11 !== 0) world.deliver(message);
    }
  } else if (what < 80) world.tick(joiner);
  else if (what < 85) world.admitOwn(b % 40);
  else if (what < 89) {
    if (ownOpen.length > 0) world.settleOwn(at(ownOpen, b), b % ((at(ownOpen, b).ask.boundNanoUsd ?? 0) + 1));
  } else if (what < 92) world.restart(joiner);
  else if (what < 95) world.startAuthority();
  else if (what < 98) world.nowMs += (b % 8) * HOUR_MS;
  else if (mayLose) {
    const name = world.loseJournal(joiner);
    if (b % 2 === 0) world.writeOff(name);
  }
}

const budgetsOf = (limits: readonly [number, number]): readonly Budget[] => [budget("ever", limits[0]), budget("daily", limits[1], { period: "day", timeZone: "Europe/Berlin" })];
const limits = fc.tuple(fc.integer({ min: 0, max: 1_500 }), fc.integer({ min: 0, max: 900 }));
// Without a bias towards small numbers: a limit of a few nano-dollars admits nothing to look at.
const happenings = fc.noBias(fc.array(draw, { minLength: 200, maxLength: 200 }));

describe("slices", () => {
  it("never let more be spent and held than the limit, whatever is lost, repeated, late, restarted or gone", () => {
    let admitted = 0;
    fc.assert(
      fc.property(fc.noBias(limits), fc.integer({ min: 1, max: 3 }), happenings, (of, joiners, draws) => {
        const world = new World(budgetsOf(of), joiners);
        for (const one of draws) {
          happen(world, one, true);
          world.check();
        }
        admitted += world.gone.length + world.joiners.reduce((sum, { holds }) => sum + holds.length, 0);
      }),
      { numRuns: 200, endOnFailure: true },
    );
    assert.ok(admitted > 1_500, `only ${admitted} holds were admitted in slices`);
  });

  it("come to the same sums on both sides when all is said", () => {
    fc.assert(
      fc.property(fc.noBias(limits), fc.integer({ min: 1, max: 3 }), happenings, (of, joiners, draws) => {
        const world = new World(budgetsOf(of), joiners);
        for (const one of draws) happen(world, one, false);
        world.quiet();
        const all = [...world.own, ...world.joiners.flatMap(({ holds }) => holds)];
        for (const one of world.budgets) {
          const key = naiveKey(one, world.nowMs);
          const { settledNanoUsd, overrunNanoUsd } = settledIn(one, key, all);
          const balance = world.authority.book.balanceOf(one.id, world.nowMs);
          assert.deepEqual([balance?.settledNanoUsd, balance?.overrunNanoUsd], [settledNanoUsd, overrunNanoUsd], one.id);
          const held = all.filter(({ state, ask }) => state === "open" && naiveKey(one, ask.wallMs) === key).reduce((sum, { ask }) => sum + (ask.boundNanoUsd ?? 0), 0);
          assert.ok((balance?.heldNanoUsd ?? 0) >= (settledNanoUsd > one.limitNanoUsd ? 0 : held - overrunNanoUsd), `${one.id}: ${balance?.heldNanoUsd} held for ${held}`);
        }
      }),
      { numRuns: 150, endOnFailure: true },
    );
  });

  it("leave nothing over: what others do not use is called back for the last nano-dollar", () => {
    const world = new World([budget("ever", 1_000)], 3);
    const [first, second, third] = world.joiners as [Joiner, Joiner, Joiner];
    for (const joiner of world.joiners) {
      world.admit(joiner, 10);
      world.quiet();
      assert.equal(world.admit(joiner, 10), true);
      const hold = at(joiner.holds, 0);
      world.settle(joiner, hold, 10);
    }
    let spent = 30;
    for (let tries = 0; tries < 2_000 && spent < 1_000; tries += 1) {
      if (world.admit(second, 10)) {
        world.settle(second, at(second.holds, second.holds.length - 1), 10);
        spent += 10;
      } else world.quiet();
    }
    assert.equal(spent, 1_000);
    world.quiet();
    assert.deepEqual(world.authority.book.balanceOf("ever", START), { settledNanoUsd: 1_000, heldNanoUsd: 0, overrunNanoUsd: 0 });
    for (const joiner of [first, third]) assert.equal(world.admit(joiner, 1), false);
    const reports = world.network.map((message) => ("report" in message ? message.report : assert.fail("no reply was due")));
    for (const report of reports) {
      const { reply } = world.authority.slices.answer(report);
      assert.equal(reply.verdict, "spent");
      const refusal = first.slices.refusal(reply, START);
      assert.equal(refusal?.kind === "refused" && refusal.balance.settledNanoUsd, 1_000);
    }
  });

  it("of a lost journal stay spent, whether they are written off or not; whoever comes back has them again", () => {
    const world = new World([budget("ever", 1_000)], 2);
    const [first, second] = world.joiners as [Joiner, Joiner];
    world.admit(first, 100);
    world.quiet();
    assert.equal(world.admit(first, 100), true);
    const out = world.authority.book.balanceOf("ever", START)?.heldNanoUsd ?? 0;
    assert.ok(out >= 100);
    const before = { name: first.name, epoch: first.epoch, holds: [...first.holds], slices: first.slices };
    const name = world.loseJournal(first);
    world.quiet();
    assert.equal(world.authority.book.balanceOf("ever", START)?.heldNanoUsd, out);
    world.writeOff(name);
    world.writeOff(name);
    assert.deepEqual(world.authority.book.balanceOf("ever", START), { settledNanoUsd: out, heldNanoUsd: 0, overrunNanoUsd: 0 });
    assert.equal(world.admit(second, 1_001 - out), false);
    // It was only away: what it says is the truth again.
    world.joiners.push(before);
    before.slices.settle(at(before.holds, 0).ask.attemptId, 40, START);
    world.tick(before);
    world.quiet();
    const slice = world.rows.get("j0 ever total") ?? assert.fail("its slice is gone");
    assert.deepEqual([slice.lost, slice.settledNanoUsd, world.authority.book.balanceOf("ever", START)?.settledNanoUsd], [false, 40, 40]);
    assert.equal(slice.settledNanoUsd + slice.returnedNanoUsd + outNanoUsd(slice), slice.grantedNanoUsd);
  });

  it("are spent where a journal came back older than what was told", () => {
    const world = new World([budget("ever", 1_000)], 1);
    const joiner = at(world.joiners, 0);
    world.admit(joiner, 100);
    world.quiet();
    world.admit(joiner, 100);
    world.settle(joiner, at(joiner.holds, 0), 100);
    world.quiet();
    joiner.holds.length = 0;
    world.restart(joiner);
    world.admit(joiner, 10);
    world.quiet();
    const { settledNanoUsd = 0, heldNanoUsd = 0 } = world.authority.book.balanceOf("ever", START) ?? {};
    assert.ok(settledNanoUsd >= 100, `${settledNanoUsd} settled`);
    // All that is out now was granted after the loss.
    world.admit(joiner, 10);
    world.quiet();
    assert.equal(world.admit(joiner, 10), true);
    assert.ok(settledNanoUsd + heldNanoUsd <= 1_000);
  });

  it("are used only after an answer to this start, and to this configuration: an older one may know less of what was given back", () => {
    const again: readonly ((world: World, joiner: Joiner) => void)[] = [
      (world, joiner) => world.restart(joiner),
      (world, joiner) => [[], world.budgets].forEach((of) => joiner.slices.configure(of, () => undefined, START)),
    ];
    for (const begin of again) {
      const world = new World([budget("ever", 1_000)], 1);
      const joiner = at(world.joiners, 0);
      // Several, so that the last one's number is higher than the first of the next start.
      const replies: SliceReply[] = [];
      for (let n = 0; n < 3; n += 1) {
        assert.equal(world.admit(joiner, 10), false);
        for (let message = world.network.shift(); message !== undefined; message = world.network.shift()) {
          if ("reply" in message) replies.push(message.reply);
          else world.deliver(message);
        }
      }
      begin(world, joiner);
      assert.equal(world.admit(joiner, 10), false);
      for (const reply of replies) joiner.slices.take(reply);
      assert.equal(world.admit(joiner, 10), false);
      world.quiet();
      assert.equal(world.admit(joiner, 10), true);
    }
  });

  it("of periods that are over are returned, and forgotten on both sides when nothing of them is out", () => {
    const world = new World([budget("daily", 1_000, { period: "day" })], 2);
    const joiner = at(world.joiners, 0);
    // The other one takes of the first day and never comes to use it.
    for (const one of world.joiners) world.admit(one, 10);
    world.quiet();
    assert.equal(world.admit(joiner, 10), true);
    const late = at(joiner.holds, 0);
    for (let day = 1; day < 30; day += 1) {
      world.nowMs = START + day * 24 * HOUR_MS;
      world.admit(joiner, 10);
      world.quiet();
      assert.equal(world.admit(joiner, 10), true);
      world.settle(joiner, at(joiner.holds, joiner.holds.length - 1), 7);
      world.quiet();
    }
    assert.equal(world.authority.book.balanceOf("daily", START)?.heldNanoUsd, 10);
    const kept = [...new Set([...world.authority.slices.slices()].map(({ periodKey }) => periodKey))];
    assert.ok(kept.length <= 5 && kept.includes("2026-11-23"), kept.join(" "));
    assert.ok(joiner.slices.size <= 6, `${joiner.slices.size} slices`);
    world.settle(joiner, late, 9);
    world.quiet();
    assert.deepEqual(world.authority.book.balanceOf("daily", START), { settledNanoUsd: 9, heldNanoUsd: 0, overrunNanoUsd: 0 });
  });

  it("are told of soft budgets without one", () => {
    const world = new World([budget("soft", 10, { kind: "soft" })], 1);
    const joiner = at(world.joiners, 0);
    assert.equal(world.admit(joiner, 500), true);
    world.settle(joiner, at(joiner.holds, 0), 400);
    world.quiet();
    assert.equal(world.authority.book.balanceOf("soft", START)?.settledNanoUsd, 400);
  });

  it("bind at once where the joiner's own limit was cut", () => {
    const world = new World([budget("ever", 1_000)], 1);
    const joiner = at(world.joiners, 0);
    world.admit(joiner, 10);
    world.quiet();
    assert.equal(world.admit(joiner, 10), true);
    joiner.slices.configure([budget("ever", 15)], () => undefined, START);
    assert.notEqual(joiner.slices.admit(world.ask(6)).kind, "admitted");
    assert.equal(joiner.slices.admit(world.ask(16)).kind, "refused");
    assert.equal(joiner.slices.admit(world.ask(5)).kind, "admitted");
  });
});

describe("a grant", () => {
  it("is what was wanted while there is much, a share near the end, and the single hold last", () => {
    assert.equal(grantNanoUsd(10_000, 1, 10, 500), 500);
    assert.equal(grantNanoUsd(1_000, 1, 10, 500), 250);
    assert.equal(grantNanoUsd(1_000, 4, 10, 500), 100);
    assert.equal(grantNanoUsd(30, 4, 10, 500), 10);
    assert.equal(grantNanoUsd(9, 4, 10, 500), 0);
  });
});
