/** Calls with one answer on grpc-js: for those that are not measured themselves, and of which it matters why they fail. */
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { asIs } from "../../domain/as-is.ts";
import type { Endpoint } from "./grpc-stream.ts";
import { pathOf } from "./paths.ts";

const callTimeoutMs = 30_000;
const maxAnswer = 64 * 1024 * 1024;

/** A client of a workspace manager. Close it with `using`. */
export class GrpcClient implements Disposable {
  readonly #client: Client;

  constructor(endpoint: Endpoint) {
    this.#client = new Client(addressOf(endpoint), credentialsFor(endpoint), { "grpc.max_receive_message_length": maxAnswer });
  }

  /** Makes a call, named without its service. Rejects with an Error that has the status, as in `9 FAILED_PRECONDITION: why`; after the deadline (ms) at most. */
  call(method: string, request: Uint8Array, deadlineMs = callTimeoutMs): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(pathOf(method), asIs, asIs, Buffer.from(request), new Metadata(), { deadline: Date.now() + deadlineMs }, (error, answer) => {
        if (error) reject(error);
        else if (answer) resolve(answer);
        else reject(new Error(`${method} was answered with nothing`));
      });
    });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

function addressOf({ host, port }: Endpoint): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function credentialsFor({ tls }: Endpoint): ReturnType<typeof credentials.createSsl> {
  if (!tls) return credentials.createInsecure();
  const bytes = (pem: string | undefined): Buffer | null => (pem === undefined ? null : Buffer.from(pem));
  return credentials.createSsl(bytes(tls.ca), bytes(tls.key), bytes(tls.cert));
}
