/** The network between a replica and the API server: delays, and what breaks or is silent. */
import type { Handler } from "../../../src/embedded/index.ts";
import type { Random } from "../../../src/embedded/kubelet/random.ts";
import type { CarriedRequest, Carrier } from "../../../src/main/kube/client.ts";
import { KubeError } from "../../../src/main/kube/errors.ts";
import type { Exchange } from "../../../src/main/kube/http/exchange.ts";
import type { Machine } from "../machine.ts";
import type { VirtualClock } from "../virtual-clock.ts";
import { Wire, type Line } from "./wire.ts";

/** What it works with. */
export interface LinkOptions {
  readonly clock: VirtualClock;
  readonly machine: Machine;
  readonly random: Random;
  readonly handler: Handler;
  /** Whether the API server takes connections. */
  readonly isUp: () => boolean;
  /** What becomes of a request at the API server's door. */
  readonly admit: (request: CarriedRequest) => CarriedRequest;
  /** A request is written; arrives; its answer is about to be handed over. */
  readonly onSent: (request: CarriedRequest) => void;
  readonly onArrived: (request: CarriedRequest) => void;
  /** What the process dies of. */
  readonly die: () => void;
}

/** Milliseconds from one side to the other, at most. */
const latencyMs = 2;
/** TCP's keep-alive, and what sends again, give a silent connection up after so long, milliseconds. */
const patienceMs = 30_000;
const refusedMs = 1;

/** A point at which the process dies: around the n-th request from now. */
export interface Trap {
  left: number;
  readonly side: "before" | "after";
  /** Of those that change a workspace's pod or claim. */
  readonly writes: boolean;
}

const workspacePath = /\/(pods|persistentvolumeclaims)(\/(ws|prebuild|imagebuild)-|$)/;

/** One replica's. */
export class Link {
  readonly #options: LinkOptions;
  readonly #wires = new Set<Wire>();
  #state: "open" | "refused" | "silent" = "open";
  /** What waits for the silence to end. */
  #waiting: { readonly at: number; readonly work: () => void }[] = [];
  #trap: Trap | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  readonly carrier: Carrier = (request, exchange, onDone) => this.#carry(request, exchange, onDone);

  get open(): boolean {
    return this.#state === "open";
  }

  /** The process dies there; undefined: not any more. */
  dieAt(trap: Trap | undefined): void {
    this.#trap = trap;
  }

  /** Nothing comes through: connections break, or are silent until it is mended, or for too long. */
  cut(silent: boolean): void {
    this.#state = silent ? "silent" : "refused";
    if (!silent) for (const wire of this.#wires) this.#break(wire);
    else this.#options.clock.timer(patienceMs, () => this.#loseHope());
  }

  /** Connections that were silent for too long break, and so do those that are tried meanwhile. */
  #loseHope(): void {
    if (this.#state !== "silent") return;
    for (const wire of this.#wires) this.#break(wire);
    this.#options.clock.timer(patienceMs, () => this.#loseHope());
  }

  mend(): void {
    this.#state = "open";
    const waiting = this.#waiting;
    this.#waiting = [];
    const { clock } = this.#options;
    // What waited for longer is lost with its connection.
    for (const { at, work } of waiting) if (clock.monotonic() - at <= patienceMs) clock.timer(0, work);
  }

  /** The API server is gone, with all connections. */
  breakAll(): void {
    for (const wire of this.#wires) this.#break(wire);
  }

  /** The process is gone; what it had sent is on its way still. */
  drop(): void {
    for (const wire of this.#wires) wire.drop();
    this.#wires.clear();
  }

  #break(wire: Wire): void {
    this.#options.machine.run(() => wire.break("ECONNRESET", "read ECONNRESET"));
  }

  #carry(request: CarriedRequest, exchange: Exchange, onDone: () => void): void {
    const { clock, machine, isUp, onSent, die } = this.#options;
    const trap = this.#spring(request);
    if (trap === "before") return die();
    exchange.sent();
    if (exchange.failure || machine.killed) return onDone();
    if (this.#state === "refused" || !isUp()) {
      clock.timer(refusedMs, () => machine.run(() => {
        exchange.fail(new KubeError("request to the API server failed: connect ECONNREFUSED", { status: 0, reason: "ECONNREFUSED" }));
        onDone();
      }));
      return undefined;
    }
    onSent(request);
    this.#send(request, exchange, onDone, trap === "after");
    return undefined;
  }

  #send(request: CarriedRequest, exchange: Exchange, onDone: () => void, deadly: boolean): void {
    const { clock, handler, isUp, admit, onArrived, die, machine } = this.#options;
    const done = once(() => {
      this.#wires.delete(wire);
      onDone();
    });
    const line = new DelayedLine(clock, this.#options.random, (work) => this.#pass(work), (work) => this.#pass(() => machine.run(deadly ? die : work)), done);
    const wire = new Wire(admit(request), exchange, line, () => clock.now());
    this.#wires.add(wire);
    exchange.attach(wire);
    line.toServer(() => {
      // With a connection that broke meanwhile it is lost.
      if (!isUp() || wire.response.destroyed) return;
      onArrived(request);
      handler(wire.request, wire.response);
    });
  }

  #pass(work: () => void): void {
    if (this.#state === "silent") this.#waiting.push({ at: this.#options.clock.monotonic(), work });
    else work();
  }

  #spring({ method, path }: CarriedRequest): Trap["side"] | undefined {
    const trap = this.#trap;
    if (!trap || (trap.writes && (method === "GET" || !workspacePath.test(path)))) return undefined;
    if (--trap.left > 0) return undefined;
    this.#trap = undefined;
    return trap.side;
  }
}

/** What was put on a way last: when, when it arrives, and what it is. */
interface Batch {
  readonly put: number;
  readonly at: number;
  readonly works: (() => void)[];
}

/** What is put on a way in one moment arrives together, and nothing overtakes what was put there before. */
class DelayedLine implements Line {
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #ways: Readonly<Record<"server" | "client", (work: () => void) => void>>;
  readonly done: () => void;
  readonly #last: Record<"server" | "client", Batch> = { server: { put: -1, at: 0, works: [] }, client: { put: -1, at: 0, works: [] } };

  constructor(clock: VirtualClock, random: Random, server: (work: () => void) => void, client: (work: () => void) => void, done: () => void) {
    this.#clock = clock;
    this.#random = random;
    this.#ways = { server, client };
    this.done = done;
  }

  toServer(work: () => void): void {
    this.#put("server", work);
  }

  toClient(work: () => void): void {
    this.#put("client", work);
  }

  #put(way: "server" | "client", work: () => void): void {
    const now = this.#clock.monotonic();
    const last = this.#last[way];
    if (last.put === now && last.at > now) {
      last.works.push(work);
      return;
    }
    const works = [work];
    const at = Math.max(last.at, now + 0.1 + this.#random() * latencyMs);
    this.#last[way] = { put: now, at, works };
    this.#clock.timer(at - now, () => this.#ways[way](() => { for (const each of works) each(); }));
  }
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    work();
  };
}
