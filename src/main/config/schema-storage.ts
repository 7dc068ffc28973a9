/** Schema of section `content.storage` (spec: config, content-layers). */
import { asObject } from "../../domain/json.ts";
import { choice, flag, optionalNumber, optionalSecret, optionalText, section, type Field, type Rule } from "./fields.ts";
import type { StorageConfig } from "./types.ts";

const count = { min: 1, max: 1_000_000_000 } as const;

function stageOf(kubeStage: string | undefined): StorageConfig["stage"] {
  if (kubeStage === "production") return "prod";
  return kubeStage === "staging" ? "prodcopy" : "dev";
}

/** The section. @param kubeStage value of KUBE_STAGE. */
export function storage(kubeStage: string | undefined): Field<StorageConfig> {
  return section({
    kind: choice(["gcloud", "minio", ""], ""),
    stage: choice(["prod", "prodcopy", "dev"], stageOf(kubeStage)),
    gcloud: section({ region: optionalText(), projectId: optionalText(), credentialsFile: optionalText(), maximumBackupCount: optionalNumber(count) }),
    minio: section({
      endpoint: optionalText(),
      accessKey: optionalSecret(),
      secretKey: optionalSecret(),
      accessKeyFile: optionalText(),
      secretKeyFile: optionalText(),
      secure: flag(),
      region: optionalText(),
      parallelUpload: optionalNumber(count),
      bucket: optionalText(),
    }),
    backupTrail: section({ enabled: flag(), maxLength: optionalNumber(count) }),
    blobQuota: optionalNumber({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  }, [
    minioNeeds("endpoint", "is required with kind minio", ({ endpoint }) => endpoint !== undefined),
    minioNeeds("endpoint", 'must be HOST or HOST:PORT, such as "minio:9000", without a scheme (see secure)', ({ endpoint }) => typeof endpoint !== "string" || isHostAndPort(endpoint)),
    minioNeeds("accessKey", "is required with kind minio, or accessKeyFile", ({ accessKey, accessKeyFile }) => accessKey !== undefined || accessKeyFile !== undefined),
    minioNeeds("secretKey", "is required with kind minio, or secretKeyFile", ({ secretKey, secretKeyFile }) => secretKey !== undefined || secretKeyFile !== undefined),
  ]);
}

/** A rule for the members of `minio`, if that is what counts. */
function minioNeeds(member: string, message: string, holds: (members: Readonly<Record<string, unknown>>) => boolean): Rule {
  // What is no object is told as such.
  return { member: `minio.${member}`, message, holds: ({ kind, minio }) => kind !== "minio" || asObject(minio) === undefined || holds(asObject(minio) ?? {}) };
}

function isHostAndPort(text: string): boolean {
  const url = URL.parse(`http://${text}`);
  return url !== null && /^[^/?#@\\\s]+$/.test(text) && url.hostname !== "";
}
