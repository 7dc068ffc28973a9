/** Reads and writes of single objects of the namespace: the smallest requests, within the budget, tried again where that can help (spec: kubernetes). */
import { Backoff } from "../../domain/backoff.ts";
import { deadline, sleep, type Clock } from "../../domain/clock.ts";
import { objectAt, parseObject, type JsonObject } from "../../domain/json.ts";
import { stringMember } from "./json.ts";
import type { Budget, Priority } from "./budget.ts";
import { failure, type KubeRequest, type KubeResponse, type Requester } from "./client.ts";
import { abortedError, KubeError, mayHaveHappened, toKubeError } from "./errors.ts";
import { describeRequest } from "./requestinfo.ts";

/** New values of annotations; null removes. */
export type AnnotationChanges = Readonly<Record<string, string | null>>;

/** A change of a pod's annotations and finalizers. */
export interface AnnotationPatch {
  readonly podName: string;
  /** The pod that is meant: another one of the same name stays as it is. */
  readonly uid: string;
  /** Only if it is of this version still. */
  readonly resourceVersion?: string;
  readonly annotations: AnnotationChanges;
  /** A finalizer to be there, and one not to be; others stay as they are. */
  readonly finalizers?: { readonly add?: string; readonly remove?: string };
}

/** On what condition an object is changed or deleted, beside its uid. */
export interface Precondition {
  /** Only if it is of this version still. */
  readonly resourceVersion?: string | undefined;
}

/** How a creation is tried. */
export interface CreateOptions {
  /** It is asked for again also where there was no answer. */
  readonly whetherOrNotAnswered?: boolean;
  /** Told of each attempt that may take effect although it failed, whatever those after it are answered. Must not throw. */
  readonly unanswered?: () => void;
}

/** Who wants a request, and for how long. */
export interface Wish {
  readonly priority: Priority;
  readonly signal: AbortSignal;
  /** Asked before each attempt, and again in the moment before its bytes are written: false ends it as if the signal had aborted. For those who may act for a time only. */
  readonly may?: () => boolean;
}

/** What of a wish goes with each request. */
type Sending = Pick<Wish, "signal" | "may">;

/** What the requests are made with. */
export interface ObjectsOptions {
  readonly client: Requester;
  readonly budget: Budget;
  readonly namespace: string;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** A request waited for the budget, so many seconds. Must not throw. */
  readonly onWaited?: (verb: string, resource: string, seconds: number) => void;
}

/** How long a request is tried again for, milliseconds: API servers and their webhooks come back within that. */
const retryMs = 25_000;
const attemptMs = 10_000;
const backoff = { baseMs: 100, maxMs: 5_000 };
const maxBytes = 16 << 20;
const idleMs = 30_000;
const mergePatch = "application/merge-patch+json";
const strategicPatch = "application/strategic-merge-patch+json";

/** Whether there is no such object (any more). */
export function isMissing(error: unknown): boolean {
  return error instanceof KubeError && error.status === 404;
}

/** For `catch`: undefined in place of what there is not. @throws every other error again. */
export function unlessMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error;
}

/** Whether the object is of another version, or another object, than was expected. */
export function isConflict(error: unknown): boolean {
  return error instanceof KubeError && error.status === 409;
}

/** Whether what was to be created is there already. A quota that others use at the same moment is a 409 as well, of another reason. */
export function isAlreadyThere(error: unknown): boolean {
  return error instanceof KubeError && error.status === 409 && error.reason === "AlreadyExists";
}

/** The uid of an object; undefined if there is none. @throws KubeError. */
export async function uidAt(objects: Pick<KubeObjects, "get">, path: string, wish: Wish): Promise<string | undefined> {
  const found = await objects.get(path, wish).catch(unlessMissing);
  return found && stringMember(metadataIn(found), "uid");
}

/** The metadata of an object as the API server sends it. */
export function metadataIn(object: Uint8Array): JsonObject | undefined {
  return objectAt(parseObject(object), "metadata");
}

/** The pod that was meant is gone: its name has another one. */
export function anotherPod(podName: string): KubeError {
  return new KubeError(`pod ${podName} is another one now`, { status: 404, reason: "NotFound" });
}

/** Objects by their path below the namespace, "pods/ws-1", or, if it begins with a slash, from the root. All methods reject with KubeErrors only. */
export class KubeObjects {
  readonly #options: ObjectsOptions;

  constructor(options: ObjectsOptions) {
    this.#options = options;
  }

  /** Bytes of an object. */
  get(path: string, wish: Wish): Promise<Uint8Array> {
    return this.#persist("GET", this.#path(path), (sending) => this.#send({ method: "GET", path: this.#path(path), ...sending }), wish, isRetryable);
  }

  /**
   * Creates an object, given as JSON so that it need not be kept as well; gives it as it was created. What was not answered may have been done: it is not asked for again, unless the caller can tell its own object from another one
   * (`whetherOrNotAnswered`), for then it may be told as already there. @see CreateOptions
   */
  create(resource: string, body: string, wish: Wish, { whetherOrNotAnswered = false, unanswered }: CreateOptions = {}): Promise<Uint8Array> {
    const headers = { "content-type": "application/json" };
    const send = async (sending: Sending): Promise<Uint8Array> => {
      try {
        return await this.#send({ method: "POST", path: this.#path(resource), headers, body, ...sending });
      } catch (error) {
        if (mayHaveHappened(toKubeError(error))) unanswered?.();
        throw error;
      }
    };
    const canRetry = (error: KubeError): boolean => (isRetryable(error) && (whetherOrNotAnswered || error.status !== 0)) || (error.status === 409 && !isAlreadyThere(error));
    return this.#persist("POST", this.#path(resource), send, wish, canRetry);
  }

  /**
   * Changes annotations of a pod, and finalizers; gives the pod as it is then. Rejects with status 404 also if there is another pod of that name, and with 409 only if a version was asked for
   * that it is not of any more.
   */
  annotate(patch: AnnotationPatch, wish: Wish): Promise<Uint8Array> {
    return this.#annotate(patch, wish, (request) => this.#send(request));
  }

  /** The same for who does not need the pod: it is read, so that the connection can be used again, and kept nowhere. */
  note(patch: AnnotationPatch, wish: Wish): Promise<void> {
    return this.#annotate(patch, wish, async (request) => (await this.#answer(request)).body.pump(() => {}, idleMs));
  }

  #annotate<T>({ podName, uid, resourceVersion, annotations, finalizers }: AnnotationPatch, wish: Wish, send: (request: KubeRequest) => Promise<T>): Promise<T> {
    const path = this.#path(podPath(podName));
    const body = JSON.stringify({ metadata: { uid, ...(resourceVersion !== undefined && { resourceVersion }), annotations, ...finalizerChange(finalizers) } });
    // The other kind replaces lists as a whole.
    const headers = { "content-type": finalizers ? strategicPatch : mergePatch };
    const patch = async (sending: Sending): Promise<T> => {
      try {
        return await send({ method: "PATCH", path, headers, body, ...sending });
      } catch (error) {
        if (resourceVersion === undefined && mayBeAnother(error) && (await this.#uidOf(path, sending)) !== uid) throw anotherPod(podName);
        throw error;
      }
    };
    return this.#persist("PATCH", path, patch, wish, (error) => isRetryable(error) || (error.status === 409 && resourceVersion === undefined));
  }

  /** Changes an object by a merge patch; gives it as it is then. For changes that do no harm when they are made twice. */
  merge(path: string, change: object, wish: Wish): Promise<Uint8Array> {
    const body = JSON.stringify(change);
    return this.#persist("PATCH", this.#path(path), (sending) => this.#send({ method: "PATCH", path: this.#path(path), headers: { "content-type": mergePatch }, body, ...sending }), wish, isRetryable);
  }

  /**
   * Takes away a pod's finalizers, if it is the one of this uid; gives the pod as it is then. One that is gone, or another one, is fine: undefined then.
   * Rejects with status 409 only if a version was asked for that it is not of any more.
   */
  release(podName: string, uid: string, wish: Wish, { resourceVersion }: Precondition = {}): Promise<Uint8Array | undefined> {
    const path = this.#path(podPath(podName));
    const body = JSON.stringify({ metadata: { uid, ...(resourceVersion !== undefined && { resourceVersion }), finalizers: null } });
    return this.#untilGone({ method: "PATCH", path, headers: { "content-type": mergePatch }, body }, uid, wish, resourceVersion === undefined);
  }

  /**
   * Deletes an object, if it is the one of this uid. One that is gone, or another one, is fine: undefined then. Gives what the API server answers: usually the object.
   * An API server that says that it is being changed is asked again; rejects with status 409 if that goes on, or if a version was asked for that it is not of any more.
   * @param uid undefined: whichever has that name.
   */
  remove(path: string, uid: string | undefined, graceSeconds: number, wish: Wish, { resourceVersion }: Precondition = {}): Promise<Uint8Array | undefined> {
    const preconditions = { ...(uid !== undefined && { uid }), ...(resourceVersion !== undefined && { resourceVersion }) };
    const body = JSON.stringify({ kind: "DeleteOptions", apiVersion: "v1", gracePeriodSeconds: graceSeconds, ...(Object.keys(preconditions).length > 0 && { preconditions }) });
    return this.#untilGone({ method: "DELETE", path: this.#path(path), headers: { "content-type": "application/json" }, body }, uid, wish, resourceVersion === undefined);
  }

  /** A request about an object that may be gone, or another one: undefined then. A conflict says neither: the object is looked at. */
  async #untilGone(request: Omit<KubeRequest, "signal">, uid: string | undefined, wish: Wish, retryConflicts: boolean): Promise<Uint8Array | undefined> {
    const attempt = async (sending: Sending): Promise<Uint8Array | undefined> => {
      try {
        return await this.#send({ ...request, ...sending });
      } catch (error) {
        if (isMissing(error)) return undefined;
        if (uid !== undefined && mayBeAnother(error) && (await this.#uidOf(request.path, sending)) !== uid) return undefined;
        throw error;
      }
    };
    try {
      return await this.#persist(request.method, request.path, attempt, wish, (error) => isRetryable(error) || (error.status === 409 && retryConflicts));
    } catch (error) {
      // It went between the conflict and the look.
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  #path(below: string): string {
    return below.startsWith("/") ? below : `/api/v1/namespaces/${encodeURIComponent(this.#options.namespace)}/${below}`;
  }

  async #uidOf(path: string, sending: Sending): Promise<string | undefined> {
    return stringMember(metadataIn(await this.#send({ method: "GET", path, ...sending })), "uid");
  }

  async #send(request: KubeRequest): Promise<Uint8Array> {
    return (await this.#answer(request)).body.bytes(maxBytes, idleMs);
  }

  /** A good answer, whose body is to be read. */
  async #answer(request: KubeRequest): Promise<KubeResponse> {
    const { client, clock } = this.#options;
    const response = await client.request({ ...request, timeoutMs: attemptMs });
    if (response.status < 200 || response.status > 299) throw await failure(response, clock);
    return response;
  }

  /** Attempts, each within the budget, until one succeeds, fails for good, or it takes too long. */
  async #persist<T>(method: string, path: string, attempt: (sending: Sending) => Promise<T>, { priority, signal, may }: Wish, canRetry: (error: KubeError) => boolean): Promise<T> {
    const { clock, budget, random, onWaited } = this.#options;
    const delays = new Backoff({ ...backoff, random });
    const limit = deadline(clock, retryMs, signal);
    const from = clock.monotonic();
    try {
      for (;;) {
        const since = clock.monotonic();
        await budget.take(priority, limit.signal).catch((error: unknown) => {
          throw signal.aborted || !limit.signal.aborted ? error : waitedTooLong();
        });
        const { verb, resource } = describeRequest(method, path, false);
        onWaited?.(verb, resource, (clock.monotonic() - since) / 1000);
        try {
          return await guarded(attempt, may ? { signal, may } : { signal });
        } catch (error) {
          const known = toKubeError(error);
          const wait = Math.max(delays.next(), (known.retryAfterMs ?? 0) * (1 + random() / 10));
          if (signal.aborted || !canRetry(known) || clock.monotonic() - from + wait > retryMs) throw known;
          await sleep(clock, wait, limit.signal);
          if (limit.signal.aborted) throw known;
        }
      }
    } finally {
      limit.cancel();
    }
  }
}

/** As strategic merge patches have it: entries of the list are put to it or taken from it one by one. */
function finalizerChange(change: AnnotationPatch["finalizers"]): object {
  return { ...(change?.add !== undefined && { finalizers: [change.add] }), ...(change?.remove !== undefined && { "$deleteFromPrimitiveList/finalizers": [change.remove] }) };
}

/** @throws KubeError "Aborted" if it may not be done any more. */
function guarded<T>(attempt: (sending: Sending) => Promise<T>, sending: Sending): Promise<T> {
  if (sending.may && !sending.may()) throw abortedError();
  return attempt(sending);
}

function waitedTooLong(): KubeError {
  return new KubeError(`requests to the API server are waiting for their turn (wsmand.kubernetes.qps) for longer than ${retryMs} ms`, { status: 0, reason: "Busy" });
}

/** Another uid is told as a conflict or as an immutable field, which says no more than that. */
function mayBeAnother(error: unknown): boolean {
  return error instanceof KubeError && (error.status === 409 || error.status === 422);
}

function isRetryable(error: KubeError): boolean {
  return error.retryable;
}

/** Path of a pod below its namespace. */
export function podPath(podName: string): string {
  return `pods/${encodeURIComponent(podName)}`;
}

/** Path of a volume claim below its namespace. */
export function claimPath(name: string): string {
  return `persistentvolumeclaims/${encodeURIComponent(name)}`;
}
