/** Stands between one replica and the API server: cuts the replica off, and sees what only a leader may do. */
import { createConnection, createServer, type Server, type Socket } from "node:net";

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
}

/** What the controller alone writes on pods; calls write other annotations. */
const leadersWords = /startedDisposal|disposalStatus|never-ready|attemptingToCreate|explicitFail|"finalizers"/;
const podRequest = /(PATCH|DELETE) (\/api\/v1\/namespaces\/[^/]+\/pods\/ws-[^ ?/]+)[^ ]* HTTP\/1\.1\r\n/;

/** What a replica has sent into silence: a few requests, each of a few kilobytes. A connection with more is broken off. */
const maxHeld = 1 << 20;

/** A connection of the replica, and the one that it has to the API server. */
class Pair {
  readonly #client: Socket;
  readonly #server: Socket;
  #silent = false;
  /** Sent into silence: comes when it is over, for whoever sent it sends it again. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** The replica has closed it in silence, which the API server learns later. */
  #closed = false;

  constructor(client: Socket, server: Socket, hooks: { readonly onData: (piece: Buffer) => void; readonly onClosed: () => void }) {
    this.#client = client;
    this.#server = server;
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on("error", () => {});
    }
    client.on("data", (piece: Buffer) => {
      // As it is sent: when it arrives, the Lease may be another's.
      hooks.onData(piece);
      this.#pass(piece);
    });
    client.on("close", () => {
      this.#closed = true;
      if (!this.#silent) server.destroy();
    });
    server.on("close", () => {
      client.destroy();
      hooks.onClosed();
    });
    server.pipe(client);
  }

  #pass(piece: Buffer): void {
    if (!this.#silent) {
      this.#server.write(piece);
      return;
    }
    this.#held.push(piece);
    this.#heldBytes += piece.length;
    if (this.#heldBytes > maxHeld) this.destroy();
  }

  silence(): void {
    this.#silent = true;
    this.#server.unpipe(this.#client);
    this.#server.pause();
  }

  /** What was sent arrives, the ends of connections too. */
  mend(): void {
    if (!this.#silent) return;
    this.#silent = false;
    for (const piece of this.#held.splice(0)) this.#server.write(piece);
    this.#heldBytes = 0;
    if (this.#closed) this.#server.resume().end();
    else this.#server.pipe(this.#client);
  }

  destroy(): void {
    this.#client.destroy();
    this.#server.destroy();
  }
}

/** One way to the API server. */
export class Proxy {
  readonly #server: Server;
  readonly #target: URL;
  readonly #hooks: ProxyHooks;
  readonly #pairs = new Set<Pair>();
  #state: "open" | "refused" | "silent" = "open";

  private constructor(target: URL, hooks: ProxyHooks) {
    this.#target = target;
    this.#hooks = hooks;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Listens on a port of the system's choice. */
  static async start(target: string, hooks: ProxyHooks): Promise<Proxy> {
    const proxy = new Proxy(new URL(target), hooks);
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

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket): void {
    if (this.#state === "refused") {
      client.destroy();
      return;
    }
    const server = createConnection({ host: this.#target.hostname, port: Number(this.#target.port) });
    const pair = new Pair(client, server, { onData: (piece) => this.#look(piece.toString("latin1")), onClosed: () => this.#pairs.delete(pair) });
    this.#pairs.add(pair);
    if (this.#state === "silent") pair.silence();
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
