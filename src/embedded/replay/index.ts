/**
 * The replayer: stands in for an API server whose pods change by a plan, at almost no cost, so that who watches them is what limits a measurement.
 * It serves what a watcher of pods asks for (lists in pages, watches, single pods; no Events) and nothing else. A label selector selects all of them or none: all are workspaces.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { sleep } from "../../domain/clock.ts";
import type { Clock } from "../../domain/clock.ts";
import { ApiError, badRequest, continueExpired, expired, notFound, versionTooLarge } from "../apiserver/errors.ts";
import { kubeconfigOf } from "../apiserver/kubeconfig.ts";
import { Listener } from "../apiserver/listener.ts";
import { parseLabelSelector } from "../apiserver/selectors.ts";
import { ReplayHistory } from "./history.ts";
import { Outflow } from "./outflow.ts";
import { forms, PreparedPods } from "./pods.ts";
import type { PreparedPodsOptions } from "./pods.ts";
import { PageSupply, WatchSupply } from "./supplies.ts";

export { PreparedPods, replayedId } from "./pods.ts";
export type { PreparedPodsOptions } from "./pods.ts";

/** Changes to make: change n is one of pod (`first` + n) mod `workspaces`, and its stamp is `base` + n. */
export interface ReplayPlan {
  readonly base: number;
  readonly total: number;
  readonly workspaces: number;
  readonly first: number;
  /** Time between changes, milliseconds; 0: as fast as the watchers take them. */
  readonly interval: number;
  /** When the first change is due, on the clock's monotonic time. */
  readonly startAt: number;
}

/** What the replayer is made of. */
export interface ReplayOptions extends PreparedPodsOptions {
  readonly clock: Clock;
}

interface RunningWatch {
  readonly supply: WatchSupply;
  readonly outflow: Outflow;
}

/** Bytes of a write. */
const writeBytes = 256 * 1024;
/** Buffers that are kept for reuse. */
const maxSpare = 8;
/** So many changes may be made that the slowest watcher was not sent yet; then the plan waits for it. Only counted, not kept. */
const lead = 1024;
/** Changes that are due within this time (ms) are made now: no timer is that exact. */
const slackMs = 0.5;
/** Most watches at a time; more are refused. Each has a buffer. */
const maxWatches = 64;

const pods = { plural: "pods", kind: "Pod", group: "" };
const path = /^\/api\/v1(?:\/namespaces\/[^/]+)?\/(pods|events)(?:\/([^/]+))?$/;

/** A server of prepared pods. */
export class Replay {
  readonly #pods: PreparedPods;
  readonly #history: ReplayHistory;
  readonly #namespace: string;
  readonly #clock: Clock;
  readonly #listener: Listener;
  readonly #watches = new Set<RunningWatch>();
  readonly #spare: Buffer[] = [];
  readonly #closed = new AbortController();
  #moved = Promise.withResolvers<void>();

  private constructor({ clock, ...options }: ReplayOptions) {
    this.#pods = new PreparedPods(options);
    this.#history = new ReplayHistory(options.count);
    this.#namespace = options.namespace;
    this.#clock = clock;
    this.#listener = new Listener("127.0.0.1", 0, undefined, (request, response) => this.#handle(request, response));
  }

  /** Makes the pods and listens, on a free port of this machine. */
  static async start(options: ReplayOptions): Promise<Replay> {
    const replay = new Replay(options);
    await replay.#listener.start();
    return replay;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#listener.port}`;
  }

  /** Watches of pods that run. */
  get watches(): number {
    return this.#watches.size;
  }

  /** Bytes that wait for watchers, beyond what the system holds: at most one buffer each. */
  get waiting(): number {
    let sum = 0;
    for (const { outflow } of this.#watches) sum += outflow.waiting;
    return sum;
  }

  /** A kubeconfig, YAML. */
  kubeconfig(): string {
    return kubeconfigOf({ url: this.url, namespace: this.#namespace });
  }

  /**
   * Makes the changes of a plan, each when it is due, but never many more than the slowest watcher takes. Resolves once every watcher has taken all of them, or the signal
   * aborts; gives how many were made. One at a time: a plan that runs is to be ended first.
   * @param onMade told how many are made by now, whenever some were.
   */
  async play(plan: ReplayPlan, signal: AbortSignal, onMade: (made: number) => void = () => {}): Promise<number> {
    const ended = AbortSignal.any([signal, this.#closed.signal]);
    const history = this.#history;
    history.begin(plan.base, plan.workspaces, plan.first);
    const before = history.head;
    let made = 0;
    while (made < plan.total && !ended.aborted) {
      const most = Math.min(plan.total, this.#due(plan), this.#slowest() + lead - before);
      if (most > made) {
        made = most;
        history.make(made);
        onMade(made);
        this.#wake();
      }
      if (made < plan.total) await this.#next(plan, made, before, ended);
    }
    await this.#until(() => this.#slowest() >= history.head && this.waiting === 0, ended);
    return made;
  }

  /** Ends everything. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#listener.stop();
  }

  /** Changes that are due by now. */
  #due({ startAt, interval }: ReplayPlan): number {
    const time = this.#clock.monotonic() + slackMs - startAt;
    if (time < 0) return 0;
    return interval === 0 ? Number.POSITIVE_INFINITY : Math.floor(time / interval) + 1;
  }

  /** Waits until another change can be made: it is due, and the watchers are not far behind. */
  async #next(plan: ReplayPlan, made: number, before: number, ended: AbortSignal): Promise<void> {
    const wait = plan.startAt + made * plan.interval - this.#clock.monotonic();
    if (wait > slackMs) await sleep(this.#clock, Math.max(1, Math.floor(wait)), ended);
    // Half of the lead at a time: not for each of them.
    else await this.#until(() => this.#slowest() >= before + made - lead / 2, ended);
  }

  /** Version that all watchers were sent. */
  #slowest(): number {
    let slowest = this.#history.head;
    for (const { supply } of this.#watches) slowest = Math.min(slowest, supply.reached);
    return slowest;
  }

  #wake(): void {
    for (const { outflow } of this.#watches) outflow.wake();
  }

  /** Some watcher took something, or is gone. */
  #move(): void {
    const { resolve } = this.#moved;
    this.#moved = Promise.withResolvers();
    resolve();
  }

  async #until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    const stop = (): void => this.#move();
    signal.addEventListener("abort", stop, { once: true });
    while (!condition() && !signal.aborted) await this.#moved.promise;
    signal.removeEventListener("abort", stop);
  }

  #handle({ method, url = "" }: IncomingMessage, response: ServerResponse): void {
    response.setHeader("content-type", "application/json");
    try {
      const address = method === "GET" ? URL.parse(url, "http://localhost") : null;
      const [, resource, name] = path.exec(address?.pathname ?? "") ?? [];
      if (!address || resource === undefined) throw new ApiError(404, "NotFound", "the replayer serves pods that are read, and nothing else");
      this.#answer(resource, name, address.searchParams, response);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      response.writeHead(error.code).end(JSON.stringify(error.status()));
    }
  }

  #answer(resource: string, name: string | undefined, query: URLSearchParams, response: ServerResponse): void {
    if (resource === "events") this.#none("Event", query, response);
    else if (name !== undefined) this.#pod(name, response);
    else if (!this.#selected(query)) this.#none("Pod", query, response);
    else if (query.has("watch")) this.#watch(query, response);
    else this.#list(query, response);
  }

  /** Whether who asks wants workspaces. Whoever watches other pods gets no line of theirs, from any API server. @throws ApiError 400 for a selector that makes no sense. */
  #selected(query: URLSearchParams): boolean {
    return parseLabelSelector(query.get("labelSelector") ?? "")?.(this.#pods.labels) ?? true;
  }

  /** Of these there are none. */
  #none(kind: string, query: URLSearchParams, response: ServerResponse): void {
    if (query.has("watch")) response.flushHeaders();
    else response.end(JSON.stringify({ kind: `${kind}List`, apiVersion: "v1", metadata: { resourceVersion: String(this.#history.head) }, items: [] }));
  }

  #pod(name: string, response: ServerResponse): void {
    const index = this.#pods.indexOf(name);
    if (index === undefined) throw notFound(pods, name);
    const { version, stamp } = this.#history.stateAt(index, this.#history.head);
    const bytes = Buffer.allocUnsafe(this.#pods.lengthOf(index, forms.alone));
    this.#pods.write(index, forms.alone, version, stamp, bytes, 0);
    response.end(bytes);
  }

  #list(query: URLSearchParams, response: ServerResponse): void {
    const { version, from } = this.#page(query.get("continue") ?? "");
    const limit = wholeNumber(query.get("limit")) ?? 0;
    const to = limit > 0 ? Math.min(this.#pods.count, from + limit) : this.#pods.count;
    const rest = to < this.#pods.count ? { continue: `${version}-${to}`, remainingItemCount: this.#pods.count - to } : {};
    const supply = new PageSupply(this.#pods, this.#history, version, from, to, { resourceVersion: String(version), ...rest });
    this.#flow(response, (buffer) => new Outflow(response, supply, buffer)).wake();
  }

  /** Where a page begins, and the version that it shows: all pages of a list show the same. */
  #page(token: string): { readonly version: number; readonly from: number } {
    if (token === "") return { version: this.#history.head, from: 0 };
    const [, version, from] = /^(\d{1,15})-(\d{1,9})$/.exec(token) ?? [];
    if (version === undefined || from === undefined) throw badRequest("invalid continue token");
    if (Number(version) < this.#history.oldest) throw continueExpired("");
    return { version: Math.min(Number(version), this.#history.head), from: Number(from) };
  }

  #watch(query: URLSearchParams, response: ServerResponse): void {
    const asked = wholeNumber(query.get("resourceVersion")) ?? 0;
    const { head, oldest } = this.#history;
    if (asked > head) throw versionTooLarge(asked, head);
    if (asked !== 0 && asked < oldest) throw expired(asked, oldest);
    if (this.#watches.size >= maxWatches) throw new ApiError(429, "TooManyRequests", "too many watches", { retryAfterSeconds: 1 });
    const supply = new WatchSupply(this.#pods, this.#history, asked === 0 ? undefined : asked);
    const watch = { supply, outflow: this.#flow(response, (buffer) => new Outflow(response, supply, buffer, () => this.#move())) };
    this.#watches.add(watch);
    response.on("close", () => {
      this.#watches.delete(watch);
      this.#move();
    });
    response.flushHeaders();
    watch.outflow.wake();
  }

  /** Lends a buffer to an answer until that is over. */
  #flow(response: ServerResponse, make: (buffer: Buffer) => Outflow): Outflow {
    const buffer = this.#spare.pop() ?? Buffer.allocUnsafeSlow(Math.max(writeBytes, this.#pods.longest + 4096));
    response.on("close", () => {
      if (this.#spare.length < maxSpare) this.#spare.push(buffer);
    });
    return make(buffer);
  }
}

/** @throws ApiError 400 for what is no number. */
function wholeNumber(text: string | null): number | undefined {
  if (text === null || text === "") return undefined;
  if (!/^\d{1,15}$/.test(text)) throw badRequest(`not a whole number: ${JSON.stringify(text)}`);
  return Number(text);
}
