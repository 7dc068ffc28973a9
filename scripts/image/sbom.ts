/** The bill of materials: all that the image holds, in CycloneDX's JSON. Equal contents give equal bytes. */
import { createHash } from "node:crypto";
import type { Base } from "./base.ts";
import type { LockedPackage, Production } from "./lock.ts";

/** A part that the image holds. */
export interface Component {
  readonly type: "application" | "library";
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses?: readonly [{ readonly expression: string }];
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
}

/** A document in CycloneDX 1.5. */
export interface Sbom {
  readonly $schema: string;
  readonly bomFormat: "CycloneDX";
  readonly specVersion: "1.5";
  readonly serialNumber: string;
  readonly version: 1;
  readonly metadata: { readonly timestamp: string; readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/**
 * Makes the bill of materials.
 * @param epoch seconds since 1970: what the document says of when it was made.
 * @param licenceOf SPDX expression of a package; empty: unknown.
 */
export function sbomOf(production: Production, base: Base, license: string, epoch: number, licenceOf: (found: LockedPackage) => string): Sbom {
  const own = component("application", npmUrl(production.name, production.version), production.name, production.version, license);
  // The same version in two folders is one component.
  const refs = new Map(production.packages.map(({ path, name, version }) => [path, npmUrl(name, version)]));
  const refsOf = (paths: readonly string[]): readonly string[] => [...new Set(paths.map((path) => refs.get(path) ?? path))].toSorted();
  const runtime = [nodeOf(base), ...base.debian.map(({ name, version, sha256 }) => debianOf(name, version, sha256, base))];
  const content = {
    metadata: { timestamp: new Date(epoch * 1000).toISOString(), component: own },
    components: [...runtime, ...uniqueByRef(production.packages.map((found) => npmOf(found, licenceOf(found))))],
    dependencies: [
      { ref: own["bom-ref"], dependsOn: [...runtime.map((part) => part["bom-ref"]), ...refsOf(production.dependsOn)] },
      ...uniqueByRef(production.packages.map((found) => ({ "bom-ref": npmUrl(found.name, found.version), dependsOn: refsOf(found.dependsOn) }))).map(({ "bom-ref": ref, dependsOn }) => ({ ref, dependsOn })),
    ],
  };
  return { $schema: "http://cyclonedx.org/schema/bom-1.5.schema.json", bomFormat: "CycloneDX", specVersion: "1.5", serialNumber: serialOf(JSON.stringify(content)), version: 1, ...content };
}

function npmOf({ name, version, integrity }: LockedPackage, license: string): Component {
  const [algorithm, digest] = integrity.split(/-(.*)/s);
  const hashes = algorithm === "sha512" && digest !== undefined ? [{ alg: "SHA-512", content: Buffer.from(digest, "base64").toString("hex") }] : undefined;
  return component("library", npmUrl(name, version), name, version, license, hashes);
}

function nodeOf({ node: { name, version, integrity } }: Base): Component {
  const content = Buffer.from(integrity.replace(/^sha512-/, ""), "base64").toString("hex");
  return component("library", npmUrl(name, version), name, version, "MIT", [{ alg: "SHA-512", content }]);
}

function debianOf(name: string, version: string, sha256: string, { architecture, suite }: Base): Component {
  return component("library", `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}&distro=${suite}`, name, version, "", [{ alg: "SHA-256", content: sha256 }]);
}

function component(type: Component["type"], purl: string, name: string, version: string, license: string, hashes?: Component["hashes"]): Component {
  return { type, "bom-ref": purl, name, version, purl, ...(license !== "" && { licenses: [{ expression: license }] as const }), ...(hashes && { hashes }) };
}

/** Package URL of an npm package. */
export function npmUrl(name: string, version: string): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

function uniqueByRef<T extends { readonly "bom-ref": string }>(items: readonly T[]): readonly T[] {
  return [...new Map(items.map((item) => [item["bom-ref"], item])).values()];
}

/** A UUID that follows from the content (RFC 9562, version 8). */
function serialOf(content: string): string {
  const hex = createHash("sha256").update(content).digest("hex");
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
