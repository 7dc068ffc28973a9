/** Requests over a pool of connections that are used again: undici, and what it needs to know. */
import { Agent, type Dispatcher, ProxyAgent } from "undici";
import type { Access } from "../credentials.ts";
import { type KubeError, toKubeError } from "../errors.ts";
import type { Exchange, ResponseHeaders, Transport } from "./exchange.ts";

/**
 * HTTP/1.1 only: with HTTP/2 the watches and all requests share one connection, whose flow control a held-back watch would fill.
 * TCP keep-alive finds a peer that is gone within half a minute, also where nothing is expected to arrive.
 */
export function createPool(access: Access, connections: number): Dispatcher {
  const socket = { keepAlive: true, keepAliveInitialDelay: 15_000, timeout: 10_000, allowH2: false };
  const common = { connections, pipelining: 1, allowH2: false, keepAliveTimeout: 60_000, headersTimeout: 0, bodyTimeout: 0 };
  if (access.proxyUrl !== undefined) return new ProxyAgent({ ...common, uri: access.proxyUrl, requestTls: { ...socket, ...access.tls }, connect: socket });
  return new Agent({ ...common, connect: { ...socket, ...access.tls } });
}

/**
 * undici's dispatch interface rather than request() or stream(): onResponseData runs in the very turn in which the socket was read, with a view of what was read,
 * no stream object and no promise in between; pause() and resume() stop the parser and with it the socket, so that the API server feels the back-pressure.
 */
export class PooledTransport implements Dispatcher.DispatchHandler, Transport {
  readonly #exchange: Exchange;
  readonly #onDone: () => void;
  #controller: Dispatcher.DispatchController | undefined;
  /** Chunks that came although the parser was paused: undici hands out what it had read when the peer closes. Never more than one read of the socket. */
  #early: Uint8Array[] = [];
  #paused = false;
  #ended = false;

  /** @param onDone called once, when the pool is done with it (a request that was aborted in the queue stays there until its turn). */
  constructor(exchange: Exchange, onDone: () => void) {
    this.#exchange = exchange;
    this.#onDone = onDone;
    exchange.attach(this);
  }

  resume(): void {
    this.#paused = false;
    while (this.#early.length > 0) {
      const chunk = this.#early.shift();
      if (chunk && !this.#exchange.data(chunk)) {
        this.#paused = true;
        return;
      }
    }
    if (this.#ended) this.#exchange.end();
    else this.#controller?.resume();
  }

  abort(error: KubeError): void {
    this.#early = [];
    this.#controller?.abort(error);
  }

  /** The pool refused it at once, so none of the calls below will come. */
  refused(error: unknown): void {
    this.#exchange.fail(toKubeError(error));
    this.#onDone();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#exchange.failure) controller.abort(this.#exchange.failure);
    else this.#exchange.sent();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: ResponseHeaders): void {
    if (status < 200 || this.#exchange.failure) return;
    this.#pause(controller);
    this.#exchange.begin({ status, headers });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.#paused) this.#early.push(chunk);
    else if (!this.#exchange.data(chunk) && !this.#exchange.failure) this.#pause(controller);
  }

  onResponseEnd(): void {
    this.#ended = true;
    if (!this.#paused) this.#exchange.end();
    this.#onDone();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#exchange.fail(toKubeError(error));
    this.#onDone();
  }

  #pause(controller: Dispatcher.DispatchController): void {
    this.#paused = true;
    controller.pause();
  }
}
