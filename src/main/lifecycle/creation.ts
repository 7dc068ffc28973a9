/** Creates what a workspace consists of in the cluster, and takes away what a failed start left (spec: api, StartWorkspace; kubernetes). */
import { deadline, type Clock } from "../../domain/clock.ts";
import { messageOf, WsmanError } from "../../domain/errors.ts";
import { textAt, type JsonObject } from "../../domain/json.ts";
import type { Log } from "../../domain/log.ts";
import type { ManagerConfig } from "../config/types.ts";
import { isAlreadyThere, isMissing, metadataIn, podPath, type KubeObjects, type Wish } from "../kube/objects.ts";
import { KubeError } from "../kube/errors.ts";
import { peekIdentity } from "../pipeline/peek.ts";
import { renderContext } from "../render/context.ts";
import { podNameOf, renderPod, workspaceUrl, type RenderContext } from "../render/pod.ts";
import { renderPvc } from "../render/pvc.ts";
import type { WorkspaceStart } from "../render/start.ts";
import { untilBegun } from "./beginning.ts";
import { ClaimMaker } from "./claim-maker.ts";
import { CleanUp, type Made } from "./creation-cleanup.ts";
import { alreadyExists, toClientError } from "./errors.ts";
import { readFoundPod, usesClaim } from "./found-pod.ts";
import type { Snapshots } from "./snapshots.ts";

/** Secrets of a workspace. */
export interface Tokens {
  readonly owner: string;
  readonly cliApi: string;
}

/** What is known here of a workspace, as far as it is remembered. */
export interface Known {
  /** The pod by which it is known. */
  readonly uid: string | undefined;
  /** In what was told of it last; secret. */
  readonly ownerToken: string | undefined;
}

/** What creating takes. */
export interface CreationOptions {
  readonly manager: ManagerConfig;
  /** Set the seccomp profile in the security context as well. */
  readonly seccompField: boolean;
  readonly objects: Pick<KubeObjects, "get" | "create" | "remove" | "release">;
  readonly snapshots: Pick<Snapshots, "restore">;
  /** Waits, not for long, until a pod that was created is known here. */
  readonly seen: (pod: Uint8Array) => Promise<void>;
  readonly known: (id: string) => Known;
  /** Told of each pod that was made; must not throw. */
  readonly onCreated: (type: WorkspaceStart["type"], workspaceClass: string) => void;
  /** Reads a pod template; rejects if it can not be used. */
  readonly readTemplate: (path: string) => Promise<JsonObject>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Time for all that a start creates, milliseconds. */
const createMs = 30_000;

/** A pod that is being created. */
interface Making {
  readonly ownerToken: string;
  /** By which the workspace was known when this began. */
  readonly knownUid: string | undefined;
  /** Of the pod, once it is known to have been there and to have gone, although nothing was answered yet. */
  goneUid: string | undefined;
}

/** Creates and cleans. */
export class Creation {
  readonly #options: CreationOptions;
  readonly #claims: ClaimMaker;
  readonly #cleanUp: CleanUp;
  /** Creations that are under way; by ID, of which there is one start at a time. */
  readonly #making = new Map<string, Making>();
  /** Of failed attempts, until they were cleaned up; by token. */
  readonly #made = new Map<string, Made>();

  constructor(options: CreationOptions) {
    this.#options = options;
    this.#claims = new ClaimMaker(options.objects);
    this.#cleanUp = new CleanUp(options);
  }

  /**
   * Makes claim and pod; resolves when the API server has the pod. Rejects with a WsmanError; `clean` is owed then.
   * @param unwanted aborts when nobody waits any more: what was not begun until then is not begun, what was is finished.
   */
  async create(start: WorkspaceStart, tokens: Tokens, unwanted: AbortSignal): Promise<{ readonly uid: string; readonly url: string }> {
    const { clock, manager, snapshots } = this.#options;
    const beginning = untilBegun(unwanted);
    const limit = deadline(clock, createMs, beginning.signal);
    const making: Making = { ownerToken: tokens.owner, knownUid: this.#options.known(start.id).uid, goneUid: undefined };
    this.#making.set(start.id, making);
    const wish: Wish = { priority: "user", signal: limit.signal, may: () => beginning.begin() && making.goneUid === undefined };
    const before = this.#take(tokens);
    const made: Made = { ...before, claimStays: false };
    try {
      const context = await this.#context(start, tokens);
      // As text, which no collection copies while it waits to be sent.
      const pod = JSON.stringify(renderPod(start, context));
      const pvc = renderPvc(start, context);
      if (pvc && start.volumeSnapshotName !== "") await snapshots.restore(start.volumeSnapshotName, start.volumeSnapshotHandle, wish);
      const created = await this.#createBoth(podNameOf(start), pvc, pod, tokens, made, wish).catch((error: unknown) => this.#madeOr(start.id, making, error));
      this.#options.onCreated(start.type, context.workspaceClass.id);
      if (typeof created === "string") return { uid: created, url: workspaceUrl(start, manager) };
      await this.#options.seen(created);
      return { uid: uidOf(created), url: workspaceUrl(start, manager) };
    } catch (error) {
      const isBegun = !beginning.signal.aborted;
      if (isBegun || before) this.#made.set(tokens.owner, isBegun ? made : { ...before });
      throw failureOf(error, start.id, isBegun, limit.signal.aborted);
    } finally {
      limit.cancel();
      this.#making.delete(start.id);
    }
  }

  /** A workspace's pod is gone for good. If it was made by a request that was not answered yet, that request is not sent again. */
  gone(id: string, uid: string): void {
    const making = this.#making.get(id);
    if (making && making.ownerToken === this.#options.known(id).ownerToken) making.goneUid = uid;
  }

  /** What an unanswered request has made all the same, as the watch told of it: the pod is in use already, or was. @throws error if there is none. */
  #madeOr(id: string, { ownerToken, knownUid, goneUid }: Making, error: unknown): string {
    const known = this.#options.known(id);
    const uid = goneUid ?? (known.ownerToken === ownerToken ? known.uid : undefined);
    // One that was known before is about to be taken away, or was.
    if (uid === undefined || (goneUid === undefined && uid === knownUid)) throw error;
    return uid;
  }

  #take({ owner }: Tokens): Made | undefined {
    const made = this.#made.get(owner);
    this.#made.delete(owner);
    return made;
  }

  /**
   * Takes away what a failed `create` made; within two minutes. Never rejects; what can not be removed is logged. Gives the uid of its pod if that had a node, and ends as that of any workspace: until then it is there,
   * and no later `create` may take it for its own.
   * @param again aborts when a `create` with these tokens is to follow: a pod that may still come is not waited for then, for it would be that one's.
   */
  async clean(start: WorkspaceStart, tokens: Tokens, again: AbortSignal): Promise<string | undefined> {
    const made = this.#take(tokens);
    if (made && !(await this.#cleanUp.run(podNameOf(start), tokens.owner, made, again))) this.#made.set(tokens.owner, made);
    return made?.endingPod;
  }

  #context(start: WorkspaceStart, tokens: Tokens): Promise<RenderContext> {
    const { manager, seccompField, readTemplate } = this.#options;
    return renderContext(start, { manager, seccompField, ownerToken: tokens.owner, cliApiToken: tokens.cliApi }, async (file, { id }) => readTemplate(file).catch((error: unknown) => {
      throw new WsmanError("FAILED_PRECONDITION", `a pod template of class "${id}" can not be used: ${messageOf(error)}`, { cause: error });
    }));
  }

  async #createBoth(name: string, claim: JsonObject | undefined, pod: string, tokens: Tokens, made: Made, wish: Wish): Promise<Uint8Array> {
    if (claim !== undefined) await this.#claims.make(name, claim, tokens.owner, made, wish);
    return this.#createPod(name, pod, tokens.owner, made, wish);
  }

  /** Asked for again if there was no answer; the pod that has our token is ours. */
  async #createPod(name: string, pod: string, ownerToken: string, made: Made, wish: Wish): Promise<Uint8Array> {
    const { objects } = this.#options;
    const unanswered = (): void => void (made.podUnclear = true);
    try {
      const created = await objects.create("pods", pod, wish, { whetherOrNotAnswered: true, unanswered });
      return created;
    } catch (error) {
      if (!isAlreadyThere(error)) throw error;
      const found = await objects.get(podPath(name), wish).catch((failed: unknown) => {
        // It is gone again, and was another one: ours has a finalizer.
        if (isMissing(failed)) return undefined;
        made.podUnclear = true;
        throw failed;
      });
      const other = found && readFoundPod(found);
      if (found && other?.ownerToken === ownerToken) {
        if (!other.isGoing) return found;
        // An earlier attempt's clean-up could not take it away to the end, or somebody has stopped it already.
        made.podUnclear = true;
        throw alreadyExists();
      }
      // Another replica's pod has the claim that was made here, and may be gone when that is to be taken away.
      made.claimStays = other !== undefined && usesClaim(other, ownerToken);
      throw alreadyExists();
    }
  }
}

/** What the client is told. */
function failureOf(error: unknown, id: string, isBegun: boolean, isLate: boolean): WsmanError {
  if (!isBegun) return new WsmanError("CANCELLED", `cannot start workspace ${id}: nobody waits for it any more`, { cause: error });
  if (isLate && error instanceof KubeError) return new WsmanError("UNAVAILABLE", `cannot start workspace ${id}: the API server did not do it within ${createMs / 1000} s`, { cause: error });
  return toClientError(error, `start workspace ${id}`);
}

function uidOf(pod: Uint8Array): string {
  return peekIdentity(pod)?.uid ?? textAt(metadataIn(pod), "uid");
}
