/** Reading proto3 JSON: what is taken, and what is told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { wsman } from "../../../src/gen/proto.js";
import { readProtoJson, type ProtoJson } from "../../../src/main/cli/proto-json.ts";

function read(value: unknown): ProtoJson {
  return readProtoJson(value, "ws-manager-api/core.proto", "wsman.StartWorkspaceRequest");
}

function decoded(value: unknown): object {
  return wsman.StartWorkspaceRequest.toObject(wsman.StartWorkspaceRequest.fromObject(read(value).message), { longs: String });
}

test("members may have their JSON names or those of the protocol, enums may be names or numbers", () => {
  const git = { upstreamRemoteUri: "u", checkoutLocation: "c", config: { customConfig: { a_b: "1" }, authentication: "BASIC_AUTH" }, targetMode: "LOCAL_BRANCH" };
  const gitInProtocol = { upstream_Remote_uri: "u", checkout_location: "c", config: { custom_config: { a_b: "1" }, authentication: 1 }, target_mode: 3 };
  const first = { servicePrefix: "p", type: "IMAGEBUILD", metadata: { metaId: "m", annotations: { a_b: "c" } }, spec: { workspaceImage: "i", initializer: { git }, featureFlags: ["FIXED_RESOURCES", 7], ports: [{ port: "80" }] } };
  const second = { service_prefix: "p", type: 4, metadata: { meta_id: "m", annotations: { a_b: "c" } }, spec: { workspace_image: "i", initializer: { git: gitInProtocol }, feature_flags: [5, "PERSISTENT_VOLUME_CLAIM"], ports: [{ port: 80 }] } };
  assert.deepEqual(decoded(first), decoded(second));
  assert.deepEqual(decoded(first), {
    servicePrefix: "p", type: 4, metadata: { metaId: "m", annotations: { a_b: "c" } },
    spec: { workspaceImage: "i", initializer: { git: { upstream_RemoteUri: "u", checkoutLocation: "c", config: { customConfig: { a_b: "1" }, authentication: 1 }, targetMode: 3 } }, featureFlags: [5, 7], ports: [{ port: 80 }] },
  });
});

test("null is what is not there, times are RFC 3339", () => {
  assert.deepEqual(decoded({ id: null, spec: { ports: null }, metadata: { startedAt: "2026-01-02T03:04:05.000000006Z" } }), { spec: {}, metadata: { startedAt: { seconds: String(Date.UTC(2026, 0, 2, 3, 4, 5) / 1000), nanos: 6 } } });
});

test("what the message does not have is told with its path", () => {
  assert.deepEqual(read({ id: "a", headless: true, spec: { envvars: [{ nmae: "x" }], checkoutLocation: "" } }).unknown, ["headless", "spec.envvars[0].nmae", "spec.checkoutLocation"]);
  const hostile: unknown = JSON.parse('{"__proto__": {"id": "x"}, "constructor": 1, "metadata": {"annotations": {"__proto__": "y"}}}');
  assert.deepEqual(read(hostile).unknown, ["__proto__", "constructor"]);
  assert.deepEqual(Object.entries(wsman.StartWorkspaceRequest.fromObject(read(hostile).message).metadata?.annotations ?? {}), [["__proto__", "y"]]);
});

test("what has the wrong type is told by its path, without its value", () => {
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [[], /^the input must be an object$/], [null, /^the input must be an object$/], ["x", /^the input/], [{ id: 1 }, /^id must be a string$/], [{ type: "ROCKET" }, /^type must be one of REGULAR, /], [{ type: 1.5 }, /^type must/],
    [{ type: "constructor" }, /^type must be one of/], [{ spec: { envvars: {} } }, /^spec\.envvars must be a list$/], [{ spec: { envvars: [{ value: ["hunter2"] }] } }, /^spec\.envvars\[0\]\.value must be a string$/],
    [{ spec: { ports: [{ port: -1 }] } }, /^spec\.ports\[0\]\.port must be a whole number/], [{ spec: { ports: [{ port: "" }] } }, /port must/], [{ spec: { ports: [{ port: 2 ** 32 }] } }, /port must/],
    [{ metadata: { annotations: { "a b": {} } } }, /^metadata\.annotations\["a b"\] must be a string$/], [{ metadata: { annotations: [] } }, /must be an object$/], [{ metadata: { startedAt: "yesterday" } }, /^metadata\.startedAt must be a time in RFC 3339$/],
    [{ spec: { initializer: { git: {}, empty: {} } } }, /^spec\.initializer\.empty excludes git$/], [{ service_prefix: "a", servicePrefix: "b" }, /^servicePrefix is there twice$/],
    [{ spec: { initializer: { snapshot: { fromVolumeSnapshot: "true" } } } }, /must be true or false$/],
  ];
  for (const [value, message] of cases) assert.throws(() => read(value), { message }, JSON.stringify(value));
});

test("deep nesting ends with an error", () => {
  let initializer: object = { empty: {} };
  for (let i = 0; i < 2000; i++) initializer = { composite: { initializer: [initializer] } };
  assert.throws(() => read({ spec: { initializer } }), /nested too deeply/);
});

test("any JSON is read or refused with an Error that names a member", () => {
  const key = fc.constantFrom("id", "type", "spec", "metadata", "ports", "initializer", "git", "composite", "annotations", "envvars", "featureFlags", "x", "__proto__");
  const { node } = fc.letrec<{ node: unknown }>((tie) => ({ node: fc.oneof({ depthSize: "small" }, fc.constant(null), fc.string(), fc.double(), fc.boolean(), fc.array(tie("node"), { maxLength: 3 }), fc.dictionary(key, tie("node"), { maxKeys: 4 })) }));
  fc.assert(
    fc.property(node, (value) => {
      try {
        wsman.StartWorkspaceRequest.encode(wsman.StartWorkspaceRequest.fromObject(read(value).message)).finish();
      } catch (error) {
        assert.match(error instanceof Error ? error.message : "", / (?:must be|is there twice|excludes) ?/);
      }
    }),
    { numRuns: 50 },
  );
});
