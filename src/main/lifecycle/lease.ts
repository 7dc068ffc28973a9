/** The Lease that says who leads: read, made and changed as client-go does it, so that managers of either kind respect each other (spec: lifecycle, High availability). */
import { deadline, type Clock } from "../../domain/clock.ts";
import { integerAt, objectAt, parseObject, stringAt, textAt, type JsonObject } from "../../domain/json.ts";
import { failure, type KubeRequest, type Requester } from "../kube/client.ts";
import { KubeError, toKubeError } from "../kube/errors.ts";
import { isMissing } from "../kube/objects.ts";

/** The Lease's name, which managers of an installation have in common. */
export const leaseName = "ws-manager-leader.gitpod.io";

/** What a Lease says. */
export interface LeaseRecord {
  /** Who holds it; empty: nobody. */
  readonly holder: string;
  /** How long the holder may be silent, milliseconds; undefined if it does not say so. */
  readonly durationMs: number | undefined;
  /** When it was taken and renewed, by the holder's clock: for people. Undefined: not told. */
  readonly acquireTime: string | undefined;
  readonly renewTime: string | undefined;
  /** How often the holder has changed. */
  readonly transitions: number;
}

/** A Lease as it was read, for a change of exactly this version. */
export interface Lease extends LeaseRecord {
  /** Of no other object either: one that was made anew under the name has another one. */
  readonly resourceVersion: string;
}

/** What the requests are made with. */
export interface LeaseClientOptions {
  /** One of its own: nothing else shall stand before a renewal. */
  readonly client: Requester;
  readonly namespace: string;
  readonly clock: Clock;
}

/** A Lease is far smaller; bytes. */
const maxBytes = 1 << 20;

/** One request each, without retries and beside the budget of requests. All methods reject with KubeErrors only. */
export class LeaseClient {
  readonly #options: LeaseClientOptions;
  readonly #collection: string;

  constructor(options: LeaseClientOptions) {
    this.#options = options;
    this.#collection = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(options.namespace)}/leases`;
  }

  /** The Lease; undefined if there is none. Takes `withinMs` at most, as the others do. */
  async get(withinMs: number, signal: AbortSignal): Promise<Lease | undefined> {
    try {
      return await this.#send({ method: "GET", path: this.#path }, withinMs, signal);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Makes the Lease. Status 409: there is one already. */
  create(record: LeaseRecord, withinMs: number, signal: AbortSignal): Promise<Lease> {
    const body = JSON.stringify({ apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name: leaseName }, spec: specOf(record) });
    return this.#send({ method: "POST", path: this.#collection, headers: { "content-type": "application/json" }, body }, withinMs, signal);
  }

  /** Changes the Lease. Status 409: it is not of that version any more; 404: it is gone. What others keep in it stays. */
  update({ resourceVersion }: Pick<Lease, "resourceVersion">, record: LeaseRecord, withinMs: number, signal: AbortSignal): Promise<Lease> {
    const body = JSON.stringify({ metadata: { resourceVersion }, spec: specOf(record) });
    return this.#send({ method: "PATCH", path: this.#path, headers: { "content-type": "application/merge-patch+json" }, body }, withinMs, signal);
  }

  get #path(): string {
    return `${this.#collection}/${leaseName}`;
  }

  async #send(request: Omit<KubeRequest, "signal">, withinMs: number, signal: AbortSignal): Promise<Lease> {
    const { client, clock } = this.#options;
    const limit = deadline(clock, withinMs, signal);
    try {
      const response = await client.request({ ...request, signal: limit.signal, timeoutMs: withinMs });
      if (response.status < 200 || response.status > 299) throw await failure(response, clock);
      return leaseIn(await response.body.bytes(maxBytes, withinMs));
    } catch (error) {
      if (limit.signal.aborted && !signal.aborted) throw new KubeError(`API server did not answer within ${Math.round(withinMs)} ms`, { status: 0, reason: "Timeout", cause: error });
      throw toKubeError(error);
    } finally {
      limit.cancel();
    }
  }
}

/** The Lease in an answer. What is missing, or of another type, counts as not told. @throws KubeError if it is no object of the API server at all. */
export function leaseIn(bytes: Uint8Array): Lease {
  const object = parseLease(bytes);
  const resourceVersion = textAt(objectAt(object, "metadata"), "resourceVersion");
  if (resourceVersion === "") throw new KubeError("API server answered with something that is no Lease", { status: 0, reason: "Unreadable" });
  const spec = objectAt(object, "spec");
  const seconds = integerAt(spec, "leaseDurationSeconds");
  return {
    resourceVersion,
    holder: textAt(spec, "holderIdentity"),
    durationMs: seconds === undefined || seconds <= 0 ? undefined : seconds * 1000,
    acquireTime: stringAt(spec, "acquireTime"),
    renewTime: stringAt(spec, "renewTime"),
    transitions: Math.max(0, integerAt(spec, "leaseTransitions") ?? 0),
  };
}

function parseLease(bytes: Uint8Array): JsonObject | undefined {
  try {
    return parseObject(bytes);
  } catch {
    return undefined;
  }
}

/** Whether two say the same: a Lease that says something new is one whose holder is alive. */
export function saysTheSame(a: LeaseRecord, b: LeaseRecord): boolean {
  return a.holder === b.holder && a.renewTime === b.renewTime && a.acquireTime === b.acquireTime && a.transitions === b.transitions && a.durationMs === b.durationMs;
}

/** Seconds are whole in a Lease: rounded up, so that others wait for long enough. */
function specOf({ holder, durationMs, acquireTime, renewTime, transitions }: LeaseRecord): object {
  return { holderIdentity: holder, leaseDurationSeconds: Math.max(1, Math.ceil((durationMs ?? 0) / 1000)), acquireTime, renewTime, leaseTransitions: transitions };
}

/** A time as Kubernetes' MicroTime, whose six digits its parser insists on. */
export function microTime(unixMs: number): string {
  return new Date(Math.floor(unixMs)).toISOString().replace("Z", "000Z");
}
