/** The scanner that cuts the items out of a list. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { KubeError } from "../../../src/main/kube/errors.ts";
import { ItemScanner } from "../../../src/main/kube/items.ts";
import { chunked } from "./helpers.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

async function scan(text: string, sizes: readonly number[], consume: () => void | Promise<void> = () => undefined): Promise<{ items: unknown[]; scanner: ItemScanner }> {
  const items: unknown[] = [];
  const scanner = new ItemScanner((bytes) => {
    items.push(JSON.parse(decoder.decode(bytes)));
    return consume();
  }, 1 << 20);
  for (const chunk of chunked(encoder.encode(text), sizes)) await scanner.push(chunk);
  return { items, scanner };
}

/** JSON text of a list with its members in the given order and white space between all tokens. */
const lists = fc.record({
  items: fc.oneof(fc.array(fc.jsonValue({ depthSize: "medium" })), fc.constant(null)),
  metadata: fc.record({ resourceVersion: fc.string(), continue: fc.string(), remainingItemCount: fc.nat() }, { requiredKeys: [] }),
  others: fc.dictionary(fc.string().filter((key) => key !== "items" && key !== "metadata"), fc.jsonValue(), { maxKeys: 4 }),
  order: fc.array(fc.nat(), { minLength: 6, maxLength: 6 }),
  indent: fc.constantFrom("", " ", "\t", "  \n"),
});

describe("list items", () => {
  test("any list in any chunks gives the items and metadata that JSON.parse finds", async () => {
    await fc.assert(fc.asyncProperty(lists, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), fc.boolean(), async (list, sizes, slow) => {
      const members = [...Object.entries(list.others), ["items", list.items], ["metadata", list.metadata]];
      const ordered = members.map((entry, i) => ({ entry, key: list.order[i] ?? 0 })).sort((a, b) => a.key - b.key).map(({ entry }) => entry);
      const text = JSON.stringify(Object.fromEntries(ordered), undefined, list.indent) + list.indent;
      const { items, scanner } = await scan(text, sizes, () => (slow ? Promise.resolve() : undefined));
      assert.deepEqual(items, JSON.parse(JSON.stringify(list.items ?? [])));
      const metadata = scanner.finish();
      assert.equal(metadata.resourceVersion ?? "", list.metadata.resourceVersion ?? "");
      assert.equal(metadata.continue ?? "", list.metadata.continue ?? "");
      assert.equal(metadata.remainingItemCount, list.metadata.remainingItemCount);
    }), { numRuns: 500 });
  });

  test("any list cut off anywhere is refused", async () => {
    const text = JSON.stringify({ kind: "List", metadata: { resourceVersion: "7" }, items: [{ a: "}\"]" }, 12] });
    for (let length = 0; length < text.length; length++) {
      const { scanner } = await scan(text.slice(0, length), [5]);
      assert.throws(() => scanner.finish(), (error) => error instanceof KubeError && error.retryable, `cut at ${length}`);
    }
  });

  test("arbitrary bytes never do worse than a KubeError", () => {
    fc.assert(fc.property(fc.uint8Array(), fc.constantFrom("", "{\"items\":", "{\"items\":[", "{\"metadata\":"), (bytes, start) => {
      const scanner = new ItemScanner(() => undefined, 1000);
      try {
        void scanner.push(encoder.encode(start));
        void scanner.push(bytes);
        scanner.finish();
      } catch (error) {
        assert.ok(error instanceof KubeError);
      }
    }));
  });

  test("metadata is known before the first item where it stands before it", () => {
    const seen: unknown[] = [];
    const scanner = new ItemScanner(() => { seen.push(scanner.metadata?.resourceVersion); }, 1000);
    void scanner.push(encoder.encode('{"metadata":{"resourceVersion":"5"},"items":[{}]}'));
    assert.deepEqual(seen, ["5"]);
  });

  test("a second items member is refused", () => {
    const scanner = new ItemScanner(() => undefined, 1000);
    assert.throws(() => scanner.push(encoder.encode('{"items":[],"items":[]}')), KubeError);
  });

  test("an item over the bound is refused, in one chunk and in many", () => {
    const text = encoder.encode(`{"items":["${"x".repeat(200)}"]}`);
    for (const size of [text.length, 7]) {
      const scanner = new ItemScanner(() => undefined, 100);
      assert.throws(() => {
        for (const chunk of chunked(text, [size])) void scanner.push(chunk);
      }, (error) => error instanceof KubeError && error.reason === "TooLarge");
    }
  });
});
