"""The generator's answers are right: recomputed here from what the user says."""

from __future__ import annotations

import json
import re

import pytest

from training.data import FAMILIES, Sample, make_sample
from training.data.families.forms import as_json
from training.data.relations import FACTS, RELATIONS
from training.schema_check import is_valid

N_SAMPLES = 300


def samples(family: str) -> list[Sample]:
    half = N_SAMPLES // 2
    return [make_sample("train", 23, i, family) for i in range(half)] + [
        make_sample("heldout", 23, i, family) for i in range(half)
    ]


def asked(sample: Sample) -> str:
    return next(str(m.content) for m in reversed(sample.messages) if m.role == "user")


def final(sample: Sample) -> str:
    return str(sample.messages[-1].content)


def thoughts(sample: Sample) -> str:
    return " ".join(str(m.content) for m in sample.answer if m.channel == "analysis")


def numbers(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"\d+", text)]


def test_there_are_enough_facts_and_each_has_one_answer() -> None:
    assert len(FACTS) >= 300
    questions = [fact.noun for fact in FACTS]
    assert len(questions) == len(set(questions))
    known = {fact.noun: fact.answer for fact in FACTS}
    assert known["the capital of France"] == "Paris"
    assert known["the chemical symbol for gold"] == "Au"
    assert known["the number of legs on a spider"] == "8"
    opposites = dict(next(relation for relation in RELATIONS if relation.key == "opposite").pairs())
    assert all(
        opposites[opposites[word]] == word
        for word in opposites
        if opposites[word] in opposites and word != "long"
    )


@pytest.mark.parametrize("family", ["facts", "tool_unneeded"])
def test_facts_are_those_asked_for(family: str) -> None:
    by_sentence = {fact.sentence: fact for fact in FACTS}
    for sample in samples(family):
        fact = by_sentence[final(sample)]
        assert fact.subject.lower() in asked(sample).lower()
        assert sample.expect.contains == (fact.answer,)


def test_checks_compare_with_the_fact() -> None:
    by_sentence = {fact.sentence: fact for fact in FACTS}
    n_true = 0
    for sample in samples("check"):
        verdict, _, sentence = final(sample).partition(". ")
        claim = by_sentence[sentence].sentence.rstrip(".")
        stated = re.search(rf"(?i)\b{re.escape(claim)}(?!\w)", asked(sample)) is not None
        assert verdict == ("Yes" if stated else "No")
        n_true += stated
    assert 0.3 < n_true / N_SAMPLES < 0.7


def test_followups_keep_the_relation() -> None:
    by_sentence = {fact.sentence: fact for fact in FACTS}
    n_facts = 0
    for sample in samples("followup"):
        said = [str(m.content) for m in sample.messages if m.role == "assistant" and m.channel == "final"]
        if said[-1] not in by_sentence:
            told = " ".join(str(m.content) for m in sample.messages if m.role == "user")
            assert said[-1].rstrip(".").split()[-1] in told
            continue
        n_facts += 1
        facts = [by_sentence[sentence] for sentence in said]
        assert len({fact.relation.key for fact in facts}) == 1
        assert facts[-1].subject.lower() in asked(sample).lower()
    assert n_facts > N_SAMPLES / 2


SIGNS = {
    "+": ("+", "plus", "sum", "added"),
    "-": ("-", "minus", "difference", "take away"),
    "*": ("*", "times", "product", " x ", "multiplied"),
}


def test_sums_are_right() -> None:
    for sample in samples("arithmetic"):
        a, b = numbers(asked(sample))
        sign = next(
            sign for sign, words in SIGNS.items() if any(word in asked(sample).lower() for word in words)
        )
        value = {"+": a + b, "-": a - b, "*": a * b}[sign]
        assert final(sample) == f"{a} {sign} {b} = {value}"


@pytest.mark.parametrize("family", ["arithmetic", "word_problem"])
def test_every_visible_step_is_right(family: str) -> None:
    n_steps = 0
    for sample in samples(family):
        for left, sign, right, value in re.findall(r"(\d+) ([-+*]) (\d+) = (\d+)", thoughts(sample)):
            assert {"+": int(left) + int(right), "-": int(left) - int(right), "*": int(left) * int(right)}[
                sign
            ] == int(value)
            n_steps += 1
    assert n_steps > N_SAMPLES


def test_word_problems_use_the_numbers_of_the_story() -> None:
    for sample in samples("word_problem"):
        a, b = numbers(asked(sample))
        value = numbers(final(sample))[0]
        assert value in (a + b, a - b, b - a, a * b)
        if "each" in asked(sample):
            assert value == a * b
        if re.search("left|gives|lost|younger|spends|broken", asked(sample)):
            assert value == abs(a - b)


def test_counts_are_right() -> None:
    for sample in samples("counting"):
        text = asked(sample)
        answer = final(sample)
        if answer.endswith("words"):
            assert numbers(answer) == [text.count(",") - len(re.findall(r"(?:Hey|OK),|, please", text)) + 1]
        elif answer.endswith("letters"):
            assert any(len(word) == numbers(answer)[0] for word in re.findall("[a-z]+", text))
        else:
            a, b = numbers(text)
            assert numbers(answer) == list(range(a, b + 1))


def test_copies_are_exact() -> None:
    for sample in samples("copying"):
        assert final(sample) in asked(sample)
        assert len(final(sample)) > 0


def test_reversals_are_right() -> None:
    for sample in samples("reversing"):
        answer = final(sample)
        turned = " ".join(answer.split()[::-1]) if " " in answer else answer[::-1]
        assert turned in asked(sample)


@pytest.mark.parametrize("family", ["extraction", "schema"])
def test_records_are_in_the_text_and_fit_the_schema(family: str) -> None:
    for sample in samples(family):
        value = json.loads(final(sample))
        assert value == sample.expect.json
        assert as_json(value) == final(sample)
        if family == "schema":
            assert sample.expect.schema is not None
            assert as_json(sample.expect.schema) in str(sample.messages[1].content)
            assert is_valid(value, sample.expect.schema)
            assert list(value) == list(sample.expect.schema["properties"])
        else:
            assert all(key in asked(sample) for key in value)
        for item in value.values():
            said = [item] if not isinstance(item, list) else item
            assert all(isinstance(each, bool) or str(each) in asked(sample) for each in said)


@pytest.mark.parametrize("family", ["tool_call", "tool_named", "tool_chain"])
def test_calls_are_those_of_a_declared_tool(family: str) -> None:
    n_tools = []
    for sample in samples(family):
        assert sample.expect.call is not None
        name, arguments = sample.expect.call
        declared = str(sample.messages[1].content)
        tools = re.findall(r"^type (\S+) = \(_: \{\n(.*?)^\}\) => any;", declared, re.M | re.S)
        n_tools.append(len(tools))
        assert len({tool for tool, _ in tools}) == len(tools)
        body = dict(tools)[name]
        keys = re.findall(r"^(\w+)(\??): ", body, re.M)
        wanted = [key for key, optional in keys if not optional]
        if family == "tool_named":  # in the user's order
            assert sorted(wanted) == sorted(arguments)
        else:
            assert wanted == list(arguments)
        call = sample.messages[-1]
        assert (call.recipient, json.loads(str(call.content))) == (f"functions.{name}", arguments)
        given = " ".join(str(m.content) for m in sample.messages[2:] if m.role in ("user", "tool"))
        for value in arguments.values():
            said = [value] if not isinstance(value, list) else value
            assert all(isinstance(each, bool) or str(each) in given for each in said)
    assert max(n_tools) >= 3


def test_answers_tell_what_the_tool_said() -> None:
    for sample in samples("tool_answer"):
        result = sample.messages[sample.n_prompt - 1]
        assert result.role == "tool"
        content = str(result.content)
        values = (
            json.loads(content).values()
            if content.startswith("{")
            else [p.split(": ")[1] for p in content.split(", ")]
        )
        told = [str(value) for value in values if value != "ok"]
        assert all(value in final(sample) for value in told) or "status" in content


def test_schema_check_knows_right_from_wrong() -> None:
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer"},
            "c": {"type": "string", "enum": ["red"]},
            "l": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["n"],
        "additionalProperties": False,
    }
    assert is_valid({"n": 1, "c": "red", "l": ["a"]}, schema)
    for wrong in (
        {},
        {"n": "1"},
        {"n": True},
        {"n": 1, "x": 2},
        {"n": 1, "c": "blue"},
        {"n": 1, "l": [1]},
        [1],
    ):
        assert not is_valid(wrong, schema), wrong
    with pytest.raises(KeyError, match="pattern"):
        is_valid("a", {"type": "string", "pattern": "a"})


def test_every_family_is_tested_here_or_says_what_it_says() -> None:
    free = {"greeting", "unknown", "instructions"}
    assert free < FAMILIES.keys()
    for family in free:
        assert all(final(sample) == sample.expect.equals for sample in samples(family))
