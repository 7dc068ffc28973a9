/** Configurations as commands read them: warnings are told, problems end the command. */
import { ConfigError, load, type Config, type LoadedConfig } from "../config/index.ts";
import { CliError } from "./errors.ts";
import type { Io } from "./io.ts";
import { sanitize } from "./text.ts";

/** Reads a file. @throws CliError that lists every problem. */
export function loadConfig(io: Pick<Io, "stderr">, file: string): Promise<Config> {
  return tell(io, load(file));
}

/** Tells the warnings of a configuration. @throws CliError that lists every problem. */
export async function tell(io: Pick<Io, "stderr">, loading: Promise<LoadedConfig>): Promise<Config> {
  try {
    const { config, warnings } = await loading;
    for (const warning of warnings) io.stderr.write(`warning: ${sanitize(warning)}\n`);
    return config;
  } catch (error) {
    if (error instanceof ConfigError) throw new CliError(error.message, { cause: error });
    throw error;
  }
}
