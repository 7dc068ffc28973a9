/** Every call with one answer that leaves its workspace as it is for the next one: what it is asked for, and the patch that it comes down to. */
import { encodeBase64 } from "../../domain/base64.ts";
import { annotations } from "../../domain/names.ts";
import { wsman } from "../../gen/proto.js";

/** A workspace that is called for. */
export interface Steered {
  readonly id: string;
  readonly metaId: string;
}

/** A call. Its figures begin with the key that it has in {@link steeringCalls}. */
export interface SteeringCall {
  readonly method: string;
  /** @param round 0 or 1: another value each time, so that there is something to change. */
  readonly request: (workspace: Steered, round: number) => Uint8Array;
  /** Annotations that it sets; undefined: it writes nothing. */
  readonly annotations?: (workspace: Steered, round: number) => Readonly<Record<string, string>>;
  /** Not every cluster has what it needs: it is left out where it can not be done. */
  readonly optional?: boolean;
  /** What the API server must serve for it. */
  readonly needs?: string;
  /** It needs a workspace that runs on a node with a node daemon. */
  readonly onNode?: boolean;
}

const { ADMIT_EVERYONE, ADMIT_OWNER_ONLY } = wsman.AdmissionLevel;
const port = 4000;

/** A key that anyone may have: its bytes are no one's. */
const key = `ssh-ed25519 ${Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from("ssh-ed25519"), Buffer.from([0, 0, 0, 32]), Buffer.alloc(32, 7)]).toString("base64")}`;
const keysOf = (round: number): string[] => [`${key} bench-${round}`];
const timeoutOf = (round: number): string => `${60 + round}m`;

/** All calls but StartWorkspace and StopWorkspace: scenario start has those, with workspaces of their own for each call. One that was stopped is gone for the calls after it. */
export const steeringCalls: Readonly<Record<string, SteeringCall>> = {
  describe_cluster: { method: "DescribeCluster", request: () => new Uint8Array() },
  describe_workspace: { method: "DescribeWorkspace", request: ({ id }) => wsman.DescribeWorkspaceRequest.encode({ id }).finish() },
  get_workspaces: { method: "GetWorkspaces", request: ({ metaId }) => wsman.GetWorkspacesRequest.encode({ mustMatch: { metaId } }).finish() },
  mark_active: { method: "MarkActive", request: ({ id }) => wsman.MarkActiveRequest.encode({ id }).finish() },
  set_timeout: {
    method: "SetTimeout",
    request: ({ id }, round) => wsman.SetTimeoutRequest.encode({ id, duration: timeoutOf(round) }).finish(),
    annotations: (_, round) => ({ [annotations.customTimeout]: timeoutOf(round) }),
  },
  control_admission: {
    method: "ControlAdmission",
    request: ({ id }, round) => wsman.ControlAdmissionRequest.encode({ id, level: round === 0 ? ADMIT_EVERYONE : ADMIT_OWNER_ONLY }).finish(),
    annotations: (_, round) => ({ [annotations.admission]: round === 0 ? "admit_everyone" : "admit_owner_only" }),
  },
  control_port: {
    method: "ControlPort",
    request: ({ id }, round) => wsman.ControlPortRequest.encode({ id, expose: true, spec: { port, visibility: round } }).finish(),
    annotations: ({ id }, round) => ({ [annotations.exposedPorts]: encodeBase64(wsman.ExposedPorts.encode({ ports: [3000, 8080, port].map((number) => ({ port: number, visibility: round, url: `https://${number}-${id}.ws.bench.example.com` })) }).finish()) }),
  },
  update_ssh_key: {
    method: "UpdateSSHKey",
    request: ({ id }, round) => wsman.UpdateSSHKeyRequest.encode({ id, keys: keysOf(round) }).finish(),
    annotations: (_, round) => ({ [annotations.sshPublicKeys]: encodeBase64(wsman.SSHPublicKeys.encode({ keys: keysOf(round) }).finish()) }),
  },
  delete_volume_snapshot: {
    // Of one that is not there, which is left alone.
    method: "DeleteVolumeSnapshot", optional: true, needs: "/apis/snapshot.storage.k8s.io/v1", request: ({ id }) => wsman.DeleteVolumeSnapshotRequest.encode({ id, softDelete: true }).finish(),
  },
  take_snapshot: { method: "TakeSnapshot", optional: true, onNode: true, request: ({ id }) => wsman.TakeSnapshotRequest.encode({ id }).finish() },
  backup_workspace: { method: "BackupWorkspace", optional: true, onNode: true, request: ({ id }) => wsman.BackupWorkspaceRequest.encode({ id }).finish() },
};
