/** Pod templates of workspace classes: whether a file parses as a Pod. */
import { z } from "zod";
import { describeValue } from "./describe-value.ts";
import { normalize } from "./normalize.ts";
import { pathOf } from "./problems.ts";
import { readDocument } from "./source.ts";

const texts = z.record(z.string(), z.string());
const object = z.looseObject({});
const container = z.looseObject({
  name: z.string().optional(),
  image: z.string().optional(),
  command: z.array(z.string()).optional(),
  args: z.array(z.string()).optional(),
  env: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })).optional(),
  volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })).optional(),
  ports: z.array(object).optional(),
  resources: z.looseObject({ limits: z.record(z.string(), z.union([z.string(), z.number()])).optional(), requests: z.record(z.string(), z.union([z.string(), z.number()])).optional() }).optional(),
  securityContext: object.optional(),
  readinessProbe: object.optional(),
  livenessProbe: object.optional(),
});

/** A Pod as far as a template can be wrong in ways that would show only when a workspace starts. */
const podTemplate = z.looseObject({
  apiVersion: z.literal("v1").optional(),
  kind: z.literal("Pod").optional(),
  metadata: z.looseObject({ name: z.string().optional(), labels: texts.optional(), annotations: texts.optional(), finalizers: z.array(z.string()).optional() }).optional(),
  spec: z.looseObject({
    containers: z.array(container).optional(),
    initContainers: z.array(container).optional(),
    volumes: z.array(z.looseObject({ name: z.string() })).optional(),
    tolerations: z.array(object).optional(),
    imagePullSecrets: z.array(object).optional(),
    nodeSelector: texts.optional(),
    affinity: object.optional(),
    securityContext: object.optional(),
    serviceAccountName: z.string().optional(),
    hostname: z.string().optional(),
    dnsPolicy: z.string().optional(),
    restartPolicy: z.string().optional(),
    schedulerName: z.string().optional(),
    terminationGracePeriodSeconds: z.number().optional(),
  }).optional(),
});

/** Says what is wrong with a template file; undefined if it parses as a Pod. */
export async function podTemplateProblem(path: string): Promise<string | undefined> {
  const document = await readDocument(path);
  if ("problem" in document) return `the file ${describeValue(path)} ${document.problem}`;
  const { value, problems } = normalize(document.value);
  const [broken] = problems;
  if (broken) return `the file ${describeValue(path)} ${broken.message}`;
  const parsed = podTemplate.safeParse(value ?? {});
  const issue = parsed.error?.issues[0];
  if (!issue) return undefined;
  const where = issue.path.length === 0 ? "" : `, at ${pathOf(issue.path)}`;
  return `the file ${describeValue(path)} does not parse as a Pod${where}: ${issue.message.charAt(0).toLowerCase()}${issue.message.slice(1)}`;
}
