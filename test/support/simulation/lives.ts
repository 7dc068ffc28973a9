/** Which of a workspace's lives a status is of: each pod that is asked for gets a number at the API server's door, as admission webhooks put things on pods, and its statuses tell it. */
import { annotations, labels } from "../../../src/domain/names.ts";
import type { KubeObject } from "../../../src/embedded/contract.ts";
import { record } from "../../../src/embedded/kubelet/json.ts";
import type { CarriedRequest } from "../../../src/main/kube/client.ts";
import type { ReadStatus } from "../status-stream.ts";

/** Annotations with that prefix stand in statuses. */
const statusKey = "life";
const podKey = `gitpod.io/annotation.${statusKey}`;

/** The lives of all workspaces, in the order in which they began. */
export class Lives {
  readonly #byId = new Map<string, number[]>();
  /** Lives that could be used at some time, by number. */
  readonly #ready = new Set<number>();
  /** What was written down of the end of a life's content. */
  readonly #disposals = new Map<number, string>();
  #numbers = 0;

  /** The request as it comes to be done: a pod that is made for a start has a number then. One that goes on with a workspace whose pod was refused brings its own. */
  admit(request: CarriedRequest): CarriedRequest {
    const { method, path, body } = request;
    if (method !== "POST" || !path.endsWith("/pods") || typeof body !== "string") return request;
    const pod = record(JSON.parse(body));
    const metadata = record(pod["metadata"]);
    const noted = record(metadata["annotations"]);
    if (record(metadata["labels"])[labels.workspaceId] === undefined || noted[podKey] !== undefined) return request;
    return { ...request, body: JSON.stringify({ ...pod, metadata: { ...metadata, annotations: { ...noted, [podKey]: String(++this.#numbers) } } }) };
  }

  /** A pod was made. */
  added({ metadata }: KubeObject): void {
    const id = metadata.annotations?.[annotations.id];
    const life = lifeOfPod(metadata);
    if (id === undefined) return;
    const lives = this.#byId.get(id) ?? [];
    this.#byId.set(id, lives);
    if (!lives.includes(life)) lives.push(life);
  }

  /** A pod was made, or has changed. */
  changed({ metadata }: KubeObject): void {
    const life = lifeOfPod(metadata);
    if (metadata.annotations?.[annotations.neverReady] === undefined) this.#ready.add(life);
    const disposal = metadata.annotations?.[annotations.disposalStatus];
    if (disposal !== undefined) this.#disposals.set(life, disposal);
  }

  /** The numbers of a workspace's lives, in their order. */
  of(id: string): readonly number[] {
    return this.#byId.get(id) ?? [];
  }

  /** Whether a life could be used at some time. */
  isReady(life: number): boolean {
    return this.#ready.has(life);
  }

  /** What was written down of the end of a life's content; undefined: nothing. */
  disposalOf(life: number): string | undefined {
    return this.#disposals.get(life);
  }

  /** How often a workspace was begun under an ID. */
  begun(id: string): number {
    return this.#byId.get(id)?.length ?? 0;
  }

  /** Which of them a status tells of: 1 for the first; 0 if it tells of none. */
  placeOf(status: ReadStatus): number {
    return (this.#byId.get(status.id ?? "")?.indexOf(lifeOf(status)) ?? -1) + 1;
  }
}

/** The number of a status's life; 0 if it has none. */
export function lifeOf({ metadata }: ReadStatus): number {
  return Number(metadata?.annotations?.[statusKey] ?? 0);
}

/** The number of a pod's life; 0 if it has none. */
export function lifeOfPod({ annotations: noted }: KubeObject["metadata"]): number {
  return Number(noted?.[podKey] ?? 0);
}
