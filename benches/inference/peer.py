"""Likelihoods in PyTorch, fits with iminuit, emcee and ultranest: prints seconds as one line of JSON.

    peer.py DATA.json [PART ...]       parts: evaluations, minuit, ultranest, emcee (all unless given)

DATA.json is what `inference_speed prepare` has written: the same entries that our program fits.
"""

import json
import logging
import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
import numpy
import torch

torch.set_num_threads(1)
torch.set_grad_enabled(False)
logging.disable(logging.WARNING)
import models

DATA = json.load(open(sys.argv[1]))
PARTS = sys.argv[2:] or ["evaluations", "minuit", "ultranest", "emcee"]
SOURCES = torch.arange(5)
RESULT = {}


def tede_likelihood():
    model = models.Tede()
    counts = torch.tensor(DATA["counts"], dtype=torch.float64)
    constant = float((counts.sum(1) * torch.log(counts.sum(1)) - counts.sum(1)).sum())

    def values(points):
        """ln L at scaled points [n, 3]."""
        points = numpy.atleast_2d(points)
        scaled = torch.tensor(points, dtype=torch.float32).repeat_interleave(5, 0)
        logs = model.log_probabilities(scaled, SOURCES.repeat(len(points))).double()
        return constant + (logs.reshape(len(points), 5, -1) * counts).sum((1, 2)).numpy()

    return values


def nfde_likelihood(kind):
    """`distinct`: values with multiplicities; `events`: every entry by itself, as the study has it."""
    model = models.Nfde()
    rows = [numpy.array(row) for row in DATA["values"]]
    weights = [numpy.array(row) for row in DATA["weights"]]
    if kind == "events":
        rows = [numpy.repeat(row, weight.astype(int)) for row, weight in zip(rows, weights)]
        weights = [numpy.ones(len(row)) for row in rows]
    longest = max(len(row) for row in rows)
    pad = lambda row, with_: numpy.pad(row, (0, longest - len(row)), constant_values=with_)
    values = torch.tensor(numpy.array([pad(row, 1.0) for row in rows]), dtype=torch.float32)
    weight = torch.tensor(numpy.array([pad(row, 0.0) for row in weights]), dtype=torch.float64)

    def evaluate(points):
        points = numpy.atleast_2d(points)
        answers = []
        for point in points:
            scaled = torch.tensor(point, dtype=torch.float32).expand(5, 3)
            answers.append(float((model.log_density(scaled, SOURCES, values).double() * weight).sum()))
        return numpy.array(answers)

    return evaluate


def per_second(function, points, least=3.0):
    function(points)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < least:
        function(points)
        count += len(points)
    return count / (time.perf_counter() - start)


def minuit(function):
    from iminuit import Minuit

    start = time.perf_counter()
    fit = Minuit(lambda x: -2 * function(numpy.array([x]))[0], numpy.full(3, 0.5))
    fit.limits = [(0, 1)] * 3
    # Differences of single-precision likelihoods need steps that are not lost in rounding.
    fit.precision = 1e-8
    fit.migrad()
    fit.hesse()
    try:
        fit.minos()
    except RuntimeError:
        pass
    return {"seconds": time.perf_counter() - start, "calls": fit.nfcn, "valid": bool(fit.valid),
            "value": list(fit.values), "error": list(fit.errors)}


def ultranest(function):
    import ultranest as package

    start = time.perf_counter()
    sampler = package.ReactiveNestedSampler(["kB", "fC", "Y"], function, lambda u: u, vectorized=True)
    found = sampler.run(show_status=False, viz_callback=False, min_num_live_points=400)
    posterior = found["posterior"]
    return {"seconds": time.perf_counter() - start, "calls": int(found["ncall"]), "log_evidence": found["logz"],
            "error": found["logzerr"], "effective": found["ess"], "mean": posterior["mean"], "sd": posterior["stdev"]}


def emcee(function, start_at, steps=1000):
    import emcee as package

    start = time.perf_counter()
    inside = lambda points: numpy.all((points >= 0) & (points <= 1), 1)

    def posterior(points):
        answer = numpy.full(len(points), -numpy.inf)
        good = inside(points)
        if good.any():
            answer[good] = function(points[good])
        return answer

    walkers = start_at + 1e-3 * numpy.random.default_rng(1).normal(size=(32, 3))
    sampler = package.EnsembleSampler(32, 3, posterior, vectorize=True)
    sampler.run_mcmc(walkers, steps)
    chain = sampler.get_chain(discard=steps // 5, flat=True)
    tau = sampler.get_autocorr_time(quiet=True, tol=0)
    return {"seconds": time.perf_counter() - start, "steps": steps, "tau": list(tau),
            "mean": list(chain.mean(0)), "sd": list(chain.std(0))}


rng = numpy.random.default_rng(3)
points = numpy.clip(numpy.array(DATA["best"]) + 0.02 * rng.normal(size=(64, 3)), 0, 1)
tede, nfde, events = tede_likelihood(), nfde_likelihood("distinct"), nfde_likelihood("events")
if "evaluations" in PARTS:
    RESULT["check"] = {"tede": list(tede(points[:4])), "nfde": list(nfde(points[:4])), "points": points[:4].tolist()}
    RESULT["tede evaluations/s, batches of 64"] = per_second(tede, points)
    RESULT["tede evaluations/s, one by one"] = per_second(lambda p: [tede(x) for x in p], points[:8])
    RESULT["nfde evaluations/s, distinct values"] = per_second(nfde, points[:16])
    RESULT["nfde evaluations/s, single events"] = per_second(events, points[:2])
if "minuit" in PARTS:
    RESULT["tede minuit"] = minuit(tede)
    RESULT["nfde minuit"] = minuit(nfde)
if "ultranest" in PARTS:
    RESULT["tede nested"] = ultranest(tede)
if "ultranest-nfde" in PARTS:
    RESULT["nfde nested"] = ultranest(nfde)
if "emcee" in PARTS:
    RESULT["tede ensemble"] = emcee(tede, numpy.array(DATA["best"]))
print(json.dumps(RESULT))
