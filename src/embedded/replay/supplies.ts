/** What the replayer sends: pages of lists, and watches, made of prepared pods while they are sent. */
import type { ReplayHistory } from "./history.ts";
import type { Supply } from "./outflow.ts";
import { forms } from "./pods.ts";
import type { PreparedPods } from "./pods.ts";

const comma = 0x2c;

/** A page of the list of pods at a version. */
export class PageSupply implements Supply {
  readonly #pods: PreparedPods;
  readonly #history: ReplayHistory;
  readonly #version: number;
  readonly #from: number;
  readonly #to: number;
  #head: string | undefined;
  #next: number;
  #ended = false;

  /** @param from index of the first pod. @param to index behind the last one. @param metadata of the list. */
  constructor(pods: PreparedPods, history: ReplayHistory, version: number, from: number, to: number, metadata: object) {
    this.#pods = pods;
    this.#history = history;
    this.#version = version;
    this.#from = from;
    this.#to = to;
    this.#next = from;
    this.#head = `{"kind":"PodList","apiVersion":"v1","metadata":${JSON.stringify(metadata)},"items":[`;
  }

  get ended(): boolean {
    return this.#ended;
  }

  fill(buffer: Buffer): number {
    if (this.#ended) return 0;
    let at = this.#head === undefined ? 0 : buffer.write(this.#head, "latin1");
    this.#head = undefined;
    for (; this.#next < this.#to; this.#next++) {
      const { pod, version, stamp } = this.#history.stateAt(this.#next, this.#version);
      if (at + this.#pods.lengthOf(pod, forms.item) + 1 > buffer.length) return at;
      if (this.#next > this.#from) buffer[at++] = comma;
      at = this.#pods.write(pod, forms.item, version, stamp, buffer, at);
    }
    if (at + 3 > buffer.length) return at;
    this.#ended = true;
    return at + buffer.write("]}\n", at, "latin1");
  }
}

/** A watch of pods: all of them first if no version to begin after is given, then every change. */
export class WatchSupply implements Supply {
  readonly #pods: PreparedPods;
  readonly #history: ReplayHistory;
  readonly #begun: number;
  /** Index of the next pod to introduce. */
  #introduced: number;
  #next: number;

  /** @param after version; undefined: the state of now is told first. */
  constructor(pods: PreparedPods, history: ReplayHistory, after: number | undefined) {
    this.#pods = pods;
    this.#history = history;
    this.#begun = after ?? history.head;
    this.#introduced = after === undefined ? 0 : pods.count;
    this.#next = this.#begun + 1;
  }

  /** So slow that what comes next is forgotten: the client has to list anew. */
  get ended(): boolean {
    return this.#introduced === this.#pods.count && this.#next <= this.#history.oldest;
  }

  /** Version of the newest change that was written, or after which the watch began. */
  get reached(): number {
    return this.#next - 1;
  }

  fill(buffer: Buffer): number {
    return this.#changes(buffer, this.#introduction(buffer));
  }

  #introduction(buffer: Buffer): number {
    let at = 0;
    for (; this.#introduced < this.#pods.count; this.#introduced++) {
      if (at + this.#pods.lengthOf(this.#introduced, forms.added) > buffer.length) break;
      const { pod, version, stamp } = this.#history.stateAt(this.#introduced, this.#begun);
      at = this.#pods.write(pod, forms.added, version, stamp, buffer, at);
    }
    return at;
  }

  #changes(buffer: Buffer, from: number): number {
    if (this.#introduced < this.#pods.count || this.ended) return from;
    let at = from;
    for (; this.#next <= this.#history.head; this.#next++) {
      const { pod, version, stamp } = this.#history.changeAt(this.#next);
      if (at + this.#pods.lengthOf(pod, forms.modified) > buffer.length) break;
      at = this.#pods.write(pod, forms.modified, version, stamp, buffer, at);
    }
    return at;
  }
}
