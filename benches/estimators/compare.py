"""Runs our estimators and PyTorch's in turns, on one thread and on two, and prints ratios.

    compare.py PROGRAM FOLDER [ROUNDS [THREADS...]]
    compare.py PROGRAM FOLDER ROUNDS cuda

With `cuda` both train on a GPU; PROGRAM must be built with the feature of this name.

On one thread the processor's time counts, on more the time that passes: run those on a quiet machine. PROGRAM is the example `estimator_speed`, FOLDER takes weights and data. Needs torch, numpy and safetensors.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
# (row, ours, PyTorch's, ratio that we ask for)
ROWS = [
    ("NFDE ln p of 10 000 values", "nfde log density", "nfde log density (net by net)", 20),
    ("the same", "nfde log density", "nfde log density (nets stacked)", 20),
    ("NFDE step, 1 condition x 10 000 different values", "nfde step 1 distinct", "nfde step 1 distinct (net by net)", 30),
    ("the same", "nfde step 1 distinct", "nfde step 1 distinct (nets stacked)", 30),
    ("NFDE step, 50 conditions x 10 000 events", "nfde step 50 weighted", "nfde step 50 events (net by net)", 30),
    ("the same", "nfde step 50 weighted", "nfde step 50 events (nets stacked)", 30),
    ("the same, PyTorch given our weighted values", "nfde step 50 weighted", "nfde step 50 weighted (nets stacked)", None),
    ("TEDE forward, 1 condition", "tede forward 1", "tede forward 1", 1),
    ("TEDE forward, 5 conditions", "tede forward 5", "tede forward 5", 1),
    ("TEDE forward, 64 conditions", "tede forward 64", "tede forward 64", 1),
    ("TEDE step, 64 conditions", "tede step 64", "tede step 64", 1),
]

GPU_ROWS = [
    ("NFDE step, 1 condition x 10 000 different values", "nfde step 1 distinct", "nfde step 1 distinct (nets stacked)"),
    ("the same", "nfde step 1 distinct", "nfde step 1 distinct (net by net)"),
    ("NFDE step, 50 conditions x 10 000 events", "nfde step 50 weighted", "nfde step 50 events (nets stacked)"),
    ("the same, PyTorch given our weighted values", "nfde step 50 weighted", "nfde step 50 weighted (nets stacked)"),
    ("TEDE step, 64 conditions", "tede step 64", "tede step 64 (eager)"),
]
GPU_ROWS = [(name, ours, theirs, None) for name, ours, theirs in GPU_ROWS] + [
    (name, ours, theirs[:-1] + ", TF32)", None) for name, ours, theirs in GPU_ROWS]


def seconds(command, threads):
    # Choices of kernels that a machine made for other programs must not slow the peer down.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
    environment["OMP_NUM_THREADS"] = environment["MKL_NUM_THREADS"] = str(threads)
    text = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(text.splitlines()[-1])


def form(seconds_):
    return f"{1e3 * seconds_:.2f}" if seconds_ < 0.1 else f"{1e3 * seconds_:.0f}"


def main(program, folder, rounds=3, *threads):
    peer = [sys.executable, str(HERE / "peer.py")]
    if not pathlib.Path(folder, "tede-loss.json").exists():
        subprocess.run([program, "prepare", folder], check=True)
    subprocess.run([*peer, "check", folder], check=True)
    for threads in threads or ["1", "2"]:
        ours, theirs = [], []
        for _ in range(int(rounds)):
            count = os.cpu_count() if threads == "cuda" else threads
            ours.append(seconds([program, "measure", folder, threads], count))
            theirs.append(seconds([*peer, "measure", folder, threads], count))
        typical = lambda runs, key: statistics.median(run[key] for run in runs)
        where = "GPU" if threads == "cuda" else f"{threads} thread{'s' if int(threads) > 1 else ''}"
        clock = "processor time" if threads == "1" else "time"
        print(f"\n{where}, {clock}, medians of {rounds} rounds, ms:\n")
        print("| what | mctune | PyTorch | PyTorch / mctune | asked |\n|---|---|---|---|---|")
        for name, mine, other, asked in GPU_ROWS if threads == "cuda" else ROWS:
            a, b = typical(ours, mine), typical(theirs, other)
            kind = other[other.index("("):] if "(" in other else ""
            print(f"| {name} | {form(a)} | {form(b)} {kind} | {b / a:.1f} | {asked or ''} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
