/** Values of frames, as the page shows them. Run by `node --test`. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { parse, textOf } from "../../../functions/web/console/page/frames.js";

test("a text is shown unchanged, any other value as JSON", () => {
  assert.deepEqual(["<b>", { a: 1 }, null, undefined].map(textOf), ["<b>", '{"a":1}', "null", ""]);
});

for (const digits of ["18446744073709551616", "1.10", "-0.0", "1e2", "7"]) {
  test(`the number ${digits} is shown with its digits`, () => {
    assert.equal(textOf(parse(`{"data":${digits}}`).data), digits);
    assert.equal(textOf(parse(`{"data":[{"a":${digits}}]}`).data), `[{"a":${digits}}]`);
  });
}

test("a number that JavaScript has exactly stays a number", () => {
  assert.deepEqual(parse('{"publishedAt":1764500000000}'), { publishedAt: 1764500000000 });
});

test("a text that is no JSON is refused", () => {
  assert.throws(() => parse("hello"), SyntaxError);
});
