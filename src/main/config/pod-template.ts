/** Pod templates of workspace classes: files that must parse as a Pod. */
import { isAbsolute } from "node:path";
import { z } from "zod";
import type { JsonObject } from "../../domain/json.ts";
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

/** What is wrong with a template file. */
export interface TemplateProblem {
  readonly problem: string;
  /** The file is not there, or can not be read for another reason. */
  readonly unread: boolean;
}

/** What a template file holds, or what is wrong with it. */
type Template = { readonly template: JsonObject } | TemplateProblem;

/** Says what is wrong with a template file; undefined if it parses as a Pod. */
export async function podTemplateProblem(path: string): Promise<TemplateProblem | undefined> {
  const read = await readTemplate(path);
  return "problem" in read ? read : undefined;
}

/** Reads a template file: a Pod, or parts of one. @throws Error that says what is wrong with the file. */
export async function readPodTemplate(path: string): Promise<JsonObject> {
  const read = await readTemplate(path);
  if ("problem" in read) throw new Error(read.problem);
  return read.template;
}

async function readTemplate(path: string): Promise<Template> {
  const document = await readDocument(path);
  if ("problem" in document) return { problem: `the file ${describeValue(path)} ${document.problem}${isAbsolute(path) ? "" : " (the path is relative to the working directory)"}`, unread: document.unread === true };
  const { value, problems } = normalize(document.value);
  const [broken] = problems;
  if (broken) return { problem: `the file ${describeValue(path)} ${broken.message}`, unread: false };
  const parsed = podTemplate.safeParse(value ?? {});
  if (parsed.success) return { template: parsed.data };
  const [issue] = parsed.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? "" : `, at ${pathOf(issue.path)}`;
  const why = issue?.message ?? "";
  return { problem: `the file ${describeValue(path)} does not parse as a Pod${where}: ${why.charAt(0).toLowerCase()}${why.slice(1)}`, unread: false };
}
