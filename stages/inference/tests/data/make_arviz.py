"""Chains with known flaws, and what ArviZ says of them (arviz.json).

Run with numpy and arviz 0.23: python make_arviz.py > arviz.json
"""
import json

import arviz
import numpy as np


def autoregressive(random, chains, draws, memory):
    noise = random.standard_normal((chains, draws))
    values = np.zeros_like(noise)
    values[:, 0] = noise[:, 0]
    for at in range(1, draws):
        values[:, at] = memory * values[:, at - 1] + np.sqrt(1 - memory**2) * noise[:, at]
    return values


random = np.random.default_rng(20250731)
cases = {
    "independent": random.standard_normal((4, 200)),
    "slow": autoregressive(random, 4, 301, 0.9),
    "alternating": autoregressive(random, 3, 150, -0.4),
    "heavy": random.standard_cauchy((4, 120)),
    "shifted": autoregressive(random, 4, 100, 0.5) + np.array([[0.0], [0.0], [0.0], [0.8]]),
    "stretched": random.standard_normal((4, 100)) * np.array([[1.0], [1.0], [1.0], [4.0]]),
    "ties": np.round(autoregressive(random, 2, 80, 0.7)),
    "one_chain": autoregressive(random, 1, 250, 0.8),
}
result = {"arviz": arviz.__version__, "chains": {}, "weights": {}}
for name, values in cases.items():
    values = np.round(values, 6)
    result["chains"][name] = {
        "values": values.tolist(),
        "rhat": float(arviz.rhat(values)) if len(values) > 1 else None,
        "ess_bulk": float(arviz.ess(values, method="bulk")),
        "ess_tail": float(arviz.ess(values, method="tail")),
        "ess_mean": float(arviz.ess(values, method="mean")),
        "ess_quantile_30": float(arviz.ess(values, method="quantile", prob=0.3)),
    }

weights = {
    "light": 0.1 * random.standard_normal(500),
    "gaussian": random.standard_normal(1000),
    "heavy": 1.5 * random.standard_normal(800),
    "pareto": 0.9 * random.standard_exponential(600),
}
for name, logarithms in weights.items():
    logarithms = np.round(logarithms, 6)
    smoothed, shape = arviz.psislw(logarithms.copy(), reff=1.0)
    result["weights"][name] = {
        "logarithms": logarithms.tolist(),
        "shape": float(shape),
        "smoothed": np.asarray(smoothed).tolist(),
    }
print(json.dumps(result))
