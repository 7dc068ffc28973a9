/** Decoding what is packed into a workspace pod's annotations: base64 of protobuf, and JSON. */
import { decodeBase64 } from "../domain/base64.ts";
import { asObject, stringAt, type JsonObject } from "../domain/json.ts";
import { contentservice, registryfacade, wsman } from "../gen/proto.js";
import { InvalidPodError } from "./pod.ts";

/**
 * Decodes annotation gitpod/imageSpec.
 * @throws InvalidPodError `invalid image spec: ...`
 */
export function decodeImageSpec(text: string): registryfacade.ImageSpec {
  const bytes = decodeBase64(text);
  if (bytes === undefined) throw new InvalidPodError("invalid image spec: not base64");
  try {
    return registryfacade.ImageSpec.decode(bytes);
  } catch {
    throw new InvalidPodError("invalid image spec: not a registryfacade.ImageSpec");
  }
}

/** Decodes annotation gitpod/exposedPorts; a broken one has no ports. */
export function decodeExposedPorts(text: string): wsman.PortSpec.$Properties[] {
  const bytes = decodeBase64(text);
  if (bytes === undefined) return [];
  try {
    return wsman.ExposedPorts.decode(bytes).ports.map(({ port, visibility, url }) => ({ port: port ?? 0, visibility: visibility ?? wsman.PortVisibility.PORT_VISIBILITY_PRIVATE, url: url ?? "" }));
  } catch {
    return [];
  }
}

/**
 * Decodes annotation gitpod.io/volumeSnapshotName.
 * @throws InvalidPodError `invalid volume snapshot status: ...`
 */
export function decodeVolumeSnapshot(text: string): wsman.VolumeSnapshotInfo.$Properties {
  const json = new JsonAnnotation("invalid volume snapshot status", text);
  return { volumeSnapshotName: json.text("volumeSnapshotName"), volumeSnapshotHandle: json.text("volumeSnapshotHandle") };
}

/** What finalization left behind, annotation gitpod.io/disposalStatus. */
export interface DisposalStatus {
  readonly backupComplete: boolean;
  readonly backupFailure: string;
  readonly gitStatus: contentservice.GitStatus.$Properties | undefined;
}

/**
 * Decodes annotation gitpod.io/disposalStatus.
 * @throws InvalidPodError `invalid disposal status: ...`
 */
export function decodeDisposalStatus(text: string): DisposalStatus {
  const json = new JsonAnnotation("invalid disposal status", text);
  const git = json.object("gitStatus");
  return { backupComplete: json.flag("backupComplete"), backupFailure: json.text("backupFailure"), gitStatus: git && gitStatusOf(git) };
}

function gitStatusOf(git: JsonAnnotation): contentservice.GitStatus.$Properties {
  return contentservice.GitStatus.fromObject({
    branch: git.text("branch"),
    latestCommit: git.text("latest_commit"),
    uncommitedFiles: git.texts("uncommited_files"),
    totalUncommitedFiles: git.integer("total_uncommited_files"),
    untrackedFiles: git.texts("untracked_files"),
    totalUntrackedFiles: git.integer("total_untracked_files"),
    unpushedCommits: git.texts("unpushed_commits"),
    totalUnpushedCommits: git.integer("total_unpushed_commits"),
  });
}

/** A JSON object with members of known types, which may be missing or null but not of another type. */
class JsonAnnotation {
  readonly #problem: string;
  readonly #members: JsonObject;

  /** @throws InvalidPodError if the text is not a JSON object or null. */
  constructor(problem: string, source: string | JsonObject) {
    this.#problem = problem;
    this.#members = typeof source === "string" ? this.#parse(source) : source;
  }

  text(key: string): string {
    return stringAt(this.#members, key) ?? this.#absent(key, "");
  }

  flag(key: string): boolean {
    const value = this.#members[key];
    return typeof value === "boolean" ? value : this.#absent(key, false);
  }

  integer(key: string): number {
    const value = this.#members[key];
    return typeof value === "number" && Number.isSafeInteger(value) ? value : this.#absent(key, 0);
  }

  texts(key: string): string[] {
    const value = this.#members[key];
    if (!Array.isArray(value)) return this.#absent(key, []);
    return value.map((entry) => (typeof entry === "string" ? entry.toWellFormed() : this.#broken(`${key} has a member of the wrong type`)));
  }

  object(key: string): JsonAnnotation | undefined {
    const value = asObject(this.#members[key]);
    return value ? new JsonAnnotation(this.#problem, value) : this.#absent(key, undefined);
  }

  #parse(text: string): JsonObject {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return this.#broken("not JSON");
    }
    return value === null ? {} : (asObject(value) ?? this.#broken("not a JSON object"));
  }

  #absent<T>(key: string, fallback: T): T {
    const value = Object.hasOwn(this.#members, key) ? this.#members[key] : undefined;
    return value === undefined || value === null ? fallback : this.#broken(`${key} has the wrong type`);
  }

  #broken(why: string): never {
    throw new InvalidPodError(`${this.#problem}: ${why}`);
  }
}
