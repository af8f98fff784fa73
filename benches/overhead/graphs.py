"""One graph, written for each tool: N leaves that write a number, and one task that joins what they left.

The first leaf can be changed without touching the others: `change` does what each tool calls a change.
"""

import os
import shutil
import subprocess


class Tool:
    """A tool with its project in a folder. Subclasses say how the graph is written and which commands are measured."""

    name = ""
    # What one leaf costs besides the tool: a shell, or nothing for tasks that run in the process of the tool.
    kind = "shell"

    def __init__(self, program):
        self.program = program

    def write(self, folder, count):
        raise NotImplementedError

    def change(self, folder, count):
        """Changes one leaf."""
        with open(f"{folder}/seed", "w") as file:
            file.write("changed\n")

    def run(self):
        raise NotImplementedError

    def plan(self):
        raise NotImplementedError

    def version(self):
        out = subprocess.run([self.program, "--version"], capture_output=True, text=True).stdout
        return out.splitlines()[0].strip() if out else ""

    def total(self, folder):
        """What the joining task left."""
        with open(f"{folder}/total") as file:
            return file.read()

    def expected(self, count, changed):
        first = "changed\n" if changed else "0\n"
        return first + "".join(f"{i}\n" for i in range(1, count))


class Files(Tool):
    """A tool whose project is the folder: sources and results are plain files."""

    def write(self, folder, count):
        os.makedirs(f"{folder}/out")
        with open(f"{folder}/seed", "w") as file:
            file.write("0\n")
        # No command line is long enough for 100 000 names.
        with open(f"{folder}/list", "w") as file:
            file.writelines(f"out/{i}\n" for i in range(count))
        self.describe(folder, count)

    def describe(self, folder, count):
        raise NotImplementedError


class Make(Files):
    name = "make"

    def describe(self, folder, count):
        with open(f"{folder}/Makefile", "w") as file:
            outputs = " ".join(f"out/{i}" for i in range(count))
            file.write(f"total: {outputs}\n\t@xargs cat < list > $@\nout/0: seed\n\t@cat seed > $@\n")
            file.writelines(f"out/{i}:\n\t@echo {i} > $@\n" for i in range(1, count))

    def run(self):
        return [self.program, "-s", "-j2"]

    def plan(self):
        return [self.program, "-s", "-n"]


class Ninja(Files):
    name = "ninja"

    def describe(self, folder, count):
        with open(f"{folder}/build.ninja", "w") as file:
            file.write("rule leaf\n command = echo $v > $out\nrule first\n command = cat $in > $out\n")
            file.write("rule gather\n command = xargs cat < list > $out\nbuild out/0: first seed\n")
            file.writelines(f"build out/{i}: leaf\n v = {i}\n" for i in range(1, count))
            file.write("build total: gather " + " ".join(f"out/{i}" for i in range(count)) + "\n")

    def run(self):
        return [self.program, "-j2"]

    def plan(self):
        return [self.program, "-n"]


class Snakemake(Files):
    name = "Snakemake"

    def describe(self, folder, count):
        with open(f"{folder}/Snakefile", "w") as file:
            file.write(
                f'''rule total:
    input: ["out/%d" % i for i in range({count})]
    output: "total"
    run:
        with open(output[0], "w") as whole:
            for name in input:
                with open(name) as part:
                    whole.write(part.read())

rule first:
    input: "seed"
    output: "out/0"
    shell: "cat {{input}} > {{output}}"

rule leaf:
    output: "out/{{i}}"
    shell: "echo {{wildcards.i}} > {{output}}"

ruleorder: first > leaf
'''
            )

    def run(self):
        return [self.program, "-c2", "--quiet", "all"]

    def plan(self):
        return [self.program, "-c2", "-n", "--quiet", "all"]


class Dvc(Files):
    name = "DVC"

    def describe(self, folder, count):
        subprocess.run([self.program, "init", "--no-scm", "-q"], cwd=folder, check=True)
        with open(f"{folder}/dvc.yaml", "w") as file:
            items = ", ".join(str(i) for i in range(1, count))
            names = "".join(f"      - out/{i}\n" for i in range(count))
            file.write(
                f"""stages:
  first:
    cmd: cat seed > out/0
    deps: [seed]
    outs: [out/0]
  leaf:
    foreach: [{items}]
    do:
      cmd: echo ${{item}} > out/${{item}}
      outs: ["out/${{item}}"]
  total:
    cmd: xargs cat < list > total
    deps:
{names}    outs: [total]
"""
            )

    def run(self):
        return [self.program, "repro", "-q"]

    def plan(self):
        return [self.program, "status", "-q"]


class Mctune(Tool):
    """Leaves are computed in the process of mctune."""

    name = "mctune"
    kind = "process"
    leaf = '{ uses: write, over: i, with: { content: "${i}" } }'

    def write(self, folder, count):
        self.describe(folder, 0, count)

    def describe(self, folder, first, end):
        with open(f"{folder}/pipeline.yaml", "w") as file:
            file.write(
                f"""mctune: 1
name: overhead
axes: {{ i: {{ range: [{first}, {end}] }} }}
stages:
  leaf: {self.leaf}
  total: {{ uses: concat, inputs: {{ parts: leaf }} }}
"""
            )

    def change(self, folder, count):
        # The axis moves by one: a leaf goes, one comes.
        self.describe(folder, 1, count + 1)

    def run(self):
        return [self.program, "run", "pipeline.yaml", "-j2", "--progress", "none"]

    def plan(self):
        return [self.program, "plan", "pipeline.yaml"]

    def total(self, folder):
        command = [self.program, "get", "pipeline.yaml", "total.text", "-o", "total.copy"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        with open(f"{folder}/total.copy") as file:
            text = file.read()
        os.remove(f"{folder}/total.copy")
        return text

    def expected(self, count, changed):
        return "".join(f"{i}\n" for i in range(changed, count + changed))


class MctuneCommands(Mctune):
    """Leaves are programs, as they are for the others."""

    name = "mctune (commands)"
    kind = "shell"
    leaf = '{ uses: command, over: i, with: { run: "echo ${i} > out", outputs: { out: out } } }'


PEERS = {"ninja": Ninja, "make": Make, "snakemake": Snakemake, "dvc": Dvc}


def tools(mctune, wanted):
    """The tools that are there, ours first."""
    ours = [Mctune(mctune), MctuneCommands(mctune)]
    found = {name: shutil.which(name) for name in wanted}
    return ours + [PEERS[name](path) for name, path in found.items() if path]
