/** The page's modules find those of the client beside them, as the function `console` serves both from one folder. */

import { existsSync } from "node:fs";
import { registerHooks } from "node:module";

const CLIENT = new URL("../../../clients/javascript/src/", import.meta.url);
const PAGE = new URL("../../../functions/web/console/page/", import.meta.url);

registerHooks({
  resolve(specifier, context, next) {
    const isMissing = context.parentURL?.startsWith(PAGE) && !existsSync(new URL(specifier, context.parentURL));
    return next(isMissing ? new URL(specifier, CLIENT).href : specifier, context);
  },
});
