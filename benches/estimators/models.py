"""The two estimators of arXiv:2507.23297 in PyTorch, with the tensor names of our model files.

`Nfde` evaluates the net of each flow by itself, as the names of its tensors suggest; `StackedNfde` evaluates the nets of
all flows at once as batched matrix products, which is faster on a CPU. Both push values through the flows one flow after
the other, all conditions and values at once.
"""

import json
import math

import numpy
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def flow(z, log_slope, w, u, b):
    """One planar flow on values [conditions, n] with factors [conditions, 1]."""
    h = torch.tanh(w * z + b)
    return z + u * h, log_slope + torch.log(1 + 1e-10 + u * w * (1 - h * h))


class FlowNet(nn.Module):
    def __init__(self, parameters, sources, units):
        super().__init__()
        self.param_net = nn.Sequential(
            nn.Linear(parameters, units), nn.GELU(), nn.Linear(units, units), nn.GELU(), nn.Linear(units, units))
        self.source_type_embedding = nn.Embedding(sources, units)
        self.conditions_to_params_net = nn.Sequential(
            nn.Linear(2 * units, 2 * units), nn.GELU(), nn.Linear(2 * units, units), nn.GELU(), nn.Linear(units, 3))

    def forward(self, scaled, source):
        joined = torch.cat([self.param_net(scaled), self.source_type_embedding(source)], 1)
        w, u, b = self.conditions_to_params_net(joined).split(1, 1)
        return torch.tanh(w), torch.tanh(u), b


class Nfde(nn.Module):
    """Net after net."""

    def __init__(self, parameters=3, sources=5, flows=120, units=30):
        super().__init__()
        self.flows = nn.ModuleList(FlowNet(parameters, sources, units) for _ in range(flows))

    def log_density(self, scaled, source, values):
        z, log_slope = values, torch.zeros_like(values)
        for net in self.flows:
            z, log_slope = flow(z, log_slope, *net(scaled, source))
        return log_slope - 0.5 * z * z - HALF_LOG_TWO_PI


class StackedNfde(nn.Module):
    """The nets of all flows at once."""

    LAYERS = ["param_net.0", "param_net.2", "param_net.4"]
    JOINED = ["conditions_to_params_net.0", "conditions_to_params_net.2", "conditions_to_params_net.4"]

    def __init__(self, model: Nfde):
        super().__init__()
        state, count = model.state_dict(), len(model.flows)
        stack = lambda name: torch.stack([state[f"flows.{flow}.{name}"] for flow in range(count)])
        for name in self.LAYERS + self.JOINED:
            key = name.replace(".", "_")
            setattr(self, f"{key}_weight", nn.Parameter(stack(f"{name}.weight").transpose(1, 2).contiguous()))
            setattr(self, f"{key}_bias", nn.Parameter(stack(f"{name}.bias").unsqueeze(1)))
        self.table = nn.Parameter(stack("source_type_embedding.weight"))

    def mlp(self, x, names):
        for index, name in enumerate(names):
            key = name.replace(".", "_")
            x = torch.baddbmm(getattr(self, f"{key}_bias"), x, getattr(self, f"{key}_weight"))
            x = functional.gelu(x) if index < 2 else x
        return x

    def log_density(self, scaled, source, values):
        count = self.table.shape[0]
        hidden = self.mlp(scaled.unsqueeze(0).expand(count, -1, -1), self.LAYERS)
        q = self.mlp(torch.cat([hidden, self.table[:, source]], 2), self.JOINED)
        w, u, b = torch.tanh(q[..., 0:1]), torch.tanh(q[..., 1:2]), q[..., 2:3]
        z, log_slope = values, torch.zeros_like(values)
        for one in zip(w.unbind(0), u.unbind(0), b.unbind(0)):
            z, log_slope = flow(z, log_slope, *one)
        return log_slope - 0.5 * z * z - HALF_LOG_TWO_PI


class Tede(nn.Module):
    TEMPERATURE = 2.03

    def __init__(self, parameters=3, sources=5, bins=800, d=100, heads=10, layers=4, wide=384, hidden=800):
        super().__init__()
        self.d = d
        self.param_emb_embedding = nn.Sequential(
            nn.Linear(parameters, 50), nn.LayerNorm(50), nn.GELU(), nn.Linear(50, 100), nn.LayerNorm(100), nn.GELU(),
            nn.Linear(100, parameters * d))
        self.source_type_embedding = nn.Embedding(sources, d)
        layer = nn.TransformerEncoderLayer(d, heads, wide, dropout=0.0, activation="gelu", batch_first=True)
        self.transformer_encoder = nn.TransformerEncoder(layer, layers)
        self.regression_head = nn.Sequential(
            nn.Flatten(), nn.Linear((parameters + 1) * d, hidden), nn.LayerNorm(hidden), nn.GELU(),
            nn.Linear(hidden, bins))

    def logits(self, scaled, source):
        tokens = self.param_emb_embedding(scaled).reshape(len(source), -1, self.d)
        tokens = torch.cat([tokens, self.source_type_embedding(source).unsqueeze(1)], 1)
        return self.regression_head(self.transformer_encoder(tokens))

    def log_probabilities(self, scaled, source):
        return functional.log_softmax(self.logits(scaled, source) / self.TEMPERATURE, 1)


class Data:
    """What `estimator_speed prepare` wrote."""

    def __init__(self, folder):
        data = json.loads((folder / "data.json").read_text())
        low, high = ([range_[key] for range_ in data["parameters"]] for key in ("low", "high"))
        spectra = data["spectra"]
        points = numpy.array([spectrum["point"] for spectrum in spectra])
        scaled = (points - numpy.array(low)) / (numpy.array(high) - numpy.array(low))
        self.scaled = torch.tensor(scaled, dtype=torch.float32)
        self.source = torch.tensor([spectrum["source"] for spectrum in spectra])
        self.npe = [torch.tensor(spectrum["npe"], dtype=torch.float64) / 1000 for spectrum in spectra]
        self.counts = [torch.tensor(spectrum["counts"]) for spectrum in spectra]
        self.values = torch.tensor(data["values"], dtype=torch.float32).unsqueeze(0)

    def weighted(self, count):
        """Distinct values and their weights [count, longest]; weights of a condition add up to 1."""
        longest = max(len(npe) for npe in self.npe[:count])
        values, weights = torch.ones(count, longest), torch.zeros(count, longest)
        for row in range(count):
            values[row, :len(self.npe[row])] = self.npe[row].float()
            weights[row, :len(self.npe[row])] = self.counts[row] / self.counts[row].sum()
        return values, weights

    def events(self, count, each=10_000):
        """So many single events of each condition [count, each]."""
        rows = [torch.repeat_interleave(self.npe[row], self.counts[row]).float() for row in range(count)]
        return torch.stack([row[torch.arange(each) * len(row) // each] for row in rows])

    def histograms(self):
        edges = torch.tensor(0.4 + 0.02 * numpy.arange(801))
        rows = [torch.histogram(npe, edges, weight=counts.double())[0] for npe, counts in zip(self.npe, self.counts)]
        return torch.stack(rows).float()


def nfde(folder):
    model = Nfde()
    model.load_state_dict(load_file(folder / "nfde.safetensors"))
    return model


def tede(folder):
    model = Tede()
    model.load_state_dict(load_file(folder / "tede.safetensors"))
    return model
