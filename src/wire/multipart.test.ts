import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { boundaryOf, fieldText, PARTS_MAX, partText, scanForm } from "./multipart.ts";

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const field = (name: string, value: string, more = ""): string => `--B\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;
const read = (text: string) => {
  const body = bytes(text);
  const form = scanForm(body, "B");
  return form.kind === "form" ? form.parts.map((part) => [part.name, part.filename, fieldText(body, part)]) : form.message;
};

describe("a form", () => {
  it("gives every part with its bytes, whatever they hold", () => {
    const file = "\r\n--A\r\n\r\n--\r\n--b";
    assert.deepEqual(read(`${field("model", "m")}${field("file", file, '; filename="a\\"b.wav"')}${field("n", "")}--B--\r\n`), [["model", undefined, "m"], ["file", 'a"b.wav', file], ["n", undefined, ""]]);
  });

  it("may have a preamble, blanks behind a boundary, other headers and names without quotes", () => {
    assert.deepEqual(read(`hello\r\n--B  \r\nContent-Type: text/plain\r\ncontent-disposition:form-data;name=model\r\n\r\nm\r\n--B--`), [["model", undefined, "m"]]);
  });

  it("says where the first boundary begins, and takes a part there", () => {
    const body = bytes(`x\r\n${field("n", "1")}--B--`);
    const form = scanForm(body, "B");
    assert.ok(form.kind === "form");
    const more = bytes(partText("B", "model", "m"));
    assert.deepEqual(read(`${String.fromCharCode(...body.subarray(0, form.open), ...more, ...body.subarray(form.open))}`), [["model", undefined, "m"], ["n", undefined, "1"]]);
  });

  const broken: readonly (readonly [string, string])[] = [
    ["", "holds no part"],
    ["--C\r\n", "holds no part"],
    [field("a", "1"), "without its closing"],
    ["--Bx\r\n\r\n--B--", "something else"],
    ["--B\r\nContent-Disposition: form-data; name=a", "do not end"],
    ["--B\r\nContent-Type: a\r\n\r\n1\r\n--B--", "no readable name"],
    ['--B\r\nContent-Disposition: form-data; name="a"; name="model"\r\n\r\n1\r\n--B--', "no readable name"],
    ['--B\r\nContent-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"\r\n\r\n1\r\n--B--', "no readable name"],
    ['--B\r\nContent-Disposition: form-data; name="a" model\r\n\r\n1\r\n--B--', "no readable name"],
    ['--B\r\nContent-Disposition: attachment; name="a"\r\n\r\n1\r\n--B--', "no readable name"],
    [`${field("a", "1").repeat(PARTS_MAX + 1)}--B--`, "more than"],
  ];
  for (const [text, message] of broken) {
    it(`is refused: ${JSON.stringify(text.slice(0, 60))}: ${message}`, () => {
      assert.match(String(read(text)), new RegExp(message));
    });
  }

  it("of line ends alone takes time by its length, not by its square", () => {
    const cpuMsOf = (length: number): number => {
      const body = new Uint8Array(length).fill(13);
      body.set(bytes(`--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n`));
      const before = process.cpuUsage();
      assert.equal(scanForm(body, "B").kind, "broken");
      return process.cpuUsage(before).user / 1_000;
    };
    cpuMsOf(1 << 20);
    const small = Math.max(cpuMsOf(2 << 20), 1);
    // Sixteen times as long: sixteen times the work, or two hundred and fifty-six.
    assert.ok(cpuMsOf(32 << 20) / small < 100);
  });
});

describe("the boundary of a content type", () => {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["multipart/form-data; boundary=abc", "abc"],
    ['multipart/form-data; charset=utf-8; boundary="a b"', "a b"],
    ["multipart/form-data", undefined],
    ["multipart/form-data; boundary=", undefined],
    [`multipart/form-data; boundary=${"a".repeat(71)}`, undefined],
    ['multipart/form-data; boundary="a "', undefined],
  ];
  for (const [type, boundary] of rows) {
    it(`${type.slice(0, 60)} → ${boundary ?? "none"}`, () => {
      assert.equal(boundaryOf(type), boundary);
    });
  }
});
