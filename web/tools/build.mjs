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
  entryPoints: { live: join(web, "src/main.ts"), "live-style": join(web, "src/live.css") },
  outdir: join(page, "assets"),
  entryNames: "[name]",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  legalComments: "eof",
  metafile: true,
  logLevel: "warning",
});
