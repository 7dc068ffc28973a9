/** A real Prometheus for tests, on the loopback interface, in a folder of its own. */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { asObject, objectsAt, type JsonObject } from "../../src/domain/json.ts";
import { freePort } from "./control-plane.ts";
import { endProcess } from "./end-process.ts";
import { findTool } from "./tools.ts";
import { until } from "./until.ts";

/** What it scrapes and evaluates, every two seconds. */
export interface PrometheusOptions {
  /** Ports on 127.0.0.1. */
  readonly ports: readonly number[];
  readonly job: string;
  /** Written on all that is scraped, as installations write where a target is. */
  readonly labels: Readonly<Record<string, string>>;
  /** Text of a rule file. */
  readonly rules: string;
}

/** One series of an answer. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** An alert that is pending or fires. */
export interface ActiveAlert {
  readonly name: string;
  readonly state: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A Prometheus that runs. */
export interface Prometheus {
  /** The value of an expression, now. Rejects with what Prometheus says if it can not be evaluated. */
  query(expr: string): Promise<readonly Sample[]>;
  /** Values of a label of the series that match. */
  labelValues(label: string, selector: string): Promise<readonly string[]>;
  alerts(): Promise<readonly ActiveAlert[]>;
  /** Ends it, and removes its folder. Idempotent. */
  close(): Promise<void>;
}

/** Starts the `prometheus` in PATH. @throws Error if there is none, or with what it says if it does not start. */
export async function startPrometheus({ ports, job, labels, rules }: PrometheusOptions): Promise<Prometheus> {
  const program = findTool("prometheus");
  if (program === undefined) throw new Error("there is no prometheus");
  const folder = await mkdtemp(join(tmpdir(), "wsmand-prometheus-"));
  const config = {
    global: { scrape_interval: "2s", scrape_timeout: "2s", evaluation_interval: "2s" },
    rule_files: ["rules.yaml"],
    scrape_configs: [{ job_name: job, static_configs: [{ targets: ports.map((port) => `127.0.0.1:${port}`), labels }] }],
  };
  await writeFile(join(folder, "rules.yaml"), rules);
  await writeFile(join(folder, "prometheus.yaml"), stringify(config));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(program, [`--config.file=${join(folder, "prometheus.yaml")}`, `--storage.tsdb.path=${join(folder, "data")}`, `--web.listen-address=127.0.0.1:${port}`, "--log.level=warn"], { stdio: ["ignore", "ignore", "pipe"] });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-4000)));
  const close = async (): Promise<void> => {
    await endProcess(child);
    process.off("exit", kill);
    await rm(folder, { recursive: true, force: true });
  };
  const isReady = async (): Promise<boolean> => {
    if (child.exitCode !== null) throw new Error(`prometheus ended: ${said}`);
    return fetch(`${url}/-/ready`).then(({ ok }) => ok, () => false);
  };
  try {
    await until("prometheus is ready", isReady);
  } catch (error) {
    await close();
    throw error;
  }
  return { ...apiOf(url), close };
}

function apiOf(url: string): Omit<Prometheus, "close"> {
  const get = async (path: string, parameters: Readonly<Record<string, string>> = {}): Promise<JsonObject> => {
    const response = await fetch(`${url}/api/v1/${path}`, { method: "POST", body: new URLSearchParams(parameters), signal: AbortSignal.timeout(20_000) });
    return answerOf(path, await response.json());
  };
  return {
    query: async (query) => objectsAt(asObject((await get("query", { query }))["data"]) ?? {}, "result").map((series) => ({ labels: textsIn(series["metric"]), value: lastOf(series["value"]) })),
    labelValues: async (label, selector) => {
      const response = await fetch(`${url}/api/v1/label/${label}/values?${new URLSearchParams({ "match[]": selector }).toString()}`);
      const values = answerOf("label", await response.json())["data"];
      return Array.isArray(values) ? values.map(String) : [];
    },
    alerts: async () => {
      const response = await fetch(`${url}/api/v1/alerts`);
      const alerts = objectsAt(asObject(answerOf("alerts", await response.json())["data"]) ?? {}, "alerts");
      return alerts.map((alert) => ({ name: textsIn(alert["labels"])["alertname"] ?? "", state: String(alert["state"]), labels: textsIn(alert["labels"]), annotations: textsIn(alert["annotations"]) }));
    },
  };
}

function answerOf(path: string, body: unknown): JsonObject {
  const answer = asObject(body) ?? {};
  if (answer["status"] !== "success") throw new Error(`${path}: ${String(answer["error"])}`);
  return answer;
}

function textsIn(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(asObject(value) ?? {}).map(([key, text]) => [key, String(text)]));
}

/** Of [time, "value"]. */
function lastOf(value: unknown): number {
  return Array.isArray(value) ? Number(value[1]) : Number.NaN;
}
