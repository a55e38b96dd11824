// Micro test framework: TEST(name) { CHECK(...); }. A failed check ends its test. The main is in
// testing_main.cc.
#pragma once

#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace gptoss::testing {

// ThreadSanitizer makes the kernels some fifty times slower; tests that need no such length are
// shorter under it.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Case {
  const char* name;
  void (*body)();
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

struct Register {
  Register(const char* name, void (*body)()) { cases().push_back({name, body}); }
};

[[noreturn]] inline void fail(const char* file, int line, const std::string& message) {
  throw Failure(std::string(file) + ":" + std::to_string(line) + ": " + message);
}

template <class A, class B>
void check_eq(const A& a, const B& b, const char* text, const char* file, int line) {
  if (a == b) return;
  std::ostringstream out;
  out << "CHECK_EQ(" << text << "): " << a << " vs " << b;
  fail(file, line, out.str());
}

template <class E>
void check_throws(const std::function<void()>& body, std::string_view part, const char* text,
                  const char* file, int line) {
  try {
    body();
  } catch (const E& error) {
    if (std::string_view(error.what()).find(part) != std::string_view::npos) return;
    fail(file, line, "CHECK_THROWS: no '" + std::string(part) + "' in '" + error.what() + "'");
  } catch (const std::exception& error) {
    fail(file, line, "CHECK_THROWS: another exception type: " + std::string(error.what()));
  }
  fail(file, line, std::string("CHECK_THROWS: nothing thrown by ") + text);
}

}  // namespace gptoss::testing

#define TEST(name)                                                             \
  static void test_##name();                                                   \
  static const gptoss::testing::Register register_##name(#name, &test_##name); \
  static void test_##name()
#define CHECK(condition) \
  ((condition) ? void() : gptoss::testing::fail(__FILE__, __LINE__, "CHECK(" #condition ")"))
#define CHECK_EQ(a, b) gptoss::testing::check_eq((a), (b), #a ", " #b, __FILE__, __LINE__)
// CHECK_THROWS(type, expression, part of the message)
#define CHECK_THROWS(type, expression, part)                                                      \
  gptoss::testing::check_throws<type>([&] { (void)(expression); }, (part), #expression, __FILE__, \
                                      __LINE__)
