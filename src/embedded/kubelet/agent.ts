/** One node's kubelet: its pods' addresses, its silence when it is lost, and what it shares with every pod's run. */
import { isIP } from "node:net";
import type { Clock } from "../../domain/clock.ts";
import type { ClusterStore, KubeObject } from "../contract.ts";
import type { EventRecorder } from "./events.ts";
import { ownText } from "./json.ts";
import type { Ledger } from "./ledger.ts";
import type { Timings } from "./options.ts";
import type { Random } from "./random.ts";

/** What a pod's run works with. */
export interface RunDeps {
  readonly store: ClusterStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: EventRecorder;
  readonly ledger: Ledger;
  readonly timings: Timings;
  readonly onError: (error: unknown) => void;
}

/** Annotation on a pod that asks for an address: one at which something really listens. */
export const addressAnnotation = "embedded.wsmand.dev/pod-ip";

/** Addresses that a node has for pods. */
const addresses = 256 * 254;

/** A node's kubelet. While it is lost, whatever its pods would do waits. */
export class NodeAgent {
  readonly name: string;
  readonly hostIP: string;
  readonly #prefix: string;
  readonly #used = new Set<number>();
  #next = 0;
  /** What to do on return, per pod in the order in which it came up; undefined while the node is there. */
  #held: (() => void)[] | undefined;

  constructor(name: string, hostIP: string, index: number) {
    this.name = name;
    this.hostIP = hostIP;
    this.#prefix = `10.${64 + (index % 128)}`;
  }

  /** Whether nothing is heard of the node. */
  get lost(): boolean {
    return this.#held !== undefined;
  }

  /** Falls silent. */
  lose(): void {
    this.#held ??= [];
  }

  /** Comes back and does what has gathered. */
  return(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const action of held) action();
  }

  /** Does it now, or once the node is back. A pod holds back at most what its timers bring up: a handful. */
  whenThere(action: () => void): void {
    if (this.#held) this.#held.push(action);
    else action();
  }

  /** An address for a pod: the one that it asks for, or one of the node's. Of these one is taken twice only when more pods run than there are addresses. */
  takeAddress(pod: KubeObject | undefined): { readonly ip: string; readonly release: () => void } {
    const wanted = ownText(pod?.metadata.annotations, addressAnnotation) ?? "";
    if (isIP(wanted) !== 0) return { ip: wanted, release: () => {} };
    for (let tries = 0; tries < addresses; tries++) {
      this.#next = (this.#next + 1) % addresses;
      if (!this.#used.has(this.#next)) break;
    }
    const taken = this.#next;
    this.#used.add(taken);
    return { ip: `${this.#prefix}.${Math.floor(taken / 254)}.${1 + (taken % 254)}`, release: () => this.#used.delete(taken) };
  }
}
