/** Writes an image as an OCI archive, without a builder: what skopeo, podman and docker read. Equal trees give equal bytes. */
import type { ImageSettings } from "./containerfile.ts";
import { entriesBelow, gzipOf, sha256Of, tarOf, type Entry } from "./archive.ts";
import type { Tree } from "./tree.ts";

/** What an image is made from. */
export interface ImageSource {
  readonly tree: Tree;
  readonly settings: ImageSettings;
  /** As Debian, Go and OCI name it. */
  readonly architecture: string;
  /** Name and tag under which it is loaded. */
  readonly name: string;
  /** Seconds since 1970, of all files. */
  readonly epoch: number;
}

/** An image in one file. */
export interface OciImage {
  readonly archive: Buffer;
  /** Of the manifest, `sha256:…`: what the image is pulled and pinned by. */
  readonly digest: string;
}

interface Blob {
  readonly digest: string;
  readonly bytes: Buffer;
}

/** Makes the archive (OCI image layout 1.0, in a tar). Takes about thrice the memory of the tree. */
export async function ociImageOf({ tree, settings, architecture, name, epoch }: ImageSource): Promise<OciImage> {
  const created = new Date(epoch * 1000).toISOString();
  const layers: { readonly blob: Blob; readonly plain: string; readonly what: string }[] = [];
  for (const [what, folder] of [["Node.js and its base", tree.base], ["wsmand", tree.app]] as const) {
    const plain = await tarOf(entriesBelow(folder), epoch);
    layers.push({ blob: blobOf(gzipOf(plain)), plain: `sha256:${sha256Of(plain)}`, what });
  }
  const config = jsonBlob({
    created, architecture, os: "linux",
    config: {
      User: settings.user, Entrypoint: settings.entrypoint, Cmd: settings.command, WorkingDir: settings.workingFolder, Labels: settings.labels, Env: settings.environment,
      ExposedPorts: Object.fromEntries(settings.ports.map((port) => [port, {}])),
    },
    rootfs: { type: "layers", diff_ids: layers.map(({ plain }) => plain) },
    history: layers.map(({ what }) => ({ created, created_by: what })),
  });
  const manifest = jsonBlob({
    schemaVersion: 2, mediaType: manifestType,
    config: descriptor("application/vnd.oci.image.config.v1+json", config),
    layers: layers.map(({ blob }) => descriptor("application/vnd.oci.image.layer.v1.tar+gzip", blob)),
    annotations: settings.labels,
  });
  const index = jsonBlob({
    schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [{ ...descriptor(manifestType, manifest), platform: { architecture, os: "linux" }, annotations: { "org.opencontainers.image.ref.name": name } }],
  });
  const folders: readonly Entry[] = ["blobs", "blobs/sha256"].map((folder) => ({ name: folder, mode: 0o755 }));
  const blobs = [config, manifest, ...layers.map(({ blob }) => blob)].map(({ digest, bytes }) => file(`blobs/sha256/${digest.slice("sha256:".length)}`, bytes));
  const archive = await tarOf([...folders, ...blobs, file("index.json", index.bytes), file("oci-layout", jsonBlob({ imageLayoutVersion: "1.0.0" }).bytes)], epoch);
  return { archive, digest: manifest.digest };
}

const manifestType = "application/vnd.oci.image.manifest.v1+json";

function blobOf(bytes: Buffer): Blob {
  return { digest: `sha256:${sha256Of(bytes)}`, bytes };
}

function jsonBlob(value: object): Blob {
  return blobOf(Buffer.from(JSON.stringify(value)));
}

function descriptor(mediaType: string, { digest, bytes }: Blob): object {
  return { mediaType, digest, size: bytes.length };
}

function file(name: string, content: Buffer): Entry {
  return { name, content, mode: 0o644 };
}
