"""Held-out accuracy of the demo model, through this project's own engine; run from the checkout:

    python -m training.evaluate MODEL.gguf [--count 200] [--json FILE]

Every prompt has a phrasing (and tools, names, texts) that training never saw. Answers are greedy, but for the
last column: whether it is well-formed Harmony when sampled at temperature 1.0. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from gptoss_gguf import LLM, SamplingParams
from gptoss_gguf.tokenizer import Tokenizer

from .data import FAMILIES, MAX_TOKENS, Expect, Sample, make_sample, prompt_ids
from .harmony_check import Written, read_answer
from .schema_check import is_valid

_SEED: Final = 2026
_MAX_ANSWER: Final = 400  # tokens
# The groups of the model card: their families, and the least share of right answers.
GROUPS: Final = {
    "facts and arithmetic": (("facts", "followup", "arithmetic"), 0.95),
    "tool calls": (("tool_call", "tool_named", "tool_chain"), 0.95),
    "schema answers": (("schema",), 0.90),
}
WELL_FORMED_GOAL: Final = 0.99


@dataclass
class Score:
    """Counts of one family: right answers, well-formed greedy ones, well-formed sampled ones.

    valid: answers that are valid under their schema, whatever they say; None where there is no schema.
    """

    count: int = 0
    right: int = 0
    well_formed: int = 0
    well_formed_sampled: int = 0
    valid: int | None = None


def is_right(expect: Expect, messages: Sequence[Written]) -> bool:
    """Whether the last message is the expected call or answer."""
    last = messages[-1]
    if expect.call is not None:
        name, arguments = expect.call
        return last.recipient == f"functions.{name}" and parse_json(last.content) == arguments
    if last.recipient is not None:
        return False
    if expect.json is not None:
        return bool(parse_json(last.content) == expect.json)
    if expect.equals is not None:
        return last.content == expect.equals
    return all(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", last.content) for word in expect.contains)


def parse_json(text: str) -> Any:
    """The value of a JSON text; an object that equals nothing where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return object()


def read(tokenizer: Tokenizer, ids: Sequence[int]) -> list[Written] | None:
    """The messages, or None where they are malformed."""
    try:
        return read_answer(tokenizer, ids)
    except ValueError:
        return None


def evaluate(
    llm: LLM, count: int, families: Sequence[str], failures: list[dict[str, Any]]
) -> dict[str, Score]:
    """Scores by family, over `count` held-out conversations each; appends wrong answers to `failures`."""
    scores = {}
    for family in families:
        samples = [make_sample("heldout", _SEED, index, family) for index in range(count)]
        prompts = [prompt_ids(llm.tokenizer, sample) for sample in samples]
        greedy = llm.generate(prompts, SamplingParams(temperature=0.0, max_tokens=_MAX_ANSWER))
        sampled = llm.generate(prompts, SamplingParams(temperature=1.0, seed=7, max_tokens=_MAX_ANSWER))
        score = Score(count=count)
        for sample, output, other in zip(samples, greedy, sampled, strict=True):
            _count(llm.tokenizer, score, sample, output.token_ids, failures)
            score.well_formed_sampled += read(llm.tokenizer, other.token_ids) is not None
        scores[family] = score
    return scores


def _count(
    tokenizer: Tokenizer, score: Score, sample: Sample, ids: Sequence[int], failures: list[dict[str, Any]]
) -> None:
    messages = read(tokenizer, ids)
    right = messages is not None and is_right(sample.expect, messages)
    score.well_formed += messages is not None
    score.right += right
    if sample.expect.schema is not None:
        is_shaped = messages is not None and is_valid(parse_json(messages[-1].content), sample.expect.schema)
        score.valid = (score.valid or 0) + is_shaped
    if not right:
        failures.append(
            {
                "family": sample.family,
                "effort": sample.effort,
                "user": sample.messages[sample.n_prompt - 1].content,
                "expected": asdict(sample.expect),
                "written": tokenizer.decode(ids),
            }
        )


def summary(scores: dict[str, Score]) -> dict[str, tuple[float, float]]:
    """For each promise of the model card: (reached, wanted), as shares; only those that were measured."""
    result = {}
    for group, (families, goal) in GROUPS.items():
        found = [scores[family] for family in families if family in scores]
        if found:
            good = sum(each.right if each.valid is None else each.valid for each in found)
            result[group] = (good / sum(each.count for each in found), goal)
    total = sum(score.count for score in scores.values())
    sampled = sum(score.well_formed_sampled for score in scores.values())
    result["well-formed Harmony at temperature 1.0"] = (sampled / total, WELL_FORMED_GOAL)
    return result


def markdown(scores: dict[str, Score]) -> str:
    """The tables of the model card."""
    lines = ["| held-out | reached | wanted |", "|---|---|---|"]
    lines += [f"| {name} | {got:.1%} | {goal:.0%} |" for name, (got, goal) in summary(scores).items()]
    lines += [
        "",
        "| family | prompts | right | valid | well-formed | at temperature 1.0 |",
        "|---|---|---|---|---|---|",
    ]
    for family, score in scores.items():
        shares = [score.right, score.valid, score.well_formed, score.well_formed_sampled]
        cells = ["" if share is None else f"{share / score.count:.1%}" for share in shares]
        lines.append(f"| {family} | {score.count} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description="Held-out accuracy of the demo model.")
    parser.add_argument("model", type=Path, help="the converted GGUF")
    parser.add_argument("--count", type=int, default=200, help="prompts of each family")
    parser.add_argument("--family", action="append", choices=FAMILIES, help="only this one; may be repeated")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes scores and wrong answers")
    args = parser.parse_args(argv)
    failures: list[dict[str, Any]] = []
    with LLM(args.model, device=args.device, n_ctx=MAX_TOKENS + _MAX_ANSWER, quiet=True) as llm:
        scores = evaluate(llm, args.count, args.family or list(FAMILIES), failures)
    print(markdown(scores))
    if args.json:
        report = {
            "summary": {
                name: {"reached": got, "wanted": goal} for name, (got, goal) in summary(scores).items()
            },
            "families": {family: asdict(score) for family, score in scores.items()},
            "failures": failures,
        }
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0 if all(got >= goal for got, goal in summary(scores).values()) else 1


if __name__ == "__main__":
    sys.exit(main())
