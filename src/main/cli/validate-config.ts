/** Command `validate-config`: whether the daemon would take a file. */
import { load } from "../config/index.ts";
import { tellWarnings, told } from "./config-flags.ts";
import type { Io } from "./io.ts";
import { sanitize } from "./text.ts";

/** Checks a file. @throws CliError that lists every problem. */
export async function validateConfig(io: Io, file: string): Promise<void> {
  const { config, warnings } = await told(io, load(file));
  tellWarnings(io, warnings);
  const ids = config.manager.workspaceClasses.map(({ id }) => id).join(", ");
  io.stdout.write(`${sanitize(file)} is valid: namespace ${config.manager.namespace}, workspace classes ${ids}\n`);
}
