// Renders mapping templates with velocityjs: [{template, body, context}] on stdin, the texts on stdout.
import { readFileSync } from "node:fs";
import { Compile, parse } from "velocityjs";

const util = {
  // As the URL standard serializes a form, which is as java.net.URLEncoder does it.
  urlEncode: (text) => new URLSearchParams([["", text ?? ""]]).toString().slice(1),
};
// A template calls the methods of Java's strings; in JavaScript a length is no method.
const length = {
  uid: "String.length",
  match: ({ property, context }) => property === "length" && typeof context === "string",
  resolve: ({ context }) => context.length,
};
const cases = JSON.parse(readFileSync(0, "utf8"));
const texts = cases.map(({ template, body, context }) =>
  new Compile(parse(template), { customMethodHandlers: [length] }).render({ input: { body }, context, util }),
);
process.stdout.write(JSON.stringify(texts));
