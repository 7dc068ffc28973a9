/** Certificate authorities and certificates for tests, made on the spot. */
import { webcrypto } from "node:crypto";
import type * as X509 from "@peculiar/x509";
import { keepSecret } from "./secrets.ts";

// The library declares injectable classes when it is loaded, and wants the metadata functions for that; nothing is injected here.
for (const name of ["getMetadata", "getOwnMetadata", "defineMetadata", "hasOwnMetadata"]) {
  if (!Reflect.has(Reflect, name)) Object.defineProperty(Reflect, name, { value: (): undefined => undefined, configurable: true });
}
const x509 = await import("@peculiar/x509");

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const hourMs = 3_600_000;

/** A certificate and its key, PEM. */
export interface CertificatePair {
  readonly crt: string;
  readonly key: string;
}

/** What a certificate is for, and how long. */
export interface CertificateOptions {
  readonly usage: "client" | "server";
  /** Expired an hour ago. */
  readonly expired?: boolean;
  /** Valid from in an hour on. */
  readonly early?: boolean;
}

/** A certificate authority. */
export interface Authority {
  /** Its certificate, PEM. */
  readonly crt: string;
  /** Issues a certificate; servers' are for localhost, 127.0.0.1 and their name. */
  issue(name: string, options: CertificateOptions): Promise<CertificatePair>;
}

/** Makes an authority. */
export async function createAuthority(name: string): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const own = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=${name}`,
    ...validity({}),
    signingAlgorithm: algorithm,
    keys,
    extensions: [new x509.BasicConstraintsExtension(true, 1, true), new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true)],
  });
  return { crt: own.toString("pem"), issue: (subject, options) => issue(own, keys.privateKey, subject, options) };
}

async function issue(authority: X509.X509Certificate, signingKey: webcrypto.CryptoKey, name: string, options: CertificateOptions): Promise<CertificatePair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const usage = options.usage === "server" ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: `CN=${name}`,
    issuer: authority.subject,
    ...validity(options),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usage]),
      new x509.SubjectAlternativeNameExtension([{ type: "dns", value: "localhost" }, ...(/^[a-z]+$/.test(name) ? [{ type: "dns", value: name } as const] : []), { type: "ip", value: "127.0.0.1" }]),
    ],
  });
  const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  // The first line begins like every key's.
  keepSecret("a private key", key.split("\n").slice(2).join("\n"));
  return { crt: certificate.toString("pem"), key };
}

function validity({ expired = false, early = false }: Pick<CertificateOptions, "expired" | "early">): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now + (early ? hourMs : -2 * hourMs)), notAfter: new Date(now + (expired ? -hourMs : 24 * hourMs)) };
}

/** Positive, and different for each certificate. */
function serial(): string {
  return `01${Buffer.from(webcrypto.getRandomValues(new Uint8Array(8))).toString("hex")}`;
}
