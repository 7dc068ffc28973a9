/** Looks at what replicas ask of the cluster and of node daemons, and at what becomes of pods: each at the moment when it happens. */
import type { KubeObject } from "../../../src/embedded/contract.ts";
import type { EmbeddedCluster } from "../../../src/embedded/index.ts";
import { record, text } from "../../../src/embedded/kubelet/json.ts";
import { annotations, claimMark, finalizer, labels } from "../../../src/domain/names.ts";
import { parseGoDuration } from "../../../src/domain/duration.ts";
import type { CarriedRequest } from "../../../src/main/kube/client.ts";
import type { NodeMethod } from "../../../src/main/wsdaemon/client.ts";
import { claimMarkOf } from "../../../src/main/lifecycle/claim-maker.ts";
import type { Ledger } from "./laws.ts";
import { lifeOfPod } from "./lives.ts";
import type { Replica } from "./replica.ts";
import type { Truth } from "./truth.ts";
import type { WrongClocks } from "./wrong-clocks.ts";

/** What it looks at. */
export interface OverseerOptions {
  readonly store: Pick<EmbeddedCluster["store"], "get">;
  readonly ledger: Ledger;
  readonly truth: Truth;
  readonly timeouts: { readonly regularWorkspace: number; readonly afterClose: number };
  /** Virtual milliseconds. */
  readonly now: () => number;
  readonly clocks: Pick<WrongClocks, "earlyMs">;
}

/** A process, as far as it is looked at. */
export type Actor = Pick<Replica, "name" | "slot" | "identity"> & { readonly machine: Pick<Replica["machine"], "runs"> };

const podPath = /^\/api\/v1\/namespaces\/[^/]+\/pods\/((?:ws|prebuild|imagebuild)-[^/?]+)$/;
const claimPath = /^\/api\/v1\/namespaces\/[^/]+\/persistentvolumeclaims\/((?:ws|prebuild|imagebuild)-[^/?]+)$/;
/** What the controller alone writes on pods; calls write other annotations. */
const leadersWords = /startedDisposal|disposalStatus|never-ready|attemptingToCreate|explicitFail|timedout|"finalizers"/;
/** Calls that only the controller makes. */
const leadersCalls: ReadonlySet<NodeMethod> = new Set<NodeMethod>(["InitWorkspace", "WaitForInit", "DisposeWorkspace"]);

/** Watches over one simulation. */
export class Overseer {
  readonly #options: OverseerOptions;
  /** Disposals that are asked for, by workspace: each call with who made it. */
  readonly #disposals = new Map<string, Set<{ readonly actor: Actor }>>();

  constructor(options: OverseerOptions) {
    this.#options = options;
  }

  /** A replica writes a request. */
  sent(replica: Actor, request: CarriedRequest): void {
    this.#options.ledger.did("requests to the API server");
    if (this.#isLeaders(request) || this.#endsClaim(request)) this.#mustLead(replica, `${request.method} ${request.path}`);
  }

  /** It has come to the API server, and is about to take effect. */
  arrived(replica: Actor, request: CarriedRequest): void {
    const pod = this.#podOf(podPath, request.path);
    if (pod && request.method === "DELETE") this.#mayDelete(replica, pod, bodyOf(request));
    if (pod && request.method === "PATCH") this.#mayPatch(replica, pod, bodyOf(request));
    const owner = this.#podOf(claimPath, request.path);
    if (owner && this.#claimMeant(request)) this.#mayDeleteClaim(replica, owner);
  }

  /** It calls a node daemon; gives what is to be told of the end. */
  called(replica: Actor, method: NodeMethod, id: string): (outcome: string) => void {
    const { ledger } = this.#options;
    ledger.did("calls to node daemons");
    if (leadersCalls.has(method)) this.#mustLead(replica, `${method} ${id}`);
    if (method !== "DisposeWorkspace") return () => {};
    const asking = this.#disposals.get(id) ?? new Set();
    this.#disposals.set(id, asking);
    // What a process that stands still had asked for, it can not take back; nor can one that is gone.
    const others = [...asking].filter(({ actor }) => actor.machine.runs);
    if (others.length > 0) ledger.breach("one backup at a time", `${replica.name} asks for the end of ${id} while ${others.map(({ actor }) => actor.name).join(", ")} does`);
    const call = { actor: replica };
    asking.add(call);
    return () => asking.delete(call);
  }

  /** Who is in the Lease. */
  holder(): string {
    const lease = this.#options.store.get("leases", "default", "ws-manager-leader.gitpod.io");
    return text(record(lease?.["spec"])["holderIdentity"]);
  }

  #mustLead(replica: Actor, what: string): void {
    const holder = this.holder();
    this.#options.ledger.did("acts of leaders");
    if (holder !== replica.identity) this.#options.ledger.breach("only one acts", `${replica.name}: ${what}, while ${holder === "" ? "nobody" : holder} holds the Lease`);
  }

  /** The claim that a request deletes; undefined if it deletes none, as where the one that it means is gone. */
  #claimMeant({ method, path, body }: CarriedRequest): KubeObject | undefined {
    const name = method === "DELETE" ? claimPath.exec(path)?.[1] : undefined;
    const claim = name === undefined ? undefined : this.#options.store.get("persistentvolumeclaims", "default", name);
    const uid = text(record(bodyOf({ body })["preconditions"])["uid"]);
    return uid === "" || uid === claim?.metadata.uid ? claim : undefined;
  }

  /** Only a leader ends the claim of a workspace that was started; what a failed start made is taken away by whoever made it. */
  #endsClaim(request: CarriedRequest): boolean {
    const [claim, pod] = [this.#claimMeant(request), this.#podOf(claimPath, request.path)];
    return claim !== undefined && pod !== undefined && this.#options.truth.isStarted(lifeOfPod(pod.metadata)) && claim.metadata.annotations?.[claimMark] === claimMarkOf(pod.metadata.annotations?.[annotations.ownerToken] ?? "");
  }

  /** Whether only a leader may send it. The pod that a failed start made is taken away by whoever made it: deleted in the version that was looked at, and then released. */
  #isLeaders({ method, path, body }: CarriedRequest): boolean {
    if ((method !== "PATCH" && method !== "DELETE") || typeof body !== "string" || !podPath.test(path)) return false;
    if (method === "DELETE") return !this.#mayBeCleanUp(path, body);
    return leadersWords.test(body) && !isRelease(body);
  }

  /** Whether a deletion is of what a failed start made, or of nothing any more. */
  #mayBeCleanUp(path: string, body: string): boolean {
    const { gracePeriodSeconds, preconditions } = bodyOf({ body });
    const { uid, resourceVersion } = record(preconditions);
    if (gracePeriodSeconds !== 0 || resourceVersion === undefined) return false;
    const pod = this.#podOf(podPath, path);
    // One that is of another version by now is not deleted.
    return pod === undefined || pod.metadata.uid !== uid || pod.metadata.resourceVersion !== resourceVersion || !this.#options.truth.isStarted(lifeOfPod(pod.metadata));
  }

  #podOf(pattern: RegExp, path: string): KubeObject | undefined {
    const name = pattern.exec(path)?.[1];
    return name === undefined ? undefined : this.#options.store.get("pods", "default", name);
  }

  #mayDelete(replica: Actor, pod: KubeObject, body: Readonly<Record<string, unknown>>): void {
    const { ledger, truth } = this.#options;
    const preconditions = record(body["preconditions"]);
    if (text(preconditions["uid"]) !== pod.metadata.uid) return;
    const version = text(preconditions["resourceVersion"]);
    if (version !== "" && version !== pod.metadata.resourceVersion) return;
    ledger.did("pods that were deleted");
    const noted = pod.metadata.annotations ?? {};
    const status = record(pod["status"]);
    const isCleaned = body["gracePeriodSeconds"] === 0 && preconditions["resourceVersion"] !== undefined && !truth.isStarted(lifeOfPod(pod.metadata));
    const why = [annotations.stoppedByRequest, annotations.timedOut, annotations.explicitFail, annotations.failedBeforeStopping].find((key) => noted[key] !== undefined);
    const ended = ["Succeeded", "Failed"].includes(text(status["phase"]));
    if (!isCleaned && why === undefined && !ended && pod.metadata.deletionTimestamp === undefined) ledger.breach("nothing is deleted that was not to be", `${replica.name} deletes ${pod.metadata.name}`);
  }

  #mayDeleteClaim(replica: Actor, pod: KubeObject): void {
    const noted = pod.metadata.annotations ?? {};
    if (noted[annotations.neverReady] === undefined && !this.#isSaved(pod, noted[annotations.volumeSnapshot])) this.#options.ledger.breach("a claim stays until it is saved", `${replica.name} deletes the claim of ${pod.metadata.name}`);
  }

  /** The snapshot that stands on the pod is there, is ready, is one of its claim, and was taken since the pod was made. */
  #isSaved({ metadata }: KubeObject, noted: string | undefined): boolean {
    if (noted === undefined) return false;
    const snapshot = this.#options.store.get("volumesnapshots", "default", text(record(JSON.parse(noted))["volumeSnapshotName"]));
    const source = text(record(record(snapshot?.["spec"])["source"])["persistentVolumeClaimName"]);
    const created = metadata.annotations?.[annotations.firstCreated] ?? metadata.creationTimestamp;
    return snapshot !== undefined && source === metadata.name && record(snapshot["status"])["readyToUse"] === true && Date.parse(snapshot.metadata.creationTimestamp) >= Date.parse(created);
  }

  #mayPatch(replica: Actor, pod: KubeObject, body: Readonly<Record<string, unknown>>): void {
    const metadata = record(body["metadata"]);
    if (text(metadata["uid"]) !== pod.metadata.uid) return;
    const version = text(metadata["resourceVersion"]);
    if (version !== "" && version !== pod.metadata.resourceVersion) return;
    if (takesFinalizer(metadata)) this.#mayLetGo(replica, pod);
    if (isRelease(JSON.stringify(body))) this.#mayRelease(replica, pod);
    const timedOut = text(record(metadata["annotations"])[annotations.timedOut]);
    if (timedOut !== "") this.#mayTimeOut(replica, pod, timedOut);
  }

  /** What could be used, and was not saved, is kept. */
  #mayLetGo(replica: Actor, pod: KubeObject): void {
    const noted = pod.metadata.annotations ?? {};
    if (!(pod.metadata.finalizers ?? []).includes(finalizer)) return;
    const kept = noted[annotations.neverReady] === undefined && pod.metadata.labels?.[labels.headless] !== "true" && !(noted[annotations.disposalStatus] ?? "").includes('"backupComplete":true');
    if (kept) this.#options.ledger.breach("nothing is let go that is not saved", `${replica.name} takes the finalizer of ${pod.metadata.name}`);
  }

  /** One that may still come to a node, or has one, may have content there. */
  #mayRelease(replica: Actor, pod: KubeObject): void {
    const isHarmless = pod.metadata.deletionTimestamp !== undefined && text(record(pod["spec"])["nodeName"]) === "";
    if (!isHarmless) this.#options.ledger.breach("nothing is let go that is not saved", `${replica.name} releases ${pod.metadata.name}, which may have content on a node`);
  }

  #mayTimeOut(replica: Actor, pod: KubeObject, reason: string): void {
    const { ledger, truth, timeouts, now, clocks } = this.#options;
    ledger.did("workspaces that timed out");
    if (!/inactivity|being closed/.test(reason)) return;
    const limit = reason.includes("being closed") ? timeouts.afterClose : (parseGoDuration(pod.metadata.annotations?.[annotations.customTimeout] ?? "") ?? timeouts.regularWorkspace);
    const active = truth.activeAt(idOf(pod), now());
    if (active === undefined) return;
    if (now() - active + clocks.earlyMs(replica.slot, active) < limit) ledger.breach("who was active is not stopped", `${replica.name}: ${pod.metadata.name} was active ${Math.round((now() - active) / 1000)} s ago: ${reason}`);
  }
}

/** What the clean-up of a failed start sends: it takes all finalizers, whatever version the pod is of. */
function isRelease(body: string): boolean {
  return body.includes('"finalizers":null') && !body.includes("resourceVersion");
}

function bodyOf({ body }: Pick<CarriedRequest, "body">): Readonly<Record<string, unknown>> {
  return typeof body === "string" && body !== "" ? record(JSON.parse(body)) : {};
}

function takesFinalizer(metadata: Readonly<Record<string, unknown>>): boolean {
  return metadata["finalizers"] === null || metadata["$deleteFromPrimitiveList/finalizers"] !== undefined;
}

function idOf(pod: KubeObject): string {
  return pod.metadata.labels?.[labels.workspaceId] ?? "";
}
