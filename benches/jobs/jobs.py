#!/usr/bin/env python3
"""Speed of job lists: 100 000 tasks to a list, and what an element costs before its first task.

    benches/jobs/jobs.py [MCTUNE]        the program, as built [default: target/debug/mctune]

Prints time and peak memory of `mctune jobs` for a site with MaxArraySize 1001 and bundles of an expected ten minutes, the
number of jobs at the scheduler, and then, with 100 000 records in the store, the time from the start of `mctune exec` to
the start of its first task: median and worst of twenty, alone and four at once.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

TASKS = 100_000
PIPELINE = """
mctune: 1
name: many
axes: {{ x: {{ range: {tasks} }} }}
stages:
  leaf: {{ uses: write, over: x, with: {{ content: 'number ${{x}}' }} }}
"""
# One more stage, whose tasks tell when they begin.
PROBE = """
  probe:
    uses: command
    over: x
    inputs: { n: leaf }
    with: { run: 'date +%s.%N > "$HERE/began-${x}"; echo > t', outputs: { t: t }, env: { HERE: FOLDER } }
"""
SITE = "limits: { array: 1001 }\nbundle: { time: 10 min }\n"
ONE_BY_ONE = "limits: { array: 1001, jobs: 200000 }\nbundle: { time: 10 min, tasks: 1 }\n"


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    program = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else str(root / "target/debug/mctune")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        text = PIPELINE.format(tasks=TASKS)
        pathlib.Path("p.yaml").write_text(text)
        pathlib.Path("site.yaml").write_text(SITE)
        pathlib.Path("one.yaml").write_text(ONE_BY_ONE)
        store = pathlib.Path(".mctune/runs/20200101T000000.000Z-000001")
        subprocess.run([program, "check", "p.yaml"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([program, "run", "p.yaml", "--only", "leaf[x=0]", "--progress", "none"], check=True,
                       stdout=subprocess.DEVNULL)
        one_second_a_task(store.parent)
        seconds, cpu, memory = measured([program, "jobs", "p.yaml", "--format", "slurm", "--site", "site.yaml", "-o", "jobs"])
        head = json.loads(pathlib.Path("jobs/list.json").read_text())
        arrays = len(list(pathlib.Path("jobs/arrays").iterdir()))
        print(f"list of {head['tasks']} tasks: {seconds:.2f} s ({cpu:.2f} s of CPU), {memory:.0f} MB at the peak; "
              f"{head['elements']} elements in {arrays} arrays")
        began = time.time()
        subprocess.run([program, "run", "p.yaml", "--progress", "none"], check=True, stdout=subprocess.DEVNULL)
        print(f"(all of them run here: {time.time() - began:.1f} s)")
        pathlib.Path("p.yaml").write_text(text + PROBE.replace("FOLDER", folder))
        subprocess.run([program, "jobs", "p.yaml", "--format", "jsonl", "--site", "one.yaml", "-o", "probe"], check=True,
                       stdout=subprocess.DEVNULL)
        elements = json.loads(pathlib.Path("probe/list.json").read_text())["elements"]
        numbers = [elements * i // 61 for i in range(1, 61)]
        alone = [waited(program, [number])[0] for number in numbers[:20]]
        together = [time for i in range(20, 60, 4) for time in waited(program, numbers[i : i + 4])]
        for name, times in [("alone", alone), ("four at once", together)]:
            print(f"exec to first task with {TASKS} records, {name}: median {statistics.median(times) * 1e3:.0f} ms, "
                  f"worst {max(times) * 1e3:.0f} ms")


def one_second_a_task(runs):
    """Lets the last run say that a task takes a second."""
    for manifest in runs.glob("*/manifest.json"):
        value = json.loads(manifest.read_text())
        for stage in value["stages"]:
            stage["seconds"] = 1.0
        manifest.write_text(json.dumps(value))
    # A record says what its task took; without it the run's word counts.
    subprocess.run(["rm", "-rf", ".mctune/journals", ".mctune/packs", ".mctune/index"], check=True)


def measured(command):
    began = time.time()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{command} ended with {status}")
    return time.time() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def waited(program, numbers):
    """Seconds from the start of `exec` to that of its first task, for elements run at once."""
    starts, processes = [], []
    for number in numbers:
        starts.append(time.time())
        processes.append(subprocess.Popen([program, "exec", "probe", str(number)], stdout=subprocess.DEVNULL))
    for process in processes:
        if process.wait() != 0:
            raise SystemExit(f"an element of {numbers} failed")
    times = []
    for number, start in zip(numbers, starts):
        task = json.loads(line_of(number))["tasks"][0]
        times.append(float(pathlib.Path("began-" + task.removeprefix("x=")).read_text()) - start)
    return times


def line_of(number):
    with open("probe/index.jsonl") as index:
        for at, line in enumerate(index):
            if at == number:
                return line
    raise SystemExit("no such element")


if __name__ == "__main__":
    main()
