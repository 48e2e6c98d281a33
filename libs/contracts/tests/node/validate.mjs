// Validates an AsyncAPI document with the parser of the AsyncAPI initiative and prints
// what it finds as JSON: severity (0 is an error, 1 a warning), code, path and message.
//
//     node validate.mjs ../../schemas/asyncapi.json

import { readFileSync } from "node:fs";
import { argv, stdout } from "node:process";

import { Parser } from "@asyncapi/parser";

const source = argv[2];
const { document, diagnostics } = await new Parser().parse(
  readFileSync(source, "utf8"),
  { source },
);
const found = diagnostics.map(({ severity, code, path, message }) => ({
  severity,
  code,
  path: path.join("."),
  message,
}));
const read = document && {
  version: document.version(),
  channels: document.channels().all().map((each) => each.id()),
  operations: document.operations().all().map((each) => each.id()),
};
stdout.write(JSON.stringify({ read: read ?? null, found }));
