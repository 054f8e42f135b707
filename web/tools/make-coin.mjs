// Makes public/coin.mp3: a coin that drops, two short bell tones. Run by hand; needs `lame` (apt-get install lame).

import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const RATE = 44_100;
const LENGTH_S = 0.42;
/** Hertz, start in seconds, loudness: a fifth up, a semitone brighter than the usual bell, as coins are. */
const TONES = [
  [1_318.5, 0, 0.5],
  [1_975.5, 0.07, 0.5],
];
/** Overtones of a small struck disc: not quite whole multiples. */
const PARTIALS = [
  [1, 1],
  [2.76, 0.28],
  [5.4, 0.1],
];
const DECAY_S = 0.09;

function sample(time) {
  let sum = 0;
  for (const [pitch, start, loudness] of TONES) {
    const since = time - start;
    if (since < 0) continue;
    const attack = Math.min(1, since / 0.002);
    for (const [multiple, share] of PARTIALS) {
      const fade = Math.exp((-since * Math.sqrt(multiple)) / DECAY_S);
      sum += loudness * share * attack * fade * Math.sin(2 * Math.PI * pitch * multiple * since);
    }
  }
  const ending = Math.min(1, (LENGTH_S - time) / 0.02);
  return Math.tanh(sum) * ending;
}

const pcm = Buffer.alloc(Math.round(RATE * LENGTH_S) * 2);
for (let index = 0; index < pcm.length / 2; index += 1) {
  pcm.writeInt16LE(Math.round(sample(index / RATE) * 24_000), index * 2);
}
const target = join(dirname(fileURLToPath(import.meta.url)), "../public/coin.mp3");
const options = ["-r", "-s", "44.1", "-m", "m", "--bitwidth", "16", "-b", "64", "-t", "--quiet", "-", target];
const { status, stderr } = spawnSync("lame", options, { input: pcm });
if (status !== 0) throw new Error(`lame: ${stderr}`);
