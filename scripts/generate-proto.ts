// Makes src/gen/proto.js and its types from the .proto files, when they are newer than what is there.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const sources = readdirSync("proto", { recursive: true, encoding: "utf8" }).filter((f) => f.endsWith(".proto")).map((f) => join("proto", f)).sort();
const out = "src/gen/proto.js";
const newest = Math.max(...[...sources, "scripts/generate-proto.ts"].map((f) => statSync(f).mtimeMs));
const made = statSync(out, { throwIfNoEntry: false })?.mtimeMs ?? 0;
if (made < newest) {
  mkdirSync("src/gen", { recursive: true });
  execFileSync(process.execPath, ["node_modules/protobufjs-cli/bin/pbjs", "-t", "static-module", "-w", "esm", "--dts", "--force-long", "--no-service", "--no-delimited", "--no-verify", "--no-typeurl", "-p", "proto", "-o", out, ...sources], { stdio: "inherit" });
}
