/** One object of an API server, as it is seen and written here: what the server told last, and the changes on top of it that the server does not have yet. */
import type { Draft, KubeObject, ResourceName } from "../../../src/embedded/contract.ts";
import { produce } from "../../../src/embedded/apiserver/draft.ts";
import { equal } from "../../../src/embedded/apiserver/json.ts";
import { record, text } from "../../../src/embedded/kubelet/json.ts";
import { ApiFailure, type Player } from "../player.ts";
import { objectOf, pathOf } from "./objects.ts";

/** A change of an object. */
export type Change = (draft: Draft) => void;

/** Attempts at a write that others are in the way of, or that was not answered. */
const attempts = 20;

/** What has become of the object. Calls back whenever it may look different. */
export class Track {
  readonly #player: Player;
  readonly #resource: ResourceName;
  readonly #name: string;
  readonly #changed: () => void;
  #base: KubeObject | undefined;
  #pending: readonly { readonly uid: string; readonly change: Change }[] = [];
  /** While it is being made it is not seen. */
  #making = 0;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(player: Player, resource: ResourceName, name: string, changed: () => void) {
    this.#player = player;
    this.#resource = resource;
    this.#name = name;
    this.#changed = changed;
  }

  /** The object with all changes made here; undefined if there is none. */
  view(): KubeObject | undefined {
    let seen = this.#making > 0 ? undefined : this.#base;
    for (const { uid, change } of this.#pending) if (seen?.metadata.uid === uid) seen = objectOf(this.#resource, produce(seen, change));
    return seen;
  }

  /** All that was asked for so far is done, or has failed. */
  async idle(): Promise<void> {
    await this.#tail;
  }

  /** The server tells of it. What it told before of the same counts no more. */
  told(object: KubeObject): void {
    if (this.#base?.metadata.uid === object.metadata.uid && !isNewer(object, this.#base)) return;
    this.#base = object;
    this.#changed();
  }

  /** The server tells that it is gone. @param uid the one that is; default: whichever there was. */
  gone(uid = this.#base?.metadata.uid): void {
    if (this.#base?.metadata.uid !== uid) return;
    this.#base = undefined;
    this.#changed();
  }

  /** Makes it; one that brings its status is seen once it has it. */
  async make(object: object): Promise<void> {
    this.#making++;
    try {
      await this.#next(async () => {
        const made = objectOf(this.#resource, await this.#player.request("POST", pathOf(this.#player, this.#resource), object));
        const status = record(object)["status"];
        this.told(made);
        if (status !== undefined) await this.#put({ ...made, status }, "/status");
      });
    } finally {
      this.#making--;
      this.#changed();
    }
  }

  /** Changes it: as it is seen here at once, at the server when those before are done. A change of an object that has gone by then is no change. */
  async update(uid: string, change: Change): Promise<void> {
    const one = { uid, change };
    this.#pending = [...this.#pending, one];
    this.#changed();
    try {
      await this.#next(async () => this.#write(uid, change));
    } finally {
      this.#pending = this.#pending.filter((other) => other !== one);
      this.#changed();
    }
  }

  /** Has it deleted, if it is still that one. */
  async delete(uid: string, gracePeriodSeconds: number | undefined): Promise<void> {
    const options = { apiVersion: "v1", kind: "DeleteOptions", preconditions: { uid }, ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }) };
    await this.#next(async () => {
      await this.#player.request("DELETE", pathOf(this.#player, this.#resource, this.#name), options).catch((error: unknown) => {
        if (!isGone(error) && !isConflict(error)) throw error;
      });
    });
  }

  /** One after the other, in the order in which they were asked for. */
  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#tail.then(work);
    this.#tail = done.catch(() => {});
    return done;
  }

  async #write(uid: string, change: Change): Promise<void> {
    let current = this.#base;
    for (let left = attempts; ; left--) {
      if (current?.metadata.uid !== uid) return;
      try {
        await this.#send(current, objectOf(this.#resource, produce(current, change)));
        return;
      } catch (error) {
        if (isGone(error)) return;
        if (left <= 1 || !isConflict(error)) throw error;
      }
      current = await this.#read();
    }
  }

  async #send(current: KubeObject, next: KubeObject): Promise<void> {
    const node = text(record(next["spec"])["nodeName"]);
    // The server writes the condition itself. What is to go is bound no more.
    if (this.#resource === "pods" && node !== text(record(current["spec"])["nodeName"])) return current.metadata.deletionTimestamp === undefined ? this.#bind(next, node) : undefined;
    let version = current.metadata.resourceVersion;
    const at = (): KubeObject => ({ ...next, metadata: { ...next.metadata, resourceVersion: version } });
    if (!equal(next.metadata, current.metadata) || !equal(next["spec"], current["spec"])) version = await this.#put(at(), "");
    if (!equal(next["status"], current["status"])) await this.#put(at(), "/status");
  }

  async #bind({ metadata: { name, namespace, uid } }: KubeObject, node: string): Promise<void> {
    const binding = { apiVersion: "v1", kind: "Binding", metadata: { name, namespace, uid }, target: { apiVersion: "v1", kind: "Node", name: node } };
    await this.#player.request("POST", `${pathOf(this.#player, "pods", name)}/binding`, binding);
    await this.#read();
  }

  async #read(): Promise<KubeObject | undefined> {
    try {
      return this.#answered(await this.#player.request("GET", pathOf(this.#player, this.#resource, this.#name)));
    } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  }

  /** @returns the version that it has now. */
  async #put(object: object, part: "" | "/status"): Promise<string> {
    return this.#answered(await this.#player.request("PUT", `${pathOf(this.#player, this.#resource, this.#name)}${part}`, object)).metadata.resourceVersion;
  }

  /** An answer may be ahead of the watch. It does not bring back what the watch told to be gone. */
  #answered(answer: unknown): KubeObject {
    const object = objectOf(this.#resource, answer);
    if (this.#base?.metadata.uid === object.metadata.uid) this.told(object);
    return object;
  }
}

/** Versions of one object are numbers that grow. */
function isNewer(one: KubeObject, other: KubeObject): boolean {
  return BigInt(one.metadata.resourceVersion) > BigInt(other.metadata.resourceVersion);
}

function isGone(error: unknown): boolean {
  return error instanceof ApiFailure && error.code === 404;
}

function isConflict(error: unknown): boolean {
  return error instanceof ApiFailure && error.code === 409;
}
