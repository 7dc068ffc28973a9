/** Check of the files that a configuration names: certificates that fit and are valid, and credentials. */
import { X509Certificate, createPrivateKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { messageOf } from "../../../domain/errors.ts";
import { checkReadable } from "../../config/files.ts";
import { storageFileWarnings } from "../../config/storage-files.ts";
import type { TlsConfig } from "../../config/types.ts";
import { note, problem, warning, type Check, type Finding } from "./check.ts";

/** Certificates that run out within this time are told of, milliseconds. */
const soonMs = 14 * 86_400_000;

/** The check. */
export const files: Check = {
  name: "files",
  title: "files",
  share: 1,
  async run({ config, inCluster, clock }) {
    const { manager, rpcServer, pprof, wsmand, content } = config;
    // Elsewhere they may well be missing.
    const missing = inCluster ? problem : warning;
    const sections: (readonly [string, TlsConfig | undefined])[] = [["rpcServer.tls", rpcServer.tls], ["manager.wsdaemon.tls", manager.wsdaemon.tls]];
    // Elsewhere nobody reads them.
    if (pprof.addr !== undefined) sections.push(["wsmand.profiling.tls", wsmand.profiling.tls]);
    const findings: Finding[] = [];
    for (const [section, tls] of sections) if (tls) findings.push(...(await tlsFindings(section, tls, missing, clock.now())));
    findings.push(...(await storageFileWarnings(content.storage)).map(warning));
    const without = sections.filter(([, tls]) => !tls).map(([section]) => section);
    if (without.length > 0) findings.push(note(`${without.join(" and ")}: not set, so without TLS`));
    return { summary: inCluster ? "as the daemon would find them" : "as they are on this machine, which is not in the cluster", findings };
  },
};

async function tlsFindings(section: string, tls: TlsConfig, missing: (text: string) => Finding, now: number): Promise<readonly Finding[]> {
  const unreadable: Finding[] = [];
  for (const name of ["ca", "crt", "key"] as const) await checkReadable(`${section}.${name}`, tls[name]).catch((error: unknown) => unreadable.push(missing(messageOf(error))));
  if (unreadable.length > 0) return unreadable;
  return [...(await validity(`${section}.ca`, tls.ca, now)), ...(await validity(`${section}.crt`, tls.crt, now)), ...(await fitting(section, tls))];
}

async function validity(key: string, file: string, now: number): Promise<readonly Finding[]> {
  const certificate = await certificateIn(file);
  if (!certificate) return [problem(`${key}: ${JSON.stringify(file)} holds no certificate in PEM`)];
  const until = Date.parse(certificate.validTo);
  if (Date.parse(certificate.validFrom) > now) return [problem(`${key}: is not valid before ${certificate.validFrom}`)];
  if (until <= now) return [problem(`${key}: has run out at ${certificate.validTo}`)];
  return until - now < soonMs ? [warning(`${key}: runs out at ${certificate.validTo}`)] : [];
}

async function fitting(section: string, { crt, key }: TlsConfig): Promise<readonly Finding[]> {
  const certificate = await certificateIn(crt);
  if (!certificate) return [];
  try {
    return certificate.checkPrivateKey(createPrivateKey(await readFile(key))) ? [] : [problem(`${section}.key: does not belong to the certificate in ${section}.crt`)];
  } catch {
    // The library's own message may tell of the key.
    return [problem(`${section}.key: ${JSON.stringify(key)} holds no private key in PEM that can be used`)];
  }
}

async function certificateIn(file: string): Promise<X509Certificate | undefined> {
  try {
    return new X509Certificate(await readFile(file));
  } catch {
    return undefined;
  }
}

