/** The command line of the load tool. */
import { Command, InvalidArgumentError } from "commander";

/** What can be set; scenarios have defaults of their own for most of it. */
export interface Options {
  readonly workspaces: number;
  readonly subscribers: number;
  /** Connections that they share. */
  readonly connections: number;
  /** Changes (or arrivals) per second. */
  readonly rate: number;
  readonly seconds: number;
  readonly warmup: number;
  /** Bytes of a pod as JSON. */
  readonly size: number;
  /** Subscribers that do not read, beside the others. */
  readonly stalled: number;
  /** Other Events in the namespace. */
  readonly events: number;
  readonly runs: number;
  /** Processes of subscribers. */
  readonly clients: number;
  readonly entry: string;
  readonly workers?: number | undefined;
  readonly kubeconfig?: string | undefined;
  readonly namespace?: string | undefined;
  readonly target?: { readonly host: string; readonly port: number } | undefined;
  readonly pid?: number | undefined;
  readonly metrics?: string | undefined;
  readonly tlsCa?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** TLS with the system's authorities. */
  readonly tls?: boolean | undefined;
  readonly json?: string | undefined;
}

/** Defaults that a scenario has. */
export type Defaults = Partial<Pick<Options, "workspaces" | "subscribers" | "connections" | "rate" | "seconds" | "warmup" | "size" | "stalled" | "events">>;

type Given = Partial<Options>;

/** Reads a command line. @throws CommanderError, after having told, for a wrong one and for --help. */
export function parseOptions(argv: readonly string[], scenarios: ReadonlyMap<string, { readonly summary: string; readonly defaults: Defaults }>): { readonly scenario: string; readonly options: Options } {
  const program = new Command("bench").exitOverride().showHelpAfterError("(--help tells what there is)")
    .description("Measures a workspace manager from outside. Without --target it starts the built-in cluster and the daemon, each in a process of its own.")
    .argument("<scenario>", [...scenarios].map(([name, { summary }]) => `${name}: ${summary}`).join("; "))
    .option("--workspaces <n>", "workspaces", whole(1, 20_000))
    .option("--subscribers <n>", "subscribers", whole(1, 10_000))
    .option("--connections <n>", "connections that they share (default: one each)", whole(1, 10_000))
    .option("--rate <n>", "changes, or arrivals, per second", whole(1, 100_000))
    .option("--seconds <n>", "how long is measured", whole(1, 86_400))
    .option("--warmup <n>", "seconds before that", whole(0, 600))
    .option("--size <bytes>", "of a pod as JSON", whole(0, 200_000))
    .option("--stalled <n>", "subscribers that do not read, beside the others", whole(0, 10_000))
    .option("--events <n>", "other Events that are written into the namespace first", whole(0, 100_000))
    .option("--runs <n>", "runs; the median of each figure is reported, and its spread (default 1)", whole(1, 100))
    .option("--clients <n>", "processes of subscribers (default 1)", whole(1, 64))
    .option("--workers <n>", "worker threads of the daemon (default: its own)", whole(1, 64))
    .option("--entry <file>", "wsmand's program (default dist/main/index.js)")
    .option("--kubeconfig <file>", "a cluster to work on, instead of the built-in one")
    .option("--namespace <name>", "of the workspaces; that of the daemon with --target, one that is made and removed otherwise")
    .option("--target <host:port>", "a daemon that runs already, on the cluster of --kubeconfig", hostAndPort)
    .option("--pid <n>", "its process, for CPU and memory", whole(1, 2 ** 22))
    .option("--metrics <url>", "its /metrics")
    .option("--tls", "use TLS, with the system's authorities; any other --tls flag implies it").option("--tls-ca <file>", "authorities that its certificate must come from, PEM").option("--tls-cert <file>", "client certificate, PEM").option("--tls-key <file>", "its key, PEM")
    .option("--json <file>", "write the figures there")
    .parse([...argv], { from: "user" });
  const [scenario = ""] = program.args;
  const found = scenarios.get(scenario);
  if (!found) return program.error(`error: there is no scenario ${JSON.stringify(scenario)}; there are ${[...scenarios.keys()].join(", ")}`);
  const given = program.opts<Given>();
  const problem = conflict(given);
  if (problem !== undefined) return program.error(`error: ${problem}`);
  return { scenario, options: complete(found.defaults, given) };
}

function conflict({ target, kubeconfig, namespace, tlsCert, tlsKey }: Given): string | undefined {
  if (target && (kubeconfig === undefined || namespace === undefined)) return "--target needs --kubeconfig and --namespace: the workspaces' cluster, and where the daemon looks for them";
  if ((tlsCert === undefined) !== (tlsKey === undefined)) return "--tls-cert and --tls-key go together";
  return undefined;
}

function complete(defaults: Defaults, given: Given): Options {
  const common = { workspaces: 1000, subscribers: 50, rate: 500, seconds: 10, warmup: 3, size: 20_000, stalled: 0, events: 0, runs: 1, clients: 1, entry: "dist/main/index.js" };
  const merged = { ...common, ...defaults, ...given };
  return { connections: merged.subscribers, ...merged };
}

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isInteger(value) || value < min || value > max) throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    return value;
  };
}

function hostAndPort(text: string): { readonly host: string; readonly port: number } {
  const [, host = "", port = ""] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(text) ?? [];
  if (host === "" || Number(port) < 1 || Number(port) > 65_535) throw new InvalidArgumentError("It must be host:port.");
  return { host, port: Number(port) };
}
