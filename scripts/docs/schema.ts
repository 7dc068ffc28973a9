/** Reads the configuration's schema: its sections and fields, with what is said of them there. */
import { z } from "zod";
import { fieldNotes, type FieldNotes } from "../../src/main/config/fields.ts";

/** A field or a section. */
export interface SchemaNode {
  /** `manager.workspaceClass.ID.name`; empty for the whole. */
  readonly path: string;
  readonly kind: "field" | "section";
  readonly description: string | undefined;
  readonly notes: FieldNotes;
}

type Said = Pick<SchemaNode, "description" | "notes">;

/** All that a schema holds, each section before its members. */
export function nodesOf(schema: z.core.$ZodType): readonly SchemaNode[] {
  return [...walk(schema, [], { description: undefined, notes: {} })];
}

/** @param outer what the layers around the schema say: it counts before what is inside of them. */
function* walk(schema: z.core.$ZodType, path: readonly string[], outer: Said): Generator<SchemaNode, void> {
  const said: Said = { description: outer.description ?? z.globalRegistry.get(schema)?.description, notes: { ...fieldNotes.get(schema), ...outer.notes } };
  const inner = inside(schema);
  if (inner) yield* walk(inner, path, said);
  else yield* own(schema, path, said);
}

function* own(schema: z.core.$ZodType, path: readonly string[], said: Said): Generator<SchemaNode, void> {
  // Of a section whose keys are not known there is nothing to tell: what stands for them is a section itself.
  if (!(schema instanceof z.ZodRecord)) yield { path: path.join("."), kind: schema instanceof z.ZodObject ? "section" : "field", ...said };
  for (const [name, member] of membersOf(schema, said.notes)) yield* walk(member, [...path, name], { description: undefined, notes: {} });
}

/** What a schema wraps, if it does. */
function inside(schema: z.core.$ZodType): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodOptional) return schema.unwrap();
  if (schema instanceof z.ZodPipe) return schema.in instanceof z.ZodTransform ? schema.out : schema.in;
  return undefined;
}

function membersOf(schema: z.core.$ZodType, { key = "KEY" }: FieldNotes): readonly (readonly [string, z.core.$ZodType])[] {
  if (schema instanceof z.ZodRecord) return [[key, schema.valueType]];
  return schema instanceof z.ZodObject ? Object.entries<z.core.$ZodType>(schema.shape) : [];
}
