/** Validation of start requests: every offending field, by its name in the protocol (spec: api, StartWorkspace). Values that may be secret are never quoted. */
import { parseGoDuration } from "../../domain/duration.ts";
import { WsmanError } from "../../domain/errors.ts";
import { isDnsLabel, isDnsSubdomain, isEnvName, isLabelValue, isQualifiedName, isSecretKey } from "../../domain/kubernetes-names.ts";
import { userAnnotationPrefix } from "../../domain/names.ts";
import { wsman } from "../../gen/proto.js";
import { quote } from "../config/describe-value.ts";
import { requestedEnv } from "./env.ts";
import { hasInitializer } from "./initializer.ts";
import { sizeProblems } from "./sizes.ts";
import { envVarsOf, startAdmissions, startFeatures, startTypes } from "./start.ts";

/** What is wrong with a field. */
export interface FieldProblem {
  /** As the protocol names it: `workspace_image`. */
  readonly field: string;
  readonly message: string;
}

type Request = wsman.StartWorkspaceRequest.$Properties;
type Metadata = wsman.WorkspaceMetadata.$Properties;
type Spec = wsman.StartWorkspaceSpec.$Properties;
type Check<T> = (value: T) => string | undefined;

const blank = "cannot be blank";
/** With it the rule begins that a value breaks. */
const ruleMark = ": at most ";
const noLabelValue = "is no label value: at most 63 letters, digits, dots, dashes and underscores, the first and last of them letters or digits";

/** Everything that is wrong with a request, at most one problem per field, sorted by field. Empty: a workspace can be started with it. */
export function startProblems(request: Request): readonly FieldProblem[] {
  const problems = [
    ...check(request, {
      id: ({ id }) => nameProblem(id ?? "", isUsableId, "can not be a part of a pod's name and a label's value: at most 63 lower-case letters, digits, dots and dashes, the first and last of them letters or digits"),
      service_prefix: servicePrefixProblem,
      type: ({ type }) => (startTypes.has(type ?? 0) ? undefined : outOfRange(type)),
      metadata: ({ metadata }) => (metadata ? undefined : blank),
      spec: ({ spec }) => (spec ? undefined : blank),
    }),
    ...(request.metadata ? metadataProblems(request.metadata) : []),
    ...(request.spec ? specProblems(request.spec) : []),
  ];
  const named = new Set(problems.map(({ field }) => field));
  for (const [field, message] of sizeProblems(request)) if (!named.has(field)) problems.push({ field, message });
  return problems.toSorted((a, b) => (a.field < b.field ? -1 : 1));
}

/** The error that tells a client of all problems: with less of each, rather than with less of them, where they are too many for a status. */
export function invalidStart(problems: readonly FieldProblem[]): WsmanError {
  const texts = [(message: string) => message, withoutRule, () => "is not valid"].map((shorten) => `invalid start workspace request: invalid request: ${problems.map(({ field, message }) => `${field}: ${shorten(message)}`).join("; ")}.`);
  return new WsmanError("INVALID_ARGUMENT", texts.find(({ length }) => length <= maxText) ?? texts.at(-1) ?? "");
}

/** Beyond it the text of a status is cut, and what comes last is not told at all; characters. */
const maxText = 1024;

/** What is wrong, without what would be right. */
function withoutRule(message: string): string {
  const end = message.lastIndexOf(ruleMark);
  return end < 0 ? message : message.slice(0, end);
}

function check<T>(value: T, checks: Readonly<Record<string, Check<T>>>): FieldProblem[] {
  return Object.entries(checks).flatMap(([field, problemOf]) => {
    const message = problemOf(value);
    return message === undefined ? [] : [{ field, message }];
  });
}

function metadataProblems(metadata: Metadata): FieldProblem[] {
  return check(metadata, {
    owner: ({ owner }) => nameProblem(owner ?? "", isLabelValue, noLabelValue),
    meta_id: ({ metaId }) => nameProblem(metaId ?? "", isDnsLabel, "can not be a host name: at most 63 lower-case letters, digits and dashes, the first and last of them letters or digits"),
    team: ({ team }) => labelProblem(team ?? ""),
    project: ({ project }) => labelProblem(project ?? ""),
    annotations: annotationsProblem,
  });
}

function specProblems(spec: Spec): FieldProblem[] {
  return check(spec, {
    workspace_image: ({ workspaceImage }) => (workspaceImage ? undefined : blank),
    workspace_location: ({ workspaceLocation }) => (workspaceLocation ? undefined : blank),
    initializer: ({ initializer }) => (hasInitializer(initializer) ? undefined : blank),
    ports: portsProblem,
    feature_flags: ({ featureFlags }) => outOfRangeIn((featureFlags ?? []).find((flag) => !startFeatures.has(flag))),
    admission: ({ admission }) => (startAdmissions.has(admission ?? 0) ? undefined : outOfRange(admission)),
    timeout: ({ timeout }) => timeoutProblem(timeout ?? ""),
    envvars: envProblem,
    volume_snapshot: snapshotProblem,
  });
}

/** As SetTimeout has it; empty: none is set. */
function timeoutProblem(timeout: string): string | undefined {
  const ms = timeout === "" ? 0 : parseGoDuration(timeout);
  if (ms === undefined) return `invalid duration ${quote(timeout)}`;
  return ms < 0 ? `invalid duration ${quote(timeout)}: must not be negative` : undefined;
}

function nameProblem(name: string, isName: (name: string) => boolean, otherwise: string): string | undefined {
  if (name === "") return blank;
  return isName(name) ? undefined : `${quote(name)} ${otherwise}`;
}

function labelProblem(value: string): string | undefined {
  return isLabelValue(value) ? undefined : `${quote(value)} ${noLabelValue}`;
}

function isUsableId(id: string): boolean {
  return isLabelValue(id) && isDnsSubdomain(id);
}

function servicePrefixProblem({ servicePrefix, type }: Request): string | undefined {
  if (!servicePrefix) return (type ?? 0) === wsman.WorkspaceType.REGULAR ? blank : undefined;
  // It becomes a part of the URL's host.
  return isLabelValue(servicePrefix) ? undefined : `${quote(servicePrefix)} can not be a part of a host name: at most 63 letters, digits, dots, dashes and underscores`;
}

function outOfRange(value: unknown): string {
  return `value ${String(value)} is out of range`;
}

function outOfRangeIn(value: number | undefined): string | undefined {
  return value === undefined ? undefined : outOfRange(value);
}

const userAnnotationName = userAnnotationPrefix.slice(userAnnotationPrefix.indexOf("/") + 1);

function annotationsProblem({ annotations }: Metadata): string | undefined {
  const wrong = Object.keys(annotations ?? {}).find((key) => !isQualifiedName(userAnnotationName + key));
  if (wrong === undefined) return undefined;
  return `${quote(wrong)} can not be a part of an annotation's key: at most ${63 - userAnnotationName.length} letters, digits, dots, dashes and underscores, the last of them a letter or digit`;
}

function portsProblem({ ports }: Spec): string | undefined {
  const seen = new Set<number>();
  for (const { port, visibility } of ports ?? []) {
    const number = port ?? 0;
    if (number < 1 || number > 65535) return `port ${number} is out of range`;
    if (seen.has(number)) return `port ${number} is not unique`;
    if (wsman.PortVisibility[visibility ?? 0] === undefined) return `port ${number} has visibility ${String(visibility)}, which is out of range`;
    seen.add(number);
  }
  return undefined;
}

/** Variables that are not taken may have any name. */
function envProblem(spec: Spec): string | undefined {
  for (const variable of requestedEnv(envVarsOf(spec))) {
    if (!isEnvName(variable.name)) return `${quote(variable.name)} can not be the name of an environment variable`;
    if (!("valueFrom" in variable)) continue;
    const { name, key } = variable.valueFrom.secretKeyRef;
    if (!isDnsSubdomain(name) || !isSecretKey(key)) return `${variable.name} needs the secret_name and the key of a secret`;
  }
  return undefined;
}

function snapshotProblem({ volumeSnapshot }: Spec): string | undefined {
  const name = volumeSnapshot?.volumeSnapshotName ?? "";
  return name === "" || isDnsSubdomain(name) ? undefined : `${quote(name)} can not be the name of a volume snapshot`;
}
