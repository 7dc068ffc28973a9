/** Schema of section `manager`: workspaces, their classes and their timeouts (spec: config). */
import { z } from "zod";
import { checkedText, duration, durationWithDefault, entries, flag, notAbove, numberWithDefault, optionalCheckedText, optionalFile, optionalQuantity, optionalText, section, text, whenMissing } from "./fields.ts";
import type { Field, OptionalField } from "./fields.ts";
import type { ManagerConfig, ResourceQuantities, TlsConfig, WorkspaceClass } from "./types.ts";
import { isUrl, portUrlFields, urlTemplateProblem, workspaceUrlFields } from "./url-template.ts";

const minute = 60_000;

/** Three PEM files, or none. @param what they are for, in words. */
export function tls({ ca, crt, key }: Readonly<Record<keyof TlsConfig, string>>): OptionalField<TlsConfig> {
  const members = {
    ca: whenMissing(optionalFile(), "no TLS").describe(ca),
    crt: whenMissing(optionalFile(), "no TLS").describe(crt),
    key: whenMissing(optionalFile(), "no TLS").describe(key),
  };
  return section(members).transform(({ ca, crt, key }, context) => {
    if (ca !== undefined && crt !== undefined && key !== undefined) return { ca, crt, key };
    const missing = Object.entries({ ca, crt, key }).filter(([, file]) => file === undefined).map(([name]) => name);
    if (missing.length === 3) return undefined;
    for (const name of missing) context.addIssue({ code: "custom", path: [name], message: "is required: TLS needs all of ca, crt and key, or none of them" });
    return z.NEVER;
  }).optional();
}

const timeouts = section(
  {
    startup: duration().describe("From creation until the workspace must run; also until its first activity."),
    initialization: duration().describe("From creation until the pod must be scheduled."),
    regularWorkspace: duration().describe("Inactivity after which a workspace is stopped."),
    maxLifetime: duration().describe("No workspace runs longer."),
    headlessWorkspace: duration().describe("No prebuild, image build or probe runs longer."),
    afterClose: duration().describe("Inactivity after which a workspace is stopped that was closed."),
    contentFinalization: duration().describe("Time for the backup."),
    stopping: duration().describe("Time to stop; not less than `contentFinalization`."),
    interrupted: durationWithDefault(5 * minute).describe("Time to come back from an interruption."),
  },
  [notAbove("contentFinalization", "stopping")],
);

/** Quantities of the workspace container. @param what they are, in a word. */
function resources(what: string, storage: string): Field<ResourceQuantities> {
  return section({
    cpu: optionalQuantity().describe(`The workspace container's ${what} of CPU.`),
    memory: optionalQuantity().describe(`Its ${what} of memory.`),
    "ephemeral-storage": optionalQuantity().describe(`Its ${what} of ephemeral storage.`),
    storage: optionalQuantity().describe(storage),
  });
}

const workspaceClass = section({
  name: whenMissing(optionalText(), "the ID").describe("Name for people."),
  container: section({ requests: resources("request", "Accepted, not used."), limits: resources("limit", "How much a workspace's content may take on its node.") }),
  templates: section({
    defaultPath: optionalFile().describe("File with a Pod (YAML or JSON) that is merged under every workspace pod. It is checked at the start and read for each workspace: one that breaks later has starts refused (FAILED_PRECONDITION)."),
    regularPath: optionalFile().describe("The same for regular workspaces, merged under that one."),
    prebuildPath: optionalFile().describe("The same for prebuilds."),
    probePath: optionalFile().describe("The same for probes."),
    imagebuildPath: optionalFile().describe("The same for image builds."),
  }),
  pvc: section({
    size: optionalQuantity().describe("Size of the volume claims of workspaces that ask for one."),
    storageClass: optionalText().describe("Their storage class."),
    snapshotClass: optionalText().describe("Class of their volume snapshots."),
  }),
}).describe("A class of workspaces; an ID is a label value. The class `default` is required: workspaces that ask for no class, or one that does not exist, get it.");

const workspaceClasses: Field<readonly WorkspaceClass[]> = entries("ID", workspaceClass).transform((classes) =>
  Object.entries(classes).map(([id, members]) => ({ id, ...members })).sort((a, b) => (a.id < b.id ? -1 : 1)),
);

const namespace = optionalCheckedText((name) => (/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(name) ? undefined : "must be the name of a Kubernetes namespace"));

/** Section `manager`. */
export const manager: Field<ManagerConfig> = section({
  namespace: whenMissing(namespace, "`default`").describe("Namespace of the workspace pods."),
  schedulerName: optionalText().describe("Scheduler of the pods."),
  seccompProfile: optionalText().describe("Seccomp profile of the pods, `localhost/NAME`."),
  timeouts,
  initProbe: section({
    disabled: flag().describe("Do not ask a workspace whether it is ready: it is once its content is there."),
    timeout: durationWithDefault(5000).describe("Patience with one such question; there is one every half second, for half an hour at most."),
  }),
  caCertSecret: optionalText().describe("Secret with further authorities, mounted into workspaces."),
  urlTemplate: checkedText((template) => urlTemplateProblem(template, workspaceUrlFields), "URL template")
    .describe("A workspace's URL, with `{{ .ID }}`, `{{ .Prefix }}` (the request's service prefix, else the ID) and `{{ .Host }}`, which is `manager.hostURL` as it is: where that has a scheme, as workspaces expect, write the host into the template instead. URLs that come out odd are warned of."),
  portUrlTemplate: optionalCheckedText((template) => urlTemplateProblem(template, portUrlFields), "URL template")
    .describe("A port's URL: those, and `{{ .WorkspacePort }}`, `{{ .IngressPort }}`. Without it ports can not be exposed."),
  workspaceHostPath: text().describe("Directory on the nodes that holds the workspaces."),
  hostURL: checkedText((url) => (isUrl(url) ? undefined : "must be a URL or a host"), "URL").describe("URL of the installation, `https://gitpod.example.com`; workspaces get it as `GITPOD_HOST`. A host alone is accepted."),
  heartbeatInterval: duration().describe("How often workspaces report activity."),
  reconnectionInterval: duration().describe("How often clients try to reconnect."),
  eventTraceLog: optionalFile().describe("File for a line of JSON per published status, or `-` for the log; see [the trace of changes](#the-trace-of-changes)."),
  dryRun: flag().describe("Never delete a pod or a claim, nor make a pod anew; everything else is done."),
  debugWorkspacePod: flag().describe("Keep pods for a look at them, by a finalizer."),
  wsdaemon: section({
    port: numberWithDefault(8080, { min: 1, max: 65535 }).describe("Port of the node daemons."),
    tls: tls({
      ca: "PEM: authorities that the node daemons' certificates, for the name `wsdaemon`, come from.",
      crt: "PEM: the daemon's certificate towards them.",
      key: "PEM: its key.",
    }),
  }),
  registryFacadeHost: optionalText().describe("Registry that workspace images are pulled from, `HOST:PORT`. Without it no workspace can start."),
  workspaceClusterHost: optionalText().describe("Host of this cluster's workspaces."),
  workspaceClass: workspaceClasses,
}).describe("Workspaces, their classes and their timeouts.").transform(({ namespace, workspaceClass, ...rest }) => ({ ...rest, namespace: namespace ?? "default", workspaceClasses: workspaceClass }));
