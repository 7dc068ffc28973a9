/** Stands between one replica and the API server: cuts the replica off, sees what only a leader may do, and lets faults strike. */
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { connect } from "node:tls";
import type { Strike } from "../../../src/embedded/apiserver/faults.ts";
import type { KubeConnection } from "../kubeconfig.ts";
import { Pair } from "./pair.ts";
import type { Passing } from "./weather.ts";

/** A request that only the leader may send. */
export interface Act {
  /** Method and path. */
  readonly what: string;
}

/** What it reports to. */
export interface ProxyHooks {
  readonly acted: (act: Act) => void;
  /** The replica wrote itself into the Lease. */
  readonly named: (identity: string) => void;
  /** What is to strike a request; default: nothing. */
  readonly strike?: ((request: Passing) => Strike | undefined) | undefined;
}

/** What the controller alone writes on pods; calls write other annotations. */
const leadersWords = /startedDisposal|disposalStatus|never-ready|attemptingToCreate|explicitFail|"finalizers"/;
const podRequest = /(PATCH|DELETE) (\/api\/v1\/namespaces\/[^/]+\/pods\/ws-[^ ?/]+)[^ ]* HTTP\/1\.1\r\n/;

/** One way to the API server. */
export class Proxy {
  readonly #server: Server;
  readonly #target: KubeConnection;
  readonly #hooks: ProxyHooks;
  readonly #pairs = new Set<Pair>();
  #state: "open" | "refused" | "silent" = "open";

  private constructor(target: KubeConnection, hooks: ProxyHooks) {
    this.#target = target;
    this.#hooks = hooks;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Listens on a port of the system's choice, without TLS; the API server is spoken to as its connection says. */
  static async start(target: KubeConnection, hooks: ProxyHooks): Promise<Proxy> {
    const proxy = new Proxy(target, hooks);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  }

  /** Nothing comes through any more, and whoever tries is told so; what is connected is broken off. */
  cut(): void {
    this.#state = "refused";
    for (const pair of this.#pairs) pair.destroy();
  }

  /** Packets vanish: what is connected stays so, nothing comes, and nobody is told. */
  silence(): void {
    this.#state = "silent";
    for (const pair of this.#pairs) pair.silence();
  }

  /** All is as before. What was sent into silence arrives now. */
  mend(): void {
    this.#state = "open";
    for (const pair of this.#pairs) pair.mend();
  }

  /** Breaks off what watches run just now. Gives their number. */
  cutWatches(): number {
    const running = [...this.#pairs].filter(({ watches }) => watches);
    for (const pair of running) pair.reset();
    return running.length;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket): void {
    if (this.#state === "refused") {
      client.destroy();
      return;
    }
    const pair = new Pair(client, this.#connect(), { look: (piece) => this.#look(piece), strike: this.#hooks.strike, onClosed: () => this.#pairs.delete(pair) });
    this.#pairs.add(pair);
    if (this.#state === "silent") pair.silence();
  }

  #connect(): Socket {
    const { url, ca, cert, key, insecure } = this.#target;
    const { protocol, hostname, port } = new URL(url);
    if (protocol === "http:") return createConnection({ host: hostname, port: Number(port || 80) });
    return connect({ host: hostname, port: Number(port || 443), ca, cert, key, rejectUnauthorized: !insecure });
  }

  /** A small request comes in one piece, or its head and its body each in one. */
  #look(piece: string): void {
    const identity = /"holderIdentity":"([^"]+)"/.exec(piece)?.[1];
    if (identity !== undefined) this.#hooks.named(identity);
    const [, method, path] = podRequest.exec(piece) ?? [];
    if (method === "DELETE" || leadersWords.test(piece)) {
      if (!piece.startsWith("POST ")) this.#hooks.acted({ what: `${method ?? "a request"} ${path ?? piece.slice(0, 80)}` });
    }
  }
}
