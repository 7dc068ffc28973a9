/** A protobuf contract as plain facts (names, numbers, types), so that editions of it can be compared and one be made from the facts. */
import protobuf from "protobufjs";

/** The facts of one package. Keys are names, with the outer message's in front for nested ones. Fields are declared as in a .proto file. */
export interface PackageFacts {
  readonly messages: Readonly<Record<string, { readonly fields: readonly string[]; readonly oneofs?: Readonly<Record<string, readonly string[]>>; readonly reserved?: readonly number[] }>>;
  readonly enums: Readonly<Record<string, { readonly values: Readonly<Record<string, number>>; readonly reserved?: readonly number[] }>>;
  readonly services: Readonly<Record<string, readonly string[]>>;
}

interface Draft {
  messages: Record<string, { fields: string[]; oneofs?: Record<string, string[]>; reserved?: number[] }>;
  enums: Record<string, { values: Record<string, number>; reserved?: number[] }>;
  services: Record<string, string[]>;
}

/** The facts of a package in a parsed contract, sorted. */
export function factsOf(root: protobuf.Root, packageName: string): PackageFacts {
  const namespace = root.lookup(packageName);
  if (!(namespace instanceof protobuf.Namespace)) throw new Error(`no package ${packageName}`);
  const draft: Draft = { messages: {}, enums: {}, services: {} };
  collect(namespace, "", draft);
  return draft;
}

function collect(namespace: protobuf.NamespaceBase, prefix: string, draft: Draft): void {
  for (const object of namespace.nestedArray.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = prefix + object.name;
    if (object instanceof protobuf.Type) {
      draft.messages[name] = messageFacts(object);
      collect(object, `${name}.`, draft);
    } else if (object instanceof protobuf.Enum) {
      draft.enums[name] = { values: { ...object.values }, ...reservedOf(object.reserved) };
    } else if (object instanceof protobuf.Service) {
      draft.services[name] = object.methodsArray.map((m) => `rpc ${m.name}(${streamed(m.requestStream)}${m.requestType}) returns (${streamed(m.responseStream)}${m.responseType})`);
    }
  }
}

function messageFacts(type: protobuf.Type): Draft["messages"][string] {
  const fields = type.fieldsArray.toSorted((a, b) => a.id - b.id).map((field) => `${declaration(field)} ${field.name} = ${field.id}`);
  const oneofs = type.oneofsArray.filter((one) => !one.name.startsWith("_")).map((one): [string, string[]] => [one.name, one.oneof]);
  return { fields, ...(oneofs.length > 0 ? { oneofs: Object.fromEntries(oneofs) } : {}), ...reservedOf(type.reserved) };
}

function declaration(field: protobuf.Field): string {
  if (field instanceof protobuf.MapField) return `map<${field.keyType}, ${field.type}>`;
  if (field.repeated) return `repeated ${field.type}`;
  return field.options?.["proto3_optional"] === true ? `optional ${field.type}` : field.type;
}

function streamed(stream: boolean | undefined): string {
  return stream ? "stream " : "";
}

function reservedOf(reserved: readonly (number[] | string)[] | undefined): { reserved?: number[] } {
  const numbers = (reserved ?? []).flatMap((range) => (typeof range === "string" ? [] : Array.from({ length: (range[1] ?? 0) - (range[0] ?? 0) + 1 }, (_, i) => (range[0] ?? 0) + i)));
  return numbers.length > 0 ? { reserved: numbers.sort((a, b) => a - b) } : {};
}

/** A contract made from the facts of its packages. Field names are in camel case, as the generated code has them. */
export function contractOf(packages: Readonly<Record<string, PackageFacts>>): protobuf.Root {
  const root = new protobuf.Root();
  for (const [name, facts] of Object.entries(packages)) protobuf.parse(render(name, facts), root);
  root.addJSON(protobuf.common.get("google/protobuf/timestamp.proto")?.nested ?? {});
  root.resolveAll();
  return root;
}

function render(packageName: string, { messages, enums }: PackageFacts): string {
  const top = Object.keys(messages).filter((name) => !name.includes("."));
  const enumTexts = Object.entries(enums).map(([name, { values }]) => `enum ${name} { ${Object.entries(values).map(([key, value]) => `${key} = ${value};`).join(" ")} }`);
  return [`syntax = "proto3"; package ${packageName};`, ...enumTexts, ...top.map((name) => renderMessage(name, messages))].join("\n");
}

function renderMessage(name: string, messages: PackageFacts["messages"]): string {
  const { fields = [], oneofs = {} } = messages[name] ?? {};
  const inner = Object.keys(messages).filter((other) => other.startsWith(`${name}.`)).map((other) => renderMessage(other, messages));
  const grouped = new Set(Object.values(oneofs).flat());
  const named = (field: string): string => / (\w+) = \d+$/.exec(field)?.[1] ?? "";
  const groups = Object.entries(oneofs).map(([one, members]) => `oneof ${one} { ${fields.filter((f) => members.includes(named(f))).map((f) => `${f};`).join(" ")} }`);
  return `message ${name.split(".").at(-1)} { ${[...inner, ...groups, ...fields.filter((f) => !grouped.has(named(f))).map((f) => `${f};`)].join(" ")} }`;
}
