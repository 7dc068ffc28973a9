/** Where and with what a measurement was made. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, platform, release, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { asObject, stringAt } from "../../domain/json.ts";

/** The machine. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
}

export function machine(): Machine {
  return { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, memoryGb: Math.round(totalmem() / 2 ** 30), system: `${platform()} ${release()}` };
}

/** Versions of what was measured, and of what it stands on. */
export async function versions(): Promise<Readonly<Record<string, string>>> {
  const commit = await promisify(execFile)("git", ["rev-parse", "--short", "HEAD"], { cwd: fileURLToPath(new URL(".", import.meta.url)) }).then(({ stdout }) => stdout.trim(), () => "unknown");
  return { wsmand: versionIn("../../../package.json"), commit, node: process.versions.node, "grpc-js": versionIn("../../../node_modules/@grpc/grpc-js/package.json") };
}

function versionIn(path: string): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
  return stringAt(asObject(manifest), "version") ?? "unknown";
}
