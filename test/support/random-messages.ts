/** Random requests, made from the .proto files: in order, nearly in order, hostile, and no messages at all. The same seed and number give the same request. */
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";
import { pick, seededRandom, type Random } from "../../src/embedded/kubelet/random.ts";
import { wsman } from "../../src/gen/proto.js";

/** A request. */
export interface RandomRequest {
  readonly method: string;
  readonly bytes: Buffer;
}

/** What the requests speak of. */
export interface Vocabulary {
  /** IDs of workspaces that there are. */
  readonly workspaces: readonly string[];
  /** IDs of those that may be started. */
  readonly startable: readonly string[];
  /** Whatever else there is. */
  readonly others: readonly string[];
}

const folder = fileURLToPath(new URL("../../proto/", import.meta.url));
/** Messages within messages, at most. */
const maxDepth = 6;

const hostileTexts: readonly string[] = [
  "", " ", ".", "..", "../../etc/passwd", "/", "\\", "a/b", "%2e%2e%2f", "__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "\0", "a\0b", "\n", "a\r\nx: y", "\u001b[31m", "\u2028", "\ufeff", "\u202e", "\ufffd",
  "é", "😀", "a b", "-a", "a-", "A", "a_b", "*", "?", "#", "null", "undefined", "true", "0", "-1", "1e400", "NaN", "0x10", "{}", "[]", "${x}", "{{ .ID }}", "$(X)", "'; drop table pods; --", "<script>", "=", ",", "a=b,c=d",
  "1h", "30m", "-5m", "0", "1ns", "99999999999h", "default", "no-such-class", "gpwsman", "gitpod/id", "kubernetes.io/x", "a".repeat(63), "a".repeat(64), "x".repeat(254), "ssh-ed25519 AAAA", "https://evil.example/", "x".repeat(5000),
];
const notUtf8: readonly Buffer[] = [Buffer.of(0xff), Buffer.of(0xed, 0xa0, 0x80), Buffer.of(0xc0, 0x80), Buffer.of(0x61, 0xe2, 0x82), Buffer.of(0xf8, 0x88, 0x80, 0x80, 0x80)];
const numbers: readonly number[] = [0, 1, 2, 3, 4, 5, 7, 8, 80, 3000, 65_535, 65_536, 2_147_483_647, 4_294_967_295, -1, -2_147_483_648];

/** Makes requests of one service. */
export class RandomMessages {
  readonly #seed: number;
  readonly #vocabulary: Vocabulary;
  readonly #methods: readonly { readonly name: string; readonly type: protobuf.Type }[];

  /** @throws Error if the .proto files can not be read. */
  constructor(seed: number, vocabulary: Vocabulary) {
    this.#seed = seed;
    this.#vocabulary = vocabulary;
    const root = new protobuf.Root();
    root.resolvePath = (_origin, target) => (target.startsWith("google/") ? target : folder + target.replace(folder, ""));
    root.loadSync("ws-manager-api/core.proto", { keepCase: true }).resolveAll();
    this.#methods = root.lookupService("wsman.WorkspaceManager").methodsArray.map(({ name, resolvedRequestType }) => {
      if (!resolvedRequestType) throw new Error(`${name} has no request`);
      return { name, type: resolvedRequestType };
    });
  }

  get methods(): readonly string[] {
    return this.#methods.map(({ name }) => name);
  }

  /** The request of a number. */
  request(number: number): RandomRequest {
    const random = seededRandom(Math.imul(this.#seed, 0x9e3779b1) ^ number);
    const { name, type } = pick(random, this.#methods);
    return { method: name, bytes: new Draw(random, this.#vocabulary).request(name, type) };
  }
}

/** One request's choices. */
class Draw {
  readonly #random: Random;
  readonly #vocabulary: Vocabulary;

  constructor(random: Random, vocabulary: Vocabulary) {
    this.#random = random;
    this.#vocabulary = vocabulary;
  }

  request(method: string, type: protobuf.Type): Buffer {
    const kind = this.#random();
    if (kind < 0.4) return this.#message(type, 0);
    // The last value of a field counts.
    if (kind < 0.65) return Buffer.concat([this.#sound(method), this.#oneField(type, 0)]);
    if (kind < 0.85) return this.#mutated(this.#chance(0.5) ? this.#sound(method) : this.#message(type, 0));
    if (kind < 0.95) return this.#bytes(this.#below(300));
    return method === "StartWorkspace" && this.#chance(0.7) ? this.#bytes(20) : this.#sound(method);
  }

  #chance(share: number): boolean {
    return this.#random() < share;
  }

  #below(end: number): number {
    return Math.floor(this.#random() * end);
  }

  #bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.#below(256)));
  }

  #id(): string {
    const { workspaces, startable, others } = this.#vocabulary;
    const kind = this.#random();
    if (kind < 0.15) return pick(this.#random, workspaces);
    if (kind < 0.35) return pick(this.#random, startable);
    return kind < 0.7 ? pick(this.#random, others) : this.#text();
  }

  #text(): string {
    if (this.#chance(0.003)) return pick(this.#random, ["x", "é", "\n", "%"]).repeat(this.#below(this.#chance(0.1) ? 2_000_000 : 100_000));
    if (this.#chance(0.1)) return pick(this.#random, this.#vocabulary.others);
    return this.#chance(0.2) ? String.fromCharCode(...Array.from({ length: this.#below(20) }, () => 1 + this.#below(0xd7ff))) : pick(this.#random, hostileTexts);
  }

  /** Encoded texts, some of which are none. */
  #textBytes(name: string): Buffer {
    if (this.#chance(0.01)) return pick(this.#random, notUtf8);
    return Buffer.from(name === "id" && this.#chance(0.8) ? this.#id() : this.#text());
  }

  #message(type: protobuf.Type, depth: number): Buffer {
    return Buffer.concat(type.fieldsArray.flatMap((field) => (this.#chance(0.35) ? [] : this.#field(field, depth))));
  }

  /** A message with one field, which may be one far within. */
  #oneField(type: protobuf.Type, depth: number): Buffer {
    if (type.fieldsArray.length === 0) return Buffer.alloc(0);
    const field = pick(this.#random, type.fieldsArray);
    const { resolvedType } = field;
    if (resolvedType instanceof protobuf.Type && !field.map && depth < maxDepth && this.#chance(0.8)) return tagged(field.id, this.#oneField(resolvedType, depth + 1));
    return Buffer.concat(this.#field(field, depth));
  }

  #field(field: protobuf.Field, depth: number): Buffer[] {
    if (field instanceof protobuf.MapField) return Array.from({ length: this.#below(4) }, () => tagged(field.id, Buffer.concat([tagged(1, this.#textBytes("")), tagged(2, this.#textBytes(""))])));
    if (!field.repeated) return [this.#value(field, depth)];
    const count = this.#chance(0.01) ? this.#below(500) : this.#below(4);
    return Array.from({ length: depth > 2 ? Math.min(count, 2) : count }, () => this.#value(field, depth));
  }

  #value({ id, name, type, resolvedType }: protobuf.Field, depth: number): Buffer {
    // The wrong kind on the wire.
    if (this.#chance(0.01)) return this.#chance(0.5) ? varint(id, pick(this.#random, numbers)) : tagged(id, this.#bytes(this.#below(8)));
    if (resolvedType instanceof protobuf.Type) return tagged(id, depth >= maxDepth ? Buffer.alloc(0) : this.#message(resolvedType, depth + 1));
    if (resolvedType instanceof protobuf.Enum) return varint(id, this.#chance(0.7) ? pick(this.#random, Object.values(resolvedType.values)) : pick(this.#random, numbers));
    if (type === "string") return tagged(id, this.#textBytes(name));
    if (type === "bytes") return tagged(id, this.#bytes(this.#below(50)));
    return varint(id, type === "bool" ? this.#below(2) : pick(this.#random, numbers));
  }

  #mutated(sound: Buffer): Buffer {
    const bytes = Buffer.from(sound);
    const at = this.#below(bytes.length);
    switch (this.#below(4)) {
      case 0: return bytes.subarray(0, at);
      case 1: return Buffer.concat([bytes.subarray(0, at), this.#bytes(1 + this.#below(5)), bytes.subarray(at)]);
      case 2: return Buffer.concat([bytes.subarray(at), bytes.subarray(0, at)]);
      default:
        for (let i = 0; i <= this.#below(5) && bytes.length > 0; i++) bytes[this.#below(bytes.length)] = this.#below(256);
        return bytes;
    }
  }

  /** A request that is in order. */
  #sound(method: string): Buffer {
    const id = method === "StartWorkspace" ? pick(this.#random, this.#vocabulary.startable) : this.#id();
    const members: Readonly<Record<string, () => Uint8Array>> = {
      GetWorkspaces: () => wsman.GetWorkspacesRequest.encode({ mustMatch: { owner: this.#chance(0.1) ? "jane" : "nobody", annotations: { a: "b" } } }).finish(),
      Subscribe: () => wsman.SubscribeRequest.encode({ mustMatch: { owner: "nobody" } }).finish(),
      StopWorkspace: () => wsman.StopWorkspaceRequest.encode({ id, policy: this.#below(2) }).finish(),
      MarkActive: () => wsman.MarkActiveRequest.encode({ id, closed: this.#chance(0.1) }).finish(),
      SetTimeout: () => wsman.SetTimeoutRequest.encode({ id, duration: `${1 + this.#below(60)}m` }).finish(),
      ControlPort: () => wsman.ControlPortRequest.encode({ id, expose: this.#chance(0.5), spec: { port: 1 + this.#below(20) } }).finish(),
      ControlAdmission: () => wsman.ControlAdmissionRequest.encode({ id, level: this.#below(2) }).finish(),
      DeleteVolumeSnapshot: () => wsman.DeleteVolumeSnapshotRequest.encode({ id: `snapshot-${this.#below(5)}`, softDelete: this.#chance(0.5) }).finish(),
      StartWorkspace: () => this.#start(id),
    };
    return Buffer.from((members[method] ?? ((): Uint8Array => wsman.DescribeWorkspaceRequest.encode({ id }).finish()))());
  }

  #start(id: string): Uint8Array {
    const { REGULAR, PREBUILD, PROBE, IMAGEBUILD } = wsman.WorkspaceType;
    return wsman.StartWorkspaceRequest.encode({
      id, servicePrefix: id, type: pick(this.#random, [REGULAR, REGULAR, PREBUILD, PROBE, IMAGEBUILD]), metadata: { owner: pick(this.#random, ["jane", "joe"]), metaId: `meta-${this.#below(3)}`, annotations: { a: "b" } },
      spec: { workspaceImage: "image", workspaceLocation: "repo", initializer: { empty: {} }, featureFlags: this.#chance(0.3) ? [wsman.WorkspaceFeatureFlag.PERSISTENT_VOLUME_CLAIM] : [], envvars: [{ name: "A", value: "b" }] },
    }).finish();
  }
}

/** A field of bytes. */
function tagged(field: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([protobuf.Writer.create().uint32(((field << 3) | 2) >>> 0).uint32(bytes.length).finish(), bytes]);
}

function varint(field: number, value: number): Buffer {
  return Buffer.from(protobuf.Writer.create().uint32((field << 3) >>> 0).int64(value).finish());
}
