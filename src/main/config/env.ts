/** The process's environment: read here and nowhere else. */
import { homedir } from "node:os";

/** The ws-manager that client commands talk to where nothing names another. */
export const defaultAddress = "127.0.0.1:8080";

/** What counts of the environment. */
export interface Environment {
  /** WSMAN_ADDRESS: the ws-manager that client commands talk to. */
  readonly address: string | undefined;
  /** TERM is "dumb": the terminal can not move its cursor. */
  readonly dumbTerminal: boolean;
  /** Colour in a terminal is not wanted: NO_COLOR is set, or TERM is "dumb". */
  readonly noColor: boolean;
  /** KUBE_STAGE: stage of the backup storage where the file names none. */
  readonly kubeStage: string | undefined;
  /** All variables, for the search for a Kubernetes cluster (KUBECONFIG, KUBERNETES_SERVICE_*). */
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/** Reads the environment. */
export function readEnvironment(variables: Readonly<Record<string, string | undefined>> = process.env): Environment {
  const dumbTerminal = variables["TERM"] === "dumb";
  return {
    address: variables["WSMAN_ADDRESS"] || undefined,
    noColor: (variables["NO_COLOR"] ?? "") !== "" || dumbTerminal,
    dumbTerminal,
    kubeStage: variables["KUBE_STAGE"] || undefined,
    variables,
    home: homedir(),
  };
}
