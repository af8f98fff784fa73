"""The project on which every tool is tried: six leaves, each a program that notes that it ran, and one that joins them.

A leaf runs `leaf.sh NUMBER VALUE`. While the file `slow` exists it stops in the middle of writing. Notes and `slow` lie
outside the project, so that it can be moved.
"""

import os
import shutil
import stat
import subprocess

LEAVES = 6
# Shell's `test -e` and `sleep` only: the program must not depend on anything that a tool hides.
SCRIPT = """echo leaf$1 >> {notes}
printf 'half of %s' "$2" > $3
if [ -e {slow} ] && [ "$1" = 3 ]; then sleep {seconds}; fi
printf ', whole of %s\\n' "$2" >> $3
"""


class Project:
    """A project in `home/project`. Subclasses write it for a tool."""

    name = ""
    # Seconds in which it starts, and takes note of what has ended.
    patience = 2

    def __init__(self, program, home):
        self.program, self.home = program, home
        self.folder = os.path.join(home, "project")
        self.notes, self.slow = os.path.join(home, "notes"), os.path.join(home, "slow")
        self.values, self.extra, self.declared = list(range(LEAVES)), "", True
        os.makedirs(self.folder)
        self.begin()
        self.write_script()
        self.write()

    # What a tool must know.

    def begin(self):
        """Sets the project up once."""

    def write(self):
        """Writes the description with the present values."""
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def rot(self):
        """Changes a byte of what leaf 3 left, and neither its size nor its time."""
        self.flip(os.path.join(self.folder, "out/3"), b"half")

    def total(self):
        with open(os.path.join(self.folder, "total")) as file:
            return file.read()

    # What is the same for all.

    def write_script(self, seconds=20, tail=""):
        with open(os.path.join(self.folder, "leaf.sh"), "w") as file:
            file.write(SCRIPT.format(notes=self.notes, slow=self.slow, seconds=seconds) + tail)

    def leaf(self, number, output):
        """The command of a leaf."""
        extra = f"; {self.extra}" if self.extra and number == 1 else ""
        return f"sh leaf.sh {number} {self.values[number]} {output}{extra}"

    def run(self):
        """Runs the tool to its end; gives its exit status and what it said."""
        done = subprocess.run(self.command(), cwd=self.folder, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout + done.stderr

    def start(self):
        """Starts the tool."""
        quiet = subprocess.DEVNULL
        return subprocess.Popen(self.command(), cwd=self.folder, stdin=quiet, stdout=quiet, stderr=quiet)

    def ran(self):
        """What ran since the last question, sorted."""
        try:
            with open(self.notes) as file:
                lines = sorted(file.read().split())
            os.remove(self.notes)
        except FileNotFoundError:
            lines = []
        return lines

    def expected(self):
        return "".join(f"half of {value}, whole of {value}\n" for value in self.values)

    def is_right(self):
        try:
            return self.total() == self.expected()
        except (OSError, subprocess.CalledProcessError):
            return False

    @staticmethod
    def flip(path, pattern):
        """Changes the first byte of `pattern` in a file and puts its times back."""
        before = os.stat(path)
        os.chmod(path, before.st_mode | stat.S_IWUSR)
        with open(path, "rb") as file:
            content = bytearray(file.read())
        content[content.index(pattern)] ^= 0x20
        # In place: the file stays the same one.
        with open(path, "r+b") as file:
            file.write(content)
        os.chmod(path, before.st_mode)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def version(self):
        out = subprocess.run([self.program, "--version"], capture_output=True, text=True).stdout
        return out.splitlines()[0].strip() if out else ""


class Files(Project):
    """A tool that keeps results in the project."""

    join = "echo join >> {notes}; cat out/* > total"

    def begin(self):
        os.makedirs(os.path.join(self.folder, "out"))

    def joining(self):
        return self.join.format(notes=self.notes)

    def text(self, name, content):
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(content)


class Make(Files):
    name = "make"

    def write(self):
        script = "leaf.sh" if self.declared else ""
        leaves = "".join(f"out/{i}: {script}\n\t{self.leaf(i, f'out/{i}')}\n" for i in range(LEAVES))
        names = " ".join(f"out/{i}" for i in range(LEAVES))
        self.text("Makefile", f"total: {names}\n\t{self.joining()}\n{leaves}")

    def command(self):
        return [self.program, "-j2"]


class Ninja(Files):
    name = "ninja"

    def write(self):
        script = "leaf.sh" if self.declared else ""
        leaves = "".join(f"build out/{i}: do {script}\n command = {self.leaf(i, f'out/{i}')}\n" for i in range(LEAVES))
        names = " ".join(f"out/{i}" for i in range(LEAVES))
        rule = "rule do\n command = $command\n"
        self.text("build.ninja", f"{rule}{leaves}build total: do {names}\n command = {self.joining()}\n")

    def command(self):
        return [self.program, "-j2"]


class Snakemake(Files):
    name = "Snakemake"
    patience = 12

    def write(self):
        script = '"leaf.sh"' if self.declared else ""
        rules = "".join(
            f'rule leaf{i}:\n    input: {script}\n    output: "out/{i}"\n    shell: "{self.leaf(i, f"out/{i}")}"\n'
            for i in range(LEAVES)
        )
        names = ", ".join(f'"out/{i}"' for i in range(LEAVES))
        head = f'rule total:\n    input: {names}\n    output: "total"\n    shell: "{self.joining()}"\n'
        self.text("Snakefile", head + rules)

    def command(self):
        return [self.program, "-c2"]


class Dvc(Files):
    name = "DVC"
    patience = 12

    def begin(self):
        super().begin()
        subprocess.run([self.program, "init", "--no-scm", "-q"], cwd=self.folder, check=True)

    def write(self):
        script = "    deps: [leaf.sh]\n" if self.declared else ""
        leaves = "".join(
            f"  leaf{i}:\n    cmd: {self.leaf(i, f'out/{i}')}\n{script}    outs: [out/{i}]\n" for i in range(LEAVES)
        )
        names = ", ".join(f"out/{i}" for i in range(LEAVES))
        total = f"  total:\n    cmd: {self.joining()}\n    deps: [{names}]\n    outs: [total]\n"
        self.text("dvc.yaml", f"stages:\n{leaves}{total}")

    def command(self):
        return [self.program, "repro"]


class Mctune(Project):
    name = "mctune"

    def write(self):
        files = "files: [leaf.sh], " if self.declared else ""
        records = ", ".join(
            f'{{ name: "{i}", run: "{self.leaf(i, "out")}" }}' for i in range(LEAVES)
        )
        with open(os.path.join(self.folder, "pipeline.yaml"), "w") as file:
            file.write(
                f"""mctune: 1
name: probes
axes: {{ leaf: [{records}] }}
stages:
  leaf:
    uses: command
    over: leaf
    with: {{ run: "${{leaf.run}}", {files}outputs: {{ out: out }} }}
  total:
    uses: command
    inputs: {{ parts: leaf }}
    with: {{ run: "echo join >> {self.notes}; cat inputs/parts/*/out > total", outputs: {{ total: total }} }}
"""
            )

    def command(self):
        return [self.program, "run", "pipeline.yaml", "-j2"]

    def rot(self):
        """The same in the store: objects lie in packs and in files of their own."""
        wanted = f"half of {self.values[3]}".encode()
        for where, _, names in os.walk(os.path.join(self.folder, ".mctune")):
            for name in names:
                path = os.path.join(where, name)
                with open(path, "rb") as file:
                    found = wanted in file.read()
                if found:
                    return self.flip(path, wanted)
        raise RuntimeError("what leaf 3 left is not in the store")

    def total(self):
        out = os.path.join(self.home, "total")
        command = [self.program, "get", "pipeline.yaml", "total.total", "-o", out]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        with open(out) as file:
            text = file.read()
        os.remove(out)
        return text


KINDS = {"mctune": Mctune, "ninja": Ninja, "make": Make, "snakemake": Snakemake, "dvc": Dvc}


def installed(name, mctune):
    """The program of a tool, if it is there."""
    return mctune if name == "mctune" else shutil.which(name)
