"""The two estimators with the weights of the study's authors (older architectures than the paper's), in PyTorch.

The nets of all flows are evaluated at once as batched matrix products, and all sources in one call: what a careful user of
PyTorch would write.
"""

import json
import math
import pathlib

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
DATA = pathlib.Path(__file__).parents[2] / "stages" / "neural" / "tests" / "data"


def ranges(name):
    parameters = json.loads((DATA / f"{name}.json").read_text())["parameters"]
    return [p["low"] for p in parameters], [p["high"] for p in parameters]


class Nfde:
    LAYERS = [f"param_net.{i}" for i in (0, 2, 4)]
    JOINED = [f"conditions_to_params_net.{i}" for i in (0, 2, 4)]

    def __init__(self, name="nfde-c008830", dtype=torch.float32):
        state = {key: value.to(dtype) for key, value in load_file(DATA / f"{name}.safetensors").items()}
        self.count = 1 + max(int(key.split(".")[1]) for key in state)
        stack = lambda key: torch.stack([state[f"flows.{flow}.{key}"] for flow in range(self.count)])
        self.weights = {n: stack(f"{n}.weight").transpose(1, 2).contiguous() for n in self.LAYERS + self.JOINED}
        self.biases = {n: stack(f"{n}.bias").unsqueeze(1) for n in self.LAYERS + self.JOINED}
        self.table = stack("source_type_embedding.weight")

    def mlp(self, x, names):
        for index, name in enumerate(names):
            x = torch.baddbmm(self.biases[name], x, self.weights[name])
            x = functional.silu(x) if index < 2 else x
        return x

    def log_density(self, scaled, source, values):
        """ln p of values [conditions, n] under scaled parameters [conditions, 3] and sources [conditions]."""
        hidden = self.mlp(scaled.unsqueeze(0).expand(self.count, -1, -1), self.LAYERS)
        q = self.mlp(torch.cat([hidden, self.table[:, source]], 2), self.JOINED)
        w, u, b = torch.tanh(q[..., 0:1]), torch.tanh(q[..., 1:2]), q[..., 2:3]
        z, log_slope = values, torch.zeros_like(values)
        for w, u, b in zip(w.unbind(0), u.unbind(0), b.unbind(0)):
            h = torch.tanh(w * z + b)
            z, log_slope = z + u * h, log_slope + torch.log(1e-10 + torch.abs(1 + u * w * (1 - h * h)))
        return log_slope - 0.5 * z * z - HALF_LOG_TWO_PI


class Tede(nn.Module):
    TEMPERATURE = 1.1

    def __init__(self, name="tede-01bfb89", dtype=torch.float32):
        super().__init__()
        d = 100
        self.param_emb_embedding = nn.Sequential(
            nn.Linear(1, 25), nn.LayerNorm(25), nn.GELU(), nn.Linear(25, 50), nn.LayerNorm(50), nn.GELU(),
            nn.Linear(50, d))
        self.source_type_embedding = nn.Embedding(5, d)
        layer = nn.TransformerEncoderLayer(d, 5, 352, dropout=0.0, activation="gelu", batch_first=True)
        self.transformer_encoder = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
        self.regression_head = nn.Sequential(
            nn.Flatten(), nn.Linear(4 * d, 400), nn.LayerNorm(400), nn.GELU(), nn.Linear(400, 800))
        self.load_state_dict(load_file(DATA / f"{name}.safetensors"))
        self.to(dtype).eval()

    def log_probabilities(self, scaled, source):
        tokens = self.param_emb_embedding(scaled.unsqueeze(2))
        tokens = torch.cat([tokens, self.source_type_embedding(source).unsqueeze(1)], 1)
        return functional.log_softmax(self.regression_head(self.transformer_encoder(tokens)) / self.TEMPERATURE, 1)
