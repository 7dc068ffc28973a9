/** The protobuf bodies that kubectl sends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ApiError } from "../../../../src/embedded/apiserver/errors.ts";
import { decodeProtobuf } from "../../../../src/embedded/apiserver/protobuf.ts";

/** A field with a length: text, bytes or a message of fields. */
function field(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([number * 8 + 2]), length(bytes.length), bytes]);
}

function length(value: number): Buffer {
  return value < 128 ? Buffer.from([value]) : Buffer.concat([Buffer.from([(value % 128) + 128]), length(Math.floor(value / 128))]);
}

function envelope(kind: string, ...fields: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from("k8s\0"), field(1, Buffer.concat([field(1, "v1"), field(2, kind)])), field(2, Buffer.concat(fields))]);
}

const entry = (key: string, value: string | Buffer): Buffer => Buffer.concat([field(1, key), field(2, value)]);

test("small objects are read", () => {
  const metadata = field(1, Buffer.concat([field(1, "a"), field(3, "ns"), field(11, entry("l", "1")), field(11, entry("m", "2")), field(14, "f/1"), field(14, "f/2")]));
  assert.deepEqual(decodeProtobuf(envelope("ConfigMap", metadata, field(2, entry("key", "x".repeat(300))), Buffer.from([4 * 8, 1]))), {
    apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", namespace: "ns", labels: { l: "1", m: "2" }, finalizers: ["f/1", "f/2"] }, data: { key: "x".repeat(300) }, immutable: true,
  });
  assert.deepEqual(decodeProtobuf(envelope("Secret", field(2, entry("key", Buffer.from([0, 255]))), field(3, "Opaque"))), { apiVersion: "v1", kind: "Secret", data: { key: "AP8=" }, type: "Opaque" });
});

test("options of a deletion and questions about rights are read", () => {
  const uid = field(2, field(1, "u"));
  assert.deepEqual(decodeProtobuf(envelope("DeleteOptions", Buffer.from([8, 30]), uid, field(4, "Background"))), { apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds: 30, preconditions: { uid: "u" }, propagationPolicy: "Background" });
  const asked = field(2, field(1, Buffer.concat([field(2, "get"), field(5, "pods")])));
  assert.deepEqual(decodeProtobuf(envelope("SelfSubjectAccessReview", asked))["spec"], { resourceAttributes: { verb: "get", resource: "pods" } });
});

test("kinds that are not known, and what is no message, are refused", () => {
  assert.throws(() => decodeProtobuf(envelope("Deployment")), { code: 415 });
  assert.throws(() => decodeProtobuf(Buffer.from("{}")), { code: 400 });
});

test("no bytes make it fail in another way", () => {
  const whole = envelope("ConfigMap", field(1, field(1, "a")), field(2, entry("key", "value")));
  const broken = fc.tuple(fc.nat(whole.length), fc.uint8Array({ maxLength: 20 })).map(([at, bytes]) => Buffer.concat([whole.subarray(0, at), bytes]));
  fc.assert(fc.property(broken, (bytes) => {
    try {
      decodeProtobuf(bytes);
    } catch (error) {
      assert.ok(error instanceof ApiError, String(error));
    }
  }));
});
