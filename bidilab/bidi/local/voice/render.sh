#!/bin/sh
# Renders the agent's recorded voice: sentences.txt, a line each, spoken by flite's voice "slt" (CMU ARCTIC, free
# licence), into sentences.flac with 300 ms of silence after each, and the places of the sentences into sentences.json.
# Needs flite; run in this folder: sh render.sh
set -eu
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
n=0
while IFS= read -r line; do
    n=$((n + 1))
    flite -voice slt -t "$line" -o "$work/$(printf %02d "$n").wav"
done < sentences.txt
python - "$work" <<'PY'
import json, sys
from pathlib import Path

import numpy as np
import soundfile

texts = Path("sentences.txt").read_text().splitlines()
parts, places, start = [], [], 0
for text, path in zip(texts, sorted(Path(sys.argv[1]).glob("*.wav")), strict=True):
    samples, rate = soundfile.read(path, dtype="int16")
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 300)
    samples = samples[max(0, loud[0] - rate // 50) : loud[-1] + rate // 20]
    places.append({"text": text, "start": start, "end": start + len(samples)})
    parts += [samples, np.zeros(rate * 3 // 10, np.int16)]
    start += len(samples) + rate * 3 // 10
soundfile.write("sentences.flac", np.concatenate(parts), rate, subtype="PCM_16")
Path("sentences.json").write_text(json.dumps({"sample_rate": rate, "sentences": places}, indent=1) + "\n")
PY
