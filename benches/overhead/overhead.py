#!/usr/bin/env python3
"""What the engine costs for each task, side by side with peers on the same graph.

N trivial tasks feed one that joins their outputs. Each tool builds everything, then has nothing to do, then says what
it would do after one leaf has changed, then does that. Every result is checked. Peers that are not installed are left
out, as is a peer from the size on at which its first build takes longer than the limit.

    benches/overhead/overhead.py [--mctune PATH] [--sizes 1000,10000,100000] [--peers ninja,make,snakemake,dvc]
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import graphs
import measure

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "..", "..", "target", "debug", "mctune")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mctune", default=PROGRAM, help="the program to measure")
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--peers", default="ninja,make,snakemake,dvc")
    parser.add_argument("--only", help="measure just the tools whose names contain this")
    parser.add_argument("--limit", type=float, default=240.0, help="seconds after which a peer is left out")
    parser.add_argument("--repeat", type=int, default=3, help="times that a short step is repeated; the least counts")
    parser.add_argument("--folder", help="where to work; a temporary folder unless given")
    arguments = parser.parse_args()

    tools = graphs.tools(os.path.abspath(arguments.mctune), [name for name in arguments.peers.split(",") if name])
    tools = [tool for tool in tools if not arguments.only or arguments.only in tool.name]
    print(measure.machine())
    for tool in tools:
        print(f"{tool.name}: {tool.version()}")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        slow = set()
        for size in map(int, arguments.sizes.split(",")):
            rows = []
            for tool in tools:
                if tool.name in slow:
                    continue
                row = Row(tool, size, os.path.join(folder, f"{tool.name.split()[0]}-{tool.kind}-{size}"), arguments)
                if row.late:
                    slow.add(tool.name)
                rows.append(row)
            show(size, rows)


class Row:
    """The costs of one tool at one size."""

    def __init__(self, tool, size, folder, arguments):
        self.tool, self.size = tool, size
        self.noop = self.plan = self.changed = None
        os.makedirs(folder)
        tool.write(folder, size)
        # The machine's speed varies: what a shell costs is measured beside what is compared with it.
        shells = [shell_cost(os.path.dirname(folder))] if tool.kind == "shell" else []
        self.cold = measure.run(tool.run(), folder, arguments.limit)
        shells += [shell_cost(os.path.dirname(folder))] if shells else []
        self.shell = sum(shells) / len(shells) if shells else None
        self.late = self.cold.late
        if not self.late:
            check(tool, folder, size, False, self.cold)
            short = arguments.repeat if self.cold.wall < arguments.limit / 4 else 1
            self.noop = least(tool.run(), folder, arguments, short)
            check(tool, folder, size, False, self.noop)
            tool.change(folder, size)
            self.plan = least(tool.plan(), folder, arguments, short)
            self.changed = measure.run(tool.run(), folder, arguments.limit)
            if not self.changed.late:
                check(tool, folder, size, True, self.changed)
        # The largest of them leave 100 000 files each.
        shutil.rmtree(folder)


def least(command, folder, arguments, times):
    """The cheapest of some repetitions: what disturbs only adds."""
    return min((measure.run(command, folder, arguments.limit) for _ in range(times)), key=lambda cost: cost.cpu)


def check(tool, folder, size, changed, cost):
    if cost.status != 0:
        sys.exit(f"{tool.name} at {size}: exit status {cost.status}")
    if tool.total(folder) != tool.expected(size, changed):
        sys.exit(f"{tool.name} at {size}: the joined file is not what it should be")


def shell_cost(folder, times=1000):
    """CPU seconds of the program that a leaf runs (a shell that writes a number), started by a shell that does nothing else."""
    script = f'i=0; while [ $i -lt {times} ]; do sh -c "echo $i > out"; i=$((i+1)); done'
    return min(measure.run(["sh", "-c", script], folder).cpu for _ in range(3)) / times


def show(size, rows):
    print(f"{size} leaves")
    shells = [row.shell * 1e3 for row in rows if row.shell]
    if shells:
        print(f"a shell that writes a number, started by a shell: {min(shells):.3f} to {max(shells):.3f} ms of CPU")
    print(f"{'':20}{'cold':>10}{'':>12}{'':>12}{'nothing to do':>24}{'':>10}{'plan':>10}{'one changed':>13}")
    print(f"{'':20}{'wall s':>10}{'CPU/task':>12}{'over shell':>12}{'CPU s':>10}{'ratio':>14}{'MB':>10}{'CPU s':>10}{'CPU s':>13}")
    ours = next((row.noop.cpu for row in rows if row.noop), 1.0)
    for row in rows:
        if row.late:
            print(f"{row.tool.name:20}  more than {row.cold.wall:.0f} s: left out from here on")
            continue
        task = row.cold.cpu / (size + 1)
        over = f"{(task - row.shell) * 1e6:.0f} us" if row.shell else "-"
        cells = [
            f"{row.tool.name:20}{row.cold.wall:10.2f}{task * 1e6:9.1f} us{over:>12}{row.noop.cpu:10.3f}",
            f"{row.noop.cpu / ours:14.2f}{row.noop.megabytes:10.0f}{row.plan.cpu:10.3f}",
            "   > limit" if row.changed.late else f"{row.changed.cpu:13.3f}",
        ]
        print("".join(cells))
    print(flush=True)


if __name__ == "__main__":
    main()
