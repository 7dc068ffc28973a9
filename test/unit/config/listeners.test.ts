/** Addresses to listen on that exclude each other: told before anything listens, as the system would only say of one that it is taken. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { embeddedDocument } from "../../../src/main/config/embedded.ts";
import { ConfigError, parseConfig } from "../../../src/main/config/index.ts";

/** Addresses of gRPC, metrics and profiles. */
type Addresses = readonly [rpc: string, metrics?: string, profiles?: string];

const profilingTls = { ca: "/ca", crt: "/crt", key: "/key" };

async function problemsOf([rpc, metrics, profiles]: Addresses, tls?: object): Promise<readonly string[]> {
  const document = { ...embeddedDocument(), rpcServer: { addr: rpc }, prometheus: { addr: metrics }, pprof: { addr: profiles }, wsmand: { profiling: { tls } } };
  try {
    await parseConfig(document, "test");
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems.map(({ path, message }) => `${path}: ${message}`);
  }
}

const taken = (later: string, earlier: string): string => `${later}.addr: must not be at the port of ${earlier}.addr, which listens on the same address: give each a port of its own`;

test("two at the same port of the same address, or of all, are told with both keys", async () => {
  for (const [rpc, metrics] of [[":8080", ":8080"], ["127.0.0.1:8080", "127.0.0.1:8080"], [":8080", "0.0.0.0:8080"], ["[::]:8080", "127.0.0.1:8080"], ["127.0.0.1:8080", ":08080"], ["0.0.0.0:8080", "localhost:8080"], ["[::1]:8080", ":8080"]] as const) {
    assert.deepEqual(await problemsOf([rpc, metrics]), [taken("prometheus", "rpcServer")], `${rpc} ${metrics}`);
  }
});

test("profiles are told of where they are served, and no others: a file of the Go daemon is taken with an address at which nothing listens", async () => {
  assert.deepEqual(await problemsOf([":8080", ":9500", "127.0.0.1:8080"]), [taken("pprof", "rpcServer")]);
  assert.deepEqual(await problemsOf([":8080", "127.0.0.1:9500", "127.0.0.1:9500"]), [taken("pprof", "prometheus")]);
  assert.deepEqual(await problemsOf([":8080", ":9500", ":9500"], profilingTls), [taken("pprof", "prometheus")]);
  assert.deepEqual(await problemsOf([":8080", ":9500", ":9500"]), []);
});

test("other ports, other addresses, and ports that the system chooses are no conflict", async () => {
  for (const addresses of [[":8080", ":9500"], [":0", ":0", "127.0.0.1:0"], ["127.0.0.1:8080", "127.0.0.2:8080"], ["0.0.0.0:8080", "[::1]:8080"], [":8080"]] as const) {
    assert.deepEqual(await problemsOf(addresses), [], addresses.join(" "));
  }
});

test("an address that is none is told as that alone", async () => {
  assert.deepEqual((await problemsOf([":8080", ":8080x"])).map((problem) => problem.split(":", 1)[0]), ["prometheus.addr"]);
});
