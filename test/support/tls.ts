/** Files of certificates as installations have them, and what a server says to a client that speaks TLS itself. */
import { mkdtemp, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect, type ConnectionOptions, type PeerCertificate } from "node:tls";
import type { TlsFiles } from "../../src/main/rpc/tls.ts";
import type { CertificatePair } from "./certs.ts";

/** What a server shows, and whom it lets in. */
export interface TlsMaterial {
  /** PEM. */
  readonly ca: string;
  readonly server: CertificatePair;
}

/** Writes the files as a secret volume does: into a folder of their own, to which a link is switched. */
export async function linkTlsFiles(folder: string, material: TlsMaterial): Promise<TlsFiles> {
  const generation = await mkdtemp(join(folder, "generation-"));
  await overwriteTlsFiles(tlsFilesIn(generation), material);
  await symlink(generation, join(folder, "next"));
  await rename(join(folder, "next"), join(folder, "data"));
  return tlsFilesIn(join(folder, "data"));
}

/** Writes the files where they are, one after the other. */
export async function overwriteTlsFiles({ ca, crt, key }: TlsFiles, material: TlsMaterial): Promise<void> {
  await writeFile(ca, material.ca);
  await writeFile(crt, material.server.crt);
  await writeFile(key, material.server.key);
}

function tlsFilesIn(folder: string): TlsFiles {
  return { ca: join(folder, "ca.crt"), crt: join(folder, "tls.crt"), key: join(folder, "tls.key") };
}

/** How a server greeted a client. */
export interface Greeting {
  /** Version of TLS in which it sent something; "refused" if it sent nothing. */
  readonly protocol: string;
  readonly certificate: PeerCertificate | undefined;
  /** To go on with another time. */
  readonly session: Buffer | undefined;
}

/** Connects, and waits for an HTTP/2 settings frame or the end. */
export function greet(port: number, options: ConnectionOptions): Promise<Greeting> {
  return new Promise((resolve) => {
    let session: Buffer | undefined;
    const socket = connect({ port, host: "127.0.0.1", ALPNProtocols: ["h2"], ...options });
    socket.on("session", (given) => (session = given));
    socket.once("data", () => {
      resolve({ protocol: socket.getProtocol() ?? "", certificate: socket.getPeerCertificate(), session: session ?? socket.getSession() });
      socket.destroy();
    });
    const refused = (): void => resolve({ protocol: "refused", certificate: undefined, session: undefined });
    socket.once("error", refused);
    socket.once("close", refused);
  });
}
