/** What the tests of the Kubernetes client share: chunks, a log, a sink that writes down what it gets. */
import type { Log } from "../../../src/domain/log.ts";
import { compareVersions } from "../../../src/domain/versions.ts";
import { member, stringMember } from "../../../src/main/kube/json.ts";
import type { ReflectorSink } from "../../../src/main/kube/sink.ts";

/** Cuts bytes into chunks of these sizes, over and over. Each has memory of its own. */
export function* chunked(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.slice(at, at + size);
    at += size;
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
  /** Name to resourceVersion of their deletion. */
  readonly #gone = new Map<string, string>();
  /** What the reflector is told of the last list. */
  contradicted = false;
  /** Called for each item and line; a promise it gives is handed to the reflector. */
  hold: () => void | Promise<void> = () => undefined;
  #listed: Set<string> | undefined;
  #last: string | undefined;

  listStarted(setBack: boolean): void {
    this.calls.push(setBack ? "listStarted setBack" : "listStarted");
    this.contradicted = false;
    this.#listed = new Set();
    if (!setBack) return;
    this.#last = undefined;
    this.#gone.clear();
    for (const name of this.known.keys()) this.known.set(name, "0");
  }

  item(bytes: Uint8Array): void | Promise<void> {
    const { name, version } = readObject(JSON.parse(decoder.decode(bytes)));
    this.calls.push(`item ${name}`);
    if (!this.#listed) this.calls.push("item of no list");
    this.#listed?.add(name);
    this.#put(name, version);
    return this.hold();
  }

  listFinished(resourceVersion: string): void {
    this.calls.push(`listFinished ${resourceVersion}`);
    for (const [name, version] of this.known) if (!this.#listed?.has(name) && compareVersions(version, resourceVersion) <= 0) this.known.delete(name);
    this.#listed = undefined;
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
    if (type === "DELETED") {
      this.known.delete(name);
      this.#gone.set(name, version);
    } else this.#put(name, version);
    this.#last = version;
    return this.hold();
  }

  settled(): Promise<string | undefined> {
    return Promise.resolve(this.#last);
  }

  /** Unless something newer is known of it. */
  #put(name: string, version: string): void {
    const newer = this.known.get(name) ?? this.#gone.get(name) ?? "0";
    if (compareVersions(version, newer) >= 0) this.known.set(name, version);
  }
}
