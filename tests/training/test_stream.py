"""The stream of conversations: the same from the same seed, well-formed, nothing held out in it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean

import numpy as np
import pytest
from gptoss_gguf.tokenizer import Tokenizer

from training.batches import FAMILY_NAMES, MicroBatch, make_batch
from training.data import FAMILIES, MAX_TOKENS, Sample, Split, encode, make_sample, prompt_ids
from training.data.draw import N_HELDOUT, Draw, is_heldout
from training.harmony_check import read_answer

ROOT = Path(__file__).resolve().parents[2]
N_SAMPLES = 80  # of each family
_DIGEST = """
import hashlib
from training.data import make_sample
text = "".join(repr(make_sample("train", 3, i)) for i in range(400))
print(hashlib.sha256(text.encode()).hexdigest())
"""


def samples(family: str, split: Split, count: int = N_SAMPLES) -> list[Sample]:
    return [make_sample(split, 17, index, family) for index in range(count)]


def test_stream_depends_on_the_seed_alone() -> None:
    """Another process, with other hashes, makes the same."""
    here = hashlib.sha256("".join(repr(make_sample("train", 3, i)) for i in range(400)).encode()).hexdigest()
    env = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": str(ROOT)}
    there = subprocess.run(
        [sys.executable, "-c", _DIGEST], env=env, check=True, capture_output=True, text=True, timeout=120
    )
    assert there.stdout.strip() == here
    assert make_sample("train", 3, 0) != make_sample("train", 4, 0)
    assert make_sample("train", 3, 0) != make_sample("train", 3, 1)


def test_families_and_templates_are_many() -> None:
    assert len(FAMILIES) >= 12
    for name, family in FAMILIES.items():
        assert len(set(family.templates)) >= 20, name
        kept, heldout = family.templates[:-N_HELDOUT], family.templates[-N_HELDOUT:]
        assert len(heldout) == N_HELDOUT == len(set(heldout) - set(kept)), name


@pytest.mark.parametrize("family", FAMILIES)
def test_templates_stay_in_their_split(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    used: dict[str, set[str]] = defaultdict(set)
    choose = Draw.template

    def record(self: Draw, templates: tuple[str, ...]) -> str:
        chosen = choose(self, templates)
        used[self.split].add(chosen)
        return chosen

    monkeypatch.setattr(Draw, "template", record)
    samples(family, "train", 200)
    samples(family, "heldout", 200)
    assert used["heldout"]
    assert not used["heldout"] & used["train"]
    assert used["heldout"] & set(FAMILIES[family].templates[-N_HELDOUT:])


def test_heldout_content_is_new() -> None:
    """Questions, tool names and copied texts of the evaluation do not occur in training."""
    asked: dict[str, set[str]] = {"train": set(), "heldout": set()}
    tools: dict[str, set[str]] = {"train": set(), "heldout": set()}
    for split, count in (("train", 12_000), ("heldout", 1500)):
        for index in range(count):
            sample = make_sample(split, 5, index)  # type: ignore[arg-type]
            asked[split] |= {str(m.content) for m in sample.messages[-3:] if m.role == "user"}
            if sample.expect.call:
                tools[split].add(sample.expect.call[0])
            if sample.family == "copying":
                assert is_heldout(str(sample.expect.equals)) == (split == "heldout")
    assert not asked["train"] & asked["heldout"]
    assert len(tools["heldout"]) > 100
    assert not tools["train"] & tools["heldout"]


@pytest.mark.parametrize("split", ["train", "heldout"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_answer_is_strict_harmony(tokenizer: Tokenizer, family: str, split: Split) -> None:
    for sample in samples(family, split):
        ids, mask = encode(tokenizer, sample)
        prompt = prompt_ids(tokenizer, sample)
        assert len(ids) <= MAX_TOKENS
        assert ids[: len(prompt)] == prompt
        answer = ids[len(prompt) :]
        written = [(m.channel, m.recipient, m.content) for m in read_answer(tokenizer, answer)]
        assert written == [(m.channel, m.recipient, m.content) for m in sample.answer]
        assert mask[len(prompt) :] == [True] * len(answer)
        if family != "tool_chain" and family != "tool_answer":  # their prompts hold a call of the same turn
            assert not any(mask[: len(prompt)])


@pytest.mark.parametrize("family", ["tool_chain", "tool_answer"])
def test_earlier_steps_of_a_chain_are_learned(tokenizer: Tokenizer, family: str) -> None:
    for sample in samples(family, "train", 20):
        ids, mask = encode(tokenizer, sample)
        prompt = prompt_ids(tokenizer, sample)
        first = [token for token, learned in zip(ids[: len(prompt)], mask, strict=False) if learned]
        written = read_answer(tokenizer, first)
        assert written[-1].recipient is not None
        # From the tool's result to where the second answer begins, all is given.
        assert not any(mask[len(prompt) - 3 : len(prompt)])


@pytest.mark.parametrize("family", sorted(FAMILIES.keys() - {"greeting", "copying"}))
def test_more_effort_means_more_reasoning(family: str) -> None:
    lengths: dict[str | None, list[int]] = defaultdict(list)
    for sample in samples(family, "train", 150):
        thoughts = [str(m.content) for m in sample.answer if m.channel == "analysis"]
        assert len(thoughts) == (sample.effort is not None)
        lengths[sample.effort].append(sum(map(len, thoughts)))
        stated = f"Reasoning: {sample.effort}"
        assert (stated in str(sample.messages[0].content)) == (sample.effort is not None)
    assert mean(lengths["low"]) < mean(lengths["medium"]) < mean(lengths["high"])
    assert set(lengths[None]) == {0}


def conversations_of(batch: MicroBatch) -> list[tuple[list[int], list[int], list[str]]]:
    """(ids, learned ids, their families) of every conversation: what a row sees, put together again."""
    is_learned = np.isin(np.arange(len(batch.ids)), batch.learned)
    family_at = dict(zip(batch.learned.tolist(), batch.family.tolist(), strict=True))
    found = []
    for group in batch.groups:
        prefix = range(group.start, group.start + group.n_prefix)
        assert not is_learned[prefix].any()
        for segment in group.segments:
            places = (segment.start + segment.order).reshape(segment.rows, segment.width)
            assert sorted(segment.order[segment.inverse].tolist()) == list(range(segment.n_tokens))
            for row in places:
                own = list(dict.fromkeys(row.tolist()))  # padding repeats
                text = [*prefix, *own]
                assert batch.positions[text].tolist() == list(range(len(text)))
                assert not is_learned[own[0]]
                learned = [place for place in own if is_learned[place]]
                families = [FAMILY_NAMES[family_at[place]] for place in learned]
                found.append((batch.ids[text].tolist(), batch.ids[learned].tolist(), families))
    return found


def test_batches_are_the_conversations(tokenizer: Tokenizer) -> None:
    batch = make_batch(tokenizer, seed=2, step=7, conversations=60, micro_tokens=4096)
    again = make_batch(tokenizer, seed=2, step=7, conversations=60, micro_tokens=4096)
    assert len(batch) > 1
    assert any(len(group.segments) > 1 for micro in batch for group in micro.groups)
    found = []
    for micro, same in zip(batch, again, strict=True):
        np.testing.assert_array_equal(micro.ids, same.ids)
        assert len(micro.ids) <= 4096
        found += conversations_of(micro)
    expected = []
    for index in range(60):
        sample = make_sample("train", 2, 7 * (1 << 20) + index)
        ids, mask = encode(tokenizer, sample)
        learned = [token for token, learn in zip(ids, mask, strict=True) if learn]
        expected.append((ids, learned, [sample.family] * len(learned)))
    assert sorted(found) == sorted(expected)
    assert sum(len(micro.ids) for micro in batch) < 0.8 * sum(len(ids) for ids, _, _ in expected)
    other = make_batch(tokenizer, seed=2, step=8, conversations=60, micro_tokens=4096)
    assert other[0].ids.tolist() != batch[0].ids.tolist()


def test_ranks_share_a_batch(tokenizer: Tokenizer) -> None:
    """As many micro batches for each rank, of similar size, and the same conversations in all."""
    whole = make_batch(tokenizer, seed=2, step=7, conversations=60, micro_tokens=1 << 20)
    shared = make_batch(tokenizer, seed=2, step=7, conversations=60, micro_tokens=1 << 20, ranks=3)
    assert (len(whole), len(shared)) == (1, 3)
    texts = [conversations_of(micro) for micro in shared]
    assert sorted(text for part in texts for text in part) == sorted(conversations_of(whole[0]))
    sizes = [sum(len(ids) for ids, _, _ in part) for part in texts]
    assert max(sizes) < 1.3 * min(sizes)


def test_vocabulary_ends_with_the_harmony_tokens(tokenizer: Tokenizer) -> None:
    assert tokenizer.n_vocab == 4000
    assert min(tokenizer.specials.values()) == 4000 - 21
    n_chars = n_tokens = 0
    for index in range(200):
        text = " ".join(str(message.content) for message in make_sample("train", 1, index).messages[1:])
        n_chars, n_tokens = n_chars + len(text), n_tokens + len(tokenizer.encode(text))
    assert n_chars / n_tokens > 2
