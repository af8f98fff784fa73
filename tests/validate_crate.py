#!/usr/bin/env python3
"""Exports a run of the starter pipeline and has the public validator judge it.

    pip install roc-validator 'rocrate<0.15'
    cargo build && python3 tests/validate_crate.py

Skipped, visibly, where the validator is not installed. It asks for the vocabulary of RO-Crate 1.1 on the network; where the
package `rocrate` is installed, the copy in it is used instead, so that the judgement needs no network.

Options: --severity required|recommended|optional (required); MCTUNE names the program (target/debug/mctune).
"""

import argparse
import importlib.util
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request
import urllib.response

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROFILE = "workflow-run-crate-0.5"


def local_context():
    """The vocabulary as the package `rocrate` brings it, if that is the one for 1.1."""
    package = importlib.util.find_spec("rocrate")
    if package is None:
        return None
    text = pathlib.Path(package.origin).with_name("data").joinpath("ro-crate.jsonld").read_bytes()
    return text if json.loads(text).get("@id") == CONTEXT else None


def serve(text):
    """Answers questions for the vocabulary with `text`, whichever library asks."""

    class Handler(urllib.request.BaseHandler):
        handler_order = 100

        def https_open(self, request):
            if request.full_url != CONTEXT:
                return None
            headers = {"Content-Type": "application/ld+json"}
            answer = urllib.response.addinfourl(io.BytesIO(text), headers, CONTEXT, 200)
            answer.msg = "OK"
            return answer

    urllib.request.install_opener(urllib.request.build_opener(Handler))
    import requests

    original = requests.Session.request

    def request(self, method, url, *args, **kwargs):
        if url != CONTEXT:
            return original(self, method, url, *args, **kwargs)
        answer = requests.Response()
        answer.status_code, answer.url, answer._content = 200, url, text
        answer.headers["Content-Type"] = "application/ld+json"
        return answer

    requests.Session.request = request


def export(mctune, home):
    def run(*arguments):
        subprocess.run([mctune, *arguments], cwd=home, check=True, stdout=subprocess.DEVNULL)

    run("init", "start.yaml")
    run("run", "start.yaml", "--progress", "none", "--set", "params.events=1000")
    run("export", "last", "--pipeline", "start.yaml", "-o", "crate", "--author", "A. Person", "--affiliation", "An Institute",
        "--license", "https://spdx.org/licenses/CC-BY-4.0")
    return home / "crate"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--severity", default="required", choices=["required", "recommended", "optional"])
    arguments = arguments.parse_args()
    if importlib.util.find_spec("rocrate_validator") is None:
        print("SKIPPED: the validator is not installed (pip install roc-validator 'rocrate<0.15')")
        return 0
    context = local_context()
    if context is not None:
        serve(context)
    from rocrate_validator import models, services

    root = pathlib.Path(__file__).resolve().parent.parent
    mctune = os.environ.get("MCTUNE", str(root / "target/debug/mctune"))
    with tempfile.TemporaryDirectory() as home:
        crate = export(mctune, pathlib.Path(home))
        settings = services.ValidationSettings(
            rocrate_uri=str(crate),
            profile_identifier=PROFILE,
            requirement_severity=models.Severity[arguments.severity.upper()],
        )
        result = services.validate(settings)
    issues = result.get_issues()
    for issue in issues:
        print(f"{issue.severity.name}: {issue.check.identifier}: {issue.message} ({issue.violatingEntity})")
    print(f"{PROFILE}, {arguments.severity}: {'conforms' if not issues else f'{len(issues)} issues'}")
    return 1 if issues else 0


if __name__ == "__main__":
    sys.exit(main())
