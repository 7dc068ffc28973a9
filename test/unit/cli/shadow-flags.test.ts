/** The flags that make a daemon a shadow: what becomes of them, and which make no sense. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunOptions } from "../../../src/main/app.ts";
import { runCommand } from "../../../src/main/cli/main.ts";
import { command, noParts, testIo } from "./helpers.ts";

/** Runs `run`, which ends at once; gives what the daemon and the cluster were started with. */
async function run(...args: readonly string[]): Promise<{ readonly options: RunOptions; readonly demo: number | undefined }> {
  const { io, stop, err } = testIo();
  const started: RunOptions[] = [];
  const demos: (number | undefined)[] = [];
  stop.abort();
  const code = await runCommand(["run", ...args], io, {
    daemon: async () => async (options) => {
      started.push(options);
      return { rpcPort: 1, metricsPort: undefined, synced: Promise.resolve(), close: async () => {} };
    },
    embeddedCluster: async () => async ({ demo }) => {
      demos.push(demo);
      return { url: "", kubeconfigPath: "", strike: () => {}, close: async () => {} };
    },
  });
  const [options] = started;
  assert.ok(code === 0 && options, err());
  return { options, demo: demos[0] };
}

const config = ["--config", "examples/local.json"];

test("without --shadow a daemon is none; with it, it is, and is compared with whom the flags name", async () => {
  assert.equal((await run(...config)).options.shadow, undefined);
  assert.deepEqual((await run(...config, "--shadow")).options.shadow, { settleMs: 10_000 });
  const { shadow } = (await run(...config, "--shadow", "--compare", "manager:8080", "--settle", "3s", "--tls", "--tls-server-name", "ws-manager")).options;
  const connection = await shadow?.compare?.connection();
  assert.deepEqual([shadow?.settleMs, shadow?.compare?.address, connection?.secure, connection?.options["grpc.ssl_target_name_override"]], [3_000, "manager:8080", true, "ws-manager"]);
  const plain = (await run(...config, "--shadow", "--compare", "manager:8080")).options.shadow?.compare;
  assert.equal((await plain?.connection())?.secure, false);
});

test("beside a shadow the built-in cluster brings up and ends its workspaces itself", async () => {
  assert.equal((await run("--embedded", "--shadow", "--demo", "3")).demo, 3);
  assert.equal((await run("--embedded", "--demo", "0")).demo, 0);
});

test("flags that would be ignored are refused with the reason", async () => {
  const wrong: readonly (readonly [string[], RegExp])[] = [
    [["--compare", "manager:8080"], /--compare is for --shadow/],
    [["--shadow", "--tls"], /are for --compare/],
    [["--settle", "3s"], /are for --compare/],
    [["--shadow", "--compare", "manager"], /"manager" is not an address/],
    [["--shadow", "--compare", "manager:8080", "--tls-cert", "x"], /--tls-cert and --tls-key belong together/],
  ];
  for (const [args, reason] of wrong) {
    const { code, err } = await command(["run", ...config, ...args], {}, noParts);
    assert.equal(code, 2, args.join(" "));
    assert.match(err, reason);
  }
});
