/** What stands on a workspace pod that wsmand does not understand, though it understands the pod: pure. */
import { decodeBase64 } from "../../../domain/base64.ts";
import { parseGoDuration } from "../../../domain/duration.ts";
import { annotations, labels, userAnnotationPrefix } from "../../../domain/names.ts";
import { parseTimeMs } from "../../../domain/rfc3339.ts";
import { contentservice, wsman } from "../../../gen/proto.js";
import { annotation, label, type Pod } from "../../../workers/pod.ts";

/** Something odd. */
export interface Oddity {
  /** The annotation or label. */
  readonly name: string;
  /** What is wrong, and what counts instead. */
  readonly text: string;
}

type Reader = (text: string) => boolean;

function packed(decode: (bytes: Uint8Array) => unknown): Reader {
  return (text) => {
    const bytes = decodeBase64(text);
    if (bytes === undefined) return false;
    try {
      decode(bytes);
      return true;
    } catch {
      return false;
    }
  };
}

const isTime: Reader = (text) => parseTimeMs(text) !== undefined;
const isDuration: Reader = (text) => parseGoDuration(text) !== undefined;
const isAdmission: Reader = (text) => ["ADMIT_OWNER_ONLY", "ADMIT_EVERYONE"].includes(text.toUpperCase());

/** What can be read wrongly without the whole pod being so. */
const readers: readonly (readonly [name: string, reader: Reader, text: string])[] = [
  [annotations.exposedPorts, packed((bytes) => wsman.ExposedPorts.decode(bytes)), "can not be read: no ports are exposed"],
  [annotations.sshPublicKeys, packed((bytes) => wsman.SSHPublicKeys.decode(bytes)), "can not be read"],
  [annotations.contentInitializer, packed((bytes) => contentservice.WorkspaceInitializer.decode(bytes)), "can not be read: its content can not be put in place"],
  [annotations.customTimeout, isDuration, "is no duration: the configured timeout counts"],
  [annotations.stoppedByRequest, isDuration, "is no duration: 30 s count"],
  [annotations.admission, isAdmission, "is no level that is known: the owner alone is let in"],
  [annotations.lastActivity, isTime, "is no time: it counts as missing"],
  [annotations.firstCreated, isTime, "is no time: the pod's own creation counts"],
];

/** Names that begin like ours, and are none of ours. */
const ours = /^gitpod(?:\.io)?\//;
const knownAnnotations: ReadonlySet<string> = new Set<string>(Object.values(annotations));
const knownLabels: ReadonlySet<string> = new Set<string>(Object.values(labels));

/** What is odd about a pod. @param classes those that are configured. */
export function odditiesOf(pod: Pod, classes: ReadonlySet<string>): readonly Oddity[] {
  const odd: Oddity[] = [];
  for (const [name, reads, text] of readers) {
    const value = annotation(pod, name);
    if (value !== undefined && value !== "" && !reads(value)) odd.push({ name, text });
  }
  for (const name of [labels.owner, labels.metaId]) if (!label(pod, name)) odd.push({ name, text: "is missing: backups of its content have no place" });
  const workspaceClass = label(pod, labels.workspaceClass) ?? "";
  if (workspaceClass !== "" && !classes.has(workspaceClass)) odd.push({ name: labels.workspaceClass, text: `names a class that is not configured: ${workspaceClass.slice(0, 63)}` });
  return odd;
}

/** Names of annotations and labels that look like an installation's own, and mean nothing to wsmand. */
export function unknownNames(pod: Pod): readonly string[] {
  const unknown = (names: readonly string[], known: ReadonlySet<string>): readonly string[] => names.filter((name) => ours.test(name) && !known.has(name) && !name.startsWith(userAnnotationPrefix));
  return [...unknown(Object.keys(pod.annotations), knownAnnotations), ...unknown(Object.keys(pod.labels), knownLabels)];
}
