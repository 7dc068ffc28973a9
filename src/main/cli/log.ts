/** The daemon's log: JSON lines through pino, or lines for people. Written to the standard error, without ever waiting for who reads it. */
import { pino } from "pino";
import type { Log } from "../../domain/log.ts";
import { logLevels, type LogFormat, type LogLevel } from "../config/types.ts";
import { sanitize, toSafeJson, type Paint, type Style } from "./text.ts";

/** A log with an end. */
export interface ClosableLog {
  readonly log: Log;
  /** Writes out what is buffered. */
  readonly flush: () => void;
}

/** Lines that may wait for a slow reader, in bytes; beyond, lines are dropped. */
const maxBuffered = 4 * 1024 * 1024;

/** A log in JSON: level, time (RFC 3339), msg, and the fields. */
export function jsonLog(level: LogLevel): ClosableLog {
  const destination = pino.destination({ fd: 2, sync: false, maxLength: maxBuffered });
  // A reader that went away must not end the daemon.
  destination.on("error", () => {});
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } }, destination);
  return { log: logger, flush: () => flush(() => destination.flushSync()) };
}

/** pino throws if the destination was never opened, or was closed. */
function flush(work: () => void): void {
  try {
    work();
  } catch {
    // There is nowhere left to tell.
  }
}

const styles: Readonly<Record<LogLevel, Style>> = { debug: "dim", info: "green", warn: "yellow", error: "red" };

/** What a log for people needs. */
export interface TextLogOptions {
  readonly level: LogLevel;
  readonly write: (line: string) => void;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly paint: Paint;
}

/** A log for people, in UTC as all times of ours: `12:34:56.789Z INFO  message field=value`. */
export function textLog({ level, write, now, paint }: TextLogOptions): Log {
  const least = logLevels.indexOf(level);
  const at = (name: LogLevel) => (fields: object, message: string): void => {
    if (logLevels.indexOf(name) < least) return;
    const time = new Date(now()).toISOString().slice(11);
    write(`${paint("dim", time)} ${paint(styles[name], name.toUpperCase().padEnd(5))} ${[sanitize(message), ...fieldTexts(fields, paint)].join(" ")}\n`);
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function fieldTexts(fields: object, paint: Paint): string[] {
  return Object.entries(fields).filter(([, value]) => value !== undefined).map(([key, value]) => `${paint("dim", `${sanitize(key)}=`)}${valueText(value)}`);
}

function valueText(value: unknown): string {
  if (typeof value === "string") return /^[\w./:@%+-]+$/.test(value) ? value : toSafeJson(value);
  if (value instanceof Error) return toSafeJson(value.message);
  if (typeof value === "bigint") return value.toString();
  try {
    return toSafeJson(value) ?? "undefined";
  } catch {
    return "[not printable]";
  }
}

/** The log that a configuration asks for. */
export function openLog(options: { format: LogFormat } & TextLogOptions): ClosableLog {
  return options.format === "json" ? jsonLog(options.level) : { log: textLog(options), flush: () => {} };
}
