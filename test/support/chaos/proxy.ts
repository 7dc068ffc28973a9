/** Stands between one replica and the API server: cuts the replica off, sees what only a leader may do, and lets faults strike. */
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { connect } from "node:tls";
import type { Strike } from "../../../src/embedded/apiserver/faults.ts";
import type { KubeConnection } from "../kubeconfig.ts";
import { answerOf, requestIn, type Passing } from "./weather.ts";

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
  readonly #sockets = new Set<Socket>();
  /** Those of daemons on which a watch runs. */
  readonly #watches = new Set<Socket>();
  #open = true;

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

  /** Nothing comes through any more, as in a partition; what is connected is broken off. */
  cut(): void {
    this.#open = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** All is as before. */
  mend(): void {
    this.#open = true;
  }

  /** Breaks off what watches run just now. Gives their number. */
  cutWatches(): number {
    const running = [...this.#watches];
    for (const socket of running) socket.resetAndDestroy();
    return running.length;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket): void {
    if (!this.#open) {
      client.destroy();
      return;
    }
    const server = this.#connect();
    for (const [socket, other] of [[client, server], [server, client]] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        this.#watches.delete(socket);
        other.destroy();
      });
    }
    client.on("data", (chunk: Buffer) => this.#pass(client, server, chunk));
    client.on("end", () => server.end());
    server.on("drain", () => client.resume());
    server.pipe(client);
  }

  /** One request at a time is on a connection, so that each begins a piece. */
  #pass(client: Socket, server: Socket, chunk: Buffer): void {
    const piece = chunk.toString("latin1");
    const target = requestIn(piece);
    if (target?.verb === "watch") this.#watches.add(client);
    const strike = target && this.#hooks.strike?.(target);
    if (strike === undefined || strike.delayMs === 0) {
      this.#forward(client, server, chunk, strike);
      return;
    }
    client.pause();
    const giveUp = (): void => clearTimeout(timer);
    const timer = setTimeout(() => {
      client.off("close", giveUp).resume();
      this.#forward(client, server, chunk, strike);
    }, strike.delayMs);
    client.once("close", giveUp);
  }

  /** What is refused never reaches the API server. */
  #forward(client: Socket, server: Socket, chunk: Buffer, strike: Strike | undefined): void {
    if (strike?.error) {
      client.removeAllListeners("data").resume();
      client.end(answerOf(strike.error));
    } else if (strike?.resetAfterBytes !== undefined) {
      client.resetAndDestroy();
    } else {
      this.#look(chunk.toString("latin1"));
      if (!server.write(chunk)) client.pause();
    }
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
