#!/bin/sh
# Renders what the recorded voice says: sentences.txt and story.txt, a line each, spoken by flite's voice "slt" (CMU
# ARCTIC, free licence), into a .flac with 300 ms of silence after each line; the places of the lines go into a .json.
# Needs flite. Run it in this folder: sh render.sh sentences; sh render.sh story
set -eu
name=$1
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
n=0
while IFS= read -r line; do
    n=$((n + 1))
    flite -voice slt -t "$line" -o "$work/$(printf %02d "$n").wav"
done < "$name.txt"
python - "$name" "$work" <<'PY'
import json, sys
from pathlib import Path

import numpy as np
import soundfile

name, work = sys.argv[1], Path(sys.argv[2])
texts = Path(f"{name}.txt").read_text().splitlines()
parts, places, start = [], [], 0
for text, path in zip(texts, sorted(work.glob("*.wav")), strict=True):
    samples, rate = soundfile.read(path, dtype="int16")
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 300)
    samples = samples[max(0, loud[0] - rate // 50) : loud[-1] + rate // 20]
    places.append({"text": text, "start": start, "end": start + len(samples)})
    parts += [samples, np.zeros(rate * 3 // 10, np.int16)]
    start += len(samples) + rate * 3 // 10
soundfile.write(f"{name}.flac", np.concatenate(parts), rate, subtype="PCM_16")
Path(f"{name}.json").write_text(json.dumps({"sample_rate": rate, "sentences": places}, indent=1) + "\n")
PY
