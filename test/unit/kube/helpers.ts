/** What the tests of the Kubernetes client share: chunks, a clock that is moved by hand, a sink that writes down what it gets. */
import type { Clock } from "../../../src/domain/clock.ts";
import type { Log } from "../../../src/domain/log.ts";
import { member, stringMember } from "../../../src/main/kube/json.ts";
import type { ReflectorSink } from "../../../src/main/kube/sink.ts";

/** Cuts bytes into chunks of these sizes, over and over. Each chunk has memory of its own, which is overwritten after use by nobody. */
export function* chunked(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.slice(at, at + size);
    at += size;
  }
}

/** Resolves once the condition holds; rejects after the deadline with what was waited for. */
export async function until(condition: () => boolean, what: string, deadlineMs = 5000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A clock whose time stands still until it is moved. */
export class ManualClock implements Clock {
  #now = 1_700_000_000_000;
  #timers = new Set<{ at: number; callback: () => void }>();

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  timer(ms: number, callback: () => void): () => void {
    const entry = { at: this.#now + ms, callback };
    this.#timers.add(entry);
    return () => void this.#timers.delete(entry);
  }

  /** Timers that wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Moves the time, calling what falls due, in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter((entry) => entry.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.callback();
    }
    this.#now = end;
  }
}

/** The machine's time, with delays made shorter by a factor: waits of a minute pass in a moment, in the right order. */
export class FastClock implements Clock {
  readonly factor: number;
  /** Delays that were asked for, milliseconds. */
  readonly delays: number[] = [];

  constructor(factor: number) {
    this.factor = factor;
  }

  now(): number {
    return Date.now();
  }

  monotonic(): number {
    return performance.now() * this.factor;
  }

  timer(ms: number, callback: () => void): () => void {
    this.delays.push(ms);
    const handle = setTimeout(callback, ms / this.factor);
    return () => clearTimeout(handle);
  }
}

/** A log that can be read. */
export class RecordingLog implements Log {
  readonly entries: { level: string; fields: object; message: string }[] = [];

  debug(): void {
    // Attempts may be told at this level as often as they happen.
  }

  info(fields: object, message: string): void {
    this.entries.push({ level: "info", fields, message });
  }

  warn(fields: object, message: string): void {
    this.entries.push({ level: "warn", fields, message });
  }

  error(fields: object, message: string): void {
    this.entries.push({ level: "error", fields, message });
  }
}

const decoder = new TextDecoder();

function readObject(object: unknown): { readonly name: string; readonly version: string } {
  const metadata = member(object, "metadata");
  return { name: stringMember(metadata, "name") ?? "", version: stringMember(metadata, "resourceVersion") ?? "" };
}

/** A pod as far as reflectors care. */
export function pod(name: string, resourceVersion: string, more: object = {}): object {
  return { kind: "Pod", metadata: { name, uid: `uid-${name}`, resourceVersion }, ...more };
}

/** Keeps a set of objects by name as the pipeline would, and a log of the calls. */
export class RecordingSink implements ReflectorSink {
  readonly calls: string[] = [];
  /** Name to resourceVersion of all that is there. */
  readonly known = new Map<string, string>();
  /** Called for each item and line; a promise it gives is handed to the reflector. */
  hold: () => void | Promise<void> = () => undefined;
  #listed: Set<string> | undefined;
  #last: string | undefined;

  listStarted(): void {
    this.calls.push("listStarted");
    this.#listed = new Set();
  }

  item(bytes: Uint8Array): void | Promise<void> {
    const { name, version } = readObject(JSON.parse(decoder.decode(bytes)));
    this.calls.push(`item ${name}`);
    this.#listed?.add(name);
    this.known.set(name, version);
    return this.hold();
  }

  listFinished(resourceVersion: string): void {
    this.calls.push(`listFinished ${resourceVersion}`);
    for (const name of this.known.keys()) if (!this.#listed?.has(name)) this.known.delete(name);
    this.#listed = undefined;
    this.#last = undefined;
  }

  listAborted(): void {
    this.calls.push("listAborted");
    this.#listed = undefined;
  }

  line(bytes: Uint8Array): void | Promise<void> {
    const event: unknown = JSON.parse(decoder.decode(bytes));
    const type = stringMember(event, "type");
    const { name, version } = readObject(member(event, "object"));
    this.calls.push(`${type} ${name}`);
    if (type === "DELETED") this.known.delete(name);
    else this.known.set(name, version);
    this.#last = version;
    return this.hold();
  }

  settled(): Promise<string | undefined> {
    return Promise.resolve(this.#last);
  }
}
