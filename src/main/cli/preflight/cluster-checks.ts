/** Checks of the cluster as a whole: its API server, the namespace, who leads. */
import { objectAt, textAt, type JsonObject } from "../../../domain/json.ts";
import { KubeError } from "../../kube/errors.ts";
import { leaseIn, leaseName } from "../../lifecycle/lease.ts";
import { note, problem, warning, type Check, type Finding } from "./check.ts";
import { inNamespace } from "./cluster-view.ts";

/** Clocks that differ by less than this do no harm, milliseconds. */
const maxSkewMs = 30_000;

/** The API server answers, and who asks it. */
export const apiServer: Check = {
  name: "apiServer",
  title: "API server",
  share: 1,
  async run({ cluster, skewMs, signal }) {
    const version = await cluster.look("/version", signal);
    const findings: Finding[] = [];
    const user = await userOf(cluster.ask("/apis/authentication.k8s.io/v1/selfsubjectreviews", { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" }, signal));
    if (user === undefined) findings.push(note("it does not tell who is asking (Kubernetes before 1.28)"));
    const skew = skewMs() ?? 0;
    if (Math.abs(skew) > maxSkewMs) findings.push(warning(`its clock and this machine's differ by ${Math.round(Math.abs(skew) / 1000)} s: timeouts count by the daemon's own clock`));
    const words = typeof version === "string" ? "it does not tell its version" : `Kubernetes ${textAt(version.found, "gitVersion")}`;
    return { summary: user === undefined ? words : `${words}, as ${user}`, findings, data: { user: user ?? null } };
  },
};

async function userOf(asked: Promise<JsonObject>): Promise<string | undefined> {
  try {
    return textAt(objectAt(objectAt(await asked, "status"), "userInfo"), "username") || undefined;
  } catch (error) {
    if (error instanceof KubeError && (error.status === 404 || error.status === 403)) return undefined;
    throw error;
  }
}

/** The namespace of the workspaces is there. */
export const namespace: Check = {
  name: "namespace",
  title: "namespace",
  share: 1,
  async run({ config, cluster, signal }) {
    const name = config.manager.namespace;
    const found = await cluster.look(`/api/v1/namespaces/${encodeURIComponent(name)}`, signal);
    if (found === "missing") return { summary: name, findings: [problem(`there is no namespace ${name} (manager.namespace)`)] };
    if (found === "forbidden") return { summary: name, findings: [note("it can not be looked at, which is not needed either: the daemon has no right to")] };
    const ends = textAt(objectAt(found.found, "status"), "phase") === "Terminating";
    return { summary: name, findings: ends ? [problem(`namespace ${name} is being deleted`)] : [] };
  },
};

/** A Lease that was renewed before this time is held by nobody, in its own durations. */
const stale = 2;

const gone = "has to be gone before wsmand acts";

/** Who leads now, and what that means for the change-over. */
export const leader: Check = {
  name: "leader",
  title: "leader",
  share: 1,
  async run({ config: { manager, wsmand }, cluster, clock, signal }) {
    const findings: Finding[] = [];
    if (!wsmand.leaderElection.enabled) findings.push(warning("wsmand.leaderElection.enabled is false: wsmand acts at once, so whatever acts now has to be gone before it starts"));
    if (!wsmand.lifecycle.enabled) findings.push(note("wsmand.lifecycle.enabled is false: wsmand brings no workspace up, and ends none"));
    const lease = await cluster.look(inNamespace(manager.namespace, "leases", leaseName, "coordination.k8s.io"), signal);
    if (lease === "forbidden") return { summary: "not known", findings: [...findings, note(`the Lease ${leaseName} can not be read`)] };
    if (lease === "missing") return { summary: "nobody", findings: [...findings, note(`there is no Lease: a manager that runs elects no leader, and ${gone}`)] };
    const { holder, renewTime, durationMs, transitions } = leaseIn(new TextEncoder().encode(JSON.stringify(lease.found)));
    const ageMs = clock.now() - Date.parse(renewTime ?? "");
    const held = holder !== "" && ageMs < stale * (durationMs ?? 15_000);
    // wsmand leaves the Lease behind: a second attempt finds it, beside a manager that has never looked at it.
    findings.push(note(held ? `${holder} leads: wsmand waits until it has gone, and leads then by itself` : `nobody holds the Lease: a manager that runs all the same elects no leader, and ${gone}`));
    return { summary: held ? `${holder}, renewed ${Math.max(0, Math.round(ageMs / 1000))} s ago` : "nobody at this moment", findings, data: { holder, held, transitions } };
  },
};
