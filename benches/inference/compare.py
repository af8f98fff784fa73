"""Prints our speeds beside the peer's: compare.py OURS.json PEER.json (what `inference_speed` and `peer.py` have printed)."""

import json
import sys

ours, peer = (json.loads(open(path).read().splitlines()[-1]) for path in sys.argv[1:3])

print("| what | mctune | peer | ratio |\n|---|---|---|---|")
for name, mine, theirs in [
    ("TEDE, five sources, evaluations/s in batches of 64", "tede evaluations/s, batches of 64", "tede evaluations/s, batches of 64"),
    ("the same, one by one", "tede evaluations/s, one by one", "tede evaluations/s, one by one"),
    ("NFDE unbinned, evaluations/s of distinct values", "nfde evaluations/s, batches of 64", "nfde evaluations/s, distinct values"),
    ("NFDE unbinned, the peer given single events", "nfde evaluations/s, batches of 64", "nfde evaluations/s, single events"),
]:
    if theirs in peer:
        print(f"| {name} | {ours[mine]:.0f} | {peer[theirs]:.1f} | {ours[mine] / peer[theirs]:.1f} |")
for name, mine, theirs in [
    ("TEDE, Migrad + Hesse + Minos, s (iminuit)", "tede minuit", "tede minuit"),
    ("NFDE, Migrad + Hesse + Minos, s (iminuit)", "nfde minuit", "nfde minuit"),
    ("TEDE, nested sampling, s (ultranest)", "tede nested", "tede nested"),
    ("NFDE, nested sampling, s (ultranest)", "nfde nested", "nfde nested"),
    ("TEDE, ensemble of 32 walkers, s (emcee, 1000 steps); ours: NUTS", "tede nuts", "tede ensemble"),
]:
    if theirs in peer:
        a, b = ours[mine]["seconds"], peer[theirs]["seconds"]
        print(f"| {name} | {a:.2f} | {b:.1f} | {b / a:.1f} |")
print()
for name, row in ours.items():
    if isinstance(row, dict):
        effective = "" if row["effective"] is None else f", {row['effective']:.0f} effective draws"
        print(f"{name}: {row['seconds']:.2f} s, {row['calls']} evaluations{effective}, valid: {row['valid']} {row['problem'] or ''}")
    else:
        print(f"{name}: {row:.0f}")
