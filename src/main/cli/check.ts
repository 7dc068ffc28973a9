/** Commands that look at something and tell: `validate-config` and `explain`. */
import { json } from "node:stream/consumers";
import { messageOf } from "../../domain/errors.ts";
import { ConfigError, load, toDeriveConfig, toTimeouts, type LoadedConfig } from "../config/index.ts";
import { explain } from "./explain.ts";

/** The configuration; ends the process with code 1 and every problem if it can not be used. */
export async function loadOrExit(file: string): Promise<LoadedConfig> {
  try {
    return await load(file);
  } catch (error) {
    process.stderr.write(`${error instanceof ConfigError ? error.message : `cannot read ${file}: ${messageOf(error)}`}\n`);
    return process.exit(1);
  }
}

/** `wsmand validate-config FILE`. */
export async function validateConfig(file: string): Promise<void> {
  const { warnings } = await loadOrExit(file);
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  process.stdout.write(`${file} is valid\n`);
}

/** `wsmand explain`: prints {"status", "actions", "timedOut"}, or {"error"} with exit code 1. */
export async function explainPod(options: { config: string; now?: string; lastActivity?: string }): Promise<void> {
  const { config } = await loadOrExit(options.config);
  try {
    const now = options.now === undefined ? Date.now() : timeOf("--now", options.now);
    const lastActivity = options.lastActivity === undefined ? {} : { lastActivity: timeOf("--last-activity", options.lastActivity) };
    const input: unknown = await json(process.stdin);
    print(explain(input, { derive: toDeriveConfig(config), timeouts: toTimeouts(config) }, { now, ...lastActivity }));
  } catch (error) {
    print({ error: messageOf(error) });
    process.exitCode = 1;
  }
}

function timeOf(flag: string, text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new Error(`${flag}: must be an RFC 3339 time, got ${JSON.stringify(text)}`);
  return ms;
}

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}
