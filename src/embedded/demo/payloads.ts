/** The base64 protobuf and JSON values on workspace pods. */
import { encodeBase64 } from "../../domain/base64.ts";
import { contentservice, registryfacade, wsman } from "../../gen/proto.js";
import { hex } from "../kubelet/random.ts";
import type { Random } from "../kubelet/random.ts";

/** A port of a workspace. */
export interface DemoPort {
  readonly port: number;
  readonly url: string;
  readonly isPublic?: boolean;
}

/** Value of gitpod/exposedPorts. */
export function encodeExposedPorts(ports: readonly DemoPort[]): string {
  const specs = ports.map(({ port, url, isPublic }) => ({ port, url, visibility: isPublic ? wsman.PortVisibility.PORT_VISIBILITY_PUBLIC : wsman.PortVisibility.PORT_VISIBILITY_PRIVATE }));
  return encodeBase64(wsman.ExposedPorts.encode({ ports: specs }).finish());
}

/** Value of gitpod/imageSpec. */
export function encodeImageSpec(random: Random): string {
  return encodeBase64(registryfacade.ImageSpec.encode({
    baseRef: `registry.example.com/workspace-images:${hex(random, 64)}`,
    ideRef: `registry.example.com/ide/code:commit-${hex(random, 40)}`,
    supervisorRef: `registry.example.com/supervisor:main.${Math.floor(random() * 9000)}`,
  }).finish());
}

/** Value of gitpod/contentInitializer: a Git clone. */
export function encodeInitializer(project: string, random: Random): string {
  return encodeBase64(contentservice.WorkspaceInitializer.encode({
    git: { remoteUri: `https://git.example.com/demo/${project}.git`, targetMode: contentservice.CloneTargetMode.REMOTE_COMMIT, cloneTaget: hex(random, 40), checkoutLocation: project, config: { authentication: contentservice.GitAuthMethod.NO_AUTH } },
  }).finish());
}

/** Where a workspace's content comes from. */
export type DemoInitializer = contentservice.WorkspaceInitializer.$Properties;

/** The value of gitpod/contentInitializer again. */
export function decodeInitializer(value: string): DemoInitializer {
  return contentservice.WorkspaceInitializer.decode(Buffer.from(value, "base64"));
}

/** Value of gitpod.io/disposalStatus. */
export function disposalStatus(random: Random, backupFailure?: string): string {
  const untracked = random() < 0.5 ? { untracked_files: ["notes.md"], total_untracked_files: 1 } : {};
  const gitStatus = { branch: random() < 0.7 ? "main" : `fix/${hex(random, 4)}`, latest_commit: hex(random, 40), ...untracked };
  return JSON.stringify({ backupComplete: true, ...(backupFailure === undefined ? {} : { backupFailure }), gitStatus });
}
