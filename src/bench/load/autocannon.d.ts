/** The part of autocannon's programmatic interface that is used here (it brings no types, and those of DefinitelyTyped are of an older version). */
declare module "autocannon" {
  interface Request {
    readonly path: string;
    /** Called with each whole answer. */
    readonly onResponse?: (status: number, body: string) => void;
  }

  interface Options {
    readonly url: string;
    readonly connections: number;
    /** Requests per second of all connections together. */
    readonly overallRate: number;
    /** Seconds. */
    readonly duration: number;
    /** Seconds until a request counts as failed. */
    readonly timeout: number;
    /** Taken in turn. */
    readonly requests: readonly Request[];
  }

  interface Instance extends PromiseLike<unknown> {
    on(event: "response", listener: (client: unknown, status: number, bytes: number, ms: number) => void): this;
    on(event: "reqError", listener: (error: Error) => void): this;
    /** Ends it within a second. */
    stop(): void;
  }

  export default function autocannon(options: Options): Instance;
}
