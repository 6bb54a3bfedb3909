import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { InFlight } from "./in-flight.ts";

test("whatever comes and goes, what is in flight is what came and has not gone", () => {
  fc.assert(
    fc.property(fc.array(fc.record({ add: fc.boolean(), pick: fc.nat() })), (steps) => {
      const inFlight = new InFlight<{ slot: number; id: number }>();
      const model = new Map<number, { slot: number; id: number }>();
      const all: { slot: number; id: number }[] = [];
      for (const { add, pick } of steps) {
        if (add || all.length === 0) {
          const member = { slot: -1, id: all.length };
          all.push(member);
          inFlight.add(member);
          model.set(member.id, member);
        } else {
          const member = all[pick % all.length];
          assert.ok(member);
          inFlight.delete(member);
          model.delete(member.id);
        }
        assert.equal(inFlight.size, model.size);
        assert.deepEqual(new Set(inFlight.all()), new Set(model.values()));
      }
    }),
  );
});
