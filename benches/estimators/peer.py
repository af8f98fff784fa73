"""The PyTorch side: `peer.py measure FOLDER THREADS` prints seconds of each task as JSON, `peer.py measure FOLDER cuda`
those of training steps on a GPU, `peer.py check FOLDER` compares what both sides compute from the same weights."""

import json
import pathlib
import statistics
import sys
import time

import numpy
import torch
from safetensors.torch import load_file
from torch.nn import functional

import models


def median(call, repetitions):
    # On one thread the time that it computes, which hardly depends on what else the machine does.
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    call()
    seconds = []
    for _ in range(repetitions):
        start = clock()
        call()
        seconds.append(clock() - start)
    return statistics.median(seconds)


def nfde_step(model, scaled, source, values, weights=None):
    """A training step; without weights every value counts the same."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=1e-6, weight_decay=1e-4, betas=(0.87, 0.901), fused=True)

    def step():
        optimizer.zero_grad()
        log_density = model.log_density(scaled, source, values)
        loss = -log_density.mean() if weights is None else -(weights * log_density).sum(1).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step


def tede_step(model, scaled, source, histograms):
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=1e-6, weight_decay=7.9e-5, betas=(0.93, 0.929), fused=True)

    def step():
        optimizer.zero_grad()
        drawn = torch.poisson(histograms)
        target = drawn / drawn.sum(1, keepdim=True)
        loss = functional.kl_div(model.log_probabilities(scaled, source), target, reduction="batchmean")
        loss.backward()
        optimizer.step()
        return loss

    return step


def measure(folder, threads):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    data, seconds = models.Data(folder), {}
    scaled, source = data.scaled, data.source
    loose, stacked = models.nfde(folder), models.StackedNfde(models.nfde(folder))
    with torch.inference_mode():
        for name, model in (("net by net", loose), ("nets stacked", stacked)):
            call = lambda: model.log_density(scaled[:1], source[:1], data.values)
            seconds[f"nfde log density ({name})"] = median(call, 20)
    for name, model in (("net by net", loose), ("nets stacked", stacked)):
        step = nfde_step(model, scaled[:1], source[:1], data.values)
        seconds[f"nfde step 1 distinct ({name})"] = median(step, 8)
    values, weights = data.weighted(50)
    seconds["nfde step 50 weighted (nets stacked)"] = median(
        nfde_step(stacked, scaled[:50], source[:50], values, weights), 1)
    for name, model in (("net by net", loose), ("nets stacked", stacked)):
        step = nfde_step(model, scaled[:50], source[:50], data.events(50))
        seconds[f"nfde step 50 events ({name})"] = median(step, 1)
    tede, histograms = models.tede(folder), data.histograms()
    tede.eval()
    with torch.inference_mode():
        for batch in (1, 5, 64):
            call = lambda: tede.log_probabilities(scaled[:batch], source[:batch]).exp() / 0.02
            seconds[f"tede forward {batch}"] = median(call, 60)
    tede.train()
    seconds["tede step 64"] = median(tede_step(tede, scaled, source, histograms), 30)
    print(json.dumps(seconds))


def measure_on_gpu(folder):
    """Training steps with everything on the GPU, each until the GPU is done; products of matrices in full precision,
    which is PyTorch's default, and in TF32."""
    torch.manual_seed(1)
    data, seconds = models.Data(folder), {}
    scaled, source = data.scaled.cuda(), data.source.cuda()
    values, weights = (tensor.cuda() for tensor in data.weighted(50))

    def timed(step, repetitions):
        def call():
            step()
            torch.cuda.synchronize()
        for _ in range(5):
            call()
        return median(call, repetitions)

    for tf32 in (False, True):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        kind = ", TF32" if tf32 else ""
        loose, stacked = models.nfde(folder).cuda(), models.StackedNfde(models.nfde(folder)).cuda()
        for name, model in (("net by net", loose), ("nets stacked", stacked)):
            step = nfde_step(model, scaled[:1], source[:1], data.values.cuda())
            seconds[f"nfde step 1 distinct ({name}{kind})"] = timed(step, 20)
        step = nfde_step(stacked, scaled[:50], source[:50], values, weights)
        seconds[f"nfde step 50 weighted (nets stacked{kind})"] = timed(step, 20)
        step = nfde_step(stacked, scaled[:50], source[:50], data.events(50).cuda())
        seconds[f"nfde step 50 events (nets stacked{kind})"] = timed(step, 20)
        tede = models.tede(folder).cuda().train()
        seconds[f"tede step 64 (eager{kind})"] = timed(tede_step(tede, scaled, source, data.histograms().cuda()), 50)
    print(json.dumps(seconds))


def check(folder):
    """Largest differences between the two sides, as (name, difference, bound)."""
    data = models.Data(folder)
    scaled, source = data.scaled, data.source
    rows = []

    model = models.nfde(folder)
    ours = torch.tensor(numpy.fromfile(folder / "nfde-log-density.f64"))
    with torch.inference_mode():
        theirs = model.log_density(scaled[:1], source[:1], data.values)[0]
        stacked = models.StackedNfde(model).log_density(scaled[:1], source[:1], data.values)[0]
        exact = models.nfde(folder).double().log_density(scaled[:1].double(), source[:1], data.values.double())[0]
    near = exact > -25
    error = lambda values: ((values - exact)[near]).abs().max().item()
    rows.append(("NFDE ln p where it is above -25: ours from PyTorch in double precision", error(ours), 2e-4))
    rows.append(("NFDE ln p where it is above -25: PyTorch in single from double precision", error(theirs), None))
    rows.append(("NFDE ln p: the two PyTorch forms", (stacked - theirs)[near].abs().max().item(), None))
    values, weights = data.weighted(50)
    loss = -(weights * model.log_density(scaled[:50], source[:50], values)).sum(1).mean()
    loss.backward()
    rows += gradients("NFDE", folder / "nfde", model, loss)

    model = models.tede(folder)
    ours = torch.tensor(numpy.fromfile(folder / "tede-density.f64")).reshape(64, 800)
    with torch.inference_mode():
        theirs = model.double().log_probabilities(scaled.double(), source).exp() / 0.02
    rows.append(("TEDE density [1/kNPE]: ours from PyTorch in double precision", (ours - theirs).abs().max().item(), 2e-5))
    model, histograms = models.tede(folder), data.histograms()
    target = histograms / histograms.sum(1, keepdim=True)
    loss = functional.kl_div(model.log_probabilities(scaled, source), target, reduction="batchmean")
    loss.backward()
    rows += gradients("TEDE", folder / "tede", model, loss)

    print("| what | largest difference | bound |\n|---|---|---|")
    for name, difference, bound in rows:
        print(f"| {name} | {difference:.1e} | {'' if bound is None else f'{bound:.0e}'} |")
    wrong = [name for name, difference, bound in rows if bound is not None and not difference <= bound]
    if wrong:
        sys.exit("out of bounds: " + "; ".join(wrong))


def gradients(name, prefix, model, loss):
    ours = load_file(f"{prefix}-gradient.safetensors")
    theirs = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert ours.keys() == theirs.keys(), sorted(ours.keys() ^ theirs.keys())
    largest = max(gradient.abs().max().item() for gradient in theirs.values())
    difference = max((ours[key] - theirs[key]).abs().max().item() for key in ours)
    expected = float(open(f"{prefix}-loss.json").read())
    return [
        (f"{name} loss (relative)", abs(loss.item() / expected - 1), 2e-5),
        (f"{name} gradient of the loss, as a share of its largest component", difference / largest, 2e-5),
    ]


if __name__ == "__main__":
    command, folder, *rest = sys.argv[1:]
    if command == "measure" and rest[0] == "cuda":
        measure_on_gpu(pathlib.Path(folder))
    elif command == "measure":
        measure(pathlib.Path(folder), int(rest[0]))
    else:
        check(pathlib.Path(folder))
