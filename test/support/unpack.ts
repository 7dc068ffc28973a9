/** Binaries of servers that tests run, from a folder beside the checkout. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const script = fileURLToPath(new URL("../../../shared/kube/unpack.sh", import.meta.url));

/** Whether there is such a folder. */
export const canUnpack = existsSync(script);

/** Unpacks binaries and gives their folder. @param names those to unpack; without them, the control plane's. */
export async function unpacked(...names: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(script, names);
  return stdout.trim();
}
