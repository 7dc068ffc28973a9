/** Command `validate-config`: whether the daemon would take a file. */
import { loadConfig } from "./config-flags.ts";
import type { Io } from "./io.ts";
import { sanitize } from "./text.ts";

/** Checks a file. @throws CliError that lists every problem. */
export async function validateConfig(io: Io, file: string): Promise<void> {
  const { manager } = await loadConfig(io, file);
  const ids = manager.workspaceClasses.map(({ id }) => id).join(", ");
  io.stdout.write(`${sanitize(file)} is valid: namespace ${manager.namespace}, workspace classes ${ids}\n`);
}
