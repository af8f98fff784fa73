#!/usr/bin/env python3
"""Seven things that a workflow engine should survive, tried on mctune and on the peers that are installed.

Prints a table: `yes` where the tool does what is asked, else what it did. Ends with exit status 1 if mctune fails any.

    benches/behaviour/behaviour.py [--mctune PATH] [--tools mctune,ninja,make,snakemake,dvc]
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time

import projects

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "..", "..", "target", "debug", "mctune")
YES = "yes"


def early_cutoff(project):
    """A command changes, its output does not: what follows is not run again."""
    first(project)
    project.extra = "true"
    project.write()
    status, said = project.run()
    ran = project.ran()
    if ran == []:
        return "the change is not seen"
    return verdict(project, status, said, ran == ["leaf1"], f"ran {' '.join(ran)}")


def bit_rot(project):
    """A stored output loses a bit without changing size or time: nothing is ever computed from it."""
    first(project)
    project.rot()
    project.values[0] = 100
    project.write()
    if isinstance(project, projects.Make):
        # It sees no changed commands; it has to be told.
        os.remove(os.path.join(project.folder, "out/0"))
    status, said = project.run()
    return verdict(project, status, said, True, "")


def kill_9(project):
    """Everything is killed in the middle of a write: a plain second run mends it and repeats nothing that was finished."""
    open(project.slow, "w").close()
    process = project.start()
    wait_for(project, "leaf3")
    kill_tree(process)
    os.remove(project.slow)
    finished = [leaf for leaf in project.ran() if leaf != "leaf3"]
    status, said = project.run()
    repeated = [leaf for leaf in project.ran() if leaf in finished]
    return verdict(project, status, said, not repeated, f"ran again: {' '.join(repeated)}")


def free_revert(project):
    """A value is changed and changed back: nothing runs."""
    first(project)
    project.values[1] = 100
    project.write()
    project.run()
    if not project.is_right():
        return "the change is not seen"
    project.ran()
    project.values[1] = 1
    project.write()
    status, said = project.run()
    ran = project.ran()
    return verdict(project, status, said, ran == [], f"ran {' '.join(ran)}")


def two_at_once(project):
    """A second run starts while the first is in the middle of a write: both end, with right results."""
    project.write_script(seconds=project.patience)
    open(project.slow, "w").close()
    process = project.start()
    wait_for(project, "leaf3")
    status, said = project.run()
    right = project.is_right()
    one = process.wait(120)
    ran = project.ran()
    if status != 0:
        return "the second is refused" if any(word in said.lower() for word in ("lock", "busy")) else "the second fails"
    if not right:
        return "a wrong result of the second"
    if one != 0:
        return "the first fails"
    return verdict(project, 0, said, len(ran) <= 2 * (projects.LEAVES + 1), f"{len(ran)} runs")


def changed_code(project):
    """The script changes that a command names, and nobody declared it: no result of the old one is taken for current."""
    project.declared = False
    project.write()
    status, said = project.run()
    if status != 0:
        # Refused for a reason that names the script, before there is anything to go stale.
        return YES if "leaf.sh" in said else "fails"
    project.ran()
    project.write_script(tail="echo changed >> $3\n")
    status, said = project.run()
    return YES if project.ran() else "not seen"


def moved_folder(project):
    """The project is moved: nothing runs, and results can be had."""
    first(project)
    there = os.path.join(project.home, "elsewhere", "deep")
    os.makedirs(os.path.dirname(there))
    shutil.move(project.folder, there)
    project.folder = there
    status, said = project.run()
    ran = project.ran()
    return verdict(project, status, said, ran == [], f"ran {' '.join(ran)}")


PROBES = {
    "early cutoff": early_cutoff,
    "bit rot": bit_rot,
    "kill -9": kill_9,
    "free revert": free_revert,
    "two runs at once": two_at_once,
    "changed code": changed_code,
    "moved folder": moved_folder,
}


def first(project):
    """Builds everything once."""
    status, said = project.run()
    if status != 0 or not project.is_right():
        sys.exit(f"{project.name} cannot build the project at all (exit status {status}):\n{said}")
    project.ran()


def verdict(project, status, said, good, otherwise):
    if status != 0:
        return f"exit status {status}"
    if not project.is_right():
        return "a wrong result, and it ends well"
    return YES if good else otherwise


def wait_for(project, note, seconds=120):
    """Waits until a leaf has begun to write and nothing else begins or ends any more."""
    end, seen, since = time.monotonic() + seconds, "", 0.0
    while time.monotonic() < end:
        try:
            with open(project.notes) as file:
                now = file.read()
        except FileNotFoundError:
            now = ""
        if now != seen:
            seen, since = now, time.monotonic()
        if note in seen and time.monotonic() - since > project.patience / 4:
            return
        time.sleep(0.02)
    sys.exit(f"{project.name}: {note} does not begin")


def kill_tree(process):
    """SIGKILL for a program and everything it started, all at one moment."""
    wanted, known = [process.pid], set()
    while wanted:
        pid = wanted.pop()
        known.add(pid)
        os.kill(pid, signal.SIGSTOP)
        wanted.extend(child for child in children(pid) if child not in known)
    for pid in known:
        os.kill(pid, signal.SIGKILL)
    process.wait()


def children(parent):
    found = []
    for name in os.listdir("/proc"):
        try:
            if not name.isdigit():
                continue
            with open(f"/proc/{name}/stat") as file:
                if int(file.read().rsplit(")", 1)[1].split()[1]) == parent:
                    found.append(int(name))
        except OSError:
            # It has ended.
            continue
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mctune", default=PROGRAM, help="the program to try")
    parser.add_argument("--tools", default="mctune,ninja,make,snakemake,dvc")
    arguments = parser.parse_args()

    names = [name for name in arguments.tools.split(",") if projects.installed(name, arguments.mctune)]
    programs = {name: projects.installed(name, os.path.abspath(arguments.mctune)) for name in names}
    table = {name: {} for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            for probe, attempt in PROBES.items():
                home = os.path.join(folder, f"{name} {probe}".replace(" ", "-"))
                os.makedirs(home)
                project = projects.KINDS[name](programs[name], home)
                table[name][probe] = attempt(project)
            print(f"{project.name}: {project.version()}", flush=True)
    for probe, attempt in PROBES.items():
        print(f"\n{probe}: {attempt.__doc__}")
        for name in names:
            print(f"    {projects.KINDS[name].name:12}{table[name][probe]}")
    failed = [probe for probe, result in table.get("mctune", {}).items() if result != YES]
    sys.exit(f"\nmctune fails: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
