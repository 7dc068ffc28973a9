// Puts the generated protobuf code beside the compiled sources.
import { cpSync } from "node:fs";

cpSync("src/gen", "dist/gen", { recursive: true });
