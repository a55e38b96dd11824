// The rotary frequencies of the model, with YaRN's context extension.
#pragma once

#include "kernels/ops.h"
#include "model/config.h"

namespace gptoss::model {

// YaRN (Peng et al. 2023, arXiv 2309.00071) with `truncate: false`: the correction range is not
// rounded to whole dimensions, as in the released implementations (llama.cpp rounds it).
kernels::Rope make_rope(const Config& config);

}  // namespace gptoss::model
