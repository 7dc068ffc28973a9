/** Manifests are checked before anything in them counts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseManifest } from "../../../src/main/content/manifest.ts";
import { digestOf, manifestText } from "./memory-storage.ts";

const place = { bucket: "b", object: "o" };
const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: digestOf("a"), diffID: digestOf("a"), size: 1, bucket: "layers", object: "a", instanceID: "i" };

function parse(text: string | Buffer): unknown {
  return parseManifest(Buffer.from(text), place);
}

function withLayer(members: object): string {
  return manifestText([], { layers: [{ ...layer, ...members }] });
}

test("a manifest gives its layers; members that nobody knows are no harm", () => {
  const expected = { mediaType: layer.mediaType, digest: layer.digest, diffId: layer.diffID, size: 1, bucket: "layers", object: "a" };
  assert.deepEqual(parse(withLayer({ more: 1 })), [expected]);
  for (const layers of [[], null, undefined]) assert.deepEqual(parse(manifestText([], { layers })), []);
  assert.deepEqual(parse(withLayer({ size: 2 ** 53 - 1, digest: "sha512:ab", diffID: "sha512:cd" })), [{ ...expected, size: 2 ** 53 - 1, digest: "sha512:ab", diffId: "sha512:cd" }]);
});

test("a layer that is not compressed is its own content: it needs no other digest", () => {
  for (const diffID of ["", null, undefined]) {
    assert.deepEqual(parse(withLayer({ diffID })), [{ mediaType: layer.mediaType, digest: layer.digest, diffId: layer.digest, size: 1, bucket: "layers", object: "a" }]);
    assert.throws(() => parse(withLayer({ diffID, mediaType: `${layer.mediaType}+gzip` })), { code: "FAILED_PRECONDITION", message: /layers\.0\.diffID: is required for a compressed layer$/ });
  }
});

test("what is wrong is named, with the manifest and the member", () => {
  const broken: [string | Buffer, RegExp][] = [
    ["", /: it is no JSON$/], ["{", /: it is no JSON$/], ["[]", /: : /], ["null", /: : /], ["7", /: : /], [Buffer.from([0x22, 0xff, 0x22]), /./],
    [manifestText([], { type: "other" }), /: type: /], [manifestText([], { type: undefined }), /: type: /], [manifestText([], { layers: {} }), /: layers: /], [manifestText([], { layers: [1] }), /: layers\.0: /],
    [manifestText(Array.from({ length: 257 }, (_, i) => `l${i}`)), /: layers: /],
    ...[{ digest: "x" }, { digest: "" }, { digest: 1 }, { digest: "sha256:../x" }, { diffID: "x" }, { size: -1 }, { size: 1.5 }, { size: 1e300 }, { size: "1" }, { mediaType: "" }, { mediaType: 1 }, { bucket: 1 }, { object: null }].map(
      (members): [string, RegExp] => [withLayer(members), new RegExp(`: layers\\.0\\.${Object.keys(members)[0] ?? ""}: `)]),
    ...[{ bucket: "" }, { bucket: "../b" }, { object: "" }, { object: "../../x" }, { object: "a/./b" }].map((members): [string, RegExp] => [withLayer(members), /: layers\.0: names no object of a bucket$/]),
  ];
  for (const [text, message] of broken) {
    assert.throws(() => parse(text), (error: unknown) => error instanceof Error && "code" in error && error.code === "FAILED_PRECONDITION" && error.message.startsWith("invalid content manifest b/o: ") && message.test(error.message), String(text).slice(0, 200));
  }
});
