"""Which cases the lengths on the command line mean."""

import pytest
from gptoss_gguf.bench.cases import Case, cases, parse_counts
from gptoss_gguf.errors import RequestError


def test_cases_come_in_the_order_of_llama_bench() -> None:
    names = [case.name for case in cases([512, 64], [128], [0, 4096])]
    assert names == [
        "pp512",
        "pp64",
        "tg128",
        "pp512 @ d4096",
        "pp64 @ d4096",
        "tg128 @ d4096",
    ]


def test_a_length_of_0_leaves_a_kind_out() -> None:
    assert [case.name for case in cases([0], [16], [0])] == ["tg16"]
    assert [case.name for case in cases([16], [0], [0])] == ["pp16"]
    with pytest.raises(RequestError, match="nothing to time"):
        cases([0], [0], [0, 5])


def test_a_case_knows_its_tokens_and_its_context() -> None:
    assert (Case(64, 0, 100).n_tokens, Case(64, 0, 100).n_ctx) == (64, 165)
    assert (Case(0, 16, 100).n_tokens, Case(0, 16, 100).n_ctx) == (16, 117)


def test_lists_of_counts() -> None:
    assert parse_counts("512", "-p") == [512]
    assert parse_counts("512,0,128,512", "-p") == [512, 0, 128]
    for wrong in ("", "a", "1,", "-1", "1.5", "1;2", str(2**31)):
        with pytest.raises(RequestError, match=f"-p {wrong}: expected a number"):
            parse_counts(wrong, "-p")
