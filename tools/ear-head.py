#!/usr/bin/env python3
"""Trains the last layer of the ear (src/core/vad/head.f32le.bin), and the other detector's four numbers. docs/VAD.md.

    target/vad/bin/pip install numpy torch
    cargo bench --bench ear -- inputs FOLDER inputs.f32
    target/vad/bin/python tools/ear-head.py inputs.f32 src/core/vad/head.f32le.bin

Rows of inputs.f32: speech 0 or 1, weight, line, 264 inputs. A tenth of the lines is held back to watch the training.
"""

import sys

import numpy as np
import torch

INPUTS, UNITS, EPOCHS, RATE = 264, 24, 7, 3e-3
# A missed chunk of a word costs half of a false one: words have many chunks.
WORD = 0.5
# Taken off the output's bias: what the layer called 0.8 is 0.5. Short words bear it, noises are fewer.
STRICTER = 1.386


def main():
    source, target = sys.argv[1:3]
    torch.manual_seed(3)
    rows = np.fromfile(source, "<f4").reshape(-1, INPUTS + 3)
    speech, weight, line = torch.tensor(rows[:, 0]), torch.tensor(rows[:, 1]), rows[:, 2].astype(int)
    inputs = torch.tensor(rows[:, 3:])
    held = torch.tensor(line * 7919 % 10 == 0)
    mean, spread = inputs.mean(0), inputs.std(0).clamp(min=0.05)
    mean[:256], spread[:256] = 0, 1
    scaled = (inputs - mean) / spread
    net = torch.nn.Sequential(
        torch.nn.Linear(INPUTS, UNITS), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(UNITS, 1)
    )
    step = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=3e-3)
    training, watched = torch.where(~held)[0], torch.where(held)[0]
    cost = weight * torch.where(speech > 0.5, torch.tensor(WORD), torch.tensor(1.0))
    loss = lambda at: (
        torch.nn.functional.binary_cross_entropy_with_logits(net(scaled[at])[:, 0], speech[at], reduction="none")
        * cost[at]
    ).mean()
    for epoch in range(EPOCHS):
        net.train()
        order = training[torch.randperm(len(training))]
        for at in range(0, len(order), 512):
            step.zero_grad()
            loss(order[at:at + 512]).backward()
            step.step()
        for group in step.param_groups:
            group["lr"] = 2e-3 * 0.5 * (1 + np.cos(np.pi * (epoch + 1) / EPOCHS)) + 1e-5
        net.eval()
        with torch.no_grad():
            print(epoch, float(loss(watched)))
    first, last = net[0], net[3]
    weights = (first.weight / spread).detach().numpy()
    bias = (first.bias - (first.weight * (mean / spread)).sum(1)).detach().numpy()
    out = last.bias.detach().numpy() - np.float32(STRICTER)
    parts = [weights.ravel(), bias, last.weight.detach().numpy().ravel(), out]
    np.concatenate(parts).astype("<f4").tofile(target)
    loudness(inputs[::3], speech[::3], weight[::3])


def loudness(inputs, speech, weight):
    """Logistic regression over decibels over the floor, periodicity and crossings: src/core/vad/energy.rs."""
    some = torch.stack([inputs[:, 256] * 20, inputs[:, 259], inputs[:, 260] / 3], 1)
    mean, spread, line = some.mean(0), some.std(0), torch.nn.Linear(3, 1)
    step = torch.optim.LBFGS(line.parameters(), max_iter=100)

    def again():
        step.zero_grad()
        told = line((some - mean) / spread)[:, 0]
        loss = (torch.nn.functional.binary_cross_entropy_with_logits(told, speech, reduction="none") * weight).mean()
        loss.backward()
        return loss

    step.step(again)
    slopes = (line.weight / spread).detach().numpy()[0]
    print("over, periodic, crossing:", slopes, "bias:", float(line.bias) - float((line.weight * (mean / spread)).sum()))


main()
