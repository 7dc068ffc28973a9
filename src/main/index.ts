#!/usr/bin/env node
/** Entry: checks what it runs on, then hands over to the command line; everything else is loaded when it is needed. */
import { keepCompiledCode } from "../domain/compile-cache.ts";
import type { Parts } from "./cli/seams.ts";
import { shapeHeap } from "./heap.ts";

const leastNode = 24;
if (Number.parseInt(process.versions.node, 10) < leastNode) {
  // A script of npm finds this one only where node_modules does not hold the right one, or not yet.
  const hint = process.env["npm_lifecycle_event"] === undefined
    ? "npm scripts use the one that `npm ci` installs: npm start, or npm run wsmand -- COMMAND."
    : "The one that npm scripts use is not installed: run `npm ci` first, or wait until the one that runs is done.";
  process.stderr.write(`wsmand needs Node.js ${leastNode} or newer, and this is ${process.versions.node}.\n${hint}\n`);
  process.exit(1);
}

// V8's flags are part of what compiled code is for: first those, then the cache.
if (process.argv[2] === "run") shapeHeap();
keepCompiledCode();

const parts: Parts = {
  daemon: async () => (await import("./app.ts")).startDaemon,
  embeddedCluster: async () => (await import("./cli/local-cluster.ts")).startLocalCluster,
};

const { main } = await import("./cli/main.ts");
await main(process.argv.slice(2), parts);
