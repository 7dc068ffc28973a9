/** Configurations as commands read them: warnings are told, problems end the command. */
import { ConfigError, load, type Config, type LoadedConfig, type LoadOptions } from "../config/index.ts";
import { CliError } from "./errors.ts";
import type { Io } from "./io.ts";
import { sanitize } from "./text.ts";

/** Reads a file, and tells its warnings. @throws CliError that lists every problem. */
export async function loadConfig(io: Pick<Io, "stderr">, file: string, options: LoadOptions = {}): Promise<Config> {
  const { config, warnings } = await told(io, load(file, options));
  tellWarnings(io, warnings);
  return config;
}

/** The configuration that is being read. Rejects with a CliError that lists every problem, once the warnings beside them were told. */
export async function told(io: Pick<Io, "stderr">, loading: Promise<LoadedConfig>): Promise<LoadedConfig> {
  try {
    return await loading;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    tellWarnings(io, error.warnings);
    throw new CliError(error.message, { cause: error });
  }
}

/** Tells warnings, one per line. */
export function tellWarnings(io: Pick<Io, "stderr">, warnings: readonly string[]): void {
  for (const warning of warnings) io.stderr.write(`warning: ${sanitize(warning)}\n`);
}
