/** Schema of section `content.storage` (spec: config, content-layers). */
import { asObject } from "../../domain/json.ts";
import { choice, flag, optionalFile, optionalNumber, optionalSecret, optionalText, section, whenMissing, type Field, type Rule } from "./fields.ts";
import type { StorageConfig } from "./types.ts";

const count = { min: 1, max: 1_000_000_000 } as const;
const aboutUploads = "About uploads: accepted, not used.";
const forMinio = "required with kind `minio`";

function stageOf(kubeStage: string | undefined): StorageConfig["stage"] {
  if (kubeStage === "production") return "prod";
  return kubeStage === "staging" ? "prodcopy" : "dev";
}

/** The section. @param kubeStage value of KUBE_STAGE. */
export function storage(kubeStage: string | undefined): Field<StorageConfig> {
  return section({
    kind: whenMissing(choice(["gcloud", "minio", ""], ""), "none").describe("Google Cloud Storage, or any S3-compatible server."),
    stage: whenMissing(choice(["prod", "prodcopy", "dev"], stageOf(kubeStage)), "from `KUBE_STAGE`").describe("Stage of the installation: `KUBE_STAGE` `production` is `prod`, `staging` is `prodcopy`, all else `dev`."),
    gcloud: section({
      region: optionalText().describe(aboutUploads),
      projectId: whenMissing(optionalText(), "the identity's").describe("Project of the buckets."),
      credentialsFile: whenMissing(optionalFile(), "the machine's identity").describe("Key of a service account, read at the first use."),
      maximumBackupCount: optionalNumber(count).describe(aboutUploads),
    }),
    minio: section({
      endpoint: whenMissing(optionalText(), forMinio).describe("The server, `HOST` or `HOST:PORT`."),
      accessKey: whenMissing(optionalSecret(), `${forMinio}, or \`accessKeyFile\``).describe("Access key; never printed."),
      secretKey: whenMissing(optionalSecret(), `${forMinio}, or \`secretKeyFile\``).describe("Secret key; never printed."),
      accessKeyFile: optionalFile().describe("Holds the access key, read again every few minutes."),
      secretKeyFile: optionalFile().describe("Holds the secret key, read again every few minutes."),
      secure: flag().describe("TLS, with the authorities that Node knows (and those in the file that `NODE_EXTRA_CA_CERTS` names)."),
      region: whenMissing(optionalText(), "`us-east-1`").describe("The server's region, as its signatures have it."),
      parallelUpload: optionalNumber(count).describe(aboutUploads),
      bucket: whenMissing(optionalText(), "`gitpod-user-OWNER`").describe("One bucket for all owners, who are folders in it."),
    }),
    backupTrail: section({ enabled: flag().describe(aboutUploads), maxLength: optionalNumber(count).describe(aboutUploads) }),
    blobQuota: optionalNumber({ min: 0, max: Number.MAX_SAFE_INTEGER }).describe(aboutUploads),
  }, [
    minioNeeds("endpoint", "is required with kind minio", ({ endpoint }) => endpoint !== undefined),
    minioNeeds("endpoint", 'must be HOST or HOST:PORT, such as "minio:9000", without a scheme (see secure)', ({ endpoint }) => typeof endpoint !== "string" || isHostAndPort(endpoint)),
    minioNeeds("accessKey", "is required with kind minio, or accessKeyFile", ({ accessKey, accessKeyFile }) => accessKey !== undefined || accessKeyFile !== undefined),
    minioNeeds("secretKey", "is required with kind minio, or secretKeyFile", ({ secretKey, secretKeyFile }) => secretKey !== undefined || secretKeyFile !== undefined),
  ]).describe("Where backups live. Needed only for workspaces whose content comes in image layers (features FULL_WORKSPACE_BACKUP and PERSISTENT_VOLUME_CLAIM): GetImageSpec looks there and signs links; nothing is written.");
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
