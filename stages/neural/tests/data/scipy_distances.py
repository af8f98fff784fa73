"""Makes scipy-distances.json, the reference of the distances in src/metrics.rs: python3 scipy_distances.py > scipy-distances.json

Needs numpy and scipy. Samples carry weights, as ours do; `energy` is scipy's energy distance, sqrt(2) times d2.
"""

import json

import numpy as np
from scipy import stats

random = np.random.default_rng(7)


def kolmogorov(first, first_weights, second, second_weights):
    """scipy's two-sample statistic on the samples written out: it takes no weights."""
    return stats.ks_2samp(np.repeat(first, first_weights), np.repeat(second, second_weights)).statistic


def case(first, first_weights, second, second_weights):
    return {
        "first": list(first),
        "first_weights": [float(weight) for weight in first_weights],
        "second": list(second),
        "second_weights": [float(weight) for weight in second_weights],
        "wasserstein": stats.wasserstein_distance(first, second, first_weights, second_weights),
        "energy": stats.energy_distance(first, second, first_weights, second_weights),
        "kolmogorov": kolmogorov(first, first_weights, second, second_weights),
    }


def sample(size, centre, width):
    values = np.unique(np.round(random.normal(centre, width, size), 4))
    return values, random.integers(1, 20, len(values))


samples = [case(*sample(n, 1.0, 0.2), *sample(m, c, w)) for n, m, c, w in
           [(5, 7, 1.1, 0.2), (40, 60, 1.0, 0.25), (80, 30, 3.0, 0.1), (100, 100, 1.02, 0.2)]]
bins = 0.41 + 0.02 * np.arange(40)
binned = [case(bins, random.poisson(first) + 1, bins, random.poisson(second) + 1) for first, second in
          [(np.full(40, 20.0), np.linspace(5, 40, 40)), (100 * np.exp(-bins), 90 * np.exp(-1.1 * bins))]]
continuous = []
for distribution in [stats.norm(1.0, 0.2), stats.expon(0.5)]:
    values = np.sort(np.round(random.normal(1.0, 0.25, 50), 6))
    continuous.append({
        "values": list(values),
        "cdf": list(distribution.cdf(values)),
        "kolmogorov": stats.kstest(values, distribution.cdf).statistic,
    })
print(json.dumps({"samples": samples, "binned": binned, "continuous": continuous}, separators=(",", ":")))
