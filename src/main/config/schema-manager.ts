/** Schema of section `manager`: workspaces, their classes and their timeouts (spec: config). */
import { z } from "zod";
import { checkedText, duration, durationWithDefault, entries, flag, notAbove, numberWithDefault, optionalCheckedText, optionalQuantity, optionalText, section, text } from "./fields.ts";
import type { Field, OptionalField } from "./fields.ts";
import type { ManagerConfig, TlsConfig, WorkspaceClass } from "./types.ts";
import { isUrl, portUrlFields, urlTemplateProblem, workspaceUrlFields } from "./url-template.ts";

const minute = 60_000;

/** Three PEM files, or none. */
export function tls(): OptionalField<TlsConfig> {
  return section({ ca: optionalText(), crt: optionalText(), key: optionalText() }).transform(({ ca, crt, key }, context) => {
    if (ca !== undefined && crt !== undefined && key !== undefined) return { ca, crt, key };
    const missing = Object.entries({ ca, crt, key }).filter(([, file]) => file === undefined).map(([name]) => name);
    if (missing.length === 3) return undefined;
    for (const name of missing) context.addIssue({ code: "custom", path: [name], message: "is required: TLS needs all of ca, crt and key, or none of them" });
    return z.NEVER;
  }).optional();
}

const timeouts = section(
  {
    startup: duration(),
    initialization: duration(),
    regularWorkspace: duration(),
    maxLifetime: duration(),
    headlessWorkspace: duration(),
    afterClose: duration(),
    contentFinalization: duration(),
    stopping: duration(),
    interrupted: durationWithDefault(5 * minute),
  },
  [notAbove("contentFinalization", "stopping")],
);

const resources = section({ cpu: optionalQuantity(), memory: optionalQuantity(), "ephemeral-storage": optionalQuantity(), storage: optionalQuantity() });

const workspaceClass = section({
  name: optionalText(),
  container: section({ requests: resources, limits: resources }),
  templates: section({ defaultPath: optionalText(), regularPath: optionalText(), prebuildPath: optionalText(), probePath: optionalText(), imagebuildPath: optionalText() }),
  pvc: section({ size: optionalQuantity(), storageClass: optionalText(), snapshotClass: optionalText() }),
});

const workspaceClasses: Field<readonly WorkspaceClass[]> = entries(workspaceClass).transform((classes) =>
  Object.entries(classes).map(([id, members]) => ({ id, ...members })).sort((a, b) => (a.id < b.id ? -1 : 1)),
);

const namespace = optionalCheckedText((name) => (/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(name) ? undefined : "must be the name of a Kubernetes namespace"));

/** Section `manager`. */
export const manager: Field<ManagerConfig> = section({
  namespace,
  schedulerName: optionalText(),
  seccompProfile: optionalText(),
  timeouts,
  initProbe: section({ disabled: flag(), timeout: durationWithDefault(5000) }),
  caCertSecret: optionalText(),
  urlTemplate: checkedText((template) => urlTemplateProblem(template, workspaceUrlFields)),
  portUrlTemplate: optionalCheckedText((template) => urlTemplateProblem(template, portUrlFields)),
  workspaceHostPath: text(),
  hostURL: checkedText((url) => (isUrl(url) ? undefined : "must be a URL or a host")),
  heartbeatInterval: duration(),
  reconnectionInterval: duration(),
  eventTraceLog: optionalText(),
  dryRun: flag(),
  debugWorkspacePod: flag(),
  wsdaemon: section({ port: numberWithDefault(8080, { min: 1, max: 65535 }), tls: tls() }),
  registryFacadeHost: optionalText(),
  workspaceClusterHost: optionalText(),
  workspaceClass: workspaceClasses,
}).transform(({ namespace, workspaceClass, ...rest }) => ({ ...rest, namespace: namespace ?? "default", workspaceClasses: workspaceClass }));
