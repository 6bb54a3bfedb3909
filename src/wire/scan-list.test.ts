import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { elementsOf } from "./scan-list.ts";

describe("the elements of a list", () => {
  for (const text of ["[]", "[1]", ' [ 1 , "a,]\\"[" ,{"a":[1,{"b":"}"}]} , [[],[2]],null ] , {"x":[1]}', '["\\\\",{}]', "[true]"]) {
    it(`are those that JSON.parse finds: ${text}`, () => {
      const bytes = new TextEncoder().encode(text);
      const from = text.indexOf("[");
      const spans = elementsOf(bytes, from);
      const last = spans.at(-1)?.end ?? from + 1;
      const list = JSON.parse(text.slice(from, text.indexOf("]", last) + 1)) as unknown[];
      assert.deepEqual(spans.map(({ start, end }) => JSON.parse(text.slice(start, end)) as unknown), list);
    });
  }
});
