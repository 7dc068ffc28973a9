/** Requests to the API server as bare as they can be: a pool of connections that are kept, and nothing read of the answer but its status. */
import { Pool } from "undici";
import type { Access, AccessSource } from "../../main/kube/credentials.ts";
import { connectOptions, openAccess, pathOn } from "./access.ts";
import { machineNow } from "./clock.ts";

/** A request, its path without what a kubeconfig may put before it. */
export interface ApiRequest {
  readonly method: "GET" | "POST" | "PATCH";
  readonly path: string;
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

/** How often credentials are looked at, milliseconds: tokens of cloud providers last for minutes. */
const renewEveryMs = 10_000;
const answerMs = 30_000;

/** A pool. One request at a time on each connection, and any that is free: a slow answer holds up no other request. */
export class ApiPool {
  readonly #source: AccessSource;
  readonly #pool: Pool;
  #access: Access;
  #renewedAt = machineNow();

  private constructor(source: AccessSource, access: Access, connections: number) {
    this.#source = source;
    this.#access = access;
    this.#pool = new Pool(access.origin, { connections, connect: connectOptions(access), pipelining: 1, allowH2: false, bodyTimeout: answerMs, headersTimeout: answerMs });
  }

  /** @throws Error if the kubeconfig can not be read. */
  static async open(kubeconfig: string, connections: number): Promise<ApiPool> {
    const { source, first } = await openAccess(kubeconfig);
    return new ApiPool(source, first, connections);
  }

  /** Gives the answer's status; 0 if there is no whole answer. Never rejects. @param out is called when the request has its connection. */
  send({ method, path, contentType, body }: ApiRequest, out: () => void = () => {}): Promise<number> {
    this.#renew();
    const { promise, resolve } = Promise.withResolvers<number>();
    let code = 0;
    // The whole object comes back. Metadata alone would cost the built-in API server more: it has the pod's bytes at hand, as the watch sends them.
    const headers = { "content-type": contentType, accept: "application/json", ...this.#access.headers };
    this.#pool.dispatch({ method, path: pathOn(this.#access, path), headers, body: body.length > 0 ? body : null }, {
      onRequestStart: out,
      onResponseStart: (_controller, status) => {
        code = status;
      },
      onResponseData: () => {},
      onResponseEnd: () => resolve(code),
      onResponseError: () => resolve(0),
    });
    return promise;
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  /** Whoever asks now has what is known; the next one what is new. */
  #renew(): void {
    if (machineNow() - this.#renewedAt < renewEveryMs) return;
    this.#renewedAt = machineNow();
    this.#source.current().then((access) => {
      this.#access = access;
    }, () => {});
  }
}
