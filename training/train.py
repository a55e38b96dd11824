"""Trains the demo model; run from the checkout:

    python -m training.train --out DIR [--minutes M | --steps N] [--device auto|cpu|cuda] [--resume]

DIR/state.pt is the state of the run, DIR/model the Hugging Face style checkpoint, DIR/log.jsonl the losses.
With `torchrun --nproc-per-node N -m training.train ...`, N processes share each step: on a CPU, one for each
core, with OMP_NUM_THREADS=1, is fastest.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TextIO

os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "65536")  # shapes differ from batch to batch

import torch
import torch.distributed as dist
from torch import Tensor

from .batches import FAMILY_NAMES, MicroBatch, stream
from .checkpoint import STATE, export, load_state, save_state
from .model import Batch, GptOss, ModelShape, computing_copy, pull_gradients, refresh
from .optimizer import make_optimizers, set_rate
from .vocabulary import read_ranks

WARMUP: Final = 0.02  # of the whole training
COOLING: Final = 0.85  # of the whole training
COOLED: Final = 0.01  # the least rate, in units of the peak
BALANCE_WEIGHT: Final = 0.01
CLIP_NORM: Final = 1.0
SAVE_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Plan:
    """How to train. conversations: of a step; micro_tokens: computed at once; minutes, steps: of all runs."""

    seed: int
    conversations: int
    micro_tokens: int
    minutes: float | None
    steps: int | None


class Trainer:
    """Model, optimisers and position in the stream of data."""

    def __init__(self, plan: Plan, shape: ModelShape, device: torch.device) -> None:
        torch.manual_seed(plan.seed)
        self.plan = plan
        self.device = device
        self.model = GptOss(shape).to(device)
        self.computing = computing_copy(self.model, torch.bfloat16)
        self.optimizers = make_optimizers(self.model)
        self.step = 0
        self.seconds = 0.0  # trained so far, over all runs
        self.is_stopping = False
        self.rank, self.ranks = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)

    @property
    def progress(self) -> float:
        """0 at the beginning, 1 when the training is over."""
        if self.plan.steps is not None:
            return self.step / self.plan.steps
        assert self.plan.minutes is not None
        return self.seconds / (60 * self.plan.minutes)

    def state(self) -> dict[str, Any]:
        return {
            "plan": asdict(self.plan),
            "shape": asdict(self.model.shape),
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continues where the state was saved. Raises ValueError if the data would not be the same."""
        for key in ("seed", "conversations"):
            if state["plan"][key] != getattr(self.plan, key):
                raise ValueError(f"--{key} was {state['plan'][key]} when this training began; use the same")
        self.model.load_state_dict(state["model"])
        refresh(self.computing, self.model)
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.seconds = state["step"], state["seconds"]

    def train_step(self, batch: Sequence[MicroBatch]) -> tuple[Tensor, Tensor]:
        """One update; returns summed loss and number of learned tokens by family, each [families]."""
        began = time.perf_counter()
        set_rate(self.optimizers, rate(self.progress))
        sums = torch.zeros(2, len(FAMILY_NAMES), device=self.device)
        n_learned = sum(len(micro.learned) for micro in batch)
        for micro in batch[self.rank :: self.ranks]:
            self._accumulate(micro, n_learned, len(batch), sums)
        pull_gradients(self.computing, self.model)
        if self.ranks > 1:
            self._add_ranks(sums)
        torch.nn.utils.clip_grad_norm_(self.optimizers[1].param_groups[0]["params"], CLIP_NORM)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        refresh(self.computing, self.model)
        totals = sums.cpu()  # waits for the device
        self.step += 1
        self.seconds += time.perf_counter() - began
        if self.ranks > 1:
            self._follow_first_rank()
        return totals[0], totals[1]

    def stop(self, *_: object) -> None:
        """Ends the run after this step; a signal handler."""
        self.is_stopping = True

    def _add_ranks(self, sums: Tensor) -> None:
        """Gradients and sums of all ranks, added up."""
        tensors = [sums] + [p.grad for p in self.model.parameters() if p.grad is not None]
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        totals = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, total in zip(tensors, totals, strict=True):
            tensor.copy_(total.view_as(tensor))

    def _follow_first_rank(self) -> None:
        """One clock for all: the schedule and the end of the run depend on it."""
        state = torch.tensor([self.seconds, self.is_stopping], dtype=torch.float64)
        dist.broadcast(state, 0)
        self.seconds, self.is_stopping = float(state[0]), bool(state[1])

    def _accumulate(self, micro: MicroBatch, n_learned: int, n_micro: int, sums: Tensor) -> None:
        losses = self.computing.losses(Batch.of(micro, self.device))
        loss = losses.sum() / n_learned + BALANCE_WEIGHT * self.computing.balance() / n_micro
        loss.backward()  # type: ignore[no-untyped-call]
        family = torch.from_numpy(micro.family).to(self.device)
        sums[0].index_add_(0, family, losses.detach())
        sums[1].index_add_(0, family, torch.ones_like(losses))


def rate(progress: float) -> float:
    """Learning rate in units of its peak: a short rise, a short plateau, and a straight way down."""
    return max(min(progress / WARMUP, (1 - progress) / COOLING, 1.0), COOLED)


class Log:
    """One JSON line for every `every` steps, and a short line for people."""

    def __init__(self, file: TextIO, every: int) -> None:
        self._file = file
        self._every = every
        self._sums = torch.zeros(2, len(FAMILY_NAMES))
        self._tokens = 0
        self._since = time.perf_counter()

    def add(self, trainer: Trainer, losses: Tensor, counts: Tensor, tokens: int) -> None:
        self._sums += torch.stack([losses, counts])
        self._tokens += tokens
        if trainer.step % self._every:
            return
        total = self._sums.sum(1)
        families = {
            name: round(float(loss / count), 4)
            for name, loss, count in zip(FAMILY_NAMES, *self._sums, strict=True)
            if count > 0
        }
        speed = self._tokens / (time.perf_counter() - self._since)
        entry = {
            "step": trainer.step,
            "seconds": round(trainer.seconds, 1),
            "loss": round(float(total[0] / total[1]), 4),
            "rate": round(rate(trainer.progress), 4),
            "balance": round(float(trainer.computing.balance().detach()), 3),
            "tokens_per_second": round(speed),
            "families": families,
        }
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()
        worst = max(families, key=lambda name: families[name])
        print(
            f"step {entry['step']}  {trainer.progress:.1%}  loss {entry['loss']}  "
            f"worst {worst} {families[worst]}  balance {entry['balance']}  {round(speed)} tokens/s",
            flush=True,
        )
        self._sums.zero_()
        self._tokens, self._since = 0, time.perf_counter()


def run(trainer: Trainer, out: Path, workers: int, log_every: int, run_minutes: float | None) -> None:
    """Trains until the plan is done or this run's time is up; saves on the way, at the end and on Ctrl-C."""
    plan = trainer.plan
    out.mkdir(parents=True, exist_ok=True)
    stop = math.inf if run_minutes is None else trainer.seconds + 60 * run_minutes
    saved = time.monotonic()
    batches = stream(plan.seed, trainer.step, plan.conversations, plan.micro_tokens, workers, trainer.ranks)
    is_first = trainer.rank == 0
    handlers = {kind: signal.signal(kind, trainer.stop) for kind in (signal.SIGINT, signal.SIGTERM)}
    with (out / "log.jsonl" if is_first else Path(os.devnull)).open("a", encoding="utf-8") as file:
        log = Log(file, log_every)
        while trainer.progress < 1 and trainer.seconds < stop and not trainer.is_stopping:
            batch = next(batches)
            tokens = sum(len(micro.ids) for micro in batch)
            losses, counts = trainer.train_step(batch)
            if not is_first:
                continue
            log.add(trainer, losses, counts, tokens)
            if time.monotonic() - saved > SAVE_SECONDS:
                save_state(out, trainer.state())
                saved = time.monotonic()
    batches.close()
    for kind, handler in handlers.items():
        signal.signal(kind, handler)
    if is_first:
        save_state(out, trainer.state())
        export(trainer.model, read_ranks(), out / "model")
        if trainer.is_stopping:
            print("stopped; continue with --resume", file=sys.stderr)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the demo model.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run, created if missing")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes", type=float, help="length of the whole training, over all runs (default: 10)"
    )
    length.add_argument("--steps", type=int, help="the same in steps: reproducible to the bit on one machine")
    parser.add_argument("--run-minutes", type=float, help="end this run earlier; continue with --resume")
    parser.add_argument("--resume", action="store_true", help="continue from the state in --out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--conversations", type=int, help="of a step (default: 96, on a GPU 384)")
    parser.add_argument("--micro-tokens", type=int, help="computed at once (default: 16384, on a GPU 65536)")
    parser.add_argument(
        "--workers", type=int, help="processes that make data (default: by the number of cores)"
    )
    parser.add_argument("--log-every", type=int, default=10, help="steps between two lines of the log")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    args = parse_args(argv)
    wanted = "cuda" if args.device == "auto" and torch.cuda.is_available() else args.device
    device = torch.device("cpu" if wanted == "auto" else wanted)
    on_gpu = device.type == "cuda"
    minutes = 10.0 if args.minutes is None and args.steps is None else args.minutes
    plan = Plan(
        seed=args.seed,
        conversations=args.conversations or (384 if on_gpu else 96),
        micro_tokens=args.micro_tokens or (65536 if on_gpu else 16384),
        minutes=minutes,
        steps=args.steps,
    )
    workers = (
        args.workers if args.workers is not None else min(12, (os.cpu_count() or 1) - 1) if on_gpu else 0
    )
    if dist.is_torchelastic_launched():  # by torchrun
        dist.init_process_group("gloo")
    try:
        state = load_state(args.out) if args.resume else None
        if state is None and (args.out / STATE).exists():
            raise ValueError(f"{args.out} holds a training already: continue it with --resume")
        trainer = Trainer(plan, ModelShape() if state is None else ModelShape(**state["shape"]), device)
        if state is not None:
            trainer.restore(state)
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    n_parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    if trainer.rank == 0:
        print(f"{n_parameters / 1e6:.2f} M parameters on {device}, from step {trainer.step}", flush=True)
    run(trainer, args.out, workers, args.log_every, args.run_minutes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
