/** How much of a start request a pod can hold: what Kubernetes would refuse, could not store, or could not run, is refused before it is asked (spec: api, StartWorkspace). */
import { userAnnotationPrefix } from "../../domain/names.ts";
import { wsman } from "../../gen/proto.js";
import { repoRoots, requestedEnv, type EnvVar } from "./env.ts";
import { checkoutLocations, encodeInitializer } from "./initializer.ts";
import { envVarsOf } from "./start.ts";

type Request = wsman.StartWorkspaceRequest.$Properties;
type Spec = wsman.StartWorkspaceSpec.$Properties;

/** All annotations of an object may take 256 KiB; images, which are bounded by themselves, and what calls add later have the rest. */
const maxAnnotationBytes = 192 * 1024;
/** etcd stores objects of 1.5 MiB at most. */
const maxEnvBytes = 1024 * 1024;
/** Linux starts no process with a longer variable, its name and what ends it included. */
const maxVariableBytes = 128 * 1024;
/** What a variable takes beside its texts: in the pod, and in the API server's notes on who set it, which have the name once more. */
const bytesPerVariable = 80;
/** Longest name of an image, path, class and the like, characters. */
const maxText = 4096;

/** What is too large or can not be in an environment, with the reason, by the field's name in the protocol. */
export function sizeProblems({ metadata, spec }: Request): ReadonlyMap<string, string> {
  return new Map([...annotationProblems(metadata ?? {}, spec ?? {}), ...envProblems(spec ?? {}), ...rootsProblems(spec ?? {}), ...textProblems(spec ?? {})]);
}

/** If they are too large together, the largest one is told. */
function annotationProblems({ annotations }: wsman.WorkspaceMetadata.$Properties, { initializer, sshPublicKeys }: Spec): readonly [string, string][] {
  const parts: [string, number][] = [
    ["annotations", Object.entries(annotations ?? {}).reduce((sum, [key, value]) => sum + userAnnotationPrefix.length + Buffer.byteLength(key) + Buffer.byteLength(value), 0)],
    ["initializer", base64Length(encodeInitializer(initializer ?? {}).length)],
    ["ssh_public_keys", base64Length(wsman.SSHPublicKeys.encode({ keys: sshPublicKeys ?? [] }).finish().length)],
  ];
  const total = parts.reduce((sum, [, bytes]) => sum + bytes, 0);
  if (total <= maxAnnotationBytes) return [];
  const [field, bytes] = parts.reduce((largest, part) => (part[1] > largest[1] ? part : largest));
  return [[field, `takes ${bytes} bytes on the pod, whose annotations may take ${maxAnnotationBytes} together and take ${total}`]];
}

function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

function envProblems(spec: Spec): readonly [string, string][] {
  const variables = requestedEnv(envVarsOf(spec));
  const bytes = [rootsVariable(spec), ...variables].reduce((sum, variable) => sum + bytesPerVariable + 2 * Buffer.byteLength(variable.name) + valueBytes(variable), 0);
  if (bytes > maxEnvBytes) return [["envvars", `take ${bytes} bytes on the pod, and may take ${maxEnvBytes}`]];
  const broken = variables.find((variable) => "value" in variable && variable.value.includes("\0"));
  if (broken) return [["envvars", `${quoted(broken.name)} has a NUL in its value, which no environment can hold`]];
  const large = variables.find((variable) => "value" in variable && processBytes(variable) > maxVariableBytes);
  return large ? [["envvars", `${quoted(large.name)} takes ${processBytes(large)} bytes, and one variable may take ${maxVariableBytes}`]] : [];
}

/** The variable that grows with the repositories. */
function rootsVariable({ initializer }: Spec): EnvVar {
  return { name: "GITPOD_REPO_ROOTS", value: repoRoots(initializer ?? {}).join(",") };
}

function rootsProblems(spec: Spec): readonly [string, string][] {
  const bytes = processBytes(rootsVariable(spec));
  return bytes > maxVariableBytes ? [["initializer", `has checkout locations that take ${bytes} bytes as a variable, and may take ${maxVariableBytes}`]] : [];
}

function valueBytes(variable: EnvVar): number {
  return Buffer.byteLength("value" in variable ? variable.value : JSON.stringify(variable.valueFrom));
}

/** As a process has it: NAME=VALUE, and a NUL. */
function processBytes(variable: EnvVar): number {
  return Buffer.byteLength(variable.name) + valueBytes(variable) + 2;
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 60));
}

/** Most of them become variables as well. */
function textProblems(spec: Spec): readonly [string, string][] {
  const { ideImage, git, volumeSnapshot } = spec;
  const texts: [string, (string | null | undefined)[]][] = [
    ["workspace_image", [spec.workspaceImage]],
    ["deprecated_ide_image", [spec.deprecatedIdeImage]],
    ["ide_image", [ideImage?.webRef, ideImage?.desktopRef, ideImage?.supervisorRef]],
    ["workspace_location", [spec.workspaceLocation]],
    ["git", [git?.username, git?.email]],
    ["class", [spec.class]],
    ["volume_snapshot", [volumeSnapshot?.volumeSnapshotHandle]],
    ["initializer", checkoutLocations(spec.initializer ?? {}).slice()],
  ];
  return texts.flatMap(([field, values]): [string, string][] => {
    if (values.some((value) => value?.includes("\0"))) return [[field, "has a NUL in it"]];
    // There may be too many to be arguments.
    const longest = values.reduce((most, value) => Math.max(most, value?.length ?? 0), 0);
    return longest > maxText ? [[field, `has ${longest} characters, and may have ${maxText}`]] : [];
  });
}
