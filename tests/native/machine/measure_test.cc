#include <gptoss/error.h>
#include <gptoss/machine.h>

#include "machine/peak.h"
#include "testing.h"

using namespace gptoss;

TEST(every_limit_is_measured) {
  const MachineLimits limits = measure_machine(2);
  CHECK_EQ(limits.n_threads, 2);
  CHECK(limits.read_bytes_per_second > 1e6);
  CHECK_EQ(limits.peaks.size(), machine::supported_peak_loops().size());
  CHECK_EQ(limits.peaks[0].isa, "scalar");
  CHECK_EQ(limits.peaks[0].arithmetic, "float32");
  CHECK_EQ(limits.peaks[1].arithmetic, "int8");
  for (const ArithmeticPeak& peak : limits.peaks) CHECK(peak.macs_per_second > 1e6);
}

TEST(odd_numbers_of_threads_are_refused) {
  CHECK_THROWS(RequestError, measure_machine(-1), "n_threads is -1");
  CHECK_THROWS(RequestError, measure_machine(1025), "n_threads is 1025");
}

TEST(loops_end_whatever_the_number_of_rounds) {
  for (const machine::PeakLoop& loop : machine::supported_peak_loops()) {
    CHECK(loop.macs_per_round > 0);
    loop.run(0);
    loop.run(1);
    loop.run(1000);
  }
}
