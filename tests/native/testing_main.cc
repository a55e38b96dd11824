// Runs all tests of the program, or those whose name contains argv[1].
#include <cstdio>
#include <cstring>

#include "testing.h"

int main(int argc, char** argv) {
  int passed = 0;
  int failed = 0;
  for (const gptoss::testing::Case& test : gptoss::testing::cases()) {
    if (argc > 1 && std::strstr(test.name, argv[1]) == nullptr) continue;
    try {
      test.body();
      ++passed;
    } catch (const std::exception& error) {
      ++failed;
      std::fprintf(stderr, "FAIL %s: %s\n", test.name, error.what());
    }
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  // A filter that matches nothing is a mistake, not a success.
  return failed > 0 || passed == 0 ? 1 : 0;
}
