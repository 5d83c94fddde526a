/** The values in a frame, as a person reads them. */

/**
 * Parse JSON, and keep each number whose digits JavaScript would change, such as 18446744073709551616 or 1.10, as its text:
 * https://developer.mozilla.org/en-US/docs/Web/JavaScript/Reference/Global_Objects/JSON/rawJSON. Engines without it round.
 */
export function parse(text) {
  return JSON.parse(text, (_, value, context) => {
    const isChanged = typeof value === "number" && context?.source !== undefined && String(value) !== context.source;
    return isChanged && JSON.rawJSON ? JSON.rawJSON(context.source) : value;
  });
}

/** A value of a frame as a person reads it: a text as it is, anything else as JSON. */
export function textOf(value) {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}
