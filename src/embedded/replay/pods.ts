/** The replayer's pods: bytes that are ready to be sent, with room for two numbers that change. Nothing is kept of them as objects. */
import { extensions, grow, managedFields } from "../demo/ballast.ts";
import { makeWorkspacePod, workspaceId } from "../demo/pods.ts";
import type { WorkspacePod } from "../demo/pods.ts";
import { seededRandom } from "../kubelet/random.ts";
import { writeDigits } from "./digits.ts";

/** What the pods are to be like. */
export interface PreparedPodsOptions {
  readonly count: number;
  /** Bytes of a pod as JSON, as makeWorkspacePod takes it. */
  readonly size: number;
  readonly namespace: string;
  /** Annotation that holds the number of the change which made the pod as it is. */
  readonly stampAnnotation: string;
}

/** Forms in which a pod is sent. */
export const forms = { added: 0, modified: 1, item: 2, alone: 3 } as const;
/** One of {@link forms}: a watch's line, an element of a list, a pod by itself. */
export type PodForm = (typeof forms)[keyof typeof forms];

/** Digits of a resourceVersion and of a stamp: fixed, so that they are written in place. */
export const numberDigits = 10;

const opening = '{"kind":"Pod","apiVersion":"v1",';
const heads = [`{"type":"ADDED","object":${opening}`, `{"type":"MODIFIED","object":${opening}`, "{", opening].map((text) => Buffer.from(text));
const tails = ["}\n", "}\n", "", ""].map((text) => Buffer.from(text));
const none = Buffer.alloc(0);
const longestFrame = Math.max(...heads.map((head, i) => head.length + (tails[i]?.length ?? 0)));
/** Stand for what is shared, until the pod is text. */
const managedMark = "@@managed@@";
const fillingMark = "@@filling@@";
const quotedManagedMark = JSON.stringify(managedMark);

/** A pod: its own bytes, with what it shares in between, and where its numbers are. */
interface Prepared {
  readonly name: string;
  readonly parts: readonly Uint8Array[];
  readonly length: number;
  readonly versionAt: number;
  readonly stampAt: number;
}

/** ID of the workspace whose pod has this index; any replayer and `createWorkspace` of the load tool number them alike. */
export function replayedId(index: number): string {
  return workspaceId(seededRandom(index + 1));
}

/**
 * Pods by index, each a running workspace of the size asked for. What makes large pods large is the same in all of them (managed fields, one long environment variable)
 * and kept once, so that a pod of 20 kB takes 7 kB here; it is not so in a real cluster, but whoever reads them can not tell.
 */
export class PreparedPods {
  readonly count: number;
  /** Bytes that the longest pod takes in any form. */
  readonly longest: number;
  /** Labels of the first of them: all are workspaces, and differ only by ids and owners. */
  readonly labels: unknown;
  readonly #pods: readonly Prepared[];
  readonly #indexes: ReadonlyMap<string, number>;

  constructor(options: PreparedPodsOptions) {
    const press = new Press(options);
    this.#pods = Array.from({ length: options.count }, (_, i) => press.pod(i));
    this.count = options.count;
    this.labels = makeWorkspacePod({ id: replayedId(0), phase: "running", size: 0, namespace: options.namespace }).metadata.labels;
    this.longest = this.#pods.reduce((longest, { length }) => Math.max(longest, length), 0) + longestFrame;
    this.#indexes = new Map(this.#pods.map(({ name }, i) => [name, i]));
  }

  /** Index of the pod with that name. */
  indexOf(name: string): number | undefined {
    return this.#indexes.get(name);
  }

  /** Bytes that a pod takes in a form. */
  lengthOf(index: number, form: PodForm): number {
    return (heads[form]?.length ?? 0) + this.#at(index).length + (tails[form]?.length ?? 0);
  }

  /** Writes a pod into a buffer that has room for it. Gives the place behind it. @throws RangeError for an index that no pod has, or want of room. */
  write(index: number, form: PodForm, version: number, stamp: number, target: Buffer, at: number): number {
    const { parts, versionAt, stampAt } = this.#at(index);
    const head = heads[form] ?? none;
    const tail = tails[form] ?? none;
    target.set(head, at);
    const begin = at + head.length;
    let end = begin;
    for (const part of parts) {
      target.set(part, end);
      end += part.length;
    }
    target.set(tail, end);
    writeDigits(target, begin + versionAt, version, numberDigits);
    writeDigits(target, begin + stampAt, stamp, numberDigits);
    return end + tail.length;
  }

  #at(index: number): Prepared {
    const pod = this.#pods[index];
    if (!pod) throw new RangeError(`there is no pod ${index}`);
    return pod;
  }
}

/** Makes pods into bytes. */
class Press {
  readonly #options: PreparedPodsOptions;
  #managed: Buffer = none;
  #filling: Buffer = none;
  /** Beginnings of the filling, by their length: few, since pods differ by some bytes only. */
  readonly #fillings = new Map<number, Uint8Array>();

  constructor(options: PreparedPodsOptions) {
    this.#options = options;
  }

  pod(index: number): Prepared {
    const { namespace, size, stampAnnotation } = this.#options;
    const bare = makeWorkspacePod({ id: replayedId(index), phase: "running", size: 0, namespace, annotations: { [stampAnnotation]: "0".repeat(numberDigits) } });
    const { name } = bare.metadata;
    const pod = { ...bare, metadata: inOrder(bare.metadata, index) };
    let missing = 0;
    if (size > 0) {
      this.#prepare(pod);
      pod.metadata["managedFields"] = managedMark;
      grow(pod, size - this.#managed.length + quotedManagedMark.length, (length) => {
        missing = length;
        return fillingMark;
      });
    }
    return this.#pressed(name, JSON.stringify(pod).slice('{"apiVersion":"v1","kind":"Pod",'.length), missing);
  }

  /** Managed fields follow from names of members alone, and all pods have the same. */
  #prepare(pod: WorkspacePod): void {
    if (this.#managed.length === 0) this.#managed = Buffer.from(JSON.stringify(managedFields(pod, String(pod.metadata["creationTimestamp"]))));
  }

  /** Cuts the text where what is shared stands. */
  #pressed(name: string, text: string, missing: number): Prepared {
    const [front, behind = ""] = halves(text, quotedManagedMark);
    const [middle, back = ""] = halves(behind, fillingMark);
    const own = Buffer.from(front);
    const filling = missing > 0 ? this.#fillingOf(missing) : none;
    const parts = [own, this.#managed, Buffer.from(middle), filling, Buffer.from(back)].filter((part) => part.length > 0);
    const after = (mark: string): number => own.indexOf(mark) + mark.length;
    const stampMark = `"${this.#options.stampAnnotation}":"`;
    return { name, parts, length: parts.reduce((sum, part) => sum + part.length, 0), versionAt: after('"resourceVersion":"'), stampAt: after(stampMark) };
  }

  #fillingOf(length: number): Uint8Array {
    if (this.#filling.length < length) this.#filling = Buffer.from(extensions(length * 2, seededRandom(1)));
    const known = this.#fillings.get(length) ?? this.#filling.subarray(0, length);
    this.#fillings.set(length, known);
    return known;
  }
}

/** Members in the order in which API servers write them. */
function inOrder({ name, namespace, ...rest }: WorkspacePod["metadata"], index: number): WorkspacePod["metadata"] {
  return { name, namespace, uid: `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`, resourceVersion: "0".repeat(numberDigits), ...rest };
}

/** What stands before and behind a mark; all of it before one that is not there. */
function halves(text: string, mark: string): readonly [string, string?] {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + mark.length)];
}
