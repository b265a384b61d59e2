// Ask a catalogue with the vectors of a photo, as lookdex gives them:
//
//   lookdex search photo.jpg --catalog CATALOG --json --vectors | node search.mjs CATALOG [-k 5] [--where "price < 50"]
//
// Prints JSON: the id of the release that is live, and for each object of the photo its nearest products in it.

import { parseArgs } from "node:util";
import { text } from "node:stream/consumers";
import { openCatalog } from "./lookdex.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { k: { type: "string", short: "k", default: "5" }, where: { type: "string" } },
});
if (positionals.length !== 1 || !(Number(values.k) >= 1)) {
  console.error('usage: … | node search.mjs CATALOG [-k 5] [--where "price < 50"]');
  process.exit(2);
}

try {
  const [catalog, asked] = await Promise.all([openCatalog(positionals[0]), text(process.stdin).then(objectsOf)]);
  const objects = await Promise.all(
    asked.map(async ({ label, box, vector }) => ({
      label,
      box,
      matches: await catalog.nearest(vector, { k: Number(values.k), where: values.where }),
    })),
  );
  console.log(JSON.stringify({ release_id: catalog.releaseId, objects }, null, 1));
} catch (error) {
  console.error(`search.mjs: ${error.message}`);
  process.exit(1);
}

/** The objects of an answer, each with the vector that it was asked with. */
function objectsOf(json) {
  let answer;
  try {
    answer = JSON.parse(json);
  } catch {
    throw new Error("the standard input is no JSON: pipe `lookdex search … --json --vectors` into it");
  }
  if (!Array.isArray(answer?.objects)) throw new Error("the standard input is no answer of `lookdex search --json`");
  if (!answer.objects.every(({ vector }) => Array.isArray(vector))) {
    throw new Error("the answer has no vectors: ask with `lookdex search … --json --vectors`");
  }
  return answer.objects;
}
