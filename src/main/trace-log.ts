/** The trace of changes: one line of JSON for each status that is published, with what it was derived from (spec: config, manager.eventTraceLog). */
import { open, rename, type FileHandle } from "node:fs/promises";
import type { Clock } from "../domain/clock.ts";
import { messageOf } from "../domain/errors.ts";
import { unwritable } from "../domain/file-reasons.ts";
import { parseObject } from "../domain/json.ts";
import type { Log } from "../domain/log.ts";
import { redacted } from "../domain/redact.ts";
import { statusToJson } from "../domain/status-json.ts";
import { decodeFrame } from "./state/frame.ts";

/** What it works with. */
export interface TraceLogOptions {
  /** Path of a file, or "-" for the log. */
  readonly target: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits?: Partial<TraceLimits>;
}

/** Bounds, bytes. */
export interface TraceLimits {
  /** A file that has so many is put aside as `<file>.1`, over the one before it. What is no ordinary file is not. */
  readonly fileBytes: number;
  /** What waits to be written; more is left out. */
  readonly waitingBytes: number;
}

const defaults: TraceLimits = { fileBytes: 100 * 1024 * 1024, waitingBytes: 16 * 1024 * 1024 };
/** What could not be written is told no more often than this, milliseconds. */
const tellEveryMs = 60_000;
/** Bytes written at once. */
const chunkBytes = 1024 * 1024;

/** Writes it. */
export class TraceLog {
  readonly #options: TraceLogOptions;
  readonly #limits: TraceLimits;
  /** Undefined: it goes to the log. */
  #file: FileHandle | undefined;
  #isOrdinary = false;
  #size = 0;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #leftOut = 0;
  #toldAt = Number.NEGATIVE_INFINITY;
  #writing: Promise<void> | undefined;

  private constructor(options: TraceLogOptions) {
    this.#options = options;
    this.#limits = { ...defaults, ...options.limits };
  }

  /** Opens it. @throws Error that names the file if it can not be written. */
  static async open(options: TraceLogOptions): Promise<TraceLog> {
    const trace = new TraceLog(options);
    if (options.target !== "-") await trace.#open();
    return trace;
  }

  /** A status was published. @param objects JSON of what it was derived from; undefined where nothing is left of it. */
  published(frame: Buffer, objects: Uint8Array | undefined): void {
    const { log, clock } = this.#options;
    const known = decodeFrame(frame);
    const status = statusToJson({ ...known, ...(known.auth && { auth: { ...known.auth, ownerToken: redacted } }) });
    if (!this.#file) {
      log.info({ status, objects: objects ? parseObject(objects) : {} }, "a status has changed");
      return;
    }
    const text = objects ? Buffer.from(objects.buffer, objects.byteOffset, objects.length).toString() : "{}";
    this.#add(`{"time":${JSON.stringify(new Date(clock.now()).toISOString())},"status":${JSON.stringify(status)},"objects":${text}}\n`);
  }

  /** Writes what waits, and closes the file. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#file?.close();
    this.#file = undefined;
  }

  #add(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#waitingBytes + bytes > this.#limits.waitingBytes) {
      this.#lose(1, "more changes than can be written");
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += bytes;
    this.#writing ??= this.#write();
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#next();
      try {
        await this.#append(Buffer.from(lines.join("")));
      } catch (error) {
        this.#lose(lines.length, messageOf(error));
      }
    }
    this.#writing = undefined;
  }

  #next(): readonly string[] {
    let bytes = 0;
    let count = 0;
    for (const line of this.#waiting) {
      if (count > 0 && bytes >= chunkBytes) break;
      bytes += Buffer.byteLength(line);
      count++;
    }
    this.#waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  async #append(bytes: Buffer): Promise<void> {
    if (this.#isOrdinary && this.#size > 0 && this.#size + bytes.length > this.#limits.fileBytes) await this.#turn();
    await this.#file?.appendFile(bytes);
    this.#size += bytes.length;
  }

  async #turn(): Promise<void> {
    const { target } = this.#options;
    // Somebody else may have put it aside, or it could not be opened anew the last time.
    await rename(target, `${target}.1`).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
    const old = this.#file;
    await this.#open();
    await old?.close();
  }

  async #open(): Promise<void> {
    const { target } = this.#options;
    try {
      this.#file = await open(target, "a", 0o600);
      const stat = await this.#file.stat();
      this.#isOrdinary = stat.isFile();
      this.#size = stat.size;
    } catch (error) {
      throw unwritable("manager.eventTraceLog", target, error);
    }
  }

  #lose(lines: number, why: string): void {
    const { clock, log } = this.#options;
    this.#leftOut += lines;
    if (clock.monotonic() - this.#toldAt < tellEveryMs) return;
    this.#toldAt = clock.monotonic();
    log.warn({ lines: this.#leftOut, error: why }, "changes are left out of the trace");
    this.#leftOut = 0;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
