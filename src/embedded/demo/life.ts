/** One workspace of the demo, from its pod's creation to its end: does to the pod what a lifecycle controller and a node daemon would do. */
import type { Clock } from "../../domain/clock.ts";
import { annotations, finalizer, labels } from "../../domain/names.ts";
import { asNew } from "../apiserver/defaults.ts";
import { typeOf } from "../apiserver/resources.ts";
import type { ClusterStore, KubeObject } from "../contract.ts";
import { faultAnnotation } from "../kubelet/faults.ts";
import { isRecord, record, records, text, texts } from "../kubelet/json.ts";
import { draw } from "../kubelet/random.ts";
import type { Random } from "../kubelet/random.ts";
import { decodeInitializer, disposalStatus, encodeExposedPorts } from "./payloads.ts";
import type { DemoInitializer, DemoPort } from "./payloads.ts";
import type { Incident, Plan } from "./plans.ts";
import { makeWorkspacePod, metaIdOf, portUrl, workspaceId } from "./pods.ts";

/** Keeps the contents of workspaces on nodes. Must not throw where there is no such node or workspace. */
export interface DemoContents {
  adopt(node: string, origin: { readonly id: string; readonly owner: string; readonly metaId: string; readonly initializer: DemoInitializer }): void;
  release(node: string, id: string, backup: boolean): void;
}

/** What a life needs. */
export interface LifeDeps {
  readonly store: ClusterStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly namespace: string;
  readonly contents?: DemoContents | undefined;
  readonly onError: (error: unknown) => void;
}

/** After this long (milliseconds) a workspace is removed, whatever state it is in. */
const longestLife = 900_000;
const host = "ws.demo.example.com";

/** One workspace. Reacts to its pod's changes; everything it does, it does from a timer. */
export class Life {
  readonly podName: string;
  readonly #deps: LifeDeps;
  readonly #plan: Plan;
  readonly #id: string;
  readonly #metaId: string;
  readonly #timers = new Set<() => void>();
  readonly #done = new Set<string>();
  #ports: DemoPort[] = [];
  /** Where its content is; "" before it is anywhere. */
  #node = "";

  /** Creates the pod. Throws what the store throws. */
  constructor(deps: LifeDeps, plan: Plan) {
    this.#deps = deps;
    this.#plan = plan;
    this.#metaId = metaIdOf(deps.random);
    this.#id = workspaceId(deps.random);
    const fault = plan.fault === "" ? {} : { [faultAnnotation]: plan.fault };
    const pod = makeWorkspacePod({
      id: this.#id, metaId: this.#metaId, host, size: 0, namespace: deps.namespace, type: plan.type, workspaceClass: plan.workspaceClass, ports: [],
      createdAt: deps.clock.now(), annotations: { ...fault, [annotations.exposedPorts]: undefined },
    });
    this.podName = pod.metadata.name;
    // As a client's pod: with the phase and the defaults that the API server gives.
    deps.store.create("pods", asNew(typeOf("pods"), pod), deps.namespace);
    this.#later(longestLife, () => this.#remove());
  }

  /** Takes notice of the pod's change. */
  podChanged(pod: KubeObject): void {
    if (pod.metadata.deletionTimestamp !== undefined) {
      this.#deleted(pod);
      return;
    }
    if (text(record(pod["spec"])["nodeName"]) !== "") this.#once("scheduled", [300, 1200], () => this.#annotate({ [annotations.attemptingToCreate]: undefined }));
    const phase = record(pod["status"])["phase"];
    if (phase === "Running") this.#once("started", [this.#plan.initialization, this.#plan.initialization], () => this.#initialized());
    if (phase === "Succeeded") this.#once("ended", [1000, 2500], () => this.#delete(30));
    if (phase === "Failed" || cannotPull(pod)) this.#once("failed", [1500, 5000], () => this.#failed());
  }

  /** The pod is gone. */
  ended(): void {
    this.close();
    if (this.#node !== "") this.#deps.contents?.release(this.#node, this.#id, false);
  }

  /** Drops everything that was to come. */
  close(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  #later(ms: number, action: () => void): void {
    const cancel = this.#deps.clock.timer(ms, () => {
      this.#timers.delete(cancel);
      try {
        action();
      } catch (error) {
        this.#deps.onError(error);
      }
    });
    this.#timers.add(cancel);
  }

  #once(step: string, after: readonly [number, number], action: () => void): void {
    if (this.#done.has(step)) return;
    this.#done.add(step);
    this.#later(draw(this.#deps.random, after), action);
  }

  #pod(): KubeObject | undefined {
    return this.#deps.store.get("pods", this.#deps.namespace, this.podName);
  }

  #annotate(changes: Readonly<Record<string, string | undefined>>): void {
    if (!this.#pod()) return;
    this.#deps.store.update("pods", this.#deps.namespace, this.podName, (draft) => {
      const metadata = record(draft["metadata"]);
      const kept = Object.entries({ ...record(metadata["annotations"]), ...changes }).filter(([, value]) => value !== undefined);
      draft["metadata"] = { ...metadata, annotations: Object.fromEntries(kept) };
    });
  }

  #delete(gracePeriodSeconds: number): void {
    const pod = this.#pod();
    if (pod && pod.metadata.deletionTimestamp === undefined) this.#deps.store.delete("pods", this.#deps.namespace, this.podName, { gracePeriodSeconds });
  }

  #isUp(): boolean {
    const pod = this.#pod();
    return pod !== undefined && pod.metadata.deletionTimestamp === undefined && record(pod["status"])["phase"] === "Running";
  }

  #initialized(): void {
    const pod = this.#pod();
    if (!this.#isUp() || !pod) return;
    this.#node = text(record(pod["spec"])["nodeName"]);
    const owner = text(pod.metadata.labels?.[labels.owner]);
    this.#deps.contents?.adopt(this.#node, { id: this.#id, owner, metaId: this.#metaId, initializer: decodeInitializer(pod.metadata.annotations?.[annotations.contentInitializer] ?? "") });
    this.#annotate({ [annotations.neverReady]: undefined, [annotations.nodeName]: this.#node });
    if (this.#plan.type !== "regular") return;
    const { random } = this.#deps;
    this.#later(draw(random, [2000, 8000]), () => this.#act({ [annotations.firstUserActivity]: `${new Date(this.#deps.clock.now()).toISOString().slice(0, -1)}000000Z` }));
    let at = 8000;
    for (const incident of this.#plan.incidents) {
      at += draw(random, [5000, 18_000]);
      this.#later(at, () => this.#happen(incident));
    }
    this.#later(Math.max(at + 3000, this.#plan.running), () => this.#finish());
  }

  #act(changes: Readonly<Record<string, string | undefined>>): void {
    if (this.#isUp()) this.#annotate(changes);
  }

  #happen(incident: Incident): void {
    const { random } = this.#deps;
    switch (incident) {
      case "exposePort": {
        const port = [3000, 5173, 8080, 9229].find((candidate) => !this.#ports.some((known) => known.port === candidate)) ?? 3000;
        this.#ports = [...this.#ports, { port, url: portUrl(this.#metaId, host, port) }];
        break;
      }
      case "publishPort":
        this.#ports = this.#ports.map((port) => ({ ...port, isPublic: true }));
        break;
      case "customTimeout":
        this.#act({ [annotations.customTimeout]: random() < 0.5 ? "60m" : "180m" });
        return;
      case "close":
      case "reopen":
        this.#act({ [annotations.closed]: incident === "close" ? "true" : undefined });
        return;
    }
    this.#act({ [annotations.exposedPorts]: encodeExposedPorts(this.#ports) });
  }

  #finish(): void {
    if (!this.#isUp()) return;
    if (this.#plan.end === "timeout") this.#annotate({ [annotations.timedOut]: "workspace timed out after period of inactivity (00h31m) took longer than 00h30m" });
    else this.#annotate({ [annotations.stoppedByRequest]: "30s" });
    this.#later(400, () => this.#delete(30));
  }

  #failed(): void {
    this.#annotate({ [annotations.failedBeforeStopping]: "true" });
    this.#later(400, () => this.#delete(30));
  }

  #deleted(pod: KubeObject): void {
    const ended = records(record(pod["status"])["containerStatuses"]).every((container) => isRecord(record(container["state"])["terminated"]));
    if (!ended || !texts(pod.metadata.finalizers).includes(finalizer)) return;
    const known = pod.metadata.annotations ?? {};
    const nothingToSave = known[annotations.neverReady] !== undefined;
    if (nothingToSave) this.#once("disposed", [500, 1500], () => this.#release());
    else this.#once("disposed", [300, 1000], () => this.#dispose());
  }

  #dispose(): void {
    const { random } = this.#deps;
    const snapshot = this.#plan.type === "prebuild" ? { [annotations.snapshot]: `workspaces/${this.#metaId}/snapshot-${Math.floor(random() * 1e9)}.tar@demo-bucket` } : {};
    this.#annotate({ [annotations.startedDisposal]: "true" });
    this.#later(this.#plan.backup, () => {
      this.#deps.contents?.release(this.#node, this.#id, this.#plan.backupFailure === undefined);
      this.#annotate({ ...snapshot, [annotations.disposalStatus]: disposalStatus(random, this.#plan.backupFailure) });
      this.#later(500, () => this.#release());
    });
  }

  #release(): void {
    if (!this.#pod()) return;
    this.#deps.store.update("pods", this.#deps.namespace, this.podName, (draft) => {
      const metadata = record(draft["metadata"]);
      draft["metadata"] = { ...metadata, finalizers: texts(metadata["finalizers"]).filter((name) => name !== finalizer) };
    });
  }

  #remove(): void {
    this.#release();
    if (this.#pod()) this.#deps.store.delete("pods", this.#deps.namespace, this.podName, { gracePeriodSeconds: 0 });
  }
}

function cannotPull(pod: KubeObject): boolean {
  return records(record(pod["status"])["containerStatuses"]).some((container) => record(record(container["state"])["waiting"])["reason"] === "ImagePullBackOff");
}
