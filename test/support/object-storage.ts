/** A real S3-compatible server for tests: versitygw, on the loopback interface, with a folder of its own. */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { freePort } from "./control-plane.ts";
import { secret } from "./secrets.ts";
import { endProcess } from "./end-process.ts";
import { canUnpack, unpacked } from "./unpack.ts";
import { until } from "./until.ts";

const namedBinary = process.env["WSMAND_TEST_VERSITYGW"] || undefined;
/** Why tests with a real server are skipped; false: they are not. */
export const noObjectStorage: string | false = namedBinary === undefined && !canUnpack ? "there is no S3 server: set WSMAND_TEST_VERSITYGW to a versitygw binary" : false;

/** The keys that it takes. The first one is a name: links show it. */
export const storageKeys = { accessKey: "AKIATESTS", secretKey: secret("storage-key") } as const;

/** A server that runs. */
export interface ObjectServer {
  /** HOST:PORT */
  readonly endpoint: string;
  createBucket(bucket: string): Promise<void>;
  put(bucket: string, object: string, body: string | Buffer, about?: { readonly contentType?: string; readonly digest?: string }): Promise<void>;
  /** Ends it. Idempotent. */
  stop(): Promise<void>;
}

/** Starts one that ends with the test. */
export async function startObjectServer(t: Pick<TestContext, "after">): Promise<ObjectServer> {
  const binary = await findBinary();
  const folder = await mkdtemp(join(tmpdir(), "objects-"));
  const port = await freePort();
  for (const name of ["data", "attributes"]) await mkdir(join(folder, name));
  // Attributes in a folder beside the data: not every file system has them.
  const child = spawn(binary, ["--port", `127.0.0.1:${port}`, "--region", "us-east-1", "posix", "--sidecar", join(folder, "attributes"), join(folder, "data")], {
    env: { ROOT_ACCESS_KEY_ID: storageKeys.accessKey, ROOT_SECRET_ACCESS_KEY: storageKeys.secretKey }, stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text: Buffer) => void (said = (said + text.toString()).slice(-4000)));
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  const stop = async (): Promise<void> => {
    process.off("exit", kill);
    await endProcess(child);
    await rm(folder, { recursive: true, force: true });
  };
  t.after(stop);
  const endpoint = `127.0.0.1:${port}`;
  try {
    await until("the S3 server answers", async () => child.exitCode !== null || fetch(`http://${endpoint}/`).then(() => true, () => false));
  } catch (error) {
    throw new Error(`versitygw did not start: ${said}`, { cause: error });
  }
  const client = new S3Client({ endpoint: `http://${endpoint}`, region: "us-east-1", forcePathStyle: true, credentials: { accessKeyId: storageKeys.accessKey, secretAccessKey: storageKeys.secretKey } });
  t.after(() => client.destroy());
  return {
    endpoint,
    async createBucket(bucket) {
      await client.send(new CreateBucketCommand({ Bucket: bucket }));
    },
    async put(bucket, object, body, { contentType = "application/octet-stream", digest } = {}) {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: object, Body: Buffer.from(body), ContentLength: Buffer.byteLength(body), ContentType: contentType, ...(digest !== undefined && { Metadata: { "gitpod-digest": digest } }) }));
    },
    stop,
  };
}

/** A binary comes from the environment, or is unpacked. */
async function findBinary(): Promise<string> {
  return namedBinary ?? join(await unpacked("versitygw"), "versitygw");
}
