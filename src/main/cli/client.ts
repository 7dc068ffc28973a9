/** A client of any ws-manager, ours or the Go one: typed calls over grpc-js with the generated code, and errors that say what to do. */
import { Client, Metadata, status as codes } from "@grpc/grpc-js";
import type { ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { registryfacade, wsman } from "../../gen/proto.js";
import { connectionOf, type Connection, type ConnectionFlags } from "./connection.ts";
import { CliError, InterruptedError, plainCause } from "./errors.ts";
import type { Io } from "./io.ts";

const transientCodes: ReadonlySet<number> = new Set([codes.UNAVAILABLE, codes.RESOURCE_EXHAUSTED, codes.DEADLINE_EXCEEDED, codes.ABORTED, codes.INTERNAL, codes.CANCELLED, codes.UNKNOWN]);

/** Which workspaces are asked for. */
export type FilterFlags = Pick<wsman.MetadataFilter.$Properties, "owner" | "metaId" | "annotations">;

/** A call that failed. */
export class CallError extends CliError {
  readonly code: number;

  constructor(code: number, message: string, hint: string | undefined, cause: unknown) {
    super(message, { hint, cause });
    this.code = code;
  }

  /** Whether the same call may work a little later. */
  get transient(): boolean {
    return transientCodes.has(this.code);
  }
}

/** Statuses as they come in. Reading it is what lets more come. */
export interface StatusStream extends AsyncIterable<wsman.WorkspaceStatus> {
  cancel(): void;
}

const service = "/wsman.WorkspaceManager";
const specProvider = "/registryfacade.SpecProvider";
/** Answers with every workspace of a large cluster; the Go daemon knows no limit. */
const maxMessageBytes = 256 * 1024 * 1024;

interface Codec<Q, A> {
  readonly encode: (request: Q) => Uint8Array;
  readonly decode: (bytes: Buffer) => A;
}

/** Calls one ws-manager. All methods reject with CallErrors, those that answer once with an InterruptedError when the signal aborts. */
export class WsmanClient {
  readonly #client: Client;
  readonly #connection: Connection;
  readonly #io: Pick<Io, "clock" | "signal">;

  constructor(connection: Connection, io: Pick<Io, "clock" | "signal">) {
    this.#connection = connection;
    this.#io = io;
    this.#client = new Client(connection.address, connection.credentials, {
      ...connection.options,
      "grpc.max_receive_message_length": maxMessageBytes,
      "grpc.keepalive_time_ms": 30_000,
      "grpc.keepalive_timeout_ms": 10_000,
      "grpc.initial_reconnect_backoff_ms": 200,
      "grpc.max_reconnect_backoff_ms": 2000,
      "grpc.enable_retries": 0,
    });
  }

  /** Resolves when there is a connection; rejects after the timeout, milliseconds; default: that of calls. */
  connected(withinMs = this.#connection.timeoutMs): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(this.#io.clock.now() + withinMs, (error) => {
        if (error) reject(new CallError(codes.UNAVAILABLE, `can not connect to ${this.#connection.address}`, unavailableHint(this.#connection), error));
        else resolve();
      });
    });
  }

  /** All workspaces that match. */
  async getWorkspaces(filter: FilterFlags): Promise<readonly wsman.WorkspaceStatus[]> {
    const response = await this.#unary("GetWorkspaces", { mustMatch: filter }, {
      encode: (request) => wsman.GetWorkspacesRequest.encode(request).finish(),
      decode: (bytes) => wsman.GetWorkspacesResponse.decode(bytes),
    });
    return response.status.map((status) => wsman.WorkspaceStatus.create(status));
  }

  /** One workspace, with its last activity (RFC 3339, empty if none). */
  async describe(id: string): Promise<{ status: wsman.WorkspaceStatus; lastActivity: string }> {
    const { status, lastActivity } = await this.#unary("DescribeWorkspace", { id }, {
      encode: (request) => wsman.DescribeWorkspaceRequest.encode(request).finish(),
      decode: (bytes) => wsman.DescribeWorkspaceResponse.decode(bytes),
    });
    return { status: wsman.WorkspaceStatus.create(status ?? {}), lastActivity };
  }

  /** The workspace classes. */
  async classes(): Promise<readonly { id: string; displayName: string }[]> {
    const response = await this.#unary("DescribeCluster", {}, {
      encode: (request) => wsman.DescribeClusterRequest.encode(request).finish(),
      decode: (bytes) => wsman.DescribeClusterResponse.decode(bytes),
    });
    return response.WorkspaceClasses.map(({ Id, DisplayName }) => ({ id: Id ?? "", displayName: DisplayName ?? "" }));
  }

  /** What a workspace's image is put together from. It may hold signed links. */
  async imageSpec(id: string): Promise<registryfacade.ImageSpec> {
    const { spec } = await this.#unary("GetImageSpec", { id }, {
      encode: (request) => registryfacade.GetImageSpecRequest.encode(request).finish(),
      decode: (bytes) => registryfacade.GetImageSpecResponse.decode(bytes),
    }, specProvider);
    return registryfacade.ImageSpec.create(spec ?? {});
  }

  /** Starts a workspace. The token is secret. */
  async start(request: wsman.StartWorkspaceRequest): Promise<{ url: string; ownerToken: string }> {
    const { url, ownerToken } = await this.#unary("StartWorkspace", request, {
      encode: (message) => wsman.StartWorkspaceRequest.encode(message).finish(),
      decode: (bytes) => wsman.StartWorkspaceResponse.decode(bytes),
    });
    return { url, ownerToken };
  }

  /** Takes a snapshot of a workspace, or backs it up; gives the location. */
  async save(method: "TakeSnapshot" | "BackupWorkspace", id: string): Promise<string> {
    // Both messages have the same members, as far as they are needed.
    const { url } = await this.#unary(method, { id }, { encode: (message) => wsman.BackupWorkspaceRequest.encode(message).finish(), decode: (bytes) => wsman.BackupWorkspaceResponse.decode(bytes) });
    return url;
  }

  /** A call whose answer is that it was done. @param request encoded. */
  async order(method: "StopWorkspace" | "MarkActive" | "SetTimeout" | "ControlPort" | "ControlAdmission" | "UpdateSSHKey", request: Uint8Array): Promise<void> {
    await this.#unary(method, request, { encode: (bytes) => bytes, decode: () => true });
  }

  /** Subscribes, and asks for the current statuses first; a server that does not know of that sends the changes only. */
  subscribe(filter: FilterFlags): StatusStream {
    const metadata = new Metadata();
    metadata.set("wsman-initial-state", "true");
    const call = this.#client.makeServerStreamRequest(
      `${service}/Subscribe`,
      (request: wsman.SubscribeRequest.$Properties) => Buffer.from(wsman.SubscribeRequest.encode(request).finish()),
      (bytes: Buffer) => wsman.SubscribeResponse.decode(bytes),
      { mustMatch: filter },
      metadata,
    );
    // A call that is cancelled before anyone reads fails with no one to hear it.
    call.on("error", () => {});
    const connection = this.#connection;
    return { cancel: () => call.cancel(), [Symbol.asyncIterator]: () => statuses(call, connection) };
  }

  close(): void {
    this.#client.close();
  }

  async #unary<Q, A>(method: string, request: Q, codec: Codec<Q, A>, of = service): Promise<A> {
    const { clock, signal } = this.#io;
    const { promise, resolve, reject } = Promise.withResolvers<A>();
    const done = (error: ServiceError | null, response?: A): void => {
      if (error || response === undefined) reject(signal.aborted ? new InterruptedError() : callError(error, this.#connection));
      else resolve(response);
    };
    const options = { deadline: clock.now() + this.#connection.timeoutMs };
    const call = this.#client.makeUnaryRequest(`${of}/${method}`, (message: Q) => Buffer.from(codec.encode(message)), codec.decode, request, new Metadata(), options, done);
    const cancel = (): void => call.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    if (signal.aborted) cancel();
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }
}

/** Calls a server as the flags say, and closes the connection afterwards. @throws CliError for flags that make no sense. */
export async function withClient<T>(io: Pick<Io, "clock" | "signal" | "env">, flags: ConnectionFlags, work: (client: WsmanClient, address: string) => Promise<T>): Promise<T> {
  const connection = await connectionOf(flags, io.env.address);
  const client = new WsmanClient(connection, io);
  try {
    return await work(client, connection.address);
  } finally {
    client.close();
  }
}

async function* statuses(call: ClientReadableStream<wsman.SubscribeResponse>, connection: Connection): AsyncGenerator<wsman.WorkspaceStatus> {
  try {
    for await (const message of call) {
      if (message instanceof wsman.SubscribeResponse && message.status) yield wsman.WorkspaceStatus.create(message.status);
    }
  } catch (error) {
    throw callError(error, connection);
  }
}

function callError(error: unknown, connection: Connection): CallError {
  if (!isServiceError(error)) return new CallError(codes.UNKNOWN, `the call failed: ${error instanceof Error ? error.message : String(error)}`, undefined, error);
  const name = codes[error.code] ?? String(error.code);
  return new CallError(error.code, `${name}: ${plainCause(error.details)}`, hintFor(error, connection), error);
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && typeof error.code === "number" && "details" in error && typeof error.details === "string";
}

function hintFor({ code, details }: ServiceError, connection: Connection): string | undefined {
  if (code === codes.UNAVAILABLE) return details.includes("not synchronized") ? "the daemon is still reading the cluster's pods: try again in a moment" : unavailableHint(connection);
  return hints.get(code)?.(connection);
}

function unavailableHint({ address, secure }: Connection): string {
  return `is the daemon running at ${address}? ${secure ? "Does it speak TLS, and do the certificates fit?" : "If it speaks TLS, give --tls-ca, --tls-cert and --tls-key."} --address or WSMAN_ADDRESS names another.`;
}

const hints: ReadonlyMap<number, (connection: Connection) => string> = new Map([
  [codes.DEADLINE_EXCEEDED, ({ timeoutMs }: Connection) => `no answer within ${timeoutMs / 1000} s; --timeout allows more`],
  [codes.UNIMPLEMENTED, ({ address }: Connection) => `is the server at ${address} a ws-manager?`],
  [codes.NOT_FOUND, () => "`wsmand list` shows the workspaces that there are"],
  [codes.RESOURCE_EXHAUSTED, () => "try again later; --owner, --meta-id and --annotation narrow down what is listed or watched"],
  [codes.UNAUTHENTICATED, () => "the server wants other credentials: see --tls-cert and --tls-key"],
  [codes.PERMISSION_DENIED, () => "the server does not allow this to the certificate given"],
]);
