/** The daemon's calls beside those of a bare grpc-js server that answers with the same bytes, in turn. */
import { z } from "zod";
import type { Lab } from "../lab.ts";
import type { Daemon } from "../parts/daemon.ts";
import type { Part } from "../parts/part.ts";
import type { Endpoint } from "./grpc-stream.ts";
import { pathOf } from "./paths.ts";
import { addTurn, inTurn, makeCalls, noSides, noTurns } from "./turns.ts";
import type { Side, Sides, Turns } from "./turns.ts";

/** The processes that are called, as they are watched. */
export const processNames: Readonly<Record<Side, string>> = { bare: "bare server", daemon: "daemon" };
const nothing = z.undefined();
const answersSchema = z.array(z.instanceof(Uint8Array));

/** A method, and what is asked of it with the answers that the daemon gave. */
export interface Method {
  readonly path: string;
  readonly tasks: readonly { readonly request: Uint8Array; readonly answer: Uint8Array }[];
}

/** The daemon and a bare server. End it with `await using`: the bare server goes. */
export interface BesideBare extends AsyncDisposable {
  readonly endpoints: Readonly<Record<Side, Endpoint>>;
  /** All turns of a method, after a time in which everything gets warm. */
  measure(method: Method, options?: TurnOptions): Promise<Sides>;
}

/** How the turns are. */
export interface TurnOptions {
  /** Runs a turn of the daemon's. */
  readonly daemonTurn?: (turn: () => Promise<void>) => Promise<void>;
  /** Seconds for each side to get warm; default --warmup. */
  readonly warmup?: number;
}

/** The daemon's answers. Rejects if a call fails. */
export async function capture(callers: Part, endpoint: Endpoint, method: string, requests: readonly Uint8Array[]): Promise<Method> {
  const path = pathOf(method);
  const answers = await callers.call("fetch", { endpoint, path, requests }, answersSchema);
  return { path, tasks: requests.map((request, i) => ({ request, answer: answers[i] ?? new Uint8Array() })) };
}

/** Starts a bare server that answers these methods. */
export async function besideBare(lab: Lab, callers: Part, daemon: Pick<Daemon, "endpoint">, methods: readonly Method[]): Promise<BesideBare> {
  await using starting = new AsyncDisposableStack();
  const bare = starting.use(lab.part(processNames.bare, "bare-unary"));
  for (const method of methods) await bare.call("prepare", method, nothing);
  const endpoints = { daemon: daemon.endpoint, bare: { host: "127.0.0.1", port: await bare.call("listen", {}, z.number()) } };
  const ending = starting.move();
  return {
    endpoints,
    measure: (method, { daemonTurn = plainly, warmup = lab.options.warmup } = {}) => measure({ lab, callers, endpoints, daemonTurn, warmup }, method),
    [Symbol.asyncDispose]: () => ending.disposeAsync(),
  };
}

function plainly(turn: () => Promise<void>): Promise<void> {
  return turn();
}

/** Who calls whom. */
interface Setting extends Required<TurnOptions> {
  readonly lab: Lab;
  readonly callers: Part;
  readonly endpoints: Readonly<Record<Side, Endpoint>>;
}

async function measure(setting: Setting, method: Method): Promise<Sides> {
  const { lab, daemonTurn, warmup } = setting;
  const found = noSides();
  if (warmup > 0 && !lab.signal.aborted) for (const side of ["bare", "daemon"] as const) await turn(setting, side, method, warmup, noTurns());
  for (const side of inTurn) {
    if (lab.signal.aborted) break;
    lab.measures();
    lab.say(`${method.path}, ${processNames[side]}`);
    const run = (): Promise<void> => turn(setting, side, method, lab.options.seconds / 2, found[side]);
    await (side === "daemon" ? daemonTurn(run) : run());
  }
  return found;
}

/** One turn, added to those before it. */
async function turn({ lab, callers, endpoints }: Setting, side: Side, { path, tasks }: Method, seconds: number, sums: Turns): Promise<void> {
  const { concurrency } = lab.options;
  lab.usage.sample();
  const called = await makeCalls(lab, callers, {
    target: { kind: "grpc", endpoint: endpoints[side], connections: concurrency },
    work: { kind: "tasks", tasks: tasks.map((task) => ({ path, ...task })) },
    pace: { kind: "loop", callers: concurrency, seconds },
  });
  lab.usage.sample();
  addTurn(sums, called, lab.usage.cost(processNames[side], called.from, called.to)?.main);
}
