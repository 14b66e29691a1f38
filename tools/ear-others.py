#!/usr/bin/env python3
"""What other detectors make of a set of labelled lines: webrtcvad, Silero 5 and Silero 6 (docs/VAD.md).

    python3 -m venv target/vad
    target/vad/bin/pip install numpy onnxruntime webrtcvad-wheels
    target/vad/bin/pip download --no-deps -d target/vad silero-vad==5.1.2
    target/vad/bin/pip download --no-deps -d target/vad silero-vad==6.2.3      (pip refuses both at once)
    target/vad/bin/python tools/ear-others.py FOLDER target/vad

FOLDER: KIND_LANGUAGE_NUMBER.wav (G.711) with .labels.txt beside, as `cargo bench --bench ear -- scenes` writes them.
The settings are 0.5 / 700 / 300 with at least 64 ms of speech, the segments and scores those of `ahoy replay`.
"""

import collections
import glob
import io
import os
import sys
import time
import zipfile

import numpy as np
import onnxruntime
import webrtcvad

THRESHOLD, SILENCE_MS, LEAST_MS, SHORT_MS = 0.5, 700, 64, 600


def ulaw(data):
    code = ~np.frombuffer(data, np.uint8)
    magnitude = ((((code & 15).astype(np.int32) << 3) + 132) << ((code >> 4) & 7).astype(np.int32)) - 132
    return np.where(code & 128, -magnitude, magnitude).astype(np.int16)


def lines(folder):
    for path in sorted(glob.glob(os.path.join(folder, "*.wav"))):
        with open(path, "rb") as file:
            data = file.read()
        sound = ulaw(data[data.index(b"data") + 8:])
        said = []
        with open(path[:-4] + ".labels.txt", encoding="utf-8") as file:
            for line in file:
                start, end = line.split("\t")[:2]
                said.append((round(float(start) * 1000), round(float(end) * 1000)))
        yield os.path.basename(path).split("_")[0], sound, said


def segments(probabilities, frame_ms):
    """(onset, end, known after) of each segment, ms."""
    run, found = None, []
    for at, probability in enumerate(probabilities):
        now = (at + 1) * frame_ms
        if probability >= THRESHOLD:
            run = run or [at * frame_ms, 0, 0, None]
            run[1] += frame_ms
            run[2] = now
            if run[3] is None and run[1] >= LEAST_MS:
                run[3] = now
        elif run and now - run[2] >= SILENCE_MS:
            if run[3] is not None:
                found.append((run[0], run[2], run[3]))
            run = None
    if run and run[3] is not None:
        found.append((run[0], run[2], run[3]))
    return found


def score(rows, kind, said, found, length_ms):
    whole = "all without words" if kind.startswith("only") else "all with words"
    for row in [kind] + ([whole] if kind != "echo" else []):
        row = rows[row]
        row["quiet"] += length_ms - sum(end - start for start, end in said)
        for start, end in said:
            mine = [it for it in found if it[0] < end and it[1] > start]
            alone = len(mine) == 1 and sum(1 for s, e in said if mine[0][0] < e and mine[0][1] > s) == 1
            if end - start < SHORT_MS:
                row["short"] += 1
                row["found"] += bool(mine)
                row["owned"] += alone
            if alone:
                row["start"].append(max(0, mine[0][2] - start))
        row["false"] += sum(1 for it in found if not any(it[0] < e and it[1] > s for s, e in said))


def silero(session, sounds, wide):
    """Probabilities of many lines at once, a chunk of 32 ms each."""
    chunk, context, rate = (512, 64, 16_000) if wide else (256, 32, 8_000)
    longest = max(len(it) for it in sounds)
    batch = np.zeros((len(sounds), longest), np.float32)
    for row, sound in zip(batch, sounds):
        row[:len(sound)] = sound
    state = np.zeros((2, len(sounds), 128), np.float32)
    before = np.zeros((len(sounds), context), np.float32)
    out = []
    for at in range(0, longest - chunk + 1, chunk):
        part = np.concatenate([before, batch[:, at:at + chunk]], 1)
        told, state = session.run(None, {"input": part, "state": state, "sr": np.array(rate, np.int64)})
        before = part[:, -context:]
        out.append(told[:, 0])
    out = np.array(out).T
    return [row[:len(sound) // chunk] for row, sound in zip(out, sounds)]


def upsampled(sound):
    """Twice the rate, by a windowed sinc of 64 taps."""
    spread = np.zeros(2 * len(sound), np.float32)
    spread[::2] = sound
    t = np.arange(-63, 64) / 2
    return np.convolve(spread, np.sinc(t) * np.kaiser(127, 8), "same").astype(np.float32)


def web(mode):
    def run(sounds):
        out = []
        for sound in sounds:
            vad = webrtcvad.Vad(mode)
            pcm = (sound * 32_768).astype(np.int16)
            frames = [pcm[at:at + 160].tobytes() for at in range(0, len(pcm) - 159, 160)]
            out.append([float(vad.is_speech(frame, 8_000)) for frame in frames])
        return out
    return run


def model(wheels, version):
    path = glob.glob(os.path.join(wheels, f"silero_vad-{version}*.whl"))[0]
    with zipfile.ZipFile(path) as wheel:
        data = wheel.read("silero_vad/data/silero_vad.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(io.BytesIO(data).getvalue(), options, providers=["CPUExecutionProvider"])


def main():
    folder, wheels = sys.argv[1:3]
    all_lines = list(lines(folder))
    sounds = [sound.astype(np.float32) / 32_768 for _, sound, _ in all_lines]
    five, six = model(wheels, "5.1.2"), model(wheels, "6.2.3")
    detectors = {
        "Silero 5, 8 kHz": (32, lambda it: silero(five, it, False)),
        "Silero 6, 8 kHz": (32, lambda it: silero(six, it, False)),
        "Silero 6, upsampled": (32, lambda it: silero(six, [upsampled(sound) for sound in it], True)),
        "WebRTC, mode 3": (20, web(3)),
    }
    print("| detector | lines | short | found % | owned % | false/min | start p90 ms |\n|---|---|---|---|---|---|---|")
    for name, (frame_ms, run) in detectors.items():
        rows = collections.defaultdict(lambda: collections.Counter(start=[]))
        begin = time.time()
        order = sorted(range(len(sounds)), key=lambda nth: len(sounds[nth]))
        heard = [None] * len(sounds)
        for at in range(0, len(order), 32):
            part = order[at:at + 32]
            for nth, probabilities in zip(part, run([sounds[nth] for nth in part])):
                heard[nth] = probabilities
        for (kind, sound, said), probabilities in zip(all_lines, heard):
            score(rows, kind, said, segments(probabilities, frame_ms), len(sound) // 8)
        for kind, row in sorted(rows.items()):
            percent = lambda part: f"{100 * part / row['short']:.1f}" if row["short"] else "-"
            start = sorted(row["start"])
            p90 = start[max(0, -(-len(start) * 9 // 10) - 1)] if start else "-"
            rate = row["false"] / max(row["quiet"], 1) * 60_000
            print(f"| {name} | {kind} | {row['short']} | {percent(row['found'])} | {percent(row['owned'])} | {rate:.2f} | {p90} |")
        print(f"{name}: {time.time() - begin:.0f} s", file=sys.stderr)


main()
