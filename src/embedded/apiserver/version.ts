/** One version of an object with its JSON, which is made once and shared by every reader. */
import type { ChangeType, KubeObject } from "../contract.ts";
import { apiVersionOf } from "./resources.ts";
import type { ResourceType } from "./resources.ts";

const close = Buffer.from("}\n");
const openings: Readonly<Record<ChangeType, Buffer>> = {
  ADDED: Buffer.from('{"type":"ADDED","object":'), MODIFIED: Buffer.from('{"type":"MODIFIED","object":'), DELETED: Buffer.from('{"type":"DELETED","object":'),
};

/** A version of an object, and the change that made it. */
export class Version {
  readonly type: ResourceType;
  readonly change: ChangeType;
  readonly object: KubeObject;
  readonly resourceVersion: number;
  /** `namespace/name`, the order of lists. */
  readonly key: string;
  #line: Buffer | undefined;

  constructor(type: ResourceType, change: ChangeType, object: KubeObject) {
    this.type = type;
    this.change = change;
    this.object = object;
    this.resourceVersion = Number(object.metadata.resourceVersion);
    this.key = keyOf(object.metadata.namespace ?? "", object.metadata.name);
  }

  /** The watch line of this change, with its line feed. The JSON below is a part of the same memory. */
  get line(): Buffer {
    this.#line ??= Buffer.from(`{"type":"${this.change}","object":${JSON.stringify(this.object)}}\n`);
    return this.#line;
  }

  /** The object as JSON. */
  get json(): Buffer {
    return this.line.subarray(openings[this.change].length, -close.length);
  }

  /** The object as an item of a list, without its opening brace: kind and apiVersion stand with custom resources only. */
  get item(): Buffer {
    return this.type.custom ? this.json.subarray(1) : this.json.subarray(`{"kind":"${this.type.kind}","apiVersion":"${apiVersionOf(this.type)}",`.length);
  }

  /** A watch line that tells of the object as another change: new or gone for a watcher whose selector it begins or ceases to match. */
  lineAs(change: ChangeType): Buffer {
    return change === this.change ? this.line : Buffer.concat([openings[change], this.json, close]);
  }
}

/** An object's key in its resource. */
export function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}
