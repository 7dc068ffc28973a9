/** One version of an object with its JSON: made once, in parts, which all readers share, and other versions too where nothing changed. */
import type { ChangeType, KubeObject } from "../contract.ts";
import { apiVersionOf } from "./resources.ts";
import type { ResourceType } from "./resources.ts";

/** Bytes in parts, to be sent one after the other. */
export type Bytes = readonly Buffer[];

/** What closes a line after its object. */
const closing = Buffer.from("}\n");
const openings = { ADDED: openingOf("ADDED"), MODIFIED: openingOf("MODIFIED"), DELETED: openingOf("DELETED") } as const;

/**
 * A version of an object, and the change that made it. Its watch line has three parts: the head is what begins the line, with kind, apiVersion and metadata
 * but for its closing brace and managed fields; then come these and all other members but the status; then the status and the end of the line.
 * A change of annotations leaves everything behind the head alone, one of the status everything before the end: such versions share the bytes of the rest.
 */
export class Version {
  readonly type: ResourceType;
  readonly change: ChangeType;
  readonly object: KubeObject;
  readonly resourceVersion: number;
  /** `namespace/name`, the order of lists. */
  readonly key: string;
  /** Managed fields, if they come last in metadata, as they do unless a client invented members of its own. */
  readonly #fields: unknown;
  /** Bytes that the version before had already. It is not kept itself: that would keep all of them. */
  readonly #sharedBytes: number;
  #head: Buffer | undefined;
  #middle: Buffer | undefined;
  #end: Buffer | undefined;
  #size = 0;

  /** @param previous the object's version before, to share memory with. */
  constructor(type: ResourceType, change: ChangeType, object: KubeObject, previous?: Version) {
    this.type = type;
    this.change = change;
    this.object = object;
    this.resourceVersion = Number(object.metadata.resourceVersion);
    this.key = previous?.key ?? keyOf(object.metadata.namespace ?? "", object.metadata.name);
    this.#fields = Object.keys(object.metadata).at(-1) === "managedFields" ? object.metadata["managedFields"] : undefined;
    this.#sharedBytes = previous ? this.#share(previous) : 0;
  }

  #share(previous: Version): number {
    if (previous.#fields === this.#fields && differOnlyInMetaAndStatus(previous.object, this.object)) this.#middle = previous.#middleBytes;
    if (previous.object["status"] === this.object["status"]) this.#end = previous.#endBytes;
    return (this.#middle?.length ?? 0) + (this.#end?.length ?? 0);
  }

  /** The watch line of this change, with its line feed. */
  get line(): Bytes {
    return [this.#headBytes, this.#middleBytes, this.#endBytes];
  }

  /** Bytes of {@link Version.line}. */
  get size(): number {
    if (this.#size > 0) return this.#size;
    this.#head = this.#headBytes;
    this.#size = this.#head.length + this.#middleBytes.length + this.#endBytes.length;
    return this.#size;
  }

  /** Those of them that this version does not share with the one before. */
  get newBytes(): number {
    return this.size - this.#sharedBytes;
  }

  /** Forgets bytes that are quickly made anew: while a change is new, all watchers ask for them, and later hardly anyone. */
  release(): void {
    this.#head = undefined;
  }

  /** The object as JSON. */
  get json(): Bytes {
    return this.#json(0);
  }

  /** The object as an item of a list, without its opening brace: kind and apiVersion stand with custom resources only. */
  get item(): Bytes {
    return this.#json(this.type.custom ? 1 : kindOf(this.type).length);
  }

  /** A watch line that tells of the object as another change: new or gone for a watcher whose selector it begins or ceases to match. */
  lineAs(change: ChangeType): Bytes {
    return change === this.change ? this.line : [Buffer.from(openings[change]), ...this.json, closing];
  }

  #json(skip: number): Bytes {
    return [this.#headBytes.subarray(openings[this.change].length + skip), this.#middleBytes, this.#endBytes.subarray(0, -closing.length)];
  }

  get #headBytes(): Buffer {
    const { metadata } = this.object;
    return this.#head ?? Buffer.from(`${openings[this.change]}${kindOf(this.type)}"metadata":${inside(this.#fields === undefined ? metadata : { ...metadata, managedFields: undefined })}`);
  }

  get #middleBytes(): Buffer {
    this.#middle ??= ownBytes(middleOf(this.object, this.#fields));
    return this.#middle;
  }

  get #endBytes(): Buffer {
    this.#end ??= ownBytes(`${memberText("status", this.object["status"])}}}\n`);
    return this.#end;
  }
}

/** An object's key in its resource. */
export function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/** How a watch line begins. */
function openingOf(change: ChangeType): string {
  return `{"type":"${change}","object":`;
}

/** How an object's JSON begins. */
function kindOf(type: ResourceType): string {
  return `{"kind":"${type.kind}","apiVersion":"${apiVersionOf(type)}",`;
}

/** Whether two states of an object have the same members beside metadata and status. */
function differOnlyInMetaAndStatus(a: KubeObject, b: KubeObject): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && (name === "metadata" || name === "status" || a[name] === b[name]));
}

function middleOf(object: KubeObject, fields: unknown): string {
  const members = inside({ ...object, kind: undefined, apiVersion: undefined, metadata: undefined, status: undefined });
  return `${memberText("managedFields", fields)}}${members === "{" ? "" : `,${members.slice(1)}`}`;
}

/** An object as JSON without its closing brace. */
function inside(object: object): string {
  return JSON.stringify(object).slice(0, -1);
}

function memberText(name: string, value: unknown): string {
  return value === undefined ? "" : `,"${name}":${JSON.stringify(value)}`;
}

/** The text in memory of its own: a piece of Node's pool would keep 64 KiB of other versions alive. */
function ownBytes(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}
