/** Tracing as the daemon's parts see it. When it is off, which it is by default, nobody is given one, and nothing is done for it. */

/** Gives the first value of a header, by its name in lower case. */
export type ReadHeader = (name: string) => string | undefined;

/** Sets a header. */
export type WriteHeader = (name: string, value: string) => void;

/** A method of a gRPC service. */
export interface MethodName {
  readonly service: string;
  readonly method: string;
}

/** A call that is being served. */
export interface ServedSpan {
  /** Does work as a part of the call: what it asks others for becomes the span's child. */
  run(work: () => void): void;
  /** The call is to change this workspace: what is published of it from now on, for some minutes, belongs to the call's trace, unless the call fails. */
  changes(id: string): void;
  /** The call ended with this gRPC status code. */
  end(code: number): void;
}

/** A call to another server. */
export interface CalledSpan {
  /** The call ended with this gRPC status code. */
  end(code: number): void;
}

/** A request to the API server. */
export interface ApiRequest {
  readonly verb: string;
  readonly resource: string;
  /** HTTP status, or a short word if there was no answer. */
  readonly code: string;
  readonly seconds: number;
}

/** Makes spans. Never throws, and never waits but in `close`. Nothing of a request gets into a span but a workspace's ID. */
export interface Tracing {
  /** A call came: a child of the span that its headers name (W3C's or Jaeger's), or a trace of its own. */
  served(name: MethodName, read: ReadHeader): ServedSpan;
  /** Another server is called; its headers get the span's context in both notations. */
  called(name: MethodName, write: WriteHeader): CalledSpan;
  /** A request to the API server has ended. It makes a span if it was for a call that is traced. */
  requested(request: ApiRequest): void;
  /** A status of a workspace is published: the headers for its subscribers (spec: api, Subscribe). */
  published(id: string): Readonly<Record<string, string>>;
  /** Sends what has gathered, for no longer than this, milliseconds. */
  close(timeoutMs: number): Promise<void>;
}
