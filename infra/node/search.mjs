// Ask a catalogue with the vectors of a photo, as lookdex gives them:
//
//   lookdex search photo.jpg --catalog CATALOG --json --vectors | node search.mjs CATALOG [-k 5] [--where "price < 50"]
//
// Prints a JSON array: for each object of the photo its nearest products in the release that is live.

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
  const [catalog, answer] = await Promise.all([openCatalog(positionals[0]), text(process.stdin).then(JSON.parse)]);
  const objects = await Promise.all(
    answer.objects.map(async ({ label, box, vector }) => ({
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
