/** Configurations as commands read them: warnings are told, problems end the command. */
import { ConfigError, load, type Config, type LoadedConfig } from "../config/index.ts";
import { CliError } from "./errors.ts";
import type { Io } from "./io.ts";
import { sanitize } from "./text.ts";

/** Reads a file, and tells its warnings. @throws CliError that lists every problem. */
export async function loadConfig(io: Pick<Io, "stderr">, file: string): Promise<Config> {
  const { config, warnings } = await told(load(file));
  for (const warning of warnings) io.stderr.write(`warning: ${sanitize(warning)}\n`);
  return config;
}

/** The configuration that is being read. Rejects with a CliError that lists every problem. */
export async function told(loading: Promise<LoadedConfig>): Promise<LoadedConfig> {
  try {
    return await loading;
  } catch (error) {
    throw error instanceof ConfigError ? new CliError(error.message, { cause: error }) : error;
  }
}
