// Builds the page into the live daemon's package: plain file names, nothing but this folder's files in it.

import { copyFile, cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const web = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const page = resolve(web, process.argv[2] ?? "../opensqt_live/src/opensqt_live/page");
/** What ends up in live.js beside our own code, and whose licences travel with it. */
const BUNDLED = ["lightweight-charts", "fancy-canvas"];

await rm(page, { recursive: true, force: true });
await mkdir(page, { recursive: true });
await cp(join(web, "public"), page, { recursive: true });
await copyFile(join(web, "live.html"), join(page, "live.html"));
const { metafile } = await build({
  entryPoints: [
    { in: join(web, "src/main.ts"), out: "live" },
    { in: join(web, "src/live.css"), out: "live" },
  ],
  outdir: join(page, "assets"),
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  legalComments: "eof",
  metafile: true,
  logLevel: "warning",
});
await writeFile(join(page, "licenses.txt"), await licences(Object.keys(metafile.inputs)));

async function licences(inputs) {
  const bundled = new Set(inputs.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]).filter(Boolean));
  const unnamed = [...bundled].filter((name) => !BUNDLED.includes(name));
  if (unnamed.length > 0) throw new Error(`bundled without its licence: ${unnamed.join(", ")} (see BUNDLED)`);
  return (await Promise.all(BUNDLED.map(licence))).join("\n\n");
}

async function licence(name) {
  const folder = join(web, "node_modules", name);
  const { version, license, author } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const by = typeof author === "string" ? author : (author?.name ?? "its authors");
  const head = `${name} ${version}, by ${by}, licence ${license}`;
  const text = await readFile(join(folder, "LICENSE"), "utf8").catch(() => "");
  return `${head}\n${"=".repeat(head.length)}\n${text}`;
}
