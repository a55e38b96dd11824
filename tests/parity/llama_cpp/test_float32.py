"""The whole model against llama.cpp where neither side rounds, and the one difference left: YaRN's range.

llama.cpp computes in float32 when the weights are F32, the KV cache is F32 and flash attention is off. It
rounds YaRN's correction range to whole dimensions, which gpt-oss does not; in a file whose range is whole
already, that changes nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from tests.fixtures.models import MODELS, goldens
from tests.parity.gguf_types.reference import reference_logits, relative_errors
from tests.parity.llama_cpp.files import GoldenFiles
from tests.parity.llama_cpp.worker import Llama

# The golden model whose experts are all chosen: no near-tie of a router can fall the other way.
ALL_EXPERTS: Final = "e4"


@pytest.mark.parametrize("name", MODELS)
def test_logits_agree_in_float32(llama: Llama, files: GoldenFiles, name: str) -> None:
    """1e-4 at every position, the bound that also holds against transformers."""
    path = files.float32(files.whole_yarn_range(files.converted(name)))
    for golden in list(goldens(name))[:4]:
        ids = golden.ids.tolist()
        errors = relative_errors(reference_logits(path, ids), llama.logits(path, ids, plain=True))
        print(f"{name}, {len(errors)} tokens: median {np.median(errors):.1e}, max {errors.max():.1e}")
        assert errors.max() <= 1e-4


def test_rounded_yarn_range_is_the_whole_difference(llama: Llama, files: GoldenFiles) -> None:
    released = files.float32(files.converted(ALL_EXPERTS))
    whole = files.float32(files.whole_yarn_range(files.converted(ALL_EXPERTS)))
    ids = list(goldens(ALL_EXPERTS))[-1].ids.tolist()
    theirs = llama.logits(released, ids, plain=True)
    # llama.cpp cannot tell the two files apart ...
    np.testing.assert_array_equal(theirs, llama.logits(whole, ids, plain=True))
    # ... its logits are those of the whole range (3e-4: its rotation angles are products of up to 31 factors,
    # whose rounding errors grow with the position) ...
    errors = relative_errors(theirs, reference_logits(whole, ids))
    print(f"whole range, {len(ids)} tokens: median {np.median(errors):.1e}, max {errors.max():.1e}")
    assert errors.max() <= 3e-4
    # ... and drift away from those of the released range.
    drift = relative_errors(theirs, reference_logits(released, ids))
    ends = (8, 128, 1024, len(ids))
    medians = [float(np.median(drift[end // 2 : end])) for end in ends]
    print(f"released range: median in [n/2, n) for n = {ends}: {', '.join(f'{m:.1e}' for m in medians)}")
    assert medians == sorted(medians)
    assert medians[-1] > 10 * medians[0]
    assert 1e-3 < medians[-1] < 5e-2
