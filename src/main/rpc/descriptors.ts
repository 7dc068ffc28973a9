/** Makes protobufjs' file descriptors what protoc's are, as strict readers (grpcurl, all of Go) demand. */
import descriptor from "protobufjs/ext/descriptor.js";
import type { IDescriptorProto, IFieldDescriptorProto, IFileDescriptorProto } from "protobufjs/ext/descriptor.js";

/**
 * The same files with: map entries named as protoc names them (FooBarEntry), type names resolved (.package.Type), the files they stand in
 * listed as dependencies, `optional` marked, JSON names set, and ranges of reserved numbers with an exclusive end. protobufjs does otherwise.
 */
export function strictDescriptors(files: readonly Uint8Array[]): Buffer[] {
  const decoded = files.map((bytes): IFileDescriptorProto => descriptor.FileDescriptorProto.toObject(descriptor.FileDescriptorProto.decode(bytes)));
  for (const message of decoded.flatMap((file) => file.messageType ?? [])) {
    nameMapEntries(message);
    endRanges(message);
  }
  const owners = new Map<string, string>();
  for (const file of decoded) indexTypes(file, owners);
  for (const file of decoded) resolveFile(file, owners);
  return decoded.map((file) => Buffer.from(descriptor.FileDescriptorProto.encode(file).finish()));
}

function nameMapEntries(message: IDescriptorProto): void {
  for (const nested of message.nestedType ?? []) {
    nameMapEntries(nested);
    if (nested.options?.mapEntry !== true) continue;
    const field = message.field?.find(({ typeName }) => typeName === nested.name);
    if (!field) continue;
    nested.name = `${camelCase(field.name ?? "")}Entry`;
    field.typeName = nested.name;
  }
}

/** The end of a range of reserved numbers is the first number after it. */
function endRanges(message: IDescriptorProto): void {
  for (const range of message.reservedRange ?? []) range.end = (range.end ?? 0) + 1;
  for (const nested of message.nestedType ?? []) endRanges(nested);
}

function camelCase(name: string): string {
  return name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Notes which file each type stands in, by full name. */
function indexTypes(file: IFileDescriptorProto, owners: Map<string, string>): void {
  const add = (scope: string, message: IDescriptorProto): void => {
    const name = join(scope, message.name);
    owners.set(name, file.name ?? "");
    for (const nested of message.nestedType ?? []) add(name, nested);
    for (const { name: enumName } of message.enumType ?? []) owners.set(join(name, enumName), file.name ?? "");
  };
  const scope = file.package ?? "";
  for (const message of file.messageType ?? []) add(scope, message);
  for (const { name } of file.enumType ?? []) owners.set(join(scope, name), file.name ?? "");
}

function resolveFile(file: IFileDescriptorProto, owners: ReadonlyMap<string, string>): void {
  const dependencies = new Set<string>();
  const resolve = (scope: string, name: string | undefined): string | undefined => {
    const found = name === undefined ? undefined : lookUp(scope, name, owners);
    const owner = found === undefined ? undefined : owners.get(found);
    if (owner !== undefined && owner !== file.name) dependencies.add(owner);
    return found === undefined ? name : `.${found}`;
  };
  const visit = (scope: string, message: IDescriptorProto): void => {
    const name = join(scope, message.name);
    for (const field of message.field ?? []) resolveField(message, field, (type) => resolve(name, type));
    for (const nested of message.nestedType ?? []) visit(name, nested);
  };
  const scope = file.package ?? "";
  for (const message of file.messageType ?? []) visit(scope, message);
  for (const method of file.service?.flatMap((service) => service.method ?? []) ?? []) {
    method.inputType = resolve(scope, method.inputType) ?? "";
    method.outputType = resolve(scope, method.outputType) ?? "";
  }
  file.dependency = [...dependencies].toSorted();
}

function resolveField(message: IDescriptorProto, field: IFieldDescriptorProto, resolve: (name: string | undefined) => string | undefined): void {
  const typeName = resolve(field.typeName);
  if (typeName !== undefined) field.typeName = typeName;
  field.jsonName = (field.name ?? "").replace(/_(.?)/g, (_, letter: string) => letter.toUpperCase());
  const oneof = field.oneofIndex === undefined ? undefined : message.oneofDecl?.[field.oneofIndex];
  if (oneof?.name === `_${field.name}`) field.proto3Optional = true;
}

/** Looks a name up from the innermost scope outwards, as protoc does. */
function lookUp(scope: string, name: string, owners: ReadonlyMap<string, string>): string | undefined {
  if (name.startsWith(".")) return owners.has(name.slice(1)) ? name.slice(1) : undefined;
  for (let outer = scope; ; outer = outer.slice(0, Math.max(0, outer.lastIndexOf(".")))) {
    const candidate = join(outer, name);
    if (owners.has(candidate)) return candidate;
    if (outer === "") return undefined;
  }
}

function join(scope: string, name: string | undefined): string {
  return scope === "" ? (name ?? "") : `${scope}.${name ?? ""}`;
}
