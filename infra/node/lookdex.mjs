// A lookdex catalogue read from Node: the table of the live release, and its products nearest to a vector.
//
// A catalogue's tables carry the Lance tag `live`, which follows the promotion log. The newest version of a table is
// NOT the live one: it may be a candidate that nobody has audited.

import * as lancedb from "@lancedb/lancedb";

const COLUMNS = ["item_id", "product_id", "image_key", "label", "colour"];

/** Storage options of LanceDB from the variables that boto3 and the AWS tools read. */
export function storageOptions(env = process.env) {
  const endpoint = env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL;
  const region = env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? "us-east-1";
  if (!endpoint) return { aws_region: region };
  return {
    aws_region: region,
    aws_endpoint: endpoint,
    aws_virtual_hosted_style_request: "false",
    ...(endpoint.startsWith("http://") && { allow_http: "true" }),
  };
}

/** The live release of the catalogue at a folder or s3://bucket/prefix. It stays what it is until `refresh()`. */
export async function openCatalog(uri) {
  const remote = uri.includes("://");
  const db = await lancedb.connect(`${uri.replace(/\/+$/, "")}/tables`, {
    ...(remote && { storageOptions: storageOptions() }),
  });
  let catalog;
  try {
    catalog = new Catalog(await db.openTable("items"));
    await catalog.refresh();
  } catch (error) {
    // The library's messages go on with places in its own source.
    const [first] = String(error.message).split(/\n|\s+Caused by: |, (?=\/|[A-Z]:\\)/);
    throw new Error(`no live release could be opened at ${uri}: ${first}`, { cause: error });
  }
  return catalog;
}

export class Catalog {
  #table;
  #schema;

  constructor(table) {
    this.#table = table;
  }

  /** Follow the live release; call it between requests. True when it is another one than before. */
  async refresh() {
    const tags = await this.#table.tags();
    const version = await tags.getVersion("live");
    if (this.version === version) return false;
    await this.#table.checkout("live");
    this.version = await this.#table.version();
    this.#schema = await this.#table.schema();
    const named = Object.entries(await tags.list());
    const release = named.find(([name, tag]) => name.startsWith("r-") && tag.version === this.version);
    this.releaseId = release ? release[0].slice(2) : null;
    return true;
  }

  /** Numbers in a vector of this release; those of another model have another length, or mean nothing here. */
  get dimension() {
    return this.#schema.fields.find((field) => field.name === "vector").type.listSize;
  }

  /** The product columns: what comes after lookdex's own. */
  get productColumns() {
    const names = this.#schema.fields.map((field) => field.name);
    return names.slice(names.indexOf("run_id") + 1);
  }

  /**
   * The k nearest distinct products to a vector, most similar first.
   *
   * where: an SQL predicate on the columns, e.g. "price < 50"; it reaches the table as it is, so never let a shopper
   * write it. scope: "object", or "image" for whole photos.
   */
  async nearest(vector, { k = 5, where, scope = "object" } = {}) {
    if (vector.length !== this.dimension) {
      throw new Error(
        `the vector has ${vector.length} numbers, release ${this.releaseId} has ${this.dimension}: ask with a vector ` +
          "of the model that the release names",
      );
    }
    const rows = `scope = '${scope}' AND role = 'main'${where ? ` AND (${where})` : ""}`;
    // A product has several photos: ask for more rows until there are enough products, or no more rows.
    for (let limit = 4 * k; ; limit *= 2) {
      const found = await this.#table
        .vectorSearch(vector)
        .distanceType("cosine")
        .where(rows)
        .select([...COLUMNS, ...this.productColumns, "_distance"])
        .limit(limit)
        .toArray();
      const products = new Map();
      for (const row of found.map((each) => each.toJSON())) {
        const own = row.product_id ?? row.image_key;
        if (!products.has(own)) products.set(own, matchOf(row));
      }
      if (products.size >= k || found.length < limit) return [...products.values()].slice(0, k);
    }
  }

  /** How the nearest rows would be found: names the vector index, where the release has one. */
  async explain(vector) {
    return this.#table.vectorSearch(vector).distanceType("cosine").where("scope = 'object'").limit(5).explainPlan(true);
  }
}

function matchOf({ _distance, ...row }) {
  const columns = Object.entries(row).map(([name, value]) => [name, typeof value === "bigint" ? plain(value) : value]);
  return { ...Object.fromEntries(columns), similarity: 1 - _distance };
}

/** Arrow's 64-bit integers are BigInts, which JSON does not know: numbers, or their digits where a number holds less. */
function plain(value) {
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}
